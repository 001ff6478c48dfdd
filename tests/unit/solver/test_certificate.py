"""The certificate: what it says is true, and it says something."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from aifactory_solver import certify, solve, solve_plainly
from aifactory_solver.bands import BANDS
from aifactory_solver.certificate import Certificate, Certifier
from aifactory_solver.exact import Budget, answer
from aifactory_solver.problem import Problem
from aifactory_solver.question import ask, held, replaced
from aifactory_solver.relax.pdhg import pdhg
from aifactory_solver.relax.simplex import simplex
from thorough import sample
from unit.solver.build import World
from unit.solver.draft import Knobs
from unit.solver.worlds import hard, world, worlds

some = settings(max_examples=sample(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])


def served(problem: Problem, solution: object, v: int) -> int:
    certifier = Certifier(problem, solution, simplex)  # type: ignore[arg-type]
    return int(certifier.served[problem.priority == v].sum())


@some
@given(worlds(pools=8))
def test_no_plan_of_the_solver_beats_the_bound(problem: Problem) -> None:
    """Whatever stands and may be taken: of two plans the better one is within the other's bounds."""
    first, second = solve_plainly(problem), solve(problem)
    for plan, other in ((first, second), (second, first)):
        certifier, rival = (Certifier(problem, each, simplex) for each in (plan, other))
        for v in np.unique(problem.priority)[::-1].tolist():
            mine = problem.priority == v
            most = certifier.bound(problem.priority > v, mine)
            assert most >= int(certifier.served[mine].sum())
            assert most >= int(rival.served[mine].sum())
            if rival.served[mine].sum() < certifier.served[mine].sum():
                break  # the other is no longer as good above


@pytest.mark.parametrize("batch", range(sample(4)))
def test_what_is_proved_holds_against_the_exact_optimum(batch: int) -> None:
    for seed in range(25 * batch, 25 * (batch + 1)):
        knobs = Knobs(2, 4, 2, 7, standing=0.0, tightness=0.6, changes=frozenset())
        problem = world(knobs, seed)
        plan = solve_plainly(problem)
        question = ask(problem, plan)
        exact = answer(question, Budget(iterations=1_000_000), held(question, plan))
        assert exact.carbon_proved
        best = replaced(question, plan, exact.plan)
        proof = certify(problem, plan)
        for v in np.unique(problem.priority)[::-1].tolist():
            if proof.proved_through is None or v < proof.proved_through:
                break
            assert served(problem, plan, v) == served(problem, best, v)


def test_who_is_proved_to_wait_waits_in_every_plan_that_is_as_good_above() -> None:
    proved = served = 0
    for seed in range(sample(60)):
        problem = world(Knobs(2, 4, 2, 10, standing=0.0, tightness=0.6, changes=frozenset()), seed)
        plain, best = (Certifier(problem, plan(problem), simplex) for plan in (solve_plainly, solve))
        for it in plain.missing(BANDS):
            assert it.gpus == problem.minimum[it.pool] - plain.served[it.pool]
            above = (problem.priority >= problem.priority[it.pool]) & (np.arange(problem.pools) != it.pool)
            sums = [np.bincount(mine.at[above], mine.served[above]) for mine in (plain, best)]
            if np.all(sums[1] >= sums[0]):
                waits = best.served[it.pool] < problem.minimum[it.pool]
                assert waits or not it.proved
                served += not waits
            proved += it.proved
    assert min(proved, served) > 5


@some
@given(worlds(pools=8))
def test_bounds_of_bands_hold_for_any_engine(problem: Problem) -> None:
    plan = solve(problem)
    for engine in (simplex, pdhg):
        for band in certify(problem, plan, engine=engine).bands:
            assert band.served <= band.bound <= band.wished


def test_a_small_plan_is_proved_whole() -> None:
    for seed in range(10):
        problem = world(Knobs(2, 4, 2, 10, standing=0.0, tightness=0.6, changes=frozenset()), seed)
        proof = certify(problem, solve(problem))
        assert proof.proved_through == problem.priority.min()
        assert (proof.proved, proof.next_more) == (proof.wished, 0)
        assert [band.bound for band in proof.bands] == [band.served for band in proof.bands]


def test_a_plan_that_could_be_better_is_not_proved() -> None:
    made = World().factory("a").slots("a", 10, "one").slots("a", 10, "two")
    made.pool("flexible", 10, systems=("one", "two")).pool("bound", 10, systems=("one",))
    problem = made.problem()
    poor = certify(problem, solve_plainly(problem))
    assert poor.proved_through is None
    assert poor.next_more == 10
    assert certify(problem, solve(problem)).proved_through == 0


def test_what_others_hold_is_no_room_and_what_may_be_taken_is() -> None:
    made = World().factory("a", 10).slots("a", 10)
    made.pool("low", 10, priority=1).stands("low", "a", 10).pool("high", 5, priority=2)
    fixed = made.problem()
    assert certify(fixed, solve_plainly(fixed)).proved_through == 1  # nothing may be taken from `low`
    made.pools["low"].preemptible = True
    problem = made.problem()
    nothing = made.plan()
    assert Certifier(problem, nothing, simplex).bound(problem.priority > 2, problem.priority == 2) == 5


def test_the_line_for_people() -> None:
    assert str(Certificate((), 500, 62, 100, 132)) == (
        "proved through priority 500 (62% of all wished GPUs); in the next band at most 132 GPUs more"
    )
    assert str(Certificate((), 0, 100, 100, 0)) == "proved through priority 0 (100% of all wished GPUs)"
    assert "nothing is proved" in str(Certificate((), None, 0, 100, 7))


def test_a_running_fleet_has_a_certificate_too() -> None:
    for seed in range(sample(60)):
        problem = hard(seed)
        proof = certify(problem, solve(problem))
        assert all(band.served <= band.bound for band in proof.bands)
