"""What goes first of what a pool gives up: chosen among what must go, across cells, never more of it."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from aifactory.decide.model.case import Case
from aifactory.decide.model.fleet import Unit
from aifactory.decide.model.standing import place_of
from aifactory_solver import Solution


def by_worth(units: tuple[Unit, ...]) -> list[Unit]:
    """Units in the order in which they should go; of those that are alike high slots first."""
    return sorted(units, key=lambda u: (u.worth, -u.slot.rack, -u.slot.slot))


def unsure(case: Case, solution: Solution) -> frozenset[str]:
    """Nodes of units between which a plan chooses although nobody knows yet which of them are idle."""
    found: set[str] = set()
    for rows in _giving(case, solution).values():
        ordered = {r: by_worth(case.rows[r]) for r in rows}
        gone = {r: len(ordered[r]) - int(solution.kept[r]) for r in rows}
        best = max(unit.worth[:-1] for r in rows for unit in ordered[r][: gone[r]])
        alike = {r: [unit for unit in ordered[r] if unit.worth[:-1] == best] for r in rows}
        if any(unit in alike[r] for r in rows for unit in ordered[r][gone[r] :]):
            found |= {node.name for units in alike.values() for unit in units for node in unit.nodes}
    return frozenset(found - case.world.looked_at)


def exchanged(case: Case, solution: Solution) -> Solution:
    """The same plan, in which what should go first goes, also where it stands in another cell.

    Exchanged is unit for unit of one pool, in one place of its topology, where every limit and every slot
    allows it. Where it makes room for a new unit of another pool, that unit changes over too. The plan serves
    and moves as much as before.
    """
    giving = _giving(case, solution)
    if not giving:
        return solution
    room = _Room(case, solution)
    for rows in giving.values():
        ordered = {r: by_worth(case.rows[r]) for r in rows}
        while swap := _swap(room, ordered):
            room.exchange(*swap)
    return room.plan()


def _giving(case: Case, solution: Solution) -> dict[int, list[int]]:
    """By pool that gives something up and keeps something: the rows that it may choose from.

    Where its own spec has changed, these are the rows that suit it still: the others go anyway.
    """
    problem = case.problem
    gone = problem.row_units - solution.kept
    loose = ~problem.row_leave & ~problem.row_locked
    loose &= problem.row_fits | ~problem.changed[problem.row_pool]
    gives, keeps = (set(problem.row_pool[loose & (n > 0)].tolist()) for n in (gone, solution.kept))
    found: dict[int, list[int]] = defaultdict(list)
    for r in np.flatnonzero(loose & np.isin(problem.row_pool, sorted(gives & keeps))).tolist():
        found[int(problem.row_pool[r])].append(r)
    return found


def _swap(room: "_Room", ordered: dict[int, list[Unit]]) -> tuple[int, int, int | None] | None:
    """(row that keeps one more, row that keeps one less, pool whose new unit changes over) of a pool.

    None where nothing is to be won.
    """
    gone = {r: len(units) - int(room.kept[r]) for r, units in ordered.items()}
    back = [(ordered[r][n - 1].worth, r) for r, n in gone.items() if n]
    out = [(ordered[r][n].worth, r) for r, n in gone.items() if n < len(ordered[r])]
    for good, more in sorted(back, reverse=True):
        for bad, less in sorted(out):
            if bad >= good:
                break
            for pool in (None, *room.newcomers(more)):
                if more != less and room.takes(more, less, pool):
                    return more, less, pool
    return None


class _Room:
    """A plan and what it leaves free, while units of it are exchanged."""

    def __init__(self, case: Case, solution: Solution) -> None:
        self.case, self.problem, self.kept = case, case.problem, solution.kept.copy()
        self.new: Counter[tuple[int, int]] = Counter()  # (pool, cell)
        self.used = np.zeros(self.problem.cells, np.int64)
        fixed, parent = self.problem.fixed_watts.copy(), self.problem.parent
        for domain in range(self.problem.domains - 1, -1, -1):  # parents come before their children
            if parent[domain] >= 0:
                fixed[parent[domain]] += fixed[domain]
        self.left = self.problem.limit - fixed
        for row, units in enumerate(self.kept.tolist()):
            self._add(int(self.problem.row_cell[row]), int(self.problem.row_watts[row]), units)
        columns = (solution.new_pool.tolist(), solution.new_cell.tolist(), solution.new_units.tolist())
        for pool, cell, units in zip(*columns, strict=True):
            self.new[pool, cell] = units
            self._add(cell, int(self.problem.cell_watts[cell]), units)

    def _chain(self, domain: int) -> Iterator[int]:
        while domain >= 0:
            yield domain
            domain = int(self.problem.parent[domain])

    def _add(self, cell: int, watts: int, units: int) -> None:
        self.used[cell] += units
        for domain in self._chain(int(self.problem.cell_domain[cell])):
            self.left[domain] -= units * watts

    def newcomers(self, row: int) -> list[int]:
        """Pools that are given new units in a row's cell."""
        cell = int(self.problem.row_cell[row])
        return sorted(pool for (pool, where), units in self.new.items() if where == cell and units)

    def takes(self, more: int, less: int, pool: int | None) -> bool:
        """Whether one row may keep a unit more in place of one of another row of its pool.

        With ``pool`` a new unit of it goes into the cell of the other row, from that of the one.
        """
        problem = self.problem
        to, off = int(problem.row_cell[more]), int(problem.row_cell[less])
        owner = int(problem.row_pool[more])
        if not self._alike(owner, to, off) or problem.row_fits[more] < problem.row_fits[less]:
            return False
        if pool is not None and not (
            problem.cell_open[off]
            and problem.allowed[pool, problem.factory[problem.cell_domain[off]]]
            and problem.cell_system[off] == problem.cell_system[to]
            and self._alike(pool, to, off)
        ):
            return False
        before = self.left.copy()
        self._change(more, less, pool, 1)
        fits = all(
            self.left[domain] >= min(0, before[domain])
            for cell in (to, off)
            for domain in self._chain(int(problem.cell_domain[cell]))
        )
        fits = fits and all(self.used[cell] <= problem.cell_units[cell] for cell in (to, off))
        self._change(more, less, pool, -1)
        return fits

    def _change(self, more: int, less: int, pool: int | None, units: int) -> None:
        problem = self.problem
        to, off = int(problem.row_cell[more]), int(problem.row_cell[less])
        self._add(to, int(problem.row_watts[more]), units)
        self._add(off, int(problem.row_watts[less]), -units)
        if pool is not None:
            self._add(to, int(problem.cell_watts[to]), -units)
            self._add(off, int(problem.cell_watts[off]), units)

    def exchange(self, more: int, less: int, pool: int | None) -> None:
        """Do so."""
        self._change(more, less, pool, 1)
        self.kept[more] += 1
        self.kept[less] -= 1
        if pool is not None:
            self.new[pool, int(self.problem.row_cell[more])] -= 1
            self.new[pool, int(self.problem.row_cell[less])] += 1

    def _alike(self, pool: int, *cells: int) -> bool:
        """Whether cells are in one place of a pool's topology."""
        spec = self.case.pools[pool]
        its = (self.case.cells[cell] for cell in cells)
        return len({place_of(spec, cell, self.case.layouts[cell.factory]) for cell in its}) == 1

    def plan(self) -> Solution:
        """The plan as it is now."""
        new = sorted((pool, cell, units) for (pool, cell), units in self.new.items() if units)
        columns = np.asarray(new, dtype=np.int64).reshape(-1, 3)
        return Solution(self.kept, columns[:, 0], columns[:, 1], columns[:, 2])
