"""A cycle that found nothing to do is not gone through again before anything has changed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from aifactory.decide import World, begin, finish
from aifactory.shell.rest import Rest
from unit.decide.build import boxes, factory, pool
from unit.decide.operated import Cluster, settled

STEPS: dict[str, Callable[[Cluster], object]] = {
    "a pool is edited": lambda it: it.edit("a/t", priority=3),
    "a pool is labelled for nobody": lambda it: it.edit("a/t", drain_timeout=601),
    "a pool comes": lambda it: it.apply(pool("b/t", boxes(1))),
    "a pool goes": lambda it: it.delete("a/t"),
    "a quota falls": lambda it: it.edit("dfw", quota=30),
    "a factory is labelled": lambda it: it.edit("dfw", labels={"region": "south"}),
    "a node is lost": lambda it: it.lose(it.nodes_of("a/t")[0]),
    "a node is cordoned": lambda it: it.cordon(it.nodes_of("a/t")[0]),
    "a node is broken": lambda it: it.mark(it.nodes_of("a/t")[0]),
    "a node is relabelled": lambda it: it.scribble(it.nodes_of("a/t")[0], pool="other"),
    "a backend is blind": lambda it: it.hide("dfw"),
    "a status is lost": lambda it: it.objects.update({"a/t": emptied(it)}),
}


def emptied(it: Cluster) -> Any:
    wanted = it.objects["a/t"]
    return wanted.model_copy(update={"status": type(wanted.status)()})


def fleet() -> Cluster:
    return settled(factory("dfw", boxes=4), pool("a/t", boxes(2)), pool("a/u", boxes(3), at_least=0))


def resting(world: World) -> Rest:
    return Rest(world, 7, 100.0)


def test_it_holds_while_nothing_has_changed() -> None:
    it = fleet()
    rest = resting(it.world())
    it.now += timedelta(seconds=99)
    assert rest.holds(it.copy().world(), 7, 99.9)


def test_it_ends_when_something_is_due_or_the_planner_has_something_new() -> None:
    world = fleet().world()
    assert not resting(world).holds(world, 7, 100.0)
    assert not resting(world).holds(world, 8, 0.0)


@pytest.mark.parametrize("step", STEPS)
def test_it_ends_with_whatever_a_decision_goes_by(step: str) -> None:
    it = fleet()
    rest = resting(it.world())
    STEPS[step](it)
    assert not rest.holds(it.world(), 7, 0.0)


def test_an_object_that_was_read_again_and_says_the_same_is_no_change() -> None:
    world = fleet().world()
    again = replace(world, pools=tuple(it.model_copy(deep=True) for it in world.pools))
    assert all(one is not other for one, other in zip(world.pools, again.pools, strict=True))
    assert resting(world).holds(again, 7, 0.0)


def test_what_is_decided_once_more_from_the_same_is_the_same() -> None:
    """What it all rests on: nothing of a decision comes from anywhere else."""
    it = fleet()
    first = begin(it.given())
    plan, reasons = finish(first)
    it.adopted = plan.adopted
    for seconds in (1, 3000):
        it.now += timedelta(seconds=seconds)
        after, known = finish(begin(it.given(reasons=reasons)))
        assert (after.adopted, known) == (plan.adopted, reasons)
        assert it.writes(after) == []
