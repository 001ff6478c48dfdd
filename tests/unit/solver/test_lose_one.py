"""The loss of one domain after another: who falls is what the solver plans for what is left."""

from dataclasses import replace

import array_api_strict
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from aifactory_solver.batch import Loss, carried_out, lose_one
from aifactory_solver.batch.losses import Losses
from aifactory_solver.batch.standing import Standing
from aifactory_solver.check.facts import Facts
from aifactory_solver.problem import Problem, Solution
from aifactory_solver.strict.plain import solve
from thorough import sample
from unit.solver.build import Plan, World
from unit.solver.halls import two_halls
from unit.solver.worlds import afterwards, hard, worlds

NONE = np.zeros(0, np.int64)


def watched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The domains that the engine is asked of, from now on."""
    asked: list[int] = []
    falls = Losses.falls

    def counted(losses: Losses, domain: int) -> tuple[int, ...]:
        asked.append(domain)
        return falls(losses, domain)

    monkeypatch.setattr(Losses, "falls", counted)
    return asked


def lost(made: World) -> dict[str, Loss]:
    """The losses of the solver's plan, by path."""
    plan: Plan = made.solve()
    paths = list(made.domains)
    return {paths[loss.domain]: loss for loss in lose_one(plan.problem, plan.solution)}


def test_who_finds_free_room_is_protected() -> None:
    found = lost(two_halls().pool("p", 50))
    assert set(found) == {"a", "a/hall-1", "a/hall-2"}
    assert found["a/hall-1"].protected
    assert found["a/hall-2"].protected
    assert sorted([found["a/hall-1"].gpus, found["a/hall-2"].gpus]) == [0, 50]
    assert found["a"] == Loss(0, 50, (0,))


def test_a_lower_pool_falls_for_a_higher_one() -> None:
    made = two_halls().pool("high", 100, priority=9).pool("low", 100, priority=1, preemptible=True)
    found = lost(made)
    assert found["a/hall-1"].pools == found["a/hall-2"].pools == (1,)
    assert found["a"].pools == (0, 1)


def test_who_may_not_be_preempted_stays_and_the_higher_pool_falls() -> None:
    found = lost(two_halls().pool("high", 100, priority=9).pool("low", 100, priority=1))
    assert sorted([found["a/hall-1"].pools, found["a/hall-2"].pools]) == [(0,), (1,)]


def test_growth_is_no_loss() -> None:
    found = lost(two_halls().pool("p", 200, minimum=100))
    assert found["a/hall-1"] == Loss(1, 100, ())
    assert found["a"].pools == (0,)


def test_who_waits_already_is_nobodys_loss() -> None:
    found = lost(two_halls().pool("p", 100).pool("waits", 500))
    assert found["a"].pools == (0,)


def test_who_waits_may_take_what_a_loss_frees() -> None:
    """The quota carries 100: with the hall of `low` lost, `high` takes its watts, and `low` falls."""
    made = World().factory("a", 100).domain("a/hall-1").domain("a/hall-2")
    made.slots("a/hall-1", 60).slots("a/hall-2", 100)
    made.pool("low", 60, priority=1).pool("high", 100, priority=9).stands("low", "a/hall-1", 60)
    assert lost(made)["a/hall-1"].pools == (0,)


def test_what_nobody_wishes_for_any_more_is_room() -> None:
    made = World().factory("a").domain("a/hall-1").domain("a/hall-2")
    made.slots("a/hall-1", 100).slots("a/hall-2", 60).pool("large", 40).pool("p", 60)
    problem = made.stands("large", "a/hall-1", 60).stands("p", "a/hall-2", 60).problem()
    found = {loss.domain: loss for loss in lose_one(problem, everything(problem))}
    assert found[2].protected


def test_a_spread_pool_falls_where_a_place_is_missing() -> None:
    made = World().factory("a").slots("a", 9).factory("b").slots("b", 9)
    assert lost(made.pool("p", 4, spread=2))["a"].pools == (0,)
    assert lost(made.factory("c").slots("c", 9))["a"].protected


def test_what_is_locked_is_lost_too() -> None:
    made = two_halls().pool("p", 100).stands("p", "a/hall-1", 100, locked=True)
    made.cells[1].units = 50
    assert lost(made)["a/hall-1"].pools == (0,)


def test_a_domain_without_cells_is_not_asked() -> None:
    assert set(lost(two_halls().domain("a/office").pool("p", 1))) == {"a", "a/hall-1", "a/hall-2"}


def test_domains_of_the_same_cells_are_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = World().factory("a")
    for hall in range(1, 3):
        made.domain(f"a/hall-{hall}").domain(f"a/hall-{hall}/row", 10).slots(f"a/hall-{hall}/row", 10)
    made.pool("p", 20)
    asked = watched(monkeypatch)
    found = lost(made)
    assert len(found) == 5
    assert len(asked) == 3
    assert all(loss.pools == (0,) for loss in found.values())


def roomy(seed: int) -> Problem:
    """A hard world, every other one with power and slots to spare."""
    problem = hard(seed)
    if seed % 2:
        problem = replace(problem, limit=3 * problem.limit, cell_units=problem.cell_units + 2)
    return problem


def everything(problem: Problem) -> Solution:
    """The plan in which all stays as it is, which the solver need not find good."""
    return Solution(problem.row_units, NONE, NONE, NONE)


@pytest.mark.parametrize("batch", range(sample(4)))
def test_every_loss_is_what_the_solver_plans_for_what_is_left(batch: int) -> None:
    fell = stood = 0
    for seed in range(batch * 30, (batch + 1) * 30):
        problem = roomy(seed)
        plan = everything(problem) if seed % 3 == 0 else solve(problem)
        stands = Standing(carried_out(problem, plan))
        for loss in lose_one(problem, plan):
            if not loss.gpus:
                assert loss.protected
                continue
            after = stands.without(loss.domain)
            below = Facts(after, solve(after)).below_minimum & ~stands.waits
            assert sorted(loss.pools) == np.flatnonzero(below).tolist(), (seed, loss.domain)
            turns = [(-problem.priority[p], problem.age[p]) for p in loss.pools]
            assert turns == sorted(turns)
            fell, stood = fell + bool(loss.pools), stood + loss.protected
    assert min(fell, stood) > 20


def watts_and_slots(losses: Losses) -> list[list[int]]:
    """What is free, now and when all gives way that may."""
    spaces = losses.room.space, losses.room.beneath(1 << 62)
    return [side.tolist() for space in spaces for side in (space.left, space.free)]


def test_a_loss_leaves_nothing_behind_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one room, in any order, and when that room is made anew; rows come back one by one or at once."""
    for seed in range(sample(40)):
        monkeypatch.setattr("aifactory_solver.strict.beneath._MANY", 300 * (seed % 4 > 1))
        problem = roomy(seed)
        stands = Standing(carried_out(problem, solve(problem)))
        domains = [d for d in range(problem.domains) if stands.lost[d]]
        losses = Losses(stands)
        before = watts_and_slots(losses)
        first = {d: losses.falls(d) for d in domains}
        assert watts_and_slots(losses) == before, seed
        assert {d: losses.falls(d) for d in reversed(domains)} == first, seed
        monkeypatch.setattr("aifactory_solver.batch.losses._AGAIN", 1)
        assert {d: losses.falls(d) for d in domains} == first, seed
        monkeypatch.undo()


def test_workers_find_the_same_and_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    plan: Plan = two_halls().pool("high", 100, priority=9).pool("low", 100, preemptible=True).solve()
    told: list[tuple[int, int]] = []
    alone = lose_one(plan.problem, plan.solution)
    monkeypatch.setitem(lose_one.__globals__, "_MANY", 0)  # the module has the name of the function
    assert lose_one(plan.problem, plan.solution, np, 2, lambda *both: told.append(both)) == alone
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_on_a_device_only_what_is_not_sure_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = watched(monkeypatch)
    made = World().factory("a").slots("a", 9).factory("b").slots("b", 4).factory("c").slots("c", 4)
    plan = made.pool("large", 9).pool("small", 4, factories=("b", "c")).solve()
    found = lose_one(plan.problem, plan.solution, array_api_strict)
    assert [loss.pools for loss in found] == [(0,), (), ()]
    assert asked == [0]


@settings(max_examples=sample(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_a_plan_that_is_carried_out_is_what_stands_afterwards(problem: Problem) -> None:
    plan = solve(problem)
    mine, other = carried_out(problem, plan), afterwards(problem, plan)
    for name, array in vars(mine).items():
        assert np.array_equal(array, getattr(other, name)) or name == "systems"
