"""By trying everything: whether units fit. Slow, short, and straight from the words of the rules."""

from collections.abc import Iterator

import numpy as np

from aifactory_solver.check.facts import Facts, Items
from aifactory_solver.problem import Problem, Solution, Topology


class Brute:
    """Tries all ways to add units of one system for one pool to what is kept."""

    def __init__(self, problem: Problem, free: list[int], left: list[int]) -> None:
        self.problem, self.free, self.left = problem, free, left

    def above(self, cell: int) -> list[int]:
        found, domain = [], int(self.problem.cell_domain[cell])
        while domain >= 0:
            found.append(domain)
            domain = int(self.problem.parent[domain])
        return found

    def usable(self, pool: int, system: int) -> list[int]:
        problem = self.problem
        return [
            cell
            for cell in range(problem.cells)
            if problem.cell_open[cell]
            and problem.cell_system[cell] == system
            and problem.allowed[pool, problem.factory[problem.cell_domain[cell]]]
        ]

    def place(self, pool: int, cell: int) -> int:
        """A number for the cell's group or place; -1 where it has none."""
        kind, above = self.problem.topology[pool], self.above(cell)
        if kind == Topology.NONE:
            return 0
        if kind == Topology.FABRIC:
            return int(self.problem.cell_fabric[cell])
        if kind in (Topology.FACTORY, Topology.SPREAD_FACTORY):
            return above[-1]
        levels = [int(self.problem.level[domain]) for domain in above]
        level = int(self.problem.topology_level[pool])
        return above[levels.index(level)] if level in levels else -1

    def well_placed(self, pool: int, units: dict[int, int]) -> bool:
        """Whether units by cell obey the pool's topology."""
        by_place: dict[int, int] = {}
        for cell, number in units.items():
            if number:
                place = self.place(pool, cell)
                by_place[place] = by_place.get(place, 0) + number
        if -1 in by_place:
            return False
        kind, spread = self.problem.topology[pool], int(self.problem.spread[pool])
        if kind in (Topology.FACTORY, Topology.FABRIC, Topology.DOMAIN):
            return len(by_place) == 1
        if spread:
            return len(by_place) >= spread
        return True

    def share_kept(self, pool: int, kept: dict[int, int], added: dict[int, int]) -> bool:
        """Whether no place that is given units ends above its share."""
        spread = int(self.problem.spread[pool])
        if not spread:
            return True
        total = sum(kept.values()) + sum(added.values())
        for cell, number in added.items():
            here = self.place(pool, cell)
            held = sum(
                units for both in (kept, added) for c, units in both.items() if self.place(pool, c) == here
            )
            if number and held > -(-total // spread):
                return False
        return True

    def ways(self, cells: list[int], units: int, left: list[int]) -> Iterator[dict[int, int]]:
        """Every way to put exactly so many units into the cells under all limits."""
        if not cells:
            if units == 0:
                yield {}
            return
        cell, others = cells[0], cells[1:]
        each = int(self.problem.cell_watts[cell])
        for number in range(min(units, max(self.free[cell], 0)) + 1):
            after = list(left)
            for domain in self.above(cell):
                after[domain] -= number * each
            if number and min(after[domain] for domain in self.above(cell)) < 0:
                break
            for rest in self.ways(others, units - number, after):
                yield {cell: number, **rest}

    def first_way(self, pool: int, system: int, kept: dict[int, int]) -> dict[int, int] | None:
        """Units to add by cell that make the pool's minimum together with those kept, if there are any."""
        problem = self.problem
        least = max(
            -(-int(problem.minimum[pool]) // int(problem.system_gpus[system])), int(problem.spread[pool])
        )
        missing = least - sum(kept.values())
        if missing < 0:
            return None
        for added in self.ways(self.usable(pool, system), missing, self.left):
            whole = {cell: kept.get(cell, 0) + added.get(cell, 0) for cell in {*kept, *added}}
            if self.well_placed(pool, whole) and self.share_kept(pool, kept, added):
                return {cell: number for cell, number in added.items() if number}
        return None


def by_priority(problem: Problem) -> Solution:
    """A plan for a world where nothing stands: each pool's minimum, from the highest priority, as it fits."""
    free, left = problem.cell_units.tolist(), (problem.limit - Facts(problem, empty(problem)).fixed).tolist()
    placed: list[tuple[int, int, int]] = []
    for pool in np.argsort(-problem.priority, kind="stable").tolist():
        if problem.minimum[pool] == 0 or problem.frozen[pool]:
            continue
        for system in problem.systems[pool]:
            brute = Brute(problem, free, left)
            wish = -(-int(problem.need[pool]) // int(problem.system_gpus[system]))
            added = brute.first_way(pool, system, {}) if wish >= problem.spread[pool] else None
            if added is not None:
                for cell, number in added.items():
                    free[cell] -= number
                    for domain in brute.above(cell):
                        left[domain] -= number * int(problem.cell_watts[cell])
                    placed.append((pool, cell, number))
                break
    new_pool, new_cell, new_units = np.asarray(placed, np.int64).reshape(-1, 3).T
    return Solution(problem.row_units, new_pool, new_cell, new_units)


def empty(problem: Problem) -> Solution:
    """The plan that changes nothing."""
    none = np.zeros(0, np.int64)
    return Solution(problem.row_units, none, none, none)


def items(pool: int, units: dict[int, int]) -> Items:
    """Units by cell, as the checker wants them."""
    cells = np.asarray(list(units), np.int64)
    numbers = np.asarray(list(units.values()), np.int64)
    return Items(np.full_like(cells, pool), cells, numbers, np.zeros_like(cells))
