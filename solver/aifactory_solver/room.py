"""The room that is left while a plan is being made, and what each pool holds in it."""

from collections import defaultdict

import numpy as np

from aifactory_solver.forest import Forest
from aifactory_solver.problem import Array, Bools, Ints, Problem, Topology

Units = dict[int, int]  # cell -> units
Saved = tuple[Ints, Ints, Ints, dict[int, Units]]


class Room:
    """Free watts and slots, kept rows and new units: the one mutable thing in the solver.

    Every change goes through ``keep`` and ``add``, so that watts, slots and holdings never disagree.
    """

    def __init__(self, problem: Problem, xp: Array) -> None:
        """Start with everything kept that stands; what is being vacated counts as room."""
        self.problem = problem
        self.forest = Forest(problem, xp)
        self.kept = problem.row_units.copy()
        self.new: dict[int, Units] = defaultdict(dict)
        self.rows_of: list[list[int]] = [[] for _ in range(problem.pools)]
        for r, p in enumerate(problem.row_pool.tolist()):
            self.rows_of[p].append(r)
        load = _subtree_sums(problem, self.forest, problem.fixed_watts)
        load += self.forest.totals(self._per_cell(problem.row_units * problem.row_watts))
        self.left = problem.limit - load
        self.free = problem.cell_units - self._per_cell(problem.row_units)
        self.leaving = _subtree_sums(problem, self.forest, problem.leaving_watts)
        self.free = np.where(problem.cell_open, self.free, 0)  # below 0 where too many stand
        self.version = 0  # counts changes, so that what was found in one state is not looked for twice
        self.unit_watts = self._unit_watts()
        self.cell_factory = problem.factory[problem.cell_domain]
        self.signature = np.unique(problem.allowed, axis=0, return_inverse=True)[1].reshape(-1)
        self._open_to: dict[tuple[int, int], Bools] = {}
        self.prices: list[dict[int, tuple[int, int]]] = [{} for _ in range(problem.system_gpus.shape[0])]
        for c in np.flatnonzero(problem.cell_open).tolist():
            place = int(problem.factory[problem.cell_domain[c]])
            price = (int(problem.cell_cost[c]), int(problem.cell_carbon[c]))
            self.prices[int(problem.cell_system[c])][place] = price

    def _per_cell(self, amounts: Ints) -> Ints:
        result = np.zeros(self.problem.cells, dtype=np.int64)
        np.add.at(result, self.problem.row_cell, amounts)
        return result

    def _unit_watts(self) -> list[Ints]:
        """For each system (D,) watts of a unit in the domain's factory; 1 where the factory has none."""
        problem = self.problem
        factories = int(problem.factory.max()) + 1 if problem.domains else 0
        by_factory = np.ones((problem.system_gpus.shape[0], factories), dtype=np.int64)
        opened = problem.cell_open
        by_factory[problem.cell_system[opened], problem.factory[problem.cell_domain[opened]]] = (
            problem.cell_watts[opened]
        )
        return [row[problem.factory] for row in by_factory]

    def open_to(self, pool: int, system: int) -> Bools:
        """(C,) cells of a system in the factories that the pool may stand in."""
        key = (int(self.signature[pool]), system)
        if key not in self._open_to:
            allowed = self.problem.allowed[pool][self.cell_factory]
            self._open_to[key] = allowed & (self.problem.cell_system == system)
        return self._open_to[key]

    # What a pool holds

    def held(self, pool: int) -> int:
        """Units that the pool keeps and is given."""
        return sum(int(self.kept[r]) for r in self.rows_of[pool]) + sum(self.new.get(pool, {}).values())

    def places(self, pool: int) -> Units:
        """Cell by cell what the pool keeps and is given."""
        units: Units = dict(self.new.get(pool, {}))
        for r in self.rows_of[pool]:
            if self.kept[r]:
                cell = int(self.problem.row_cell[r])
                units[cell] = units.get(cell, 0) + int(self.kept[r])
        return units

    def system(self, pool: int) -> int | None:
        """The system that the pool stands on, None where it holds nothing."""
        for cell in self.places(pool):
            return int(self.problem.cell_system[cell])
        return None

    def group(self, topology: int, level: int, cell: int) -> int:
        """The domain that a packed pool's units in ``cell`` share, or a spread pool counts; -1 for none."""
        problem = self.problem
        if topology == Topology.FABRIC:
            return int(problem.cell_fabric[cell])
        chain = self.forest.ancestors[int(problem.cell_domain[cell])]
        if topology in (Topology.FACTORY, Topology.SPREAD_FACTORY):
            return chain[-1]
        return next((d for d in chain if problem.level[d] == level), -1)

    # Changes

    def fitting(self, cell: int, watts: int, units: int) -> int:
        """How many of ``units`` units of ``watts`` the limits above ``cell`` still carry."""
        for d in self.forest.ancestors[int(self.problem.cell_domain[cell])]:
            units = min(units, int(self.left[d]) // watts)
        return max(units, 0)

    def keep(self, row: int, units: int) -> None:
        """Set how much of a standing row stays; what it gives up is free."""
        problem = self.problem
        cell = int(problem.row_cell[row])
        given = int(self.kept[row]) - units
        if not given:
            return
        self.kept[row] = units
        if problem.cell_open[cell]:
            self.free[cell] += given
        self._use(cell, -given * int(problem.row_watts[row]))

    def add(self, pool: int, units: Units) -> None:
        """Give new units to a pool."""
        for cell, n in units.items():
            mine = self.new[pool]
            mine[cell] = mine.get(cell, 0) + n
            self.free[cell] -= n
            self._use(cell, n * int(self.problem.cell_watts[cell]))

    def drop_new(self, pool: int) -> None:
        """Take a pool's new units back."""
        for cell, n in self.new.pop(pool, {}).items():
            self.release(cell, n)

    def release(self, cell: int, units: int) -> None:
        """Free the room of new units in a cell; the caller takes them out of ``new``."""
        self.free[cell] += units
        self._use(cell, -units * int(self.problem.cell_watts[cell]))

    def save(self) -> Saved:
        """What can be brought back by `load`."""
        return self.kept.copy(), self.left.copy(), self.free.copy(), {p: dict(u) for p, u in self.new.items()}

    def load(self, saved: Saved) -> None:
        """Undo everything since `save`."""
        kept, left, free, new = saved
        self.kept, self.left, self.free = kept.copy(), left.copy(), free.copy()
        self.new = defaultdict(dict, {p: dict(units) for p, units in new.items()})
        self.version += 1

    def _use(self, cell: int, watts: int) -> None:
        self.version += 1
        for d in self.forest.ancestors[int(self.problem.cell_domain[cell])]:
            self.left[d] -= watts


def _subtree_sums(problem: Problem, forest: Forest, own: Ints) -> Ints:
    """(D,) sums over each whole subtree of an amount given per domain."""
    sums = own.copy()
    for d in forest.order[::-1].tolist():
        if problem.parent[d] >= 0:
            sums[problem.parent[d]] += sums[d]
    return sums
