"""The lower bound on moves."""

from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from aifactory_solver import solve, solve_plainly
from aifactory_solver.moves import forced_moves
from aifactory_solver.problem import Problem, Solution
from aifactory_solver.value import value
from thorough import sample
from unit.solver.build import World
from unit.solver.halls import two_halls
from unit.solver.worlds import hard, worlds


def served(problem: Problem, plan: Solution) -> list[int]:
    """GPUs of each pool in the end, up to what it wishes for."""
    gpus, has = problem.system_gpus[problem.cell_system], np.zeros(problem.pools, np.int64)
    np.add.at(has, problem.row_pool, plan.kept * gpus[problem.row_cell])
    np.add.at(has, plan.new_pool, plan.new_units * gpus[plan.new_cell])
    return list(np.minimum(has, problem.need).tolist())


def moves_no_less_than_forced(problem: Problem) -> None:
    """Nor does another plan that serves everybody as much."""
    plans = solve_plainly(problem), solve(problem)
    for plan, other in product(plans, plans):
        if served(problem, plan) == served(problem, other):
            assert value(problem, other).moved >= forced_moves(problem, plan)


@settings(max_examples=sample(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_no_plan_moves_less_than_is_forced(problem: Problem) -> None:
    moves_no_less_than_forced(problem)


@pytest.mark.parametrize("batch", range(sample(4)))
def test_nor_does_one_in_a_hard_world(batch: int) -> None:
    for seed in range(batch, 80, 4):
        moves_no_less_than_forced(hard(seed, pools=20, factories=4))


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


def test_the_lowest_leave_a_limit_not_the_heaviest() -> None:
    """Three watts above the limit: a rack of two GPUs and three watts stays for its priority."""
    made = (
        World().factory("a", 3).factory("b").slots("a", 1, "two", watts=3).slots("a", 3).slots("b", 9, "two")
    )
    made.slots("b", 9).pool("rack", 2, systems=("two",), priority=1).stands("rack", "a", 1, "two")
    made.pool("nodes", 3).stands("nodes", "a", 3)
    problem = made.problem()
    plan = solve_plainly(problem)
    assert forced_moves(problem, plan) == value(problem, plan).moved == 3


def chain(*, low: bool, preemptible: bool) -> World:
    """A pool has to leave a for b, where another stands that could go to c."""
    made = World().factory("a", 0).slots("a", 4).factory("b").slots("b", 4).factory("c").slots("c", 4)
    made.pool("cut", 4, priority=2, factories=("a", "b")).stands("cut", "a", 4)
    there = made.pool("there", 4, priority=1 if low else 3, preemptible=preemptible, factories=("b", "c"))
    return there.stands("there", "b", 4)


def test_who_is_in_the_only_place_left_has_to_move_too() -> None:
    problem = chain(low=True, preemptible=True).problem()
    plan = solve_plainly(problem)
    assert forced_moves(problem, plan) == value(problem, plan).moved == 8


@pytest.mark.parametrize(("low", "preemptible"), [(False, True), (True, False)])
def test_who_may_not_be_taken_from_does_not_move(low: bool, preemptible: bool) -> None:
    problem = chain(low=low, preemptible=preemptible).problem()
    plan = solve_plainly(problem)
    assert forced_moves(problem, plan) == value(problem, plan).moved == 0


def test_the_room_of_who_is_lost_is_a_place_to_go() -> None:
    made = World().factory("a", 0).slots("a", 4).factory("b").slots("b", 4)
    made.pool("cut", 2, priority=2).stands("cut", "a", 2)
    made.pool("lost", 4, priority=1, preemptible=True).stands("lost", "b", 4)
    problem = made.problem()
    plan = solve_plainly(problem)
    assert forced_moves(problem, plan) == value(problem, plan).moved == 2


def test_who_may_not_be_touched_makes_no_room() -> None:
    """The two GPUs of a pool in d, that is to stay, use what would carry all four that have to leave a."""
    made = chain(low=True, preemptible=True).factory("d", 8).slots("d", 4).slots("d", 1, "two", watts=8)
    made.pools["cut"].factories = ("a", "b", "d")
    made.slots("c", 1, "two").pool("stays", 2, systems=("two",)).stands("stays", "d", 1, "two")
    problem = made.problem()
    plan = solve_plainly(problem)
    assert forced_moves(problem, plan) == value(problem, plan).moved == 8
