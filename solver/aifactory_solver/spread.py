"""Spread: n units over at least k places, none of them above ceil(n / k).

Places are factories, or the instances of one level in all factories. One unit in each of k places,
and a share for each, are caps on domains of the tree, and what the tree allows under caps is a
polymatroid: whatever is independent grows to a greatest set. So the greatest sums under the two caps
decide exactly.
"""

import numpy as np

from aifactory_solver.places import Ask, Finder
from aifactory_solver.problem import Ints, Topology
from aifactory_solver.room import Units


class _Spread:
    """One pool's spread: its places and its units in them."""

    def __init__(self, finder: Finder, ask: Ask) -> None:
        self.finder, self.ask = finder, ask
        problem, room = finder.problem, finder.room
        self.k = int(problem.spread[ask.pool])
        self.topology, self.level = int(problem.topology[ask.pool]), int(problem.topology_level[ask.pool])
        self.watts = room.unit_watts[ask.system]
        over_factories = self.topology == Topology.SPREAD_FACTORY
        self.places = (
            np.asarray(finder.forest.roots, dtype=np.int64)
            if over_factories
            else np.flatnonzero(problem.level == self.level)
        )
        self.counted = None if over_factories else finder.forest.below_level(self.level)
        self.beside: dict[int, int] = {}
        for cell, n in ask.beside.items():
            place = room.group(self.topology, self.level, cell)
            self.beside[place] = self.beside.get(place, 0) + n

    def share(self, more: int) -> int:
        """The most units of one place when ``more`` are added."""
        return -(-(sum(self.beside.values()) + more) // self.k)

    def usable(self, finder: Finder) -> Ints:
        """(C,) slots in some place."""
        usable = finder.usable(self.ask)
        return usable if self.counted is None else np.where(self.counted, usable, 0)

    def capacity(self, finder: Finder, share: int, units: dict[int, int]) -> Ints:
        """m(v) when no place may hold more than ``share``, with what each place holds already."""
        caps = np.full(finder.problem.domains, np.iinfo(np.int64).max, dtype=np.int64)
        caps[self.places] = share
        for place, n in units.items():
            if place >= 0:
                caps[place] = max(0, share - n)
        return finder.forest.capacity(finder.left, self.usable(finder), self.watts, caps)

    def lacking(self) -> int:
        """Places that still need their first unit."""
        return self.k - len(self.beside.keys() - {-1})

    def fits(self, more: int) -> int:
        """How many new units fit when ``more`` are asked, -1 where fewer would not fit either."""
        lacking, roots = self.lacking(), self.finder.forest.roots
        if sum(self.beside.values()) + more < self.k:
            return -1
        if lacking > 0:
            first = int(self.capacity(self.finder, 1, self.beside)[roots].sum())
            if more < lacking or first < lacking:
                return -1
        return min(more, int(self.capacity(self.finder, self.share(more), self.beside)[roots].sum()))


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
    room, forest = finder.room, finder.forest
    share, lacking, rest = spread.share(ask.units), spread.lacking(), ask.units
    scratch, units, held = finder.copy(), Units(), dict(spread.beside)
    homes = {room.group(spread.topology, spread.level, cell) for cell in ask.former}
    while rest:
        m = spread.capacity(scratch, 1 if lacking > 0 else share, held)
        rooms = np.minimum(m, forest.room_above(scratch.left, spread.watts))
        spots = [d for d in spread.places.tolist() if rooms[d] > 0]
        best = min(spots, key=lambda d: (d not in homes, finder.price(ask.system, d), -rooms[d], d))
        n = min(rest, 1 if lacking > 0 else int(rooms[best]))
        usable, more = spread.usable(scratch), Units()
        for cell, before in ask.former.items():
            if room.group(spread.topology, spread.level, cell) == best:
                back = min(before - units.get(cell, 0), int(usable[cell]), n - sum(more.values()))
                more[cell] = scratch.take(cell, back)
        if not any(more.values()):
            scratch.fill(best, n, m, usable, more)
            for cell, count in more.items():
                scratch.take(cell, count)
        for cell, count in more.items():
            units[cell] = units.get(cell, 0) + count
            held[best] = held.get(best, 0) + count
        rest -= sum(more.values())
        lacking -= 1
    return {cell: n for cell, n in units.items() if n}
