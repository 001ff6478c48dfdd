"""The exact solver: as good as trying everything, always sound, never worse than what it began with."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aifactory_solver import check, solve, solve_plainly
from aifactory_solver.check.facts import Facts
from aifactory_solver.exact import Answer, Budget, answer
from aifactory_solver.problem import Problem, Wrong
from aifactory_solver.question import Plan, Question, ask, held, replaced
from thorough import sample
from unit.solver.brute import empty
from unit.solver.build import World
from unit.solver.draft import Knobs
from unit.solver.exhaustive import best, faults, worth
from unit.solver.worlds import hard, knobs, world, worlds

some = settings(max_examples=sample(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
ITERATIONS = 1_000_000  # more than any of these questions takes, by far

fleets = st.builds(
    lambda knobs, seed: world(replace(knobs, small_units=True, standing=0.0), seed),
    knobs(pools=5, factories=2, changes=("limits", "closed", "fixed")),
    st.integers(0, 2**32 - 1),
)


def tiny(problem: Problem, seed: int, most_cells: int = 5) -> Problem:
    """Few slots, small wishes and tight limits, so that everything can be tried."""
    rng = np.random.default_rng(seed)
    keep = rng.permutation(problem.cells)[:most_cells]
    cells = {f.name: getattr(problem, f.name)[keep] for f in fields(problem) if f.name.startswith("cell_")}
    cells["cell_units"] = rng.integers(0, 4, keep.size)
    need = rng.integers(1, 10, problem.pools)
    return replace(
        problem,
        need=need,
        minimum=np.minimum(rng.integers(0, 8, problem.pools), need),
        limit=np.minimum(problem.limit, rng.integers(0, 20, problem.domains)),
        system_gpus=rng.integers(1, 4, problem.system_gpus.size),
        **cells,
    )


def exact(question: Question, start: Plan | None = None) -> Answer:
    """The answer, which must be sound and wholly proved."""
    found = answer(question, Budget(iterations=ITERATIONS), start)
    assert not faults(question, found.plan)
    assert found.carbon_proved
    assert found.served == found.bound
    assert found.growth == found.growth_bound
    return found


def about(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two worths are the same; money may differ by a hundred-thousandth, carbon then by more."""
    return one[:-2] == other[:-2] and abs(one[-2] - other[-2]) <= 1e-5 * abs(other[-2])


@settings(some, max_examples=sample(150))
@given(fleets, st.integers(0, 2**32 - 1))
def test_nothing_is_better(problem: Problem, seed: int) -> None:
    question = ask(problem := tiny(problem, seed), empty(problem))
    found, top = worth(question, exact(question).plan), best(question)
    assert found == top or about(found, top)


@some
@given(worlds())
def test_hard_worlds_get_sound_answers_that_are_no_worse(problem: Problem) -> None:
    plan = solve(problem)
    question = ask(problem, plan)
    before = held(question, plan)
    assert not faults(question, before)
    found, alone = exact(question, before), exact(question)
    assert worth(question, found.plan) >= worth(question, before)
    assert about(worth(question, found.plan), worth(question, alone.plan))


@some
@given(knobs(), st.integers(0, 2**32 - 1))
def test_where_nothing_stands_the_whole_plan_passes_the_check(shape: Knobs, seed: int) -> None:
    problem = world(replace(shape, standing=0.0), seed)
    question = ask(problem, empty(problem))
    check(problem, replaced(question, empty(problem), exact(question).plan))


@pytest.mark.parametrize("seed", range(sample(12)))
@pytest.mark.parametrize(
    "little",
    [{"iterations": 0}, {"iterations": 100}, {"iterations": 1000}, {"seconds": 0.0}, {"seconds": 0.002}],
)
def test_a_small_budget_gives_something_sound(seed: int, little: dict[str, float]) -> None:
    problem = hard(seed, pools=40, factories=4)
    plan = solve(problem)
    question = ask(problem, plan)
    before = held(question, plan)
    for start in (before, None):
        found = answer(question, Budget(**little), start)
        assert not faults(question, found.plan)
        assert all(found.served[p] <= found.bound[p] for p in found.served)
        assert start is None or worth(question, found.plan) >= worth(question, before)


def test_a_larger_budget_gives_no_worse_an_answer_and_each_is_heeded() -> None:
    problem = world(Knobs(4, 7, 3, 100, standing=0.3, changes=frozenset({"limits", "closed"})), 5)
    plan = solve_plainly(problem)
    question = ask(problem, plan)
    before, took = held(question, plan), []
    for iterations in (3_000, 30_000):
        budget = Budget(iterations=iterations)
        found = answer(question, budget, before)
        assert not faults(question, found.plan)
        assert worth(question, found.plan) >= worth(question, before)
        before, left = found.plan, budget.iterations
        took.append(iterations - left)
    assert took[0] < took[1] < 40_000


@some
@given(worlds())
def test_the_question_is_what_the_plan_leaves(problem: Problem) -> None:
    plan = solve(problem)
    question = ask(problem, plan)
    facts = Facts(problem, replaced(question, plan, {}))
    assert np.array_equal(question.left, problem.limit - facts.load)
    assert np.array_equal(question.free, problem.cell_units - facts.used)
    waiting = (facts.kept_units == 0) & ~problem.frozen & (problem.need > 0)
    assert np.array_equal(question.pools, np.flatnonzero(waiting))
    again = replaced(question, plan, held(question, plan))
    assert all(np.array_equal(a, b) for a, b in zip(vars(plan).values(), vars(again).values(), strict=True))


@some
@given(worlds(changes=("limits",)))
def test_the_same_question_gives_the_same_answer(problem: Problem) -> None:
    question = ask(problem, solve(problem))
    assert exact(question) == exact(question)


# By hand


def by_hand(w: World) -> tuple[Plan, Answer]:
    """The answer where nothing stands, checked as a whole plan."""
    problem = w.problem()
    question = ask(problem, empty(problem))
    found = exact(question)
    check(problem, replaced(question, empty(problem), found.plan))
    return found.plan, found


def test_a_start_that_breaks_a_limit_is_refused() -> None:
    problem = World().factory("a", 3).slots("a", 9).pool("p", 2).pool("q", 2).problem()
    with pytest.raises(Wrong, match="domain 0 has 3 watts left, 4 are used"):
        answer(ask(problem, empty(problem)), Budget(), {0: {0: 2}, 1: {0: 2}})


def test_two_small_pools_of_one_priority_go_before_a_larger_one() -> None:
    w = World().factory("a", 10).slots("a", 99)
    plan, found = by_hand(w.pool("large", 7).pool("one", 5).pool("other", 5))
    assert plan == {1: {0: 5}, 2: {0: 5}}
    assert (found.served, found.proved_through) == ({0: 10}, 0)


def test_a_spread_minimum_that_no_split_allows_is_served_with_one_unit_more() -> None:
    w = World().factory("a", 3).factory("b", 3).factory("c", 1)
    w.slots("a", 9).slots("b", 9).slots("c", 9).pool("p", 7, minimum=6, spread=3)
    plan, _ = by_hand(w)
    assert plan == {0: {0: 3, 1: 3, 2: 1}}


def test_of_pools_that_are_alike_the_older_is_served() -> None:
    plan, _ = by_hand(World().factory("a", 5).slots("a", 9).pool("young", 5, age=1).pool("old", 5, age=0))
    assert plan == {1: {0: 5}}


def test_two_wishes_do_not_share_a_unit() -> None:
    w = World().factory("a").slots("a", 3, "node")
    w.pool("one", 12, minimum=8, systems=("node",)).pool("other", 12, minimum=8, systems=("node",))
    plan, found = by_hand(w)
    assert sorted(sum(units.values()) for units in plan.values()) == [1, 2]
    assert found.growth == {0: 4}


def test_a_better_listed_system_goes_before_a_cheaper_one() -> None:
    w = World().factory("a").slots("a", 5, "one", cost=9).slots("a", 5, "two", cost=1)
    plan, _ = by_hand(w.pool("p", 4, systems=("one", "two")).pool("q", 2, systems=("two", "one")))
    assert plan == {0: {0: 4}, 1: {1: 1}}


def test_the_cheaper_factory_is_taken() -> None:
    w = World().factory("a").factory("b").slots("a", 5, cost=3).slots("b", 3, cost=2)
    plan, _ = by_hand(w.pool("p", 4))
    assert plan == {0: {0: 1, 1: 3}}
