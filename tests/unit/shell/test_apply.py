"""Which orders rest on a write that was not made."""

from aifactory.backends.nodes import read_node
from aifactory.decide.model.plan import Complete, Order, Plan, Relabel
from aifactory.decide.model.world import NodeSpec, PoolKey, Slot
from aifactory.shell.apply import allowed
from aifactory.shell.objects import Key
from aifactory.shell.writes import Summary
from unit.shell.made import WISH, created, wish_of

TRAIN, SERVE = PoolKey("a", "train"), PoolKey("b", "serve")


def wish(factory: str, slot: int) -> NodeSpec:
    return wish_of(Slot(factory, "hall", "hgx-h100", 1, slot))


RELABEL = Relabel(read_node(created()), WISH)
HERE, THERE = Order(wish("dfw-1", 1), TRAIN), Order(wish("osl-1", 1), TRAIN)
OTHER, LOST = Order(wish("osl-1", 2), SERVE), Complete(wish("dfw-1", 2), SERVE)
PLAN = Plan(actions=(RELABEL, LOST, HERE, THERE, OTHER))


def test_everything_is_allowed_where_every_write_was_made() -> None:
    assert allowed(PLAN, set()) == [LOST, HERE, THERE, OTHER]


def test_a_pool_whose_finalizer_is_missing_is_not_ordered() -> None:
    assert allowed(PLAN, {Key("GPUPool", "a", "train")}) == [LOST, OTHER]


def test_nothing_is_ordered_in_a_factory_whose_generation_was_not_written() -> None:
    # A pool that would get a part of its minimum elsewhere gets nothing.
    assert allowed(PLAN, {Key("AIFactory", "", "dfw-1")}) == []


def test_a_missing_write_elsewhere_bars_nothing() -> None:
    assert allowed(PLAN, {Key("AIFactory", "", "sgp-1")}) == [LOST, HERE, THERE, OTHER]


def test_a_cycle_is_stuck_when_nothing_of_it_could_be_done() -> None:
    assert not Summary().stuck
    assert not Summary(done=1, failed=9).stuck
    assert Summary(passed_by=1).stuck
    assert Summary(failed=1).stuck
