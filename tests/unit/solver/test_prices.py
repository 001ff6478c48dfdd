"""Shadow prices: no more room serves more than they say, what binds has one, and what is slack has none."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from aifactory_solver import Solution, certify, solve
from aifactory_solver.certificate import Certifier
from aifactory_solver.problem import Ints, Problem
from aifactory_solver.relax.shadow import ShadowPrices
from aifactory_solver.relax.simplex import simplex
from aifactory_solver.relax.worth import MEGAWATT
from aifactory_solver.strict.layout import Layout
from aifactory_solver.strict.places import Ask, Finder
from aifactory_solver.strict.room import Room
from aifactory_solver.strict.search import find
from thorough import sample
from unit.solver.build import World
from unit.solver.halls import hall
from unit.solver.worlds import hard, worlds

some = settings(max_examples=sample(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])


def prices(made: World) -> ShadowPrices | None:
    problem = made.problem()
    return certify(problem, solve(problem)).prices


def of(made: World, path: str) -> float:
    """GPUs for a watt more in a domain."""
    found = prices(made)
    return 0.0 if found is None else float(found.watt[list(made.domains).index(path)])


def a_unit(made: World) -> float:
    """GPUs for a unit more of the first system in the first factory."""
    found = prices(made)
    return 0.0 if found is None else float(found.unit[0, 0])


def served(problem: Problem, plan: Solution) -> Ints:
    """(P,) GPUs of minima."""
    return Certifier(problem, plan, simplex).served


# What binds, and what does not


def test_a_limit_that_binds_is_worth_the_gpus_of_a_unit_by_its_watts() -> None:
    made = World().factory("a", 45).slots("a", 9, "node").pool("p", 32, systems=("node",))
    made.pool("q", 32, systems=("node",))
    assert of(made, "a") == pytest.approx(8 / 10)
    assert a_unit(made) == 0


def test_where_nobody_waits_nothing_has_a_price() -> None:
    assert prices(hall(10).pool("p", 10)) is None


def test_where_slots_are_short_power_is_worth_nothing() -> None:
    made = World().factory("a", 1000).slots("a", 4, "node").pool("p", 32, systems=("node",))
    made.pool("q", 8, systems=("node",))
    assert of(made, "a") == 0
    assert a_unit(made) == pytest.approx(8)


def test_where_a_hall_binds_its_factory_and_the_other_hall_have_no_price() -> None:
    made = World().factory("a", 1000).domain("a/hall", 10).domain("a/annex", 10)
    made.slots("a/hall", 100, "one").slots("a/annex", 5, "two")
    made.pool("waits", 20).pool("beside", 10, systems=("two",))
    assert of(made, "a/hall") == pytest.approx(1)
    assert of(made, "a/annex") == of(made, "a") == 0


def test_a_hall_that_is_only_just_full_has_no_price() -> None:
    """A watt more there serves nobody, although the hall is full: who waits may not stand there."""
    made = World().factory("a").factory("b", 4).slots("a", 9).slots("b", 9)
    made.domains["a"].limit = 4
    made.pool("p", 4, factories=("a",)).pool("q", 4, factories=("b",)).pool("r", 1, factories=("b",))
    assert of(made, "a") == 0
    assert of(made, "b") == pytest.approx(1)


def test_what_is_left_for_half_a_unit_is_no_room() -> None:
    """Two halls with half a unit each could not carry one more; a hall that carried 5 W more could."""
    made = World().factory("a").domain("a/hall-1", 25).domain("a/hall-2", 25)
    made.slots("a/hall-1", 9, "node").slots("a/hall-2", 9, "node").pool("p", 40, systems=("node",))
    assert of(made, "a/hall-1") == of(made, "a/hall-2") == pytest.approx(8 / 10)
    assert of(made, "a") == 0


def test_a_pool_that_more_power_would_let_in_whole_counts_although_it_would_not_fit_alone_now() -> None:
    made = World().factory("a", 20).slots("a", 9, "node").pool("p", 24, systems=("node",))
    assert of(made, "a") == pytest.approx(8 / 10)


def test_a_hopeless_pool_has_no_say() -> None:
    """No limit and no single unit more lets it in, so the pool below it says what room is worth."""
    made = World().factory("a", 20).slots("a", 9, "node").pool("hopeless", 800, systems=("node",), priority=9)
    assert prices(made) is None
    made.pool("p", 24, systems=("node",))
    found = prices(made)
    assert found is not None
    assert (found.highest, found.lowest) == (0, 0)


def test_the_first_priority_that_waits_says_what_room_is_worth() -> None:
    made = hall(10).pool("served", 5, priority=7).pool("waits", 8, priority=4).pool("low", 50)
    found = prices(made)
    assert found is not None
    assert (found.highest, found.lowest) == (4, 4)
    assert found.bound == pytest.approx(5)


def test_who_may_be_taken_from_makes_no_price() -> None:
    made = hall(10).pool("low", 10, priority=1, preemptible=True).stands("low", "a", 10)
    made.pool("high", 10, priority=2)
    found = prices(made)
    assert found is not None
    assert found.highest == 1  # `high` takes the room, and `low` waits
    made.pools["low"].preemptible = False
    found = prices(made)
    assert found is not None
    assert found.highest == 2


# Duality: what more room serves is never above the bound and the price of what was added


def crowded(seed: int) -> World:
    """Two factories of two halls, all limits as they come, and pools of nodes that ask for too much."""
    rng = np.random.default_rng(seed)
    made = World()
    for factory in ("a", "b"):
        made.factory(factory, int(rng.integers(40, 100)))
        for hall_ in (f"{factory}/hall-1", f"{factory}/hall-2"):
            made.domain(hall_, int(rng.integers(10, 60))).slots(hall_, int(rng.integers(1, 6)), "node")
    for number in range(6):
        pack = str(rng.choice(["", "", "hall", "factory"])) or None
        gpus, priority = 8 * int(rng.integers(1, 6)), int(rng.integers(0, 3))
        made.pool(f"p{number}", gpus, priority=priority, pack=pack, systems=("node",))
    return made


def more_room(made: World, found: ShadowPrices) -> Iterator[tuple[Problem, float]]:
    """The world with power for a unit more in one domain, or with a slot more in one cell; and its price."""
    problem = made.problem()
    for d in range(problem.domains):
        raised = problem.limit.copy()
        raised[d] += 10
        yield replace(problem, limit=raised), 10 * float(found.watt[d])
    for c in range(problem.cells):
        units = problem.cell_units.copy()
        units[c] += 1
        factory = problem.factory[problem.cell_domain[c]]
        yield replace(problem, cell_units=units), float(found.unit[factory, 0])


@pytest.mark.parametrize("batch", range(sample(2)))
def test_no_more_room_serves_more_than_the_prices_say(batch: int) -> None:
    gains = 0
    for seed in range(12 * batch, 12 * (batch + 1)):
        made = crowded(seed)
        problem = made.problem()
        plan = solve(problem)
        found = certify(problem, plan).prices
        if found is None:
            continue
        now, above = served(problem, plan), problem.priority > found.highest
        target = (problem.priority <= found.highest) & (problem.priority >= found.lowest)
        for roomier, worth in more_room(made, found):
            then = served(roomier, solve(roomier))
            if then[above].tolist() == now[above].tolist():  # else it serves others, that have no price
                assert then[target].sum() <= found.bound + worth + 1e-6
                gains += int(then[target].sum() > now[target].sum())
    assert gains  # more room does serve more


@some
@given(worlds(pools=8))
def test_prices_are_finite_and_none_is_below_zero(problem: Problem) -> None:
    found = certify(problem, solve(problem)).prices
    if found is not None:
        for price in (found.watt, found.unit):
            assert np.isfinite(price).all()
            assert (price >= 0).all()
        assert found.watt.shape == (problem.domains,)
        assert found.unit.shape == (problem.allowed.shape[1], problem.system_gpus.size)
        assert found.watt.any() or found.unit.any()


def test_no_price_is_above_what_a_unit_could_serve() -> None:
    for seed in range(sample(40)):
        problem = hard(seed)
        found = certify(problem, solve(problem)).prices
        if found is not None:
            most = float((problem.system_gpus[problem.cell_system] / problem.cell_watts).max())
            assert found.watt.max() <= most + 1e-6
            assert found.unit.max() <= problem.system_gpus.max() + 1e-6


# What was tried


def lets_in(problem: Problem, plan: Solution, found: ShadowPrices) -> bool:
    """Whether a minimum of the priced priorities fits beside a plan, by placing it."""
    room = Room(Layout(problem, np))
    room.follow(plan)
    target = (problem.priority <= found.highest) & (problem.priority >= found.lowest) & ~problem.frozen
    for p in np.flatnonzero(target & (np.asarray(room.gpus_of) < problem.minimum)).tolist():
        held = room.places(p)
        for s in problem.systems[p]:
            units = room.layout.least(p, s) - sum(held.values())
            ask = Ask(p, s, units, held, {})
            if units > 0 and room.system(p) in (None, s) and find(Finder.over(room.space), ask) is not None:
                return True
    return False


@some
@given(worlds(pools=8))
def test_what_is_said_to_serve_does_once_it_is_there(problem: Problem) -> None:
    plan = solve(problem)
    found = certify(problem, plan).prices
    if found is None:
        return
    assert found.serves_watt is not None
    assert found.serves_unit is not None
    for d in np.flatnonzero(found.watt).tolist():
        raised = problem.limit.copy()
        raised[d] += MEGAWATT
        assert found.serves_watt[d] == lets_in(replace(problem, limit=raised), plan, found)
    for f, s in np.argwhere(found.serves_unit).tolist():
        more = (problem.cell_system == s) & (problem.factory[problem.cell_domain] == f)
        assert lets_in(replace(problem, cell_units=problem.cell_units + more), plan, found)


def test_power_that_is_only_half_of_what_is_short_serves_nobody() -> None:
    """Two halls with four slots and power for four: a pool that lacks one needs a slot and power for it."""
    made = World().factory("a")
    for name in ("a/hall-1", "a/hall-2"):
        made.domain(name, 49).slots(name, 4, "node")
    made.pool("high", 24, priority=10, systems=("node",)).pool("p", 48, systems=("node",))
    found = prices(made)
    assert found is not None
    assert found.watt.any()
    assert found.serves_watt is not None
    assert not found.serves_watt.any()
