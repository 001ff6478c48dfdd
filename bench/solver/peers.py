"""The methods that the benchmark knows, by name."""

import time
from collections.abc import Callable

from aifactory_solver import solve, solve_plainly
from aifactory_solver.polish import polish
from aifactory_solver.problem import Problem, Solution
from bench.solver import greedy, milp
from bench.solver.pop import pop

Method = Callable[[Problem, float], Solution]  # the problem, and a budget in seconds for those that need one


def aifactory(problem: Problem, budget: float) -> Solution:
    """The project's solver. Needs no budget."""
    return solve(problem)


def safe(problem: Problem, budget: float) -> Solution:
    """The plan that the project's solver begins with, used at once where time is short. Needs no budget."""
    return solve_plainly(problem)


def polished(problem: Problem, budget: float) -> Solution:
    """The project's solver, and what is left of the budget for polish."""
    began = time.monotonic()
    plan = solve(problem)
    return polish(problem, plan, budget - (time.monotonic() - began), milp.WORKERS)


METHODS: dict[str, Method] = {
    "greedy-first-fit": greedy.first_fit,
    "greedy-best-fit": greedy.best_fit,
    "greedy-keep": greedy.keep,
    "pop": pop,
    "highs-staged": milp.staged,
    "highs-weighted": milp.weighted,
    "cp-sat": milp.cp_sat,
    "aifactory-safe": safe,
    "aifactory": aifactory,
    "aifactory-polish": polished,
}
