"""Why a pool waits: the limits that bind, and the smallest change found that would free it.

The change is found by building: what fits is placed, the rest is placed beyond the limits where that costs
least, and the limits that are then exceeded are those to raise. Of several ways to stand the cheapest one is
taken that the own search of the engine confirms, lowered until less of any part of it would not do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from aifactory_solver.explain.relief import Relief
from aifactory_solver.explain.stretch import Stretch, Target
from aifactory_solver.problem import Array, Ints, Problem, Solution, Topology
from aifactory_solver.strict.layout import Layout
from aifactory_solver.strict.places import Ask, Finder
from aifactory_solver.strict.room import Room
from aifactory_solver.strict.search import most
from aifactory_solver.strict.trial import Amounts

_OPTIONS = 4  # places that are tried for each packed pool, the roomiest first
_ENDLESS = np.iinfo(np.int64).max // 4


@dataclass(frozen=True)
class Shortage:
    """What a waiting pool lacks on its nearest option."""

    system: int  # -1: no cell of any acceptable system is open to it
    units: int  # units asked for
    fits: int  # of them, what fits now
    unit_watts: int
    raises: tuple[tuple[int, int], ...]  # (domain, watts): limits to raise, the largest raise first
    units_short: int  # units for which there is no slot at all
    slots: tuple[tuple[int, int], ...]  # (domain, units): where those slots are missing, the most first
    near: int  # the first such domain, else one where the pool would stand; -1 if no change lets it in
    most: int  # units for which there would be slots if nothing else stood anywhere and power did not matter
    left: dict[int, int]  # domain -> watts that are free there now, for the limits to raise
    held_by_priority: int | None = None  # see `Relief.held_by`
    whole: "Shortage | None" = None  # of growth: what all its missing units lack, where they are more


_Way = list[tuple[Target, int]]  # a way to stand: so many units on each target


@dataclass(frozen=True, eq=False)
class _Change:
    """What would let an ask in if it stood one way."""

    ask: Ask
    watts: Amounts  # by domain
    slots: Amounts  # by cell
    most: int  # see `Shortage`
    near: int  # a domain where it would stand


class Explainer:
    """Explains the pools that wait after a solution.

    ``hidden`` are slots that the problem does not have and that may come back, by system. Who wishes for more
    units than even they would allow is told of no change: it would be one of a million missing slots.
    Without ``hidden`` nobody knows of how many slots there could be.
    """

    def __init__(
        self,
        problem: Problem,
        solution: Solution,
        xp: Array = np,
        *,
        hidden: Mapping[int, int] | None = None,
    ) -> None:
        self.problem = problem
        self._hidden = hidden
        self.room = room = Room(Layout(problem, xp))
        self.layout: Layout = room.layout
        vacant_free = np.where(problem.cell_open, problem.cell_units, 0)
        self.vacant = Finder(room, np.full_like(problem.limit, _ENDLESS), vacant_free)
        self._vacant_slots = vacant_free > 0
        room.follow(solution)
        self.now = Finder.over(room.space)
        self._cells: dict[tuple[int, int], Ints] = {}
        self._spots: dict[tuple[int, int, int], dict[int, list[int]]] = {}
        self._ranked: dict[tuple[int, int, int, bool], list[int]] = {}
        self._targets: dict[tuple[int, int, int, int], Target] = {}
        self._stretch, self._relief = Stretch(room), Relief(room)

    def explain(self, pool: int) -> Shortage:
        """What the pool's minimum lacks, or the next unit of its growth where the minimum is served."""
        asks = self._asks(pool)
        if not asks:
            return Shortage(-1, 0, 0, 0, (), 0, (), -1, 0, {})
        first = [self._next(ask) for ask in asks]
        found = self._lacks(first)
        whole = next(ask for ask in asks if ask.system == found.system)
        if whole.units > found.units:
            found = replace(found, whole=self._lacks([whole]))
        return replace(found, held_by_priority=self._relief.held_by(pool, asks))

    def _lacks(self, asks: list[Ask]) -> Shortage:
        """What the nearest of some asks of one pool lacks."""
        some = [ask for ask in asks if not self._hopeless(ask)]
        options = [changes for ask in some if (changes := self._changes(ask))]
        while options:
            best = min(options, key=lambda changes: _cost(changes[0]))
            change = best.pop(0)
            least = self._relief.least(change.ask, change.watts, change.slots)
            if least is not None:
                return self._shortage(change, *least)
            options = [changes for changes in options if changes]
        ask = some[0] if some else max(asks, key=lambda ask: self._most(ask) / ask.units)
        watts = self.layout.watts[ask.system][self.layout.cell_factory[int(self._usable(ask)[0])]]
        slots = self._most(ask)
        return Shortage(ask.system, ask.units, 0, watts, (), ask.units, (), -1, slots, {})

    def _hopeless(self, ask: Ask) -> bool:
        """Whether no power and no neighbour that goes would ever let an ask in."""
        if self._hidden is None:
            return False
        return self._most(ask) + self._hidden.get(ask.system, 0) < ask.units

    def _asks(self, pool: int) -> list[Ask]:
        """What would serve its minimum, or all its wish where that is served."""
        layout, held = self.layout, self.room.places(pool)
        stands = {layout.cell_system[c] for c in held}
        have, asks = sum(held.values()), []
        for system in self.problem.systems[pool]:
            if stands - {system}:
                continue
            units = max(layout.least(pool, system), layout.spread[pool], 1)
            if have >= units:  # its minimum is served: it waits for growth
                units = layout.wish(pool, system)
            ask = Ask(pool, system, max(1, units - have), held, {})
            if len(self._usable(ask)):
                asks.append(ask)
        return asks

    def _next(self, ask: Ask) -> Ask:
        """A minimum as it is; of growth one unit more than fits."""
        least = max(self.layout.least(ask.pool, ask.system), self.layout.spread[ask.pool])
        if ask.units == 1 or sum(ask.beside.values()) < least:
            return ask
        return replace(ask, units=min(ask.units, most(self.now, ask) + 1))

    def _changes(self, ask: Ask) -> list[_Change]:
        """What would let an ask in, for each way to stand; the fewest slots, then the fewest watts first."""
        left, most, ways = self.room.space.left, self._most(ask), self._ways(ask)
        changes = []
        for way in ways:
            used, slots = self._stretch.place(way)
            exceeded = sum(min(left[d], 0) - min(left[d] - watts, 0) for d, watts in used.items())
            watts = {d: watts - left[d] for d, watts in used.items() if left[d] - watts < 0 < watts}
            near = self.layout.cell_domain[way[0][0].every[0][2]]
            changes.append((sum(slots.values()), exceeded, _Change(ask, watts, slots, most, near)))
        return [change for _, _, change in sorted(changes, key=lambda change: change[:2])]

    def _most(self, ask: Ask) -> int:
        """How many units more there would be slots for in a world without others and without limits."""
        beside = sum(ask.beside.values())
        whole = Ask(ask.pool, ask.system, ask.units + beside, {}, {})
        return max(0, most(self.vacant, whole) - beside)

    def _shortage(self, change: _Change, watts: Amounts, slots: Amounts) -> Shortage:
        layout, ask, by_domain = self.layout, change.ask, dict[int, int]()
        for cell, n in slots.items():
            domain = layout.cell_domain[cell]
            by_domain[domain] = by_domain.get(domain, 0) + n
        raises, short = (
            tuple(sorted(some.items(), key=lambda item: (-item[1], item[0]))) for some in (watts, by_domain)
        )
        near = short[0][0] if short else change.near
        return Shortage(
            system=ask.system,
            units=ask.units,
            fits=max(0, most(self.now, ask)),
            unit_watts=layout.watts[ask.system][layout.factory[near]],
            raises=raises,
            units_short=sum(slots.values()),
            slots=short,
            near=near,
            most=change.most,
            left={d: self.room.space.left[d] for d, _ in raises},
        )

    # Ways to stand

    def _usable(self, ask: Ask) -> Ints:
        """Open cells of the system in factories that the pool may stand in, whoever holds them."""
        key = (self.layout.signature[ask.pool], ask.system)
        if key not in self._cells:
            self._cells[key] = np.flatnonzero(self.layout.open_to(ask.pool, ask.system) & self._vacant_slots)
        return self._cells[key]

    def _by_spot(self, ask: Ask, kind: int) -> dict[int, list[int]]:
        """The usable cells of each group."""
        key = (self.layout.signature[ask.pool], ask.system, kind)
        if key not in self._spots:
            group, spots = self.layout.group_of(kind), dict[int, list[int]]()
            for c in self._usable(ask).tolist():
                if group[c] >= 0:
                    spots.setdefault(group[c], []).append(c)
            self._spots[key] = spots
        return self._spots[key]

    def _ways(self, ask: Ask) -> list[_Way]:
        """Ways to stand."""
        layout = self.layout
        if layout.topology[ask.pool] == Topology.NONE:
            return [[(self._target(ask, -1, -1), ask.units)]]
        kind, k = layout.kind(ask.pool), layout.spread[ask.pool]
        spots, group = self._by_spot(ask, kind), layout.group_of(kind)
        if not spots:
            return []
        if k:
            return [
                [(self._target(ask, kind, d), n) for d, n in split.items() if n]
                for split in self._splits(ask, kind)
            ]
        homes = {group[c] for c in ask.beside}
        if homes:
            near = self.now.groups(ask)
            fits = dict(zip(near.domains.tolist(), near.fits.tolist(), strict=True))
            some = [d for d in spots if d in homes] or list(spots)
            ranked = sorted(some, key=lambda d: (-fits.get(d, 0), d))
        else:
            ranked = self._by_rank(ask, kind, slots=False)
        return [[(self._target(ask, kind, d), ask.units)] for d in ranked[:_OPTIONS]]

    def _splits(self, ask: Ask, kind: int) -> list[dict[int, int]]:
        """Units by place of a spread pool: what fits, and the rest in few places.

        The places with the most room come first, or those with the most slots.
        """
        group, k = self.layout.group_of(kind), self.layout.spread[ask.pool]
        held: dict[int, int] = {}
        for cell, n in ask.beside.items():
            held[group[cell]] = held.get(group[cell], 0) + n
        share = -(-(ask.units + sum(held.values())) // k)
        lacking = max(0, k - len(held.keys() - {-1}))
        by_room, by_slots = (self._by_rank(ask, kind, slots=slots) for slots in (False, True))
        fits = self._fits(ask, kind)
        splits = []
        for ranked in (by_room, by_slots):
            first = [d for d in ranked if d not in held][:lacking]
            split, rest = dict.fromkeys(first, 1), ask.units - len(first)
            if len(first) < lacking or rest < 0:
                return []
            for room in (fits, {}):  # what fits first
                for d in ranked:
                    has = split.get(d, 0)
                    most = share - held.get(d, 0)
                    n = min(rest, max(0, (min(most, fits.get(d, 0)) if room else most) - has))
                    split[d], rest = has + n, rest - n
            splits.append(split)
        return splits

    def _fits(self, ask: Ask, kind: int) -> dict[int, int]:
        """The units that fit in each group by itself, where any do."""
        groups = self.now.groups(Ask(ask.pool, ask.system, 1, {}, {}))
        return dict(zip(groups.domains.tolist(), groups.fits.tolist(), strict=True))

    def _by_rank(self, ask: Ask, kind: int, *, slots: bool) -> list[int]:
        """The groups, the roomiest first: by their free slots, or by the units that fit."""
        key = (self.layout.signature[ask.pool], ask.system, kind, slots)
        if key not in self._ranked:
            spots, free = self._by_spot(ask, kind), self.room.space.free
            if slots:
                fits = {d: sum([free[c] for c in cells]) for d, cells in spots.items()}
            else:
                fits = self._fits(ask, kind)
            self._ranked[key] = sorted(spots, key=lambda d: (-fits.get(d, 0), d))
        return self._ranked[key]

    def _target(self, ask: Ask, kind: int, group: int) -> Target:
        key = (self.layout.signature[ask.pool], ask.system, kind, group)
        if key not in self._targets:
            cells = self._usable(ask).tolist() if group < 0 else self._by_spot(ask, kind)[group]
            self._targets[key] = self._stretch.target(cells)
        return self._targets[key]


def _cost(change: _Change) -> tuple[bool, int, int, int]:
    """Sort key: options that only need power first, then the fewest limits and the fewest watts to raise."""
    impossible = change.most < change.ask.units
    return (impossible, sum(change.slots.values()), len(change.watts), sum(change.watts.values()))
