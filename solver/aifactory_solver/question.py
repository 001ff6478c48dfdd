"""What may still be chosen freely in a plan: where pools stand of which nothing is kept.

A plan keeps every rule. What it keeps of standing rows, and what it adds to pools that keep something, is
fixed load here; pools whose units are all new, and waiting ones, may be placed again from scratch.

Sizes as in ``problem``: D domains, C cells, and Q free pools.
"""

from dataclasses import dataclass

import numpy as np

from aifactory_solver.problem import Bools, Ints, Problem, Solution

Plan = dict[int, dict[int, int]]  # pool -> cell -> units; pools and cells without units are left out


@dataclass(frozen=True, eq=False)
class Question:
    """The room that the free pools share."""

    problem: Problem
    left: Ints  # (D,) watts that they may use; below 0 nothing fits there
    free: Ints  # (C,) slots that they may use; none where 0 or below, or where the cell is not open
    pools: Ints  # (Q,) the free pools, ascending


def ask(problem: Problem, solution: Solution) -> Question:
    """The question that a plan leaves open.

    Room that is being vacated (``leaving_watts``, ``cell_leaving``) counts as room, as in every plan.
    """
    pools = np.flatnonzero(_free(problem, solution))
    fixed = ~np.isin(solution.new_pool, pools)
    cells = np.concatenate((problem.row_cell, solution.new_cell[fixed]))
    units = np.concatenate((solution.kept, solution.new_units[fixed]))
    watts = np.concatenate((problem.row_watts, problem.cell_watts[solution.new_cell[fixed]]))
    load, used = problem.fixed_watts.copy(), np.zeros(problem.cells, np.int64)
    np.add.at(load, problem.cell_domain[cells], units * watts)
    np.add.at(used, cells, units)
    for domain in range(problem.domains - 1, -1, -1):  # children come after their parents
        if problem.parent[domain] >= 0:
            load[problem.parent[domain]] += load[domain]
    return Question(problem, problem.limit - load, problem.cell_units - used, pools)


def held(question: Question, solution: Solution) -> Plan:
    """What the free pools hold in a plan."""
    plan: Plan = {}
    columns = (solution.new_pool.tolist(), solution.new_cell.tolist(), solution.new_units.tolist())
    free = set(question.pools.tolist())
    for pool, cell, units in zip(*columns, strict=True):
        if pool in free:
            plan.setdefault(pool, {})[cell] = units
    return plan


def replaced(question: Question, solution: Solution, plan: Plan) -> Solution:
    """The solution with the free pools placed as in ``plan``."""
    fixed = ~np.isin(solution.new_pool, question.pools)
    rows = zip(solution.new_pool[fixed], solution.new_cell[fixed], solution.new_units[fixed], strict=True)
    new = sorted([*rows, *((p, c, n) for p, units in plan.items() for c, n in units.items())])
    columns = np.asarray(new, np.int64).reshape(-1, 3)
    return Solution(solution.kept, columns[:, 0], columns[:, 1], columns[:, 2])


def _free(problem: Problem, solution: Solution) -> Bools:
    """(P,) may be placed anew: asks for something and keeps nothing."""
    kept = np.zeros(problem.pools, np.int64)
    np.add.at(kept, problem.row_pool, solution.kept)
    return np.asarray(~problem.frozen & (problem.need > 0) & (kept == 0))
