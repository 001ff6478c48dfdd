"""Giving up: what a pool loses first, and how a spread pool shrinks."""

from aifactory_solver.strict.room import Room


def give_up(room: Room, pool: int) -> bool:
    """Take everything from a pool that may be taken; whether there was something."""
    rows = _loose(room, pool)
    room.drop_new(pool)
    for r in rows:
        room.keep(r, 0)
    return bool(rows)


def trim(room: Room, pool: int, units: int) -> None:
    """Give up kept units down to ``units``, a spread kept.

    First what is under most exceeded limits, then misfits, heavy and lonely ones.
    """
    layout, left = room.layout, room.space.left
    rows = _loose(room, pool)
    if layout.spread[pool] and units:
        _trim_spread(room, pool, units, rows, strict=False)
        return
    excess = room.held(pool) - units

    def worst(r: int) -> tuple[int, bool, int, int, int]:
        cell = layout.row_cell[r]
        over = sum(left[d] < 0 for d in layout.chains[cell])
        return (-over, layout.row_fits[r], -layout.row_watts[r], room.stays(r), -cell)

    for r in sorted(rows, key=worst):
        n = min(excess, room.stays(r))
        if n > 0:
            room.keep(r, room.stays(r) - n)
            excess -= n


def settle_spread(room: Room, pool: int) -> None:
    """Shrink a spread pool that was cut to the largest number whose split is allowed."""
    if room.layout.spread[pool]:
        cut = room.kept_of[pool] < room.stood_of[pool]
        if cut or room.problem.uprooted[pool]:
            _trim_spread(room, pool, room.held(pool), _loose(room, pool), strict=True)


def _loose(room: Room, pool: int) -> list[int]:
    """The rows of which something stays and which are not locked."""
    return [r for r in room.rows_of[pool] if room.stays(r) and not room.layout.row_locked[r]]


def _trim_spread(room: Room, pool: int, units: int, rows: list[int], *, strict: bool) -> None:
    """Down to the largest number whose split is allowed, locked units staying.

    Where there is none: to nothing if ``strict``, else not at all, unless it stood apart from the rule.
    """
    layout, k = room.layout, room.layout.spread[pool]
    group, cell = layout.group_of(layout.kind(pool)), layout.row_cell
    for r in rows if strict else []:
        if group[cell[r]] < 0:
            room.keep(r, 0)  # outside any place
    in_place, fast = dict[int, int](), dict[int, int]()
    for c, n in room.places(pool).items():
        in_place[group[c]] = in_place.get(group[c], 0) + n
    for r in room.rows_of[pool]:
        if layout.row_locked[r] and room.stays(r):
            fast[group[cell[r]]] = fast.get(group[cell[r]], 0) + room.stays(r)
    stood = sum(in_place.values())
    total, well = (
        min(units, stood),
        max(in_place.values(), default=0) <= -(-stood // k) and -1 not in in_place,
    )
    target = 0 if strict else total
    if len(in_place) >= k:
        least = sum(fast.values()) + max(0, k - len(fast))
        splits = (
            n
            for n in range(total, least - 1, -1)
            if sum(max(fast.get(d, 0), min(c, -(-n // k))) for d, c in in_place.items()) >= n
        )
        target = next(splits, 0 if strict else stood if well else total)
    share = -(-target // k)
    excess = stood - target
    while excess > 0:
        # The fullest place first: no place above the share, none emptied while another has two.
        candidates = [r for r in rows if room.stays(r)]
        if not candidates:
            return
        r = max(candidates, key=lambda r: (in_place[group[cell[r]]], r))
        spot = group[cell[r]]
        others = [n for d, n in in_place.items() if d != spot]
        step = 1 if in_place[spot] <= share else in_place[spot] - max([share, *others])
        step = max(1, min(step, excess, room.stays(r)))
        room.keep(r, room.stays(r) - step)
        in_place[spot] -= step
        excess -= step
