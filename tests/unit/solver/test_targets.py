"""The guide that follows the relaxation: what is meant for a pool comes first, until it is used up."""

import numpy as np

from aifactory_solver import solve_plainly
from aifactory_solver.bands import bands
from aifactory_solver.question import ask
from aifactory_solver.relax.relaxation import relax
from aifactory_solver.relax.simplex import simplex
from aifactory_solver.strict.layout import Layout
from aifactory_solver.targets import Advice, Targets
from unit.solver.build import World


def targets(made: World) -> Targets:
    """What leads the solver, for a fleet in which nothing stands."""
    problem = made.problem()
    layout, question = Layout(problem, np), ask(problem, solve_plainly(problem))
    relaxation = relax(question, bands(problem)[question.pools], layout.forest)
    return Targets(layout, Advice(layout, question.pools, relaxation, simplex))


def test_the_system_that_is_meant_comes_first() -> None:
    made = World().factory("a").slots("a", 10, "one").slots("a", 5, "two")
    made.pool("flexible", 10, systems=("one", "two")).pool("bound", 10, systems=("one",))
    guide = targets(made)
    listed = guide.layout.problem.systems[0]
    assert list(guide.systems(0)) == [listed[1], listed[0]]


def test_the_factory_that_is_meant_comes_first_until_it_is_used_up() -> None:
    made = World().factory("near").slots("near", 4).factory("far").slots("far", 8, cost=1)
    made.pool("anywhere", 4).pool("another", 4).pool("bound", 4, factories=("near",))
    guide = targets(made)
    (system,) = guide.layout.problem.systems[0]
    assert guide.factories(0, system, 4)[0] == [1]
    guide.took(0, 1, 4)
    assert guide.factories(1, system, 4)[0] == [1]
    guide.took(1, 1, 4)
    assert guide.factories(1, system, 4)[0] != [1]
