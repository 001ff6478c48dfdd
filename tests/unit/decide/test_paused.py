"""A paused pool keeps what it holds; in a paused factory nothing is done."""

from aifactory.decide.model.plan import Finalizer
from unit.decide.build import boxes, factory, pool, racks
from unit.decide.operated import settled

DFW = factory("dfw", boxes=4)

# Pools


def test_a_paused_pool_orders_nothing() -> None:
    it = settled(DFW, pool("a/train", boxes(2), paused=True))
    assert it.nodes == {}
    assert it.says("a/train", "Stalled") == "True: Paused"
    assert it.edit("a/train", paused=False).settle().gpus("a/train") == (boxes(2),)


def test_a_paused_pool_keeps_what_it_holds() -> None:
    it = settled(DFW, pool("a/train", boxes(2)))
    assert it.edit("a/train", paused=True, gpus=boxes(4)).settle().gpus("a/train") == (boxes(2),)
    assert it.edit("a/train", gpus=boxes(1)).settle().gpus("a/train") == (boxes(2),)


def test_its_planned_place_is_reported() -> None:
    it = settled(DFW, pool("a/train", boxes(2), paused=True))
    assert "2 units in dfw/hall" in it.conditions("a/train")["Stalled"].message


def test_nobody_is_moved_for_a_paused_pool() -> None:
    it = settled(DFW, pool("a/soft", boxes(4), preemptible=True))
    it.apply(pool("b/high", boxes(4), priority=9, paused=True)).settle()
    assert it.gpus("a/soft", "b/high") == (boxes(4), 0)


def test_nobody_waits_for_a_paused_pool() -> None:
    it = settled(DFW, pool("b/high", boxes(4), priority=9, paused=True), pool("a/low", boxes(4)))
    assert it.gpus("a/low", "b/high") == (boxes(4), 0)


def test_a_paused_pool_can_be_preempted() -> None:
    it = settled(DFW, pool("a/soft", boxes(4), preemptible=True)).edit("a/soft", paused=True)
    it.apply(pool("b/high", boxes(4), priority=9)).settle()
    assert it.gpus("a/soft", "b/high") == (0, boxes(4))


def test_a_paused_pool_can_be_shed() -> None:
    it = settled(DFW, pool("a/train", boxes(4), at_least=boxes(1))).edit("a/train", paused=True).settle()
    assert it.edit("dfw", quota=20).settle().gpus("a/train") == (boxes(2),)
    assert it.edit("dfw", quota=0).settle().gpus("a/train") == (0,)


def test_a_paused_pool_that_is_shed_does_not_move() -> None:
    it = (
        settled(DFW, pool("a/train", boxes(4)), factory("sjc", boxes=4)).edit("a/train", paused=True).settle()
    )
    assert it.edit("dfw", quota=0).settle().gpus("a/train") == (0,)


def test_a_paused_pool_can_be_deleted() -> None:
    it = settled(DFW, pool("a/train", boxes(4))).edit("a/train", paused=True).settle()
    assert it.delete("a/train").settle().nodes == {}


def test_a_paused_pool_that_lost_a_node_does_not_reconcile_for_ever() -> None:
    it = settled(factory("dfw", racks=1), pool("a/train", racks(1), systems=("rack",)))
    it.edit("a/train", paused=True).settle().lose(it.nodes_of("a/train")[1]).settle()
    assert len(it.nodes) == 3
    assert it.says("a/train", "Ready").startswith("False")
    assert it.says("a/train", "Reconciling") == ""
    assert it.says("a/train", "Stalled") == "True: Paused"


# Factories


def test_a_paused_factory_gets_no_order() -> None:
    it = settled(DFW.but(paused=True), pool("a/train"))
    assert it.nodes == {}
    assert it.says("a/train", "Stalled") == "True: Paused"


def test_what_would_be_ordered_there_is_reported() -> None:
    it = settled(DFW.but(paused=True), pool("a/train", boxes(2)))
    assert "2 units in dfw/hall" in it.conditions("a/train")["Stalled"].message


def test_a_paused_factory_gets_no_drain_and_no_release() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), pool("b/gone", boxes(2)))
    it.edit("dfw", paused=True).settle()
    it.delete("b/gone").edit("a/train", gpus=0)
    plan = it.decide()
    assert all(isinstance(a, Finalizer) for a in plan.actions)
    assert len(it.nodes) == 4


def test_a_deletion_that_a_paused_factory_holds_up_is_stalled() -> None:
    it = settled(DFW, pool("a/train", boxes(2))).edit("dfw", paused=True).settle().delete("a/train").settle()
    assert it.says("a/train", "Reconciling") == ""
    assert it.says("a/train", "Stalled").startswith("True")
    assert it.edit("dfw", paused=False).settle().objects.keys() == {"dfw"}


def test_a_drain_that_had_begun_stops_in_a_paused_factory() -> None:
    it = settled(DFW, pool("a/train", boxes(2))).edit("a/train", gpus=0)
    it.cycle()
    it.edit("dfw", paused=True).settle()
    assert len(it.nodes) == 2
    assert it.edit("dfw", paused=False).settle().nodes == {}


def test_an_excess_in_a_paused_factory_stays_and_is_reported() -> None:
    it = settled(DFW, pool("a/train", boxes(4))).edit("dfw", paused=True, quota=30).settle()
    assert len(it.nodes) == 4
    assert it.says("dfw", "WithinLimits") == "False: Paused"
    assert "10 W above its limit of 30 W" in it.conditions("dfw")["WithinLimits"].message
    assert it.says("dfw", "Stalled") == "True: Paused"


def test_what_stands_in_a_paused_factory_still_counts_for_its_pool() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), factory("sjc", boxes=4)).edit("dfw", paused=True).settle()
    assert it.edit("a/train", gpus=boxes(3)).settle().units("a/train") == {"dfw/hall": 2, "sjc/hall": 1}


def test_a_node_that_is_lost_in_a_paused_factory_does_not_reconcile_for_ever() -> None:
    it = settled(factory("dfw", racks=1), pool("a/train", racks(1), systems=("rack",)))
    it.edit("dfw", paused=True).settle().lose(it.nodes_of("a/train")[1]).settle()
    assert it.says("a/train", "Reconciling") == ""
    assert it.says("a/train", "Stalled").startswith("True")


def test_pausing_goes_before_draining() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), factory("sjc", boxes=4))
    assert it.edit("dfw", paused=True, drain=True).settle().units("a/train") == {"dfw/hall": 2}
    assert it.edit("dfw", paused=False).settle().units("a/train") == {"sjc/hall": 2}


def test_the_other_factories_go_on() -> None:
    it = settled(DFW.but(paused=True), factory("sjc", boxes=4), pool("a/train", boxes(3)))
    assert it.units("a/train") == {"sjc/hall": 3}
