"""The room that is left while a plan is being made, and what each pool holds in it."""

from array import array
from collections import defaultdict

import numpy as np

from aifactory_solver.problem import Ints, Solution
from aifactory_solver.strict.beneath import Beneath
from aifactory_solver.strict.forest import Forest
from aifactory_solver.strict.guide import Guide
from aifactory_solver.strict.layout import Layout, Units, kind_of
from aifactory_solver.strict.space import Space

_ROW = -1


class Room:
    """Free watts and slots, kept rows and new units: the one mutable thing in the solver.

    Every change goes through ``keep`` and ``add``, so that watts, slots and holdings never disagree.
    """

    def __init__(self, layout: Layout, guide: Guide | None = None) -> None:
        """Start with everything kept that stands; what is being vacated counts as room."""
        self.problem = problem = layout.problem
        self.layout = layout
        self.guide = guide or Guide(layout)
        self.forest: Forest = self.layout.forest
        self._kept: array[int] = array("q", problem.row_units.tolist())
        self.new: dict[int, Units] = defaultdict(dict)
        self.rows_of: list[list[int]] = [[] for _ in range(problem.pools)]
        nothing = bytes(8 * problem.pools)
        self.kept_of: array[int] = array("q", nothing)  # units kept of each pool
        self.new_of: array[int] = array("q", nothing)  # new units
        self.gpus_of: array[int] = array("q", nothing)  # GPUs of both
        self.touched = bytearray(problem.pools)  # 1 for pools that changed since somebody cleared it
        gpus = problem.system_gpus[problem.cell_system[problem.row_cell]].tolist()
        for r, (p, n) in enumerate(zip(self.layout.row_pool, self.layout.row_units, strict=True)):
            self.rows_of[p].append(r)
            self.kept_of[p] += n
            self.gpus_of[p] += n * gpus[r]
        self.stood_of: list[int] = self.kept_of.tolist()  # units that stood
        load = self.forest.sums(problem.fixed_watts)
        load += self.forest.totals(self._per_cell(problem.row_units * problem.row_watts))
        free = problem.cell_units - self._per_cell(problem.row_units)  # below 0 where too many stand
        self.space = Space(self.layout, problem.limit - load, np.where(problem.cell_open, free, 0))
        self.leaving = self.forest.sums(problem.leaving_watts)
        self._done: list[tuple[int, int, int]] = []  # (pool, cell, units added) or (_ROW, row, units before)
        self._there: Space | None = None
        self._beneath: Beneath | None = None

    def _per_cell(self, amounts: Ints) -> Ints:
        result = np.zeros(self.problem.cells, dtype=np.int64)
        np.add.at(result, self.problem.row_cell, amounts)
        return result

    @property
    def left(self) -> Ints:
        """(D,) free watts, as a view."""
        return np.asarray(self.space.left)

    @property
    def free(self) -> Ints:
        """(C,) free slots, as a view."""
        return np.asarray(self.space.free)

    @property
    def kept(self) -> Ints:
        """(R,) units of each standing row that stay, as a view."""
        return np.asarray(self._kept)

    @property
    def there(self) -> Space:
        """The room without what is still being vacated, kept up to date."""
        if self._there is None:
            left, free = self.left - self.leaving, self.free - self.problem.cell_leaving
            self._there = Space(self.layout, left, free)
        return self._there

    def beneath(self, priority: int, factories: list[int] | None = None) -> Space:
        """The room as if all were gone that may be taken below a priority, kept up to date.

        With ``factories`` it is so in those only, and good for questions about nothing else.
        """
        if self._beneath is None:
            self._beneath = Beneath(self.layout, self._kept, Space(self.layout, self.left, self.free))
        if factories is None:
            self._beneath.reach(priority)
        else:
            self._beneath.reach_in(priority, factories)
        return self._beneath.space

    # What a pool holds

    @property
    def unit_watts(self) -> list[Ints]:
        """For each system (D,) watts of a unit in the domain's factory; 1 where the factory has none."""
        return self.layout.domain_watts

    @property
    def signature(self) -> list[int]:
        """For each pool a number, the same for pools that may stand in the same factories."""
        return self.layout.signature

    def group(self, topology: int, level: int, cell: int) -> int:
        """The domain that a packed pool's units in ``cell`` share, or a spread pool counts; -1 for none."""
        return self.layout.group_of(kind_of(topology, level))[cell]

    def stays(self, row: int) -> int:
        """Units of a standing row that stay."""
        return self._kept[row]

    def held(self, pool: int) -> int:
        """Units that the pool keeps and is given."""
        return self.kept_of[pool] + self.new_of[pool]

    def places(self, pool: int) -> Units:
        """Cell by cell what the pool keeps and is given."""
        units: Units = dict(self.new.get(pool, ()))
        if self.kept_of[pool]:
            for r in self.rows_of[pool]:
                if self._kept[r]:
                    cell = self.layout.row_cell[r]
                    units[cell] = units.get(cell, 0) + self._kept[r]
        return units

    def system(self, pool: int) -> int | None:
        """The system that the pool stands on, None where it holds nothing."""
        for cell in self.new.get(pool, ()):
            return self.layout.cell_system[cell]
        if self.kept_of[pool]:
            return self.layout.cell_system[self.layout.row_cell[self.rows_of[pool][0]]]
        return None

    # Changes

    def keep(self, row: int, units: int) -> None:
        """Set how much of a standing row stays; what it gives up is free."""
        before = self._kept[row]
        if units != before:
            self._done.append((_ROW, row, before))
            self._set(row, units)

    def add(self, pool: int, units: Units) -> None:
        """Give new units to a pool; below zero takes them back."""
        for cell, n in units.items():
            if n:
                self._done.append((pool, cell, n))
                self._give(pool, cell, n)

    def follow(self, solution: Solution) -> None:
        """Keep and give all that a solution says."""
        for r in np.flatnonzero(solution.kept != self.problem.row_units).tolist():
            self.keep(r, int(solution.kept[r]))
        columns = (solution.new_pool, solution.new_cell, solution.new_units)
        for p, c, n in zip(*(column.tolist() for column in columns), strict=True):
            self.add(p, {c: n})

    def drop_new(self, pool: int) -> None:
        """Take a pool's new units back."""
        if self.new_of[pool]:
            self.add(pool, {cell: -n for cell, n in reversed(self.new[pool].items())})

    def save(self) -> int:
        """A mark to which `load` goes back, as often as wanted, until it goes back behind it."""
        return len(self._done)

    def lost(self, saved: int) -> dict[int, int]:
        """Rows of which less stays than at `save`, and how many units less."""
        before = {at: units for pool, at, units in reversed(self._done[saved:]) if pool == _ROW}
        return {r: n - self._kept[r] for r, n in before.items() if n > self._kept[r]}

    def load(self, saved: int) -> None:
        """Undo everything since `save`."""
        while len(self._done) > saved:
            pool, at, units = self._done.pop()
            if pool == _ROW:
                self._set(at, units)
            else:
                self._give(pool, at, -units)

    def _set(self, row: int, units: int) -> None:
        layout = self.layout
        given, cell = self._kept[row] - units, layout.row_cell[row]
        self._kept[row] = units
        pool = layout.row_pool[row]
        self.kept_of[pool] -= given
        self.gpus_of[pool] -= given * layout.gpus[layout.cell_system[cell]]
        self.touched[pool] = 1
        slots, watts = (-given if layout.cell_open[cell] else 0), -given * layout.row_watts[row]
        self.space.use(cell, slots, watts)
        if self._there is not None:
            self._there.use(cell, slots, watts)
        if self._beneath is not None and not self._beneath.gone(row):
            self._beneath.space.use(cell, slots, watts)

    def _give(self, pool: int, cell: int, units: int) -> None:
        mine = self.new[pool]
        total = mine.get(cell, 0) + units
        if total:
            mine[cell] = total
        else:
            del mine[cell]
            if not mine:
                del self.new[pool]
        self.new_of[pool] += units
        self.guide.took(pool, cell, units)
        self.gpus_of[pool] += units * self.layout.gpus[self.layout.cell_system[cell]]
        self.touched[pool] = 1
        watts = units * self.layout.cell_watts[cell]
        self.space.use(cell, units, watts)
        if self._there is not None:
            self._there.use(cell, units, watts)
        if self._beneath is not None:
            self._beneath.space.use(cell, units, watts)
