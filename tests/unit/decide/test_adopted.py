"""What was decided stays until it is done, or until something else is asked."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifactory.decide import Plan
from aifactory.decide.place.placed import Asked, Placed, nothing_yet
from aifactory_solver import solve
from thorough import sample
from unit.decide.build import boxes, factory, pool
from unit.decide.fleets import SITES, some_factory, some_pool
from unit.decide.operated import Cluster, cluster

DFW = factory("dfw", boxes=2, cubes=2)
# The safe plan gives the flexible pool its first system, which is the only one of the other pool.
FLEXIBLE = pool("a/flexible", boxes(2), systems=("box", "cube"))
BOUND = pool("b/bound", boxes(2), systems=("box",))


def better(asked: Asked) -> Placed:
    return Placed(tuple(map(solve, asked.problems)))


def begun() -> Cluster:
    """A better plan of which a few writes were made; it does not come again."""
    it = cluster(DFW, FLEXIBLE, BOUND)
    it.carry_out(it.decide(better), stop_after=3)
    return it


def placed(plan: Plan) -> set[str]:
    """The pools that have their minimum in a plan."""
    return {
        f"{write.namespace}/{write.name}"
        for write in plan.statuses
        if write.kind == "GPUPool"
        for condition in write.status["conditions"]
        if (condition["type"], condition["status"]) == ("Placed", "True")
    }


def test_a_plan_that_was_begun_is_carried_on_with() -> None:
    assert placed(cluster(DFW, FLEXIBLE, BOUND).decide()) == {"a/flexible"}
    it = begun()
    assert placed(it.decide()) == {"a/flexible", "b/bound"}
    assert it.settle().gpus("a/flexible", "b/bound") == (boxes(2), boxes(2))


def test_a_restart_forgets_it() -> None:
    assert placed(begun().restart().decide()) == {"a/flexible"}


@pytest.mark.parametrize("priority", [0, 1])
def test_who_comes_meanwhile_is_served_in_its_turn(priority: int) -> None:
    it = begun().tick().apply(pool("c/new", boxes(2), priority=priority)).settle()
    assert it.gpus("c/new") == (boxes(2) if priority else 0,)


def test_a_lowered_limit_is_another_question() -> None:
    it = begun().edit("dfw", quota=20).settle()
    assert sum(it.gpus("a/flexible", "b/bound")) == boxes(2)


def test_what_is_lost_is_asked_for_again_where_it_was() -> None:
    it = cluster(factory("dfw", boxes=4), factory("sjc", boxes=4), pool("a/train", boxes(2))).settle()
    before = it.units("a/train")
    assert it.lose(it.nodes_of("a/train")[0]).settle().units("a/train") == before


def test_it_is_not_in_the_way_of_what_can_be_served() -> None:
    it = cluster(factory("dfw", boxes=4, quota=20), pool("a/one", boxes(2)), pool("b/two", boxes(2))).settle()
    it.remove("a/one")
    assert it.settle().gpus("b/two") == (boxes(2),)


@settings(deadline=None, max_examples=sample(30))
@given(st.integers(0, 10_000))
def test_without_an_edit_no_pool_that_was_placed_waits_again(seed: int) -> None:
    # However few writes of each plan are made, and whenever a better plan comes.
    dice, it = Random(seed), Cluster()
    it.boot, it.linger = dice.choice((1, 3)), dice.choice((0, 1, 2))
    for name in SITES[: dice.randint(1, 3)]:
        it.apply(some_factory(dice, name))
    for number in range(dice.randint(4, 12)):
        it.tick().apply(some_pool(dice, f"tenant-{number % 3}/pool-{number}"))
    cut, before = dice.randint(1, 6), set[str]()
    for turn in range(60):
        plan = it.decide(better if turn % 3 == 0 else nothing_yet)
        assert before <= placed(plan)
        before = placed(plan)
        if not it.carry_out(plan, stop_after=cut) and not it.pending:
            return
        it.tick()
