"""Peers that solve integer programmes: HiGHS stage by stage, and HiGHS and CP-SAT with weights.

All of them get the same neutral model of the same question: everything that may be placed anew, which in a
first plan is everything. They know nothing of moves: what a plan of the engine keeps, they keep.
"""

import pickle
import subprocess
import sys

import numpy as np
import numpy.typing as npt

from aifactory_solver.bands import BANDS, bands
from aifactory_solver.exact import Budget, answer
from aifactory_solver.exact.highs import Solver
from aifactory_solver.exact.model import SERVED, Builder, Model
from aifactory_solver.exact.plans import Plans
from aifactory_solver.problem import Problem, Solution
from aifactory_solver.question import Question, ask, replaced
from aifactory_solver.strict.plain import solve

WORKERS = 2
Floats = npt.NDArray[np.float64]


def staged(problem: Problem, budget: float) -> Solution:
    """HiGHS, one exact priority after the other, from nothing: no plan to begin with but a greedy fill."""
    plain = solve(problem)
    question = ask(problem, plain)
    return replaced(question, plain, answer(question, Budget(seconds=budget)).plan)


def weighted(problem: Problem, budget: float) -> Solution:
    """HiGHS, all minima in one objective, a GPU worth four of the band below, and growth next to nothing."""
    plain, question, model, plans = _posed(problem)
    solver = Solver(model, relaxed=False, budget=Budget(seconds=budget))
    solver.bound_columns(np.zeros(model.upper.shape[0]), model.upper.astype(np.float64))
    found = solver.maximise(_weights(problem, model), 0.0, 1.0)
    plan = plans.read(found.values) if found.values is not None else None
    if plan is None:
        raise RuntimeError("no plan in time")
    return replaced(question, plain, plan)


def cp_sat(problem: Problem, budget: float) -> Solution:
    """OR-Tools CP-SAT on the same model and weights; every column is integer there."""
    plain, question, model, plans = _posed(problem)
    weights = np.rint(1000 * _weights(problem, model)).astype(np.int64)
    arrays = (model.upper, model.start, model.index, model.value, model.row_lower, model.row_upper, weights)
    command = [sys.executable, "-m", "bench.solver.cpsat"]
    asked = pickle.dumps((arrays, budget, WORKERS))
    values = pickle.loads(subprocess.run(command, input=asked, stdout=subprocess.PIPE, check=True).stdout)
    if values is None:
        raise RuntimeError("no plan in time")
    plan = plans.read(np.asarray(values, dtype=np.float64))
    assert plan is not None
    return replaced(question, plain, plan)


def _posed(problem: Problem) -> tuple[Solution, Question, Model, Plans]:
    plain = solve(problem)
    question = ask(problem, plain)
    builder = Builder(question)
    return plain, question, builder.model, Plans(builder.ways, builder.model)


def _weights(problem: Problem, model: Model) -> Floats:
    """(N,) the objective: goals of one band have one weight."""
    band = dict(zip(problem.priority.tolist(), bands(problem).tolist(), strict=True))
    total = np.zeros(model.upper.shape[0])
    for goal in model.goals:
        if goal.kind in SERVED:
            each = 4.0 ** (BANDS - 1 - band[goal.priority]) * (1.0 if goal.kind == "minimum" else 0.001)
            at = slice(int(model.start[goal.row]), int(model.start[goal.row + 1]))
            total[model.index[at]] += each * goal.unit * model.value[at]
    return total
