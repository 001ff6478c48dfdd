"""The lower bound on moves."""

from hypothesis import HealthCheck, given, settings

from aifactory_solver import solve, solve_plainly
from aifactory_solver.moves import forced_moves
from aifactory_solver.problem import Problem
from aifactory_solver.value import value
from unit.solver.build import World
from unit.solver.halls import two_halls
from unit.solver.worlds import worlds


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_no_plan_moves_less_than_is_forced(problem: Problem) -> None:
    for plan in (solve_plainly(problem), solve(problem)):
        assert value(problem, plan).moved >= forced_moves(problem, plan)


def test_what_is_above_a_limit_moves_and_no_more() -> None:
    problem = two_halls(first=6).pool("p", 10).stands("p", "a/hall-1", 10).problem()
    plan = solve_plainly(problem)
    assert forced_moves(problem, plan) == value(problem, plan).moved == 4


def test_what_has_to_be_emptied_moves_whole() -> None:
    made = two_halls().pool("p", 10).stands("p", "a/hall-1", 7, leave=True).stands("p", "a/hall-2", 3)
    problem = made.problem()
    assert forced_moves(problem, solve_plainly(problem)) == 7


def test_what_a_pool_loses_is_not_moved() -> None:
    problem = World().factory("a", 6).slots("a", 10).pool("p", 10, minimum=1).stands("p", "a", 10).problem()
    assert forced_moves(problem, solve_plainly(problem)) == 0


def test_heavy_units_leave_first() -> None:
    """Three watts above the limit: one rack of two GPUs and three watts, or three nodes of a GPU each."""
    made = (
        World().factory("a", 3).factory("b").slots("a", 1, "two", watts=3).slots("a", 3).slots("b", 9, "two")
    )
    made.slots("b", 9).pool("rack", 2, systems=("two",), priority=1).stands("rack", "a", 1, "two")
    made.pool("nodes", 3).stands("nodes", "a", 3)
    problem = made.problem()
    assert forced_moves(problem, solve_plainly(problem)) == 2
