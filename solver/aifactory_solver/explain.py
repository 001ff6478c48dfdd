"""Why a pool waits: the limits that bind, and the smallest change found that would free it.

The change is found by building: what fits is placed, the rest is placed beyond the limits where that costs
least, and the limits that are then exceeded are those to raise. So with exactly that change the pool fits.
"""

from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heapreplace

import numpy as np

from aifactory_solver.layout import Layout
from aifactory_solver.places import Ask, Finder
from aifactory_solver.problem import Array, Ints, Problem, Solution, Topology
from aifactory_solver.room import Room
from aifactory_solver.search import most

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
    near: int  # domain where units are short, -1 if none are
    most: int  # units for which there would be slots if nothing else stood anywhere and power did not matter
    left: dict[int, int]  # domain -> watts that are free there now, for the limits to raise


_Score = tuple[int, int, int]  # limits that the next unit in a cell exceeds, watts by which, the cell


@dataclass(frozen=True, eq=False)
class _Target:
    """Cells among which units are placed, in the orders in which they come first while nothing is placed."""

    roomy: list[tuple[int, int]]  # (units that fit, below zero, cell), where any fit
    light: list[_Score]  # cells with a free slot
    every: list[_Score]  # all cells
    first: int  # the first cell


class Explainer:
    """Explains the pools that wait after a solution."""

    def __init__(self, problem: Problem, solution: Solution, xp: Array = np) -> None:
        self.problem = problem
        self.room = room = Room(Layout(problem, xp))
        self.layout: Layout = room.layout
        vacant_free = np.where(problem.cell_open, problem.cell_units, 0)
        self.vacant = Finder(room, np.full_like(problem.limit, _ENDLESS), vacant_free)
        self._vacant_slots = vacant_free > 0
        for r in np.flatnonzero(solution.kept != problem.row_units).tolist():
            room.keep(r, int(solution.kept[r]))
        columns = (solution.new_pool, solution.new_cell, solution.new_units)
        for p, c, n in zip(*(column.tolist() for column in columns), strict=True):
            room.add(p, {c: n})
        self.now = Finder.over(room.space)
        self._cells: dict[tuple[int, int], Ints] = {}
        self._spots: dict[tuple[int, int, int], dict[int, list[int]]] = {}
        self._ranked: dict[tuple[int, int, int, bool], list[int]] = {}
        self._targets: dict[tuple[int, int, int, int], _Target] = {}

    def explain(self, pool: int) -> Shortage:
        """What the pool's minimum lacks, or its growth where the minimum is served."""
        options = [self._option(ask) for ask in self._asks(pool)]
        none = Shortage(-1, 0, 0, 0, (), 0, -1, 0, {})
        return min(options, key=_cost, default=none)

    def _asks(self, pool: int) -> list[Ask]:
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

    def _option(self, ask: Ask) -> Shortage:
        layout, left = self.layout, self.room.space.left
        beside = sum(ask.beside.values())
        targets = self._ways(ask)
        if not targets:
            factory = layout.cell_factory[int(self._usable(ask)[0])]
            return Shortage(
                ask.system, ask.units, 0, layout.watts[ask.system][factory], (), ask.units, -1, 0, {}
            )
        attempts = [self._stretch(target) for target in targets]
        used, short, near = min(attempts, key=lambda a: (a[1], self._exceeded(a[0])))
        raises = sorted(
            ((d, -(left[d] - watts)) for d, watts in used.items() if left[d] - watts < 0 < watts),
            key=lambda r: (-r[1], r[0]),
        )
        whole = Ask(ask.pool, ask.system, ask.units + beside, {}, {})
        return Shortage(
            system=ask.system,
            units=ask.units,
            fits=max(0, most(self.now, ask)),
            unit_watts=layout.watts[ask.system][layout.factory[near]],
            raises=tuple(raises),
            units_short=short,
            near=near,
            most=max(0, most(self.vacant, whole) - beside),
            left={d: left[d] for d, _ in raises},
        )

    def _exceeded(self, used: dict[int, int]) -> int:
        """By how many watts more the limits are exceeded."""
        left = self.room.space.left
        return sum(min(left[d], 0) - min(left[d] - watts, 0) for d, watts in used.items())

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

    def _ways(self, ask: Ask) -> list[list[tuple[_Target, int]]]:
        """Ways to stand, each a list of (cells, units)."""
        layout = self.layout
        if layout.topology[ask.pool] == Topology.NONE:
            return [[(self._target(ask, -1, -1), ask.units)]]
        kind, k = layout.kind(ask.pool), layout.spread[ask.pool]
        spots, group = self._by_spot(ask, kind), layout.group_of(kind)
        if not spots:
            return []
        homes = {group[c] for c in ask.beside}
        if k:
            k = min(k, len(spots))
            ranked = self._by_rank(ask, kind, slots=True)
            if homes:
                ranked = sorted(ranked, key=lambda d: d in homes)
            share = [ask.units // k + (i < ask.units % k) for i in range(k)]
            return [[(self._target(ask, kind, d), n) for d, n in zip(ranked[:k], share, strict=True)]]
        if homes:
            near = self.now.groups(ask)
            fits = dict(zip(near.domains.tolist(), near.fits.tolist(), strict=True))
            some = [d for d in spots if d in homes] or list(spots)
            ranked = sorted(some, key=lambda d: (-fits.get(d, 0), d))
        else:
            ranked = self._by_rank(ask, kind, slots=False)
        return [[(self._target(ask, kind, d), ask.units)] for d in ranked[:_OPTIONS]]

    def _by_rank(self, ask: Ask, kind: int, *, slots: bool) -> list[int]:
        """The groups, the roomiest first: by their free slots, or by the units that fit."""
        key = (self.layout.signature[ask.pool], ask.system, kind, slots)
        if key not in self._ranked:
            spots, free = self._by_spot(ask, kind), self.room.space.free
            if slots:
                fits = {d: sum([free[c] for c in cells]) for d, cells in spots.items()}
            else:
                near = self.now.groups(ask)
                fits = dict(zip(near.domains.tolist(), near.fits.tolist(), strict=True))
            self._ranked[key] = sorted(spots, key=lambda d: (-fits.get(d, 0), d))
        return self._ranked[key]

    def _target(self, ask: Ask, kind: int, group: int) -> _Target:
        key = (self.layout.signature[ask.pool], ask.system, kind, group)
        if key not in self._targets:
            cells = self._usable(ask).tolist() if group < 0 else self._by_spot(ask, kind)[group]
            free, (fits, limits, watts) = self.room.space.free, self._scores
            keys = sorted([(limits[c], watts[c], c) for c in cells])
            self._targets[key] = _Target(
                roomy=sorted([(-fits[c], c) for c in cells if fits[c] > 0]),
                light=[key for key in keys if free[key[2]] > 0],
                every=keys,
                first=cells[0],
            )
        return self._targets[key]

    # Beyond the limits

    @cached_property
    def _scores(self) -> tuple[list[int], list[int], list[int]]:
        """By cell: units that fit; limits that one more unit exceeds, and the watts by which."""
        layout = self.layout
        cells = range(self.problem.cells)
        nothing: dict[int, int] = {}
        scores = [self._score(c, nothing) for c in cells]
        free, left = self.room.space.free, self.room.space.left
        fits = [
            max(0, min(free[c], min([left[d] for d in layout.chains[c]]) // layout.cell_watts[c]))
            for c in cells
        ]
        return fits, [limits for limits, _ in scores], [watts for _, watts in scores]

    def _lightest(self, heap: list[_Score], used: dict[int, int]) -> int:
        """The cell whose next unit exceeds the fewest limits by the fewest watts, in a heap of old scores."""
        while True:
            cell = heap[0][2]
            score = (*self._score(cell, used), cell)
            if score == heap[0]:
                return cell
            heapreplace(heap, score)

    def _score(self, cell: int, used: dict[int, int]) -> tuple[int, int]:
        """How many limits the next unit in a cell exceeds, and by how many watts, once some are used."""
        left, watts, limits, total = self.room.space.left, self.layout.cell_watts[cell], 0, 0
        for d in self.layout.chains[cell]:
            over = watts - left[d] + used.get(d, 0)
            if over > 0:
                limits += 1
                total += over
        return limits, total

    def _stretch(self, targets: list[tuple[_Target, int]]) -> tuple[dict[int, int], int, int]:
        """Place units beyond limits: (watts used per domain, units without a slot, a domain concerned)."""
        layout, left, slots = self.layout, self.room.space.left, self.room.space.free
        used: dict[int, int] = {}
        taken: dict[int, int] = {}
        short, near = 0, layout.cell_domain[targets[0][0].first]

        def place(cell: int, n: int) -> None:
            taken[cell] = taken.get(cell, 0) + n
            watts = n * layout.cell_watts[cell]
            for d in layout.chains[cell]:
                used[d] = used.get(d, 0) + watts

        for target, units in targets:
            # What was placed makes the scores of cells only worse, so one that is as it was comes first.
            rest, roomy = units, target.roomy.copy()
            while rest and roomy:
                cell = roomy[0][1]
                room = min([left[d] - used.get(d, 0) for d in layout.chains[cell]])
                fits = min(slots[cell] - taken.get(cell, 0), room // layout.cell_watts[cell])
                if fits <= 0:
                    heappop(roomy)
                elif -fits != roomy[0][0]:
                    heapreplace(roomy, (-fits, cell))
                else:
                    n = min(rest, fits)
                    place(cell, n)
                    rest -= n
            if not rest:
                continue
            # No unit fits any more: exceed the fewest limits by the fewest watts.
            light = target.light.copy()
            while rest and light:
                cell = self._lightest(light, used)
                n = min(rest, slots[cell] - taken.get(cell, 0))
                if n > 0:
                    near = layout.cell_domain[cell]
                    place(cell, n)
                    rest -= n
                else:
                    heappop(light)
            if rest:
                # No slot is left either: more of them where the limits are exceeded least.
                cell = self._lightest(target.every.copy(), used)
                near = layout.cell_domain[cell]
                place(cell, rest)
                short += rest
        return used, short, near


def _cost(shortage: Shortage) -> tuple[bool, int, int, int]:
    """Sort key: options that only need power first, then the fewest limits and the fewest watts to raise."""
    possible = shortage.most >= shortage.units
    watts = sum(watts for _, watts in shortage.raises)
    return (not possible, shortage.units_short, len(shortage.raises), watts)
