"""No plan is used that the checker refuses: it is asked for again, with less."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from aifactory_solver import Problem, Solution, check, solve_plainly
from aifactory_solver.problem import Wrong
from aifactory_solver.value import value

Solver = Callable[[Problem], Solution]

_ATTEMPTS = 6  # each sets more pools aside than the one before


def checked(
    problem: Problem,
    better: Solution | None = None,
    adopted: Solution | None = None,
    greedy: Solver = solve_plainly,
) -> tuple[Solution, tuple[str, ...]]:
    """The first plan that the checker lets pass, and what is to be logged.

    The better plan if there is one, but the adopted one where that serves as much; then the greedy engine's,
    then the answer to a smaller question: nobody moves of its own accord; then the pools that the checker
    names get nothing new, so that they stop nobody else; then no pool does. Where even that is refused
    everything stays as it is.
    """
    log: list[str] = []
    if adopted is not None and not passes(problem, adopted):
        adopted = None  # no fault of anybody's: what it counted on is gone
    if better is not None:
        try:
            check(problem, better)
        except Wrong as error:
            log.append(f"The checker refused the better plan: {error}")
        else:
            if adopted is None or value(problem, better).serves_more_than(value(problem, adopted)):
                return better, ()
    if adopted is not None:
        return adopted, tuple(log)
    asked: Problem | None = problem
    attempts = 0
    while asked is not None:
        solution = greedy(asked)
        try:
            check(asked, solution)
        except Wrong as error:
            log.append(f"The checker refused a plan: {error}")
            attempts += 1
            asked = _smaller(asked, error.pools, last=attempts >= _ATTEMPTS)
        else:
            return solution, tuple(log)
    nothing = np.zeros(0, dtype=np.int64)
    log.append("Everything stays as it is until the world changes.")
    return Solution(problem.row_units.copy(), nothing, nothing, nothing), tuple(log)


def passes(problem: Problem, solution: Solution) -> bool:
    """Whether the checker lets a plan pass."""
    try:
        check(problem, solution)
    except Wrong:
        return False
    return True


def _smaller(problem: Problem, named: frozenset[int], *, last: bool) -> Problem | None:
    """The next question, None where there is none."""
    if problem.changed.any():
        return replace(problem, changed=np.zeros_like(problem.changed))
    if problem.frozen.all():
        return None
    frozen = problem.frozen.copy()
    frozen[sorted(named)] = True
    if last or np.array_equal(frozen, problem.frozen):
        frozen[:] = True
    return replace(problem, frozen=frozen)
