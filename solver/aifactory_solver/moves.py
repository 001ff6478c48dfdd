"""A lower bound on the GPUs that an event moves at all, by a linear program over what stands.

Under limits that are exceeded some units have to leave, and what has to be emptied leaves whole. A GPU that
leaves is moved, or its pool loses it. So at least as many are moved as have to leave, without those that
pools lose there in the plan.
"""

import highspy
import numpy as np

from aifactory_solver.problem import Ints, Problem, Solution


def forced_moves(problem: Problem, solution: Solution) -> int:
    """GPUs that any plan moves in which pools lose what they lose in this one, or more."""
    gpus = problem.system_gpus[problem.cell_system[problem.row_cell]]
    must = problem.row_leave & ~problem.row_locked
    over = _excess(problem)
    below = [
        _below(problem, d)[problem.cell_domain[problem.row_cell]] for d in np.flatnonzero(over > 0).tolist()
    ]
    concerned = must | np.logical_or.reduce([np.zeros(problem.rows, np.bool_), *below])
    loose = np.flatnonzero(concerned & ~must & ~problem.row_locked)
    leave = int((problem.row_units * gpus)[must].sum())
    if loose.size:
        cover = [(row[loose] * problem.row_watts[loose]).astype(float) for row in below]
        sides = over[over > 0].astype(float)
        leave += _least(gpus[loose], problem.row_units[loose], cover, sides)
    had, has, gone = (np.zeros(problem.pools, dtype=np.int64) for _ in range(3))
    np.add.at(had, problem.row_pool, problem.row_units * gpus)
    np.add.at(has, problem.row_pool, solution.kept * gpus)
    each = problem.system_gpus[problem.cell_system[solution.new_cell]]
    np.add.at(has, solution.new_pool, solution.new_units * each)
    np.add.at(gone, problem.row_pool, (problem.row_units - solution.kept) * gpus * concerned)
    lost = np.minimum(np.maximum(had - has, 0), gone)
    return max(0, leave - int(lost.sum()))


def _least(gpus: Ints, units: Ints, cover: list[np.ndarray], sides: np.ndarray) -> int:
    """The fewest GPUs whose watts add up to what each limit is exceeded by."""
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = gpus.size, len(cover)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = gpus.astype(float), np.zeros(gpus.size), units.astype(float)
    matrix = np.stack(cover) / sides[:, None]
    lp.row_lower_, lp.row_upper_ = np.ones(len(cover)), np.full(len(cover), highspy.kHighsInf)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.arange(len(cover) + 1) * gpus.size
    lp.a_matrix_.index_ = np.tile(np.arange(gpus.size), len(cover))
    lp.a_matrix_.value_ = matrix.reshape(-1)
    highs.passModel(lp)
    highs.run()
    optimal = highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return int(np.ceil(highs.getInfo().objective_function_value - 1e-6)) if optimal else 0


def _excess(problem: Problem) -> Ints:
    """(D,) watts by which what stands, and need not leave, is above each limit."""
    stays = problem.row_units * problem.row_watts * ~(problem.row_leave & ~problem.row_locked)
    load = problem.fixed_watts.copy()
    np.add.at(load, problem.cell_domain[problem.row_cell], stays)
    for d in range(problem.domains - 1, -1, -1):
        if problem.parent[d] >= 0:
            load[problem.parent[d]] += load[d]
    return load - problem.limit


def _below(problem: Problem, domain: int) -> np.ndarray:
    """(D,) is the domain or lies below it."""
    found = np.zeros(problem.domains, dtype=np.bool_)
    found[domain] = True
    for d, above in enumerate(problem.parent.tolist()):
        if above >= 0 and found[above]:
            found[d] = True
    return found
