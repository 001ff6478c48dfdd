"""Fewer moves at equal service: who has to move goes at once where the plan at hand makes room."""

import numpy as np
import pytest

from aifactory_solver import solve, solve_plainly
from aifactory_solver.regroup import regroup
from aifactory_solver.relax.simplex import simplex
from aifactory_solver.strict.layout import Layout
from aifactory_solver.value import value
from unit.solver.build import World


def two_that_have_to_move() -> World:
    """Both from a to b, where the two lowest will be lost, one on each system."""
    made = World().factory("a", 0).slots("a", 8).factory("b").slots("b", 8).slots("b", 2, "two")
    made.pool("flexible", 4, priority=9, systems=("one", "two")).stands("flexible", "a", 4)
    made.pool("bound", 4, priority=8).stands("bound", "a", 4)
    made.pool("middle", 4, priority=3, preemptible=True, systems=("one", "two")).stands("middle", "b", 4)
    made.pool("low", 4, priority=2, preemptible=True, systems=("two",)).stands("low", "b", 2, "two")
    return made.pool("lowest", 4, priority=1, preemptible=True).stands("lowest", "b", 4)


@pytest.mark.parametrize("small", [0, 10_000])
def test_who_needs_no_scarce_system_leaves_it_and_nobody_else_moves(
    small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In turn: the flexible one takes the lowest's room, the bound one the middle's, the middle the low's."""
    monkeypatch.setattr("aifactory_solver.improve.SMALL", small)
    made = two_that_have_to_move()
    problem = made.problem()
    plain, better = made.solve(solve_plainly), made.solve(solve)
    assert value(problem, plain.solution).moved == 12
    assert value(problem, better.solution).moved == 8
    assert better.totals("flexible", "bound", "middle", "low", "lowest") == [2, 4, 4, 0, 0]


def test_where_nobody_looks_for_a_place_there_is_nothing_to_lead() -> None:
    made = World().factory("a").slots("a", 8).pool("calm", 4).stands("calm", "a", 4)
    problem = made.problem()
    assert regroup(Layout(problem, np), solve_plainly(problem), simplex) is None
