"""Why a pool waits: the limits that bind, and the smallest change found that would free it.

The change is found by building: what fits is placed, the rest is placed beyond the limits where that costs
least, and the limits that are then exceeded are those to raise. So with exactly that change the pool fits.
"""

from dataclasses import dataclass

import numpy as np

from aifactory_solver.places import Ask, Finder
from aifactory_solver.preempt import minimum_units
from aifactory_solver.problem import Array, Ints, Problem, Solution, Topology
from aifactory_solver.room import Room
from aifactory_solver.search import SPREADS, most

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


class Explainer:
    """Explains the pools that wait after a solution."""

    def __init__(self, problem: Problem, solution: Solution, xp: Array = np) -> None:
        self.problem = problem
        self.room = Room(problem, xp)
        self.vacant_free = np.where(problem.cell_open, problem.cell_units, 0)
        for r in range(problem.rows):
            self.room.keep(r, int(solution.kept[r]))
        self.vacant = Finder(self.room, np.full_like(problem.limit, _ENDLESS), self.vacant_free)
        self._groups: dict[tuple[int, int], Ints] = {}
        self._paths = np.full((problem.cells, self.room.forest.levels), problem.domains, dtype=np.int64)
        for c, d in enumerate(problem.cell_domain.tolist()):
            chain = self.room.forest.ancestors[d]
            self._paths[c, : len(chain)] = chain
        columns = zip(solution.new_pool, solution.new_cell, solution.new_units, strict=True)
        for p, c, n in columns:
            self.room.add(int(p), {int(c): int(n)})
        self.now = Finder(self.room, self.room.left, self.room.free)

    def explain(self, pool: int) -> Shortage:
        """What the pool's minimum lacks, or its growth where the minimum is served."""
        options = [self._option(ask) for ask in self._asks(pool)]
        none = Shortage(-1, 0, 0, 0, (), 0, -1, 0, {})
        return min(options, key=_cost, default=none)

    def _asks(self, pool: int) -> list[Ask]:
        problem, held = self.problem, self.room.places(pool)
        stands = {int(problem.cell_system[c]) for c in held}
        have, asks = sum(held.values()), []
        for system in problem.systems[pool]:
            if stands - {system}:
                continue
            units = max(minimum_units(self.room, pool, system), int(problem.spread[pool]), 1)
            if have >= units:  # its minimum is served: it waits for growth
                units = -(-int(problem.need[pool]) // int(problem.system_gpus[system]))
            ask = Ask(pool, system, max(1, units - have), held, {})
            if self.vacant.usable(ask).any():
                asks.append(ask)
        return asks

    def _option(self, ask: Ask) -> Shortage:
        whole = Ask(ask.pool, ask.system, ask.units + sum(ask.beside.values()), {}, {})
        targets = self._targets(ask)
        if not targets:
            watts = int(self.room.unit_watts[ask.system][self._some_domain(ask)])
            return Shortage(ask.system, ask.units, 0, watts, (), ask.units, -1, 0, {})
        attempts = [self._stretch(ask, target) for target in targets]
        left, short, near = min(attempts, key=lambda a: (a[1], int(-np.minimum(a[0], 0).sum())))
        beyond = np.flatnonzero((left < 0) & (left < self.room.left)).tolist()
        raises = sorted(((d, -int(left[d])) for d in beyond), key=lambda r: (-r[1], r[0]))
        return Shortage(
            system=ask.system,
            units=ask.units,
            fits=max(0, most(self.now, ask)),
            unit_watts=int(self.room.unit_watts[ask.system][near]),
            raises=tuple(raises),
            units_short=short,
            near=near,
            most=max(0, most(self.vacant, whole) - sum(ask.beside.values())),
            left={d: int(self.room.left[d]) for d, _ in raises},
        )

    def _some_domain(self, ask: Ask) -> int:
        return int(self.problem.cell_domain[np.flatnonzero(self.vacant.usable(ask))[0]])

    def _group_of(self, topology: int, level: int) -> Ints:
        """(C,) the domain that packs or counts each cell under a topology, -1 where there is none."""
        key = (topology, level)
        if key not in self._groups:
            cells = range(self.problem.cells)
            groups = (self.room.group(topology, level, c) for c in cells)
            self._groups[key] = np.fromiter(groups, dtype=np.int64, count=self.problem.cells)
        return self._groups[key]

    def _targets(self, ask: Ask) -> list[list[tuple[Ints, int]]]:
        """Ways to stand, each a list of (cells, units)."""
        topology, level = int(self.problem.topology[ask.pool]), int(self.problem.topology_level[ask.pool])
        cells = np.flatnonzero(self.vacant.usable(ask))
        if topology == Topology.NONE:
            return [[(cells, ask.units)]]
        group = self._group_of(topology, level)[cells]
        homes = {self.room.group(topology, level, c) for c in ask.beside}
        spots = [d for d in np.unique(group).tolist() if d >= 0]
        if not spots:
            return []
        if topology in SPREADS:
            k = min(int(self.problem.spread[ask.pool]), len(spots))
            slots = {d: int(self.room.free[cells[group == d]].sum()) for d in spots}
            chosen = sorted(spots, key=lambda d: (d in homes, -slots[d], d))[:k]
            share = [ask.units // k + (i < ask.units % k) for i in range(k)] if k else []
            return [[(cells[group == d], n) for d, n in zip(chosen, share, strict=True)]]
        if homes:
            spots = [d for d in spots if d in homes] or spots
        near = self.now.groups(ask)
        fits = dict(zip(near.domains.tolist(), near.fits.tolist(), strict=True))
        best = sorted(spots, key=lambda d: (-fits.get(d, 0), d))[:_OPTIONS]
        return [[(cells[group == d], ask.units)] for d in best]

    def _stretch(self, ask: Ask, targets: list[tuple[Ints, int]]) -> tuple[Ints, int, int]:
        """Place units beyond limits: (watts left per domain, units without a slot, a domain concerned)."""
        left = np.append(self.room.left, _ENDLESS)  # paths are padded with a domain that never binds
        free = np.maximum(self.room.free, 0)
        short, near = 0, int(self.problem.cell_domain[targets[0][0][0]]) if targets else 0
        for cells, units in targets:
            rest = units
            while rest:
                room = left[self._paths[cells]]
                watts = self.problem.cell_watts[cells]
                fits = np.minimum(free[cells], np.maximum(room.min(axis=1), 0) // watts)
                over = np.where(free[cells, None] > 0, np.maximum(watts[:, None] - room, 0), _ENDLESS)
                i = int(np.argmax(fits))
                if fits[i] > 0:
                    n = min(rest, int(fits[i]))
                else:
                    # No unit fits any more: exceed the fewest limits by the fewest watts.
                    i = int(np.lexsort((over.sum(axis=1), (over > 0).sum(axis=1)))[0])
                    n = min(rest, int(free[cells[i]]))
                    near = int(self.problem.cell_domain[cells[i]])
                if n <= 0:
                    # No slot is left either: more of them where the limits are exceeded least.
                    short, n, i = short + rest, rest, self._lightest(left, cells)
                    near = int(self.problem.cell_domain[cells[i]])
                free[cells[i]] -= n
                np.subtract.at(left, self._paths[cells[i]], n * int(self.problem.cell_watts[cells[i]]))
                left[-1] = _ENDLESS
                rest -= n
        return left[:-1], short, near

    def _lightest(self, left: Ints, cells: Ints) -> int:
        """Index of the cell whose next unit exceeds the fewest limits by the fewest watts."""
        over = np.maximum(self.problem.cell_watts[cells][:, None] - left[self._paths[cells]], 0)
        return int(np.lexsort((over.sum(axis=1), (over > 0).sum(axis=1)))[0])


def _cost(shortage: Shortage) -> tuple[bool, int, int, int]:
    """Sort key: options that only need power first, then the fewest limits and the fewest watts to raise."""
    possible = shortage.most >= shortage.units
    watts = sum(watts for _, watts in shortage.raises)
    return (not possible, shortage.units_short, len(shortage.raises), watts)
