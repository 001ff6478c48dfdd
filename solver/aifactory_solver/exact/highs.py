"""A model in HiGHS: bounds of goals, and runs with checked status.

The traps of HiGHS that are minded here: the thread count is fixed by the first run of a process; the time
limit of an LP counts all runs of an object, that of a MIP only its own; rows of large numbers need scaling;
a MIP heeds no limit of iterations, so it gets one of nodes, and what it took is counted when it has ended.
"""

from dataclasses import dataclass

import highspy
import numpy as np
import numpy.typing as npt

from aifactory_solver.exact.budget import Budget
from aifactory_solver.exact.model import FAR, Model
from aifactory_solver.problem import Ints

Floats = npt.NDArray[np.float64]
_TOLERANCE = 1e-9  # of integer solutions; watts reach 1e6 times the smallest step of a row
_OF_A_NODE = 15  # iterations, about
# Heuristics that take long here and find little: there is a plan to begin with, and diving.
_LEFT_OUT = ("feasibility_jump", "rens", "rins", "root_reduced_cost")
_STOPPED = (highspy.HighsModelStatus.kTimeLimit, highspy.HighsModelStatus.kSolutionLimit)
_INFEASIBLE = (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible)


@dataclass(frozen=True)
class Found:
    """What a run brought."""

    status: str  # "optimal", "infeasible" or "stopped"
    bound: float  # no solution has an objective above this
    values: Floats | None  # of the columns, the best solution found


class Solver:
    """One model, as a MIP or as its LP relaxation, changed in place from run to run."""

    def __init__(self, model: Model, *, relaxed: bool, budget: Budget) -> None:
        self.model, self.relaxed, self.budget = model, relaxed, budget
        self._highs = highs = highspy.Highs()  # type: ignore[no-untyped-call]
        for name, value in (
            ("output_flag", False),
            ("threads", 1),
            ("mip_rel_gap", 0.0),
            ("mip_feasibility_tolerance", _TOLERANCE),
            *((f"mip_heuristic_run_{name}", False) for name in _LEFT_OUT),
        ):
            highs.setOptionValue(name, value)
        rows, columns = model.row_lower.shape[0], model.upper.shape[0]
        biggest = np.ones(rows)
        np.maximum.at(biggest, np.repeat(np.arange(rows), np.diff(model.start)), np.abs(model.value))
        self._scale = np.where(biggest > 1_000, biggest, 1.0)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = columns, rows
        lp.col_cost_ = np.zeros(columns)
        lp.col_lower_, lp.col_upper_ = np.zeros(columns), model.early.astype(np.float64)
        lp.row_lower_ = self._far(model.row_lower) / self._scale
        lp.row_upper_ = self._far(model.row_upper) / self._scale
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = model.start.astype(np.int32)
        lp.a_matrix_.index_ = model.index.astype(np.int32)
        lp.a_matrix_.value_ = model.value / np.repeat(self._scale, np.diff(model.start))
        if not relaxed:
            kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
            lp.integrality_ = [kinds[whole] for whole in model.integer.tolist()]
        lp.sense_ = highspy.ObjSense.kMaximize
        if highs.passModel(lp) == highspy.HighsStatus.kError:
            raise RuntimeError("HiGHS refuses the model")

    @staticmethod
    def _far(bounds: Ints) -> Floats:
        return np.where(bounds >= FAR, np.inf, np.where(bounds <= -FAR, -np.inf, bounds))

    def bound_row(self, row: int, lower: float, upper: float) -> None:
        """Set the bounds of a row, in its own numbers."""
        scale = float(self._scale[row])
        self._highs.changeRowBounds(row, lower / scale, upper / scale)

    def bound_columns(self, lower: Floats, upper: Floats) -> None:
        """Set the bounds of all columns."""
        numbers = np.arange(upper.shape[0], dtype=np.int32)
        self._highs.changeColsBounds(numbers.shape[0], numbers, lower, upper)

    def maximise(self, cost: Floats, gap: float, share: float, start: Floats | None = None) -> Found:
        """Run until the best solution is within ``gap`` of the bound, or a share of the budget is spent.

        A MIP looks at its root at least, and an LP is solved to its end, unless time is up.
        """
        highs, budget = self._highs, self.budget
        if budget.spent:
            return Found("stopped", np.inf, None)
        share = 1.0 if self.relaxed else share
        columns = np.arange(cost.shape[0], dtype=np.int32)
        highs.changeColsCost(columns.shape[0], columns, cost)
        highs.setOptionValue("mip_abs_gap", gap)
        before = highs.getRunTime() if self.relaxed else 0
        highs.setOptionValue("time_limit", before + budget.seconds * share)
        if not self.relaxed:
            nodes = min(budget.iterations * share / _OF_A_NODE, highspy.kHighsIInf - 1)
            highs.setOptionValue("mip_max_nodes", 1 + int(nodes))
            highs.clearSolver()
        if start is not None:
            solution = highspy.HighsSolution()
            solution.col_value = start.tolist()
            highs.setSolution(solution)
        if highs.run() == highspy.HighsStatus.kError:
            return Found("stopped", np.inf, None)
        status, info = highs.getModelStatus(), highs.getInfo()
        budget.iterations -= max(0, info.simplex_iteration_count)
        if status in _INFEASIBLE:
            return Found("infeasible", -np.inf, None)
        optimal = status == highspy.HighsModelStatus.kOptimal
        values = None
        if info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
            values = np.asarray(highs.getSolution().col_value)
        bound = np.inf
        if optimal and self.relaxed:
            bound = info.objective_function_value
        elif optimal or status in _STOPPED:
            bound = np.inf if self.relaxed else info.mip_dual_bound
        return Found("optimal" if optimal else "stopped", bound, values)
