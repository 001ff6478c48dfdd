"""Spread: n units over at least k places, none of them above ceil(n / k).

Places are factories, or the instances of one level in all factories. One unit in each of k places,
and a share for each, are caps on domains of the tree, and what the tree allows under caps is a
polymatroid: whatever is independent grows to a greatest set. So the greatest sums under the two caps
decide exactly.
"""

from aifactory_solver.strict.layout import FACTORIES, Units
from aifactory_solver.strict.places import Ask, Finder


class _Spread:
    """One pool's spread: its places and its units in them."""

    def __init__(self, finder: Finder, ask: Ask) -> None:
        self.finder, self.ask, self.layout, self.space = finder, ask, finder.layout, finder.space
        self.k = self.layout.spread[ask.pool]
        self.kind = self.layout.kind(ask.pool)
        self.group = self.layout.group_of(self.kind)
        self.classes = finder.choices(ask)
        self.board = self.space.board(ask.system, self.kind)
        self.beside: dict[int, int] = {}
        for cell, n in ask.beside.items():
            place = self.group[cell]
            self.beside[place] = self.beside.get(place, 0) + n
        self.held = sum(self.beside.values())

    def share(self, more: int) -> int:
        """The most units of one place when ``more`` are added."""
        return -(-(self.held + more) // self.k)

    def capacity(self, share: int, enough: int) -> int:
        """How many units fit when no place may hold more than ``share``; or any that are enough."""
        total = 0
        for factories in self.classes:
            for f in factories:
                total += self._in_factory(f, share)
                if total >= enough:
                    return total
        return total

    def _in_factory(self, factory: int, share: int) -> int:
        layout, system, beside = self.layout, self.ask.system, self.beside
        m = self.space.tree(system).m
        root = layout.roots[factory]
        if not m[root]:
            return 0
        if self.kind == FACTORIES:
            return max(0, min(m[root], share - beside.get(root, 0)))
        left, watts = self.space.left, layout.watts[system][factory]
        under: dict[int, int] = {}
        for domain, places, others in layout.above(self.kind, factory):
            total = 0
            for d in places:
                if m[d]:
                    total += m[d] if m[d] < share else share
            if beside:
                for d in places:
                    if d in beside:
                        total -= min(m[d], share) - max(0, min(m[d], share - beside[d]))
            for d in others:
                total += under[d]
            under[domain] = max(0, min(total, left[domain] // watts))
        return under.get(root, 0)

    def lacking(self) -> int:
        """Places that still need their first unit."""
        return self.k - len(self.beside.keys() - {-1})

    def fits(self, more: int) -> int:
        """How many new units fit when ``more`` are asked, -1 where fewer would not fit either."""
        lacking = self.lacking()
        if self.held + more < self.k:
            return -1
        if lacking > 0 and (more < lacking or self.capacity(1, lacking) < lacking):
            return -1
        return min(more, self.capacity(self.share(more), more))

    def best(self, cap: int, held: dict[int, int], homes: set[int]) -> tuple[int, int]:
        """The next place and the room in it: one where it was, the cheapest, the roomiest, the first."""
        layout, space, system, kind = self.layout, self.space, self.ask.system, self.kind
        found = []
        for d in homes:
            if self.finder.serves(self.ask, d):
                room = min(space.fit(system, kind, d), cap - held.get(d, 0))
                if room > 0:
                    found.append((layout.price[system][layout.factory[d]], -room, d))
        if found:
            _, room, place = min(found)
            return place, -room
        for factories in self.classes:
            most, place = 0, -1
            for f in factories:
                # A factory that cannot do better need not be looked at.
                least = most if most > 0 and self.board.low[f] < place else most + 1
                if cap < least or not space.roomy(self.board, [f], least):
                    continue
                for fit, d in reversed(space.fits(self.board, f)):
                    if fit < most:
                        break
                    room = min(fit, cap - held.get(d, 0))
                    if room > most or (room == most and d < place):
                        most, place = room, d
            if most > 0:
                return place, most
        raise AssertionError("what was counted has a place")


def fits_spread(finder: Finder, ask: Ask) -> bool:
    """Whether the ask fits as it is."""
    return _Spread(finder, ask).fits(ask.units) == ask.units


def lacks_spread(finder: Finder, ask: Ask) -> int:
    """How many more units there must be room for, at least, before the ask fits."""
    spread = _Spread(finder, ask)
    lacking = spread.lacking()
    first = lacking - spread.capacity(1, lacking) if lacking > 0 else 0
    return max(first, ask.units - spread.capacity(spread.share(ask.units), ask.units))


def most_spread(finder: Finder, ask: Ask) -> int:
    """The most units, at most ``ask.units``, that a spread pool adds; numbers without a split are skipped."""
    spread, more = _Spread(finder, ask), ask.units
    while more > 0:
        fits = spread.fits(more)
        if fits == more:
            return more
        if fits < 0:
            return 0
        more = min(more - 1, fits)  # a smaller total has no larger share, so nothing between fits
    return 0


def place_spread(finder: Finder, ask: Ask) -> Units | None:
    """Places for a spread pool: first one unit in each place that needs one, then up to the share."""
    spread = _Spread(finder, ask)
    if spread.fits(ask.units) < ask.units:
        return None
    layout, space, group = finder.layout, finder.space, spread.group
    share, lacking, rest = spread.share(ask.units), spread.lacking(), ask.units
    units, held, mark = Units(), dict(spread.beside), finder.mark()
    homes = {group[cell] for cell in ask.former}
    while rest:
        best, room = spread.best(1 if lacking > 0 else share, held, homes)
        n, more = min(rest, 1 if lacking > 0 else room), Units()
        for cell, before in ask.former.items():
            if group[cell] == best and layout.cell_system[cell] == ask.system:
                back = min(before - units.get(cell, 0), space.free[cell], n - sum(more.values()))
                more[cell] = finder.take(cell, back)
        if not any(more.values()):
            finder.fill(best, n, space.tree(ask.system), more)
            for cell, count in more.items():
                finder.take(cell, count)
        for cell, count in more.items():
            units[cell] = units.get(cell, 0) + count
            held[best] = held.get(best, 0) + count
        rest -= sum(more.values())
        lacking -= 1
    finder.undo(mark)
    return {cell: n for cell, n in units.items() if n}
