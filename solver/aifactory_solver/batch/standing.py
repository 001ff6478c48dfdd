"""A fleet once a plan is carried out, and what each domain of it has below."""

from dataclasses import replace

import numpy as np

from aifactory_solver.problem import Bools, Ints, Problem, Solution
from aifactory_solver.strict.forest import Forest


def carried_out(problem: Problem, solution: Solution) -> Problem:
    """The problem once a plan is carried out: what is kept and new stands, what leaves is gone."""
    kept = np.flatnonzero(solution.kept > 0)
    no = np.zeros(solution.new_pool.size, np.bool_)
    # A pool of which nothing stays is where its spec wants it, or waits for that.
    stays = np.isin(np.arange(problem.pools), problem.row_pool[kept])
    return replace(
        problem,
        leaving_watts=np.zeros_like(problem.leaving_watts),
        cell_leaving=np.zeros_like(problem.cell_leaving),
        row_pool=np.concatenate((problem.row_pool[kept], solution.new_pool)),
        row_cell=np.concatenate((problem.row_cell[kept], solution.new_cell)),
        row_units=np.concatenate((solution.kept[kept], solution.new_units)),
        row_watts=np.concatenate((problem.row_watts[kept], problem.cell_watts[solution.new_cell])),
        row_locked=np.concatenate((problem.row_locked[kept], no)),
        row_leave=np.concatenate((problem.row_leave[kept], no)),
        row_fits=np.concatenate((problem.row_fits[kept], ~no)),
        changed=problem.changed & stays,
        uprooted=np.zeros_like(problem.uprooted),
        displaced=np.zeros_like(problem.displaced),
    )


class Standing:
    """What stands, and which cells and units of it are below each domain."""

    def __init__(self, problem: Problem) -> None:
        self.problem, ancestors = problem, Forest(problem, np).ancestors
        self.units = _sums(problem.row_pool, problem.row_units, problem.pools)
        self.system = np.zeros(problem.pools, np.int64)  # of pools that have units
        self.system[problem.row_pool] = problem.cell_system[problem.row_cell]
        self.waits = self.below_minimum(problem.row_pool, problem.row_cell, problem.row_units)
        self.cells: list[list[int]] = [[] for _ in range(problem.domains)]  # on and below each domain
        self.rows_in: list[list[int]] = [[] for _ in range(problem.cells)]  # of each cell
        self.rows_of: list[list[int]] = [[] for _ in range(problem.pools)]
        self.lost: list[dict[int, int]] = [{} for _ in range(problem.domains)]  # pool -> units of it below
        home = problem.cell_domain.tolist()
        for cell, domain in enumerate(home):
            for d in ancestors[domain]:
                self.cells[d].append(cell)
        rows = zip(
            problem.row_cell.tolist(), problem.row_pool.tolist(), problem.row_units.tolist(), strict=True
        )
        for row, (cell, pool, units) in enumerate(rows):
            self.rows_in[cell].append(row)
            self.rows_of[pool].append(row)
            for d in ancestors[home[cell]]:
                self.lost[d][pool] = self.lost[d].get(pool, 0) + units

    def below_minimum(self, pool: Ints, cell: Ints, units: Ints) -> Bools:
        """(P,) whether a pool that has a minimum is below it with these units (I,)."""
        problem = self.problem
        gpus = _sums(pool, units * problem.system_gpus[problem.cell_system[cell]], problem.pools)
        few = _sums(pool, units, problem.pools) < problem.spread
        return np.asarray((problem.minimum > 0) & ((gpus < problem.minimum) | few))

    def gpus_below(self, domain: int) -> int:
        """GPUs that stand below a domain."""
        gpus, system = self.problem.system_gpus, self.system
        return sum(units * int(gpus[system[pool]]) for pool, units in self.lost[domain].items())

    def shut(self, domain: int) -> Bools:
        """(C,) the cells on and below a domain."""
        shut = np.zeros(self.problem.cells, np.bool_)
        shut[self.cells[domain]] = True
        return shut

    def without(self, domain: int) -> Problem:
        """The problem when a domain is lost: its cells take nothing, and what stands there has to go."""
        problem, shut = self.problem, self.shut(domain)
        gone = shut[problem.row_cell]
        return replace(
            problem,
            cell_open=problem.cell_open & ~shut,
            row_leave=problem.row_leave | gone,
            row_locked=problem.row_locked & ~gone,
        )


def _sums(key: Ints, amounts: Ints, groups: int) -> Ints:
    """(groups,) sums of amounts by key."""
    total = np.zeros(groups, np.int64)
    np.add.at(total, key, amounts)
    return total
