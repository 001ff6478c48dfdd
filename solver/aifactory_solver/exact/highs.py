"""A model in HiGHS: bounds of goals, and runs with checked status.

The traps of HiGHS that are minded here: the thread count is fixed by the first run of a process; the time
limit of an LP counts all runs of an object, that of a MIP only its own; rows of large numbers need scaling.
"""

import time
from dataclasses import dataclass

import highspy
import numpy as np
import numpy.typing as npt

from aifactory_solver.exact.model import FAR, Model
from aifactory_solver.problem import Ints

Floats = npt.NDArray[np.float64]
_TOLERANCE = 1e-9  # of integer solutions; watts reach 1e6 times the smallest step of a row
_INFEASIBLE = (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible)


@dataclass(frozen=True)
class Found:
    """What a run brought."""

    status: str  # "optimal", "infeasible" or "stopped"
    bound: float  # no solution has an objective above this
    values: Floats | None  # of the columns, the best solution found


class Solver:
    """One model, as a MIP or as its LP relaxation, changed in place from run to run."""

    def __init__(self, model: Model, *, relaxed: bool, deadline: float) -> None:
        self.model, self.relaxed, self.deadline = model, relaxed, deadline
        self._highs = highs = highspy.Highs()  # type: ignore[no-untyped-call]
        for name, value in (
            ("output_flag", False),
            ("threads", 1),
            ("mip_rel_gap", 0.0),
            ("mip_feasibility_tolerance", _TOLERANCE),
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
        """Run until the best solution is within ``gap`` of the bound, or a share of the time left is up."""
        highs, seconds = self._highs, self.deadline - time.monotonic()
        seconds *= 1.0 if self.relaxed else share
        if seconds <= 0:
            return Found("stopped", np.inf, None)
        columns = np.arange(cost.shape[0], dtype=np.int32)
        highs.changeColsCost(columns.shape[0], columns, cost)
        highs.setOptionValue("mip_abs_gap", gap)
        highs.setOptionValue("time_limit", seconds + (highs.getRunTime() if self.relaxed else 0))
        if not self.relaxed:
            highs.clearSolver()
        if start is not None:
            solution = highspy.HighsSolution()
            solution.col_value = start.tolist()
            highs.setSolution(solution)
        if highs.run() == highspy.HighsStatus.kError:
            return Found("stopped", np.inf, None)
        status, info = highs.getModelStatus(), highs.getInfo()
        if status in _INFEASIBLE:
            return Found("infeasible", -np.inf, None)
        optimal = status == highspy.HighsModelStatus.kOptimal
        values = None
        if info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
            values = np.asarray(highs.getSolution().col_value)
        bound = np.inf
        if optimal and self.relaxed:
            bound = info.objective_function_value
        elif optimal or status == highspy.HighsModelStatus.kTimeLimit:
            bound = np.inf if self.relaxed else info.mip_dual_bound
        return Found("optimal" if optimal else "stopped", bound, values)
