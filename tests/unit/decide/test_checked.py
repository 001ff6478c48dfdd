"""A plan that the checker refuses is never used, and one pool that the solver gets wrong stops no other."""

from dataclasses import replace

import numpy as np
import pytest

from aifactory.decide.place.checked import checked
from aifactory_solver import Problem, Solution, solve_plainly
from unit.solver.build import World, ints


def two_pools() -> Problem:
    """Two pools, the first of which stands with 2 of its 3 units."""
    world = World().factory("a", 10).slots("a", 10).pool("one", 3, minimum=1).pool("two", 4)
    return world.stands("one", "a", 2).problem()


def test_a_sound_plan_is_taken_as_it_is() -> None:
    solution, log = checked(two_pools())
    assert solution.new_units.tolist() == [1, 4]
    assert log == ()


def test_a_pool_that_the_solver_gets_wrong_stops_no_other() -> None:
    def greedy(problem: Problem) -> Solution:
        """Gives pool 0 more than its wish, whenever it may be given anything."""
        solution = solve_plainly(problem)
        if problem.frozen[0]:
            return solution
        more = np.where(solution.new_pool == 0, 5, solution.new_units)
        return replace(solution, new_units=more)

    solution, log = checked(two_pools(), greedy=greedy)
    assert dict(zip(solution.new_pool.tolist(), solution.new_units.tolist(), strict=True)) == {1: 4}
    assert solution.kept.tolist() == [2]
    assert len(log) == 1
    assert "pool 0" in log[0]


def test_a_move_that_goes_wrong_is_left_out_before_any_pool_is() -> None:
    problem = replace(two_pools(), changed=np.ones(2, np.bool_))

    def restless(problem: Problem) -> Solution:
        if not problem.changed.any():
            return solve_plainly(problem)
        return Solution(ints([0]), ints([]), ints([]), ints([]))

    solution, log = checked(problem, greedy=restless)
    assert solution.new_units.tolist() == [1, 4]
    assert len(log) == 1


@pytest.mark.parametrize("wrong", [ints([0]), ints([3]), ints([])])
def test_a_solver_that_is_always_wrong_changes_nothing(wrong: np.ndarray) -> None:
    solution, log = checked(two_pools(), greedy=lambda _: Solution(wrong, ints([]), ints([]), ints([])))
    assert solution.kept.tolist() == [2]
    assert solution.new_units.size == 0
    assert log[-1] == "Everything stays as it is until the world changes."


def test_a_better_plan_is_used_if_it_passes_and_else_the_safe_one() -> None:
    problem = two_pools()
    better = Solution(ints([2]), ints([1]), ints([0]), ints([4]))
    assert checked(replace(problem, need=ints([2, 4])), better)[0] is better
    solution, log = checked(problem, Solution(ints([2]), ints([]), ints([]), ints([])))
    assert solution.new_units.tolist() == [1, 4]
    assert len(log) == 1
    assert "refused the better plan" in log[0]
