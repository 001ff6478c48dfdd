"""The rules on what a plan may hold and what it may touch. Each yields a line for every place it is broken.

What a pool could still be given is another matter, see ``room``.
"""

from collections.abc import Callable, Iterator

import numpy as np

from aifactory_solver.check.facts import PACKED, SPREAD, Facts, count
from aifactory_solver.problem import Bools, Ints

Rule = Callable[[Facts], Iterator[str]]


def slots(facts: Facts) -> Iterator[str]:
    """A cell holds at most its slots, those being emptied included; a closed cell gets nothing new."""
    problem = facts.problem
    for cell in np.flatnonzero(facts.used > problem.cell_units).tolist():
        slots, over = int(problem.cell_units[cell]), int(facts.used[cell] - problem.cell_units[cell])
        yield f"slots: cell {cell} holds {facts.used[cell]} units, {over} above its {slots}"
    for item in np.flatnonzero(~problem.cell_open[facts.new.cell]).tolist():
        pool, cell = facts.name(int(facts.new.pool[item])), int(facts.new.cell[item])
        yield f"closed: {pool} gets {facts.new.units[item]} new units in cell {cell}, which is closed"


def power(facts: Facts) -> Iterator[str]:
    """A domain carries at most its limit, or else nothing that may be touched is left in it.

    What is being switched off is not counted: its room may be planned for.
    """
    problem = facts.problem
    new = facts.watts(facts.new)
    loose = facts.watts(facts.kept.where(~problem.row_locked))
    for domain in np.flatnonzero((facts.load > problem.limit) & (new + loose > 0)).tolist():
        over = int(facts.load[domain] - problem.limit[domain])
        yield (
            f"power: domain {domain} carries {facts.load[domain]} W, {over} W above its limit of "
            f"{problem.limit[domain]} W, {new[domain]} W new and {loose[domain]} W that could go"
        )


def locked(facts: Facts) -> Iterator[str]:
    """What is locked stays whole."""
    problem = facts.problem
    for row in np.flatnonzero(problem.row_locked & (facts.kept.units < problem.row_units)).tolist():
        units = int(problem.row_units[row])
        yield f"locked: row {row} keeps {facts.kept.units[row]} of {units} units, must keep all"


def leave(facts: Facts) -> Iterator[str]:
    """What has to be emptied is."""
    for row in np.flatnonzero(facts.must_leave & (facts.kept.units > 0)).tolist():
        yield f"leave: row {row} keeps {facts.kept.units[row]} units, must keep none"


def frozen(facts: Facts) -> Iterator[str]:
    """A paused pool orders nothing."""
    for pool in np.flatnonzero(facts.problem.frozen & (facts.new_units > 0)).tolist():
        yield f"frozen: {facts.name(pool)} is paused and gets {facts.new_units[pool]} new units"


def all_or_nothing(facts: Facts) -> Iterator[str]:
    """A pool ends with nothing, with its minimum or more, or with exactly what it had.

    What it had may be less than its minimum: units were lost, or the minimum rose. Where only locked
    units remain nobody could take them away.
    """
    as_it_stood = (facts.kept_units == facts.stood_units) & (facts.new_units == 0)
    only_locked = facts.end_units == facts.locked_units
    wrong = (facts.end_units > 0) & facts.below_minimum & ~as_it_stood & ~only_locked
    for pool in np.flatnonzero(wrong).tolist():
        short = int(facts.minimum[pool] - facts.end_gpus[pool])
        yield (
            f"all or nothing: {facts.name(pool)} ends with {facts.end_gpus[pool]} GPUs, "
            f"{short} below its minimum of {facts.minimum[pool]}, and stood with {facts.stood_gpus[pool]}"
        )


def wish(facts: Facts) -> Iterator[str]:
    """A pool ends with no more units than cover its wish, unless it is paused or they are locked.

    A spread pool keeps more than its wish where no number up to it can be reached by giving units back.
    A wish for nothing always can.
    """
    problem = facts.problem
    most = np.maximum(facts.wish_units, facts.locked_units)
    for pool in np.flatnonzero((facts.end_units > most) & ~problem.frozen).tolist():
        least = facts.least_units(pool, int(facts.unit_gpus[pool]))
        untouched = facts.end_units[pool] == facts.kept_units[pool] == facts.stood_units[pool]
        must_split = problem.spread[pool] and facts.wish_units[pool]
        if untouched and must_split and shrunk_to(facts, pool) < max(least, 1):
            continue
        over = int(facts.end_units[pool] - most[pool])
        ends = f"ends with {facts.end_units[pool]} units"
        yield f"wish: {facts.name(pool)} {ends}, {over} above its wish of {most[pool]}"


def one_system(facts: Facts) -> Iterator[str]:
    """What a pool keeps and is given is of one system."""
    problem = facts.problem
    for pool in np.flatnonzero(facts.new_units > 0).tolist():
        rows = facts.rows_of(pool)
        rows = rows[facts.kept.units[rows] > 0]
        cells = np.concatenate((facts.kept.cell[rows], facts.new.cell[facts.new_of(pool)]))
        systems = np.unique(problem.cell_system[cells])
        if systems.size > 1:
            yield f"one system: {facts.name(pool)} ends on systems {systems.tolist()}"


def acceptable(facts: Facts) -> Iterator[str]:
    """New units are of a system that the pool lists, in a factory where it may stand."""
    problem = facts.problem
    for item, (pool, cell) in enumerate(zip(facts.new.pool.tolist(), facts.new.cell.tolist(), strict=True)):
        system, factory = int(problem.cell_system[cell]), int(problem.factory[problem.cell_domain[cell]])
        given = f"{facts.name(pool)} gets {facts.new.units[item]} new units in cell {cell}"
        if system not in problem.systems[pool]:
            yield f"system: {given} of system {system}, and accepts {list(problem.systems[pool])}"
        if not problem.allowed[pool, factory]:
            yield f"factory: {given} in factory {factory}, where it may not stand"


def pack(facts: Facts) -> Iterator[str]:
    """A packed pool that is given units ends in one group with all it keeps."""
    problem = facts.problem
    for pool in np.flatnonzero(np.isin(problem.topology, PACKED) & (facts.new_units > 0)).tolist():
        group = facts.groups(pool)
        rows, news = facts.rows_of(pool), facts.new_of(pool)
        units = np.concatenate((facts.kept.units[rows], facts.new.units[news]))
        held = count(np.concatenate((group[facts.kept.cell[rows]], group[facts.new.cell[news]])), units)
        if -1 in held:
            yield f"pack: {facts.name(pool)} ends with {held[-1]} units outside any group"
        if len(held) > 1:
            parts = ", ".join(f"{number} in domain {domain}" for domain, number in sorted(held.items()))
            yield f"pack: {facts.name(pool)} ends in {len(held)} groups, 1 is allowed: {parts}"


def spread(facts: Facts) -> Iterator[str]:
    """A spread pool of n units that is given some or gives some ends in k places, none above ceil(n / k).

    A loss does not shrink it: a place that is given nothing may hold more, as long as no unit was taken
    from the pool but by a loss. Units outside any place stay as they are, but not beside new ones of a pool
    whose own spec may move it: that waits until it fits as a whole. What stood apart from the rule before may
    shrink as it is, and where only locked units remain nobody could choose.
    """
    problem = facts.problem
    touched = (facts.new_units > 0) | _reduced(facts)
    loose = facts.end_units > facts.locked_units
    for pool in np.flatnonzero(np.isin(problem.topology, SPREAD) & touched & loose).tolist():
        if facts.new_units[pool] or _well_spread_before(facts, pool):
            yield from _spread(facts, pool)


def _spread(facts: Facts, pool: int) -> Iterator[str]:
    problem = facts.problem
    place, rows, news = facts.groups(pool), facts.rows_of(pool), facts.new_of(pool)
    loose = ~problem.row_locked[rows]
    row_places, new_places = place[facts.kept.cell[rows]], place[facts.new.cell[news]]
    kept = count(row_places, facts.kept.units[rows])
    could_go = count(row_places[loose], facts.kept.units[rows][loose])
    new = count(new_places, facts.new.units[news])
    end = {domain: kept.get(domain, 0) + new.get(domain, 0) for domain in {*kept, *new}}
    outside = end.pop(-1, 0)
    if outside and (-1 in new or (problem.changed[pool] and not problem.frozen[pool])):
        yield f"spread: {facts.name(pool)} ends with {outside} units outside any place"
    most = int(problem.spread[pool])
    if len(end) < most:
        yield f"spread: {facts.name(pool)} ends in {len(end)} places, {most - len(end)} fewer than its {most}"
    share = -(-int(facts.end_units[pool]) // most)
    bound = {*new, *could_go} if _reduced(facts)[pool] else set(new)
    for domain in sorted(bound & set(end)):
        if end[domain] > share:
            yield (
                f"spread: {facts.name(pool)} ends with {end[domain]} of {facts.end_units[pool]} units "
                f"in the place of domain {domain}, {end[domain] - share} above its share of {share}"
            )


def _stood_in(facts: Facts, pool: int, rows: Ints) -> dict[int, int]:
    """Units by place that stood and were not told to leave, of these rows of the pool."""
    rows = rows[~facts.must_leave[rows]]
    return count(facts.groups(pool)[facts.kept.cell[rows]], facts.problem.row_units[rows])


def _well_spread_before(facts: Facts, pool: int) -> bool:
    held = _stood_in(facts, pool, facts.rows_of(pool))
    most = int(facts.problem.spread[pool])
    return -1 not in held and len(held) >= most and max(held.values()) <= -(-sum(held.values()) // most)


def shrunk_to(facts: Facts, pool: int) -> int:
    """Units that a pool is left with at least when it only gives back what is above its wish.

    With x units in each place, a spread pool can go down to n units exactly if the sum of min(x, ceil(n / k))
    over its places is at least n, locked units counting whole, and if n is enough for all that is locked and
    one unit in each of the places that are lacking then; the largest such n up to the wish is what remains,
    0 if there is none.
    """
    top = int(facts.wish_units[pool])
    most = int(facts.problem.spread[pool])
    if not most or not _well_spread_before(facts, pool):
        return top
    rows = facts.rows_of(pool)
    held = _stood_in(facts, pool, rows)
    fast = _stood_in(facts, pool, rows[facts.problem.row_locked[rows]])
    least = sum(fast.values()) + max(0, most - len(fast))
    for units in range(top, least - 1, -1):
        share = -(-units // most)
        if sum(max(fast.get(domain, 0), min(number, share)) for domain, number in held.items()) >= units:
            return units
    return 0


# Who may be touched


def _reduced(facts: Facts) -> Bools:
    """(P,) gave up standing units that no loss took."""
    problem = facts.problem
    rows = (facts.kept.units < problem.row_units) & ~facts.must_leave
    return facts.by_pool(problem.row_pool, rows.astype(np.int64)) > 0


def _forced(facts: Facts) -> Bools:
    """(P,) has units under an exceeded limit, or units that have to leave or are leaving already.

    What leaves already uproots a pool that is below its minimum, whose spread it broke, or that was forced.
    """
    problem = facts.problem
    rows = facts.must_leave | facts.cell_exceeded[problem.row_cell]
    uprooted = problem.uprooted & ((facts.stood_gpus < facts.minimum) | (problem.spread > 0))
    uprooted |= problem.displaced > 0
    return (facts.by_pool(problem.row_pool, rows.astype(np.int64)) > 0) | uprooted


def preempted_by(facts: Facts) -> tuple[Bools, Bools]:
    """Who may have been preempted, and whose minimum gains: both (P,).

    A pool gains when it is given units that its minimum lacks: it stood below its minimum, or what it had
    was taken from it by a limit, a drain, or a pool that gains itself. It may be preempted when a pool of
    strictly higher priority gains. So both follow priority by priority, from the highest.
    """
    problem = facts.problem
    lacks = (problem.minimum > 0) & (facts.kept_gpus < facts.minimum) & (facts.new_units > 0)
    waiting = facts.stood_below_minimum | _forced(facts)
    may_be, gains = np.zeros(problem.pools, np.bool_), np.zeros(problem.pools, np.bool_)
    somebody = False
    order = np.argsort(-problem.priority, kind="stable")
    for equals in np.split(order, np.flatnonzero(np.diff(problem.priority[order])) + 1):
        may_be[equals] = problem.preemptible[equals] & somebody
        gains[equals] = lacks[equals] & (waiting[equals] | may_be[equals])
        somebody = somebody or bool(np.any(gains[equals]))
    return may_be, gains


def calm(facts: Facts) -> Iterator[str]:
    """Nothing that stands is touched without one of the reasons there are.

    A limit that is exceeded or units that have to leave, a minimum of strictly higher priority, the pool's
    own spec, or more units than its wish. The last two have bounds: the old place is kept until the new one
    holds the minimum, and giving back what is above the wish takes no more than that.
    """
    problem = facts.problem
    may_be, _ = preempted_by(facts)
    forced, changed = _forced(facts), problem.changed & ~problem.frozen
    above_wish = (facts.stood_units > facts.wish_units) & ~problem.frozen
    for pool in np.flatnonzero(_reduced(facts) & ~forced & ~may_be).tolist():
        lost = f"{facts.name(pool)} keeps {facts.kept_units[pool]} of {facts.stood_units[pool]} units"
        floor = shrunk_to(facts, pool) if above_wish[pool] else int(facts.stood_units[pool])
        if changed[pool] and facts.new_units[pool]:
            enough = int(min(facts.minimum[pool], facts.stood_gpus[pool]))
            if facts.end_gpus[pool] < enough:
                yield f"calm: {lost}, and its own move gives it {facts.end_gpus[pool]} of {enough} GPUs"
        elif not changed[pool] and not above_wish[pool]:
            yield f"calm: {lost}, and nothing says why"
        elif facts.kept_units[pool] < floor:
            fewer = int(floor - facts.kept_units[pool])
            yield f"calm: {lost}, {fewer} fewer than the {floor} that its own spec leaves it"


def in_vain(facts: Facts) -> Iterator[str]:
    """A pool is only preempted where it is in the way of somebody whose minimum gains.

    In the way means one cell's slots or one domain's watts, so one factory; and in that factory
    new units of a pool of strictly higher priority.
    """
    problem = facts.problem
    may_be, gains = preempted_by(facts)
    other = _forced(facts) | (problem.changed & ~problem.frozen)
    other |= (facts.stood_units > facts.wish_units) & ~problem.frozen
    factory = problem.factory[problem.cell_domain]
    top = np.full(problem.allowed.shape[1], np.iinfo(np.int64).min)  # (F,) highest that gains there
    taken = gains[facts.new.pool]
    np.maximum.at(top, factory[facts.new.cell[taken]], problem.priority[facts.new.pool[taken]])
    for pool in np.flatnonzero(_reduced(facts) & may_be & ~other).tolist():
        rows = facts.rows_of(pool)
        rows = rows[facts.kept.units[rows] < problem.row_units[rows]]
        where = np.unique(factory[facts.kept.cell[rows]])
        if not np.any(top[where] > problem.priority[pool]):
            name = facts.name(pool)
            yield f"in vain: {name} is preempted in factories {where.tolist()}, where nobody above it gains"


RULES: tuple[Rule, ...] = (
    slots,
    power,
    locked,
    leave,
    frozen,
    all_or_nothing,
    wish,
    one_system,
    acceptable,
    pack,
    spread,
    calm,
    in_vain,
)
