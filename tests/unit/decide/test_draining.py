"""Emptying a factory, a domain or one unit, in order; and drains that pods hold up."""

from datetime import timedelta

from aifactory.decide.model.plan import Delete, Drain, Evict, Hold, Order
from unit.decide.build import boxes, factory, pool, racks
from unit.decide.count import committed, excess
from unit.decide.operated import Cluster, settled, status_of

DFW, SJC = factory("dfw", boxes=4), factory("sjc", boxes=4)

# A factory


def test_a_draining_factory_is_emptied_into_the_others() -> None:
    it = settled(DFW, pool("a/train", boxes(3)), SJC)
    assert it.edit("dfw", drain=True).settle().units("a/train") == {"sjc/hall": 3}


def test_a_draining_factory_takes_nothing_new() -> None:
    it = settled(DFW.but(drain=True), pool("a/train"))
    assert it.gpus("a/train") == (0,)
    assert it.says("a/train", "Stalled") == "True: OutOfService"


def test_the_highest_priority_chooses_its_new_place_first() -> None:
    it = settled(DFW, pool("a/low", boxes(2)), pool("b/high", boxes(2), priority=1), SJC.but(boxes=2))
    it.edit("dfw", drain=True).settle()
    assert it.units("b/high") == {"sjc/hall": 2}
    assert it.gpus("a/low") == (0,)


def test_those_without_a_place_leave_last_and_the_lowest_first() -> None:
    it = settled(
        DFW.but(boxes=6),
        pool("c/high", boxes(2), priority=2),
        pool("a/low", boxes(2)),
        pool("b/middle", boxes(2), priority=1),
        SJC.but(boxes=2),
        linger=1,
    )
    it.edit("dfw", drain=True)
    left: dict[str, int] = {}
    for cycle in range(30):
        it.cycle()
        for path in ("c/high", "a/low", "b/middle"):
            if not any(n.startswith("dfw") for n in it.nodes_of(path)):
                left.setdefault(path, cycle)
    assert left["c/high"] < left["a/low"] < left["b/middle"]
    assert it.settle().gpus("c/high", "a/low", "b/middle") == (boxes(2), 0, 0)


def test_who_is_displaced_may_preempt() -> None:
    it = settled(
        DFW,
        pool("b/high", boxes(3), priority=1, only_in=("dfw",)),
        SJC,
        pool("a/soft", boxes(4), preemptible=True),
    )
    it.edit("b/high", only_in=()).settle()
    it.edit("dfw", drain=True).settle()
    assert it.gpus("a/soft", "b/high") == (0, boxes(3))
    assert it.units("b/high") == {"sjc/hall": 3}


def test_who_is_displaced_shrinks_to_its_minimum_before_it_waits() -> None:
    it = settled(DFW, pool("a/train", boxes(4), at_least=boxes(1)), SJC.but(boxes=2))
    it.edit("dfw", drain=True).settle()
    assert it.units("a/train") == {"sjc/hall": 2}


def test_a_drain_keeps_the_limits_where_it_goes() -> None:
    it = settled(DFW, pool("a/train", boxes(4), at_least=0), SJC.but(quota=20))
    it.edit("dfw", drain=True).settle()
    assert it.units("a/train") == {"sjc/hall": 2}


# A domain out of service


def test_a_domain_out_of_service_is_emptied_within_the_factory() -> None:
    it = settled(factory("dfw", halls=2, boxes=4), pool("a/train", boxes(3)))
    assert it.units("a/train") == {"dfw/hall": 3}
    it.edit("dfw", out_of_service=("hall-1",)).settle()
    assert it.units("a/train") == {"dfw/hall-2": 3}


def test_it_may_be_named_with_or_without_its_number() -> None:
    for name in ("hall", "hall-1"):
        it = settled(factory("dfw", halls=2, boxes=4), pool("a/train", boxes(3)))
        assert it.edit("dfw", out_of_service=(name,)).settle().units("a/train") == {"dfw/hall-2": 3}


def test_all_below_it_is_out_of_service_too() -> None:
    it = settled(factory("dfw", halls=2, rows=2, boxes=2), pool("a/train", boxes(8)))
    it.edit("dfw", out_of_service=("hall-2",)).settle()
    assert it.gpus("a/train") == (0,)
    it.edit("dfw", out_of_service=("hall-2/row-1",)).edit("a/train", gpus=boxes(6)).settle()
    assert it.units("a/train") == {"dfw/hall/row": 2, "dfw/hall/row-2": 2, "dfw/hall-2/row-2": 2}


def test_a_domain_that_is_back_takes_new_units() -> None:
    it = settled(DFW.but(out_of_service=("hall",)), pool("a/train"))
    assert it.edit("dfw", out_of_service=()).settle().gpus("a/train") == (boxes(1),)


# One unit


def test_a_unit_out_of_service_is_replaced_and_its_slot_stays_shut_until_the_label_goes() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), pool("b/wide", boxes(4), at_least=0))
    bad = it.nodes_of("a/train")[0]
    assert it.gpus("b/wide") == (boxes(2),)
    it.edit("b/wide", gpus=boxes(1)).settle().mark(bad).settle()
    assert it.gpus("a/train") == (boxes(2),)
    assert bad not in it.nodes_of("a/train")
    assert it.nodes[bad].unschedulable
    it.edit("b/wide", gpus=boxes(4)).settle()
    assert it.gpus("b/wide") == (boxes(1),)
    it.mark(bad, broken=False).settle()
    assert it.gpus("b/wide") == (boxes(2),)


def test_a_held_unit_counts_until_it_is_gone() -> None:
    it = settled(DFW, pool("a/train"))
    it.mark(it.nodes_of("a/train")[0]).settle()
    power = it.factories["dfw"].status.power
    assert power is not None
    assert power.committed == 20


def test_a_rack_with_a_broken_node_is_replaced_whole() -> None:
    it = settled(factory("dfw", racks=2), pool("a/train", racks(1), systems=("rack",)))
    bad = it.nodes_of("a/train")[2]
    it.mark(bad).settle()
    assert it.gpus("a/train") == (racks(1),)
    assert len(it.nodes) == 5
    it.edit("a/train", gpus=racks(2), at_least=0).settle()
    assert it.gpus("a/train") == (racks(1),)
    it.mark(bad, broken=False).settle()
    assert it.gpus("a/train") == (racks(2),)


def test_a_broken_unit_without_a_replacement_leaves_too_and_never_costs_the_pool_the_rest() -> None:
    it = settled(DFW, pool("a/train", boxes(4)))
    it.mark(it.nodes_of("a/train")[0]).settle()
    assert it.gpus("a/train") == (24,)
    assert it.says("a/train", "Stalled").startswith("True")


def test_a_broken_unit_is_drained_before_it_is_held() -> None:
    it = settled(DFW, pool("a/train"), busy=True)
    bad = it.nodes_of("a/train")[0]
    it.mark(bad)
    kinds = []
    for _ in range(6):
        kinds += [type(a) for a in it.cycle().actions if not isinstance(a, Order)]
    assert [kind for kind in kinds if kind in (Drain, Evict, Hold, Delete)] == [Drain, Evict, Hold]


# Drains that pods hold up


def blocked() -> Cluster:
    """A pool whose pods may not be evicted, and a limit that wants its three units gone."""
    it = settled(DFW, pool("a/train", boxes(3), drain_timeout=100), busy=True, budgets=frozenset({"a/train"}))
    return it.edit("dfw", quota=20)


def test_pods_are_evicted_before_their_node_goes() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), busy=True).edit("a/train", gpus=0)
    kinds = [type(a).__name__ for _ in range(5) for a in it.cycle().actions]
    assert kinds == ["Drain", "Drain", "Evict", "Evict", "Delete", "Delete"]


def test_evictions_are_tried_again_until_the_timeout() -> None:
    it = blocked()
    for _ in range(5):
        it.cycle()
    assert all(isinstance(a, Evict) for a in it.decide().actions)
    assert len(it.nodes) == 3
    it.budgets = frozenset()
    assert it.settle().nodes == {}


def test_after_the_timeout_the_node_goes_with_its_pods() -> None:
    it = blocked()
    it.cycle()
    it.tick(98)
    assert not any(isinstance(a, Delete) for a in it.decide().actions)
    it.tick(1)
    deletes = [a for a in it.decide().actions if isinstance(a, Delete)]
    assert [d.forced for d in deletes] == [True] * 3
    assert it.settle().pods == {}


def test_an_event_names_the_budget_when_a_node_goes_with_its_pods() -> None:
    it = blocked()
    it.cycle()
    it.cycle()
    it.tick(100)
    plan = it.decide()
    assert any(isinstance(a, Delete) and a.forced for a in plan.actions)
    (told,) = (event for event in plan.events if event.reason == "DrainTimedOut")
    assert (told.kind, told.name) == ("GPUPool", "train")
    assert "3 nodes" in told.message
    assert "budget keep-all" in told.message


def test_a_lowered_limit_does_not_shorten_the_timeout() -> None:
    it = blocked()
    for _ in range(9):
        it.cycle()
    assert len(it.nodes) == 3
    assert excess(it) == {("dfw", ""): 10}


def test_a_blocked_drain_is_reported_with_watts_and_time() -> None:
    it = blocked()
    since = it.now
    it.cycle()
    it.cycle()
    status = status_of(it.decide(), "dfw")
    within = next(c for c in status["conditions"] if c["type"] == "WithinLimits")
    assert (within["status"], within["reason"]) == ("False", "DrainBlocked")
    assert "30 W wait" in within["message"]
    assert "10 W above its limit of 20 W" in within["message"]
    until = since + timedelta(seconds=100)
    assert f"until {until:%Y-%m-%dT%H:%M:%SZ}" in within["message"]
    assert "budget keep-all" in within["message"]


def test_a_blocked_drain_is_reported_within_the_limits_too() -> None:
    it = settled(DFW, pool("a/train", boxes(3), drain_timeout=100), busy=True, budgets=frozenset({"a/train"}))
    since = it.edit("a/train", gpus=0).now
    it.cycle()
    it.cycle()
    it.cycle()
    until = since + timedelta(seconds=100)
    for path in ("dfw", "a/train"):
        said = it.says(path, "Reconciling")
        assert said.startswith("True: DrainBlocked")
        assert f"until {until:%Y-%m-%dT%H:%M:%SZ}" in it.tells(path, "Reconciling")
        assert "budget keep-all" in it.tells(path, "Reconciling")
    assert it.says("dfw", "WithinLimits") == "True: WithinLimits"


def test_a_node_that_never_goes_is_not_progress_for_ever() -> None:
    it = settled(DFW, pool("a/train", boxes(1), drain_timeout=100), linger=10_000)
    (name,) = it.nodes
    it.edit("a/train", gpus=0)
    for _ in range(3):
        it.cycle()
    it.tick(100 + 15 * 60 - 10).cycle()
    assert it.says("a/train", "Reconciling").startswith("True: Releasing")
    it.tick(10).cycle()
    assert it.says("dfw", "Ready").startswith("False: ReleaseOverdue")
    assert name in it.tells("dfw", "Stalled")
    assert it.says("a/train", "Ready") == "True: Ready"  # it has all it wishes for
    assert not it.says("a/train", "Reconciling")
    it.delete("a/train").cycle()
    assert it.says("a/train", "Stalled").startswith("True: ReleaseOverdue")


def test_a_drain_does_not_wait_for_a_node_that_never_goes() -> None:
    it = settled(DFW, pool("a/stuck", boxes(1), drain_timeout=100), pool("b/one", boxes(2)), linger=10_000)
    it.delete("a/stuck")
    for _ in range(3):
        it.cycle()
    it.linger = 0
    it.edit("dfw", drain=True).cycle()
    assert len(it.nodes) == 3  # those without a place leave after all others
    it.tick(100 + 15 * 60)
    for _ in range(3):
        it.cycle()
    assert len(it.nodes) == 1
    assert it.gpus("b/one") == (0,)


def test_the_timeout_counts_from_the_cordon_through_a_restart() -> None:
    it = blocked()
    it.cycle()
    it.tick(60).restart()
    it.tick(60)
    assert any(isinstance(a, Delete) and a.forced for a in it.decide().actions)


def test_a_node_that_somebody_uncordons_is_drained_on() -> None:
    it = blocked()
    it.cycle()
    one = it.nodes_of("a/train")[0]
    since = it.nodes[one].stamp
    it.change(one, unschedulable=False)
    (drain,) = (a for a in it.decide().actions if isinstance(a, Drain))
    assert since is not None
    assert (drain.node.name, drain.since) == (one, since.draining_since)


def test_draining_units_count_until_the_last_node_is_gone() -> None:
    it = settled(DFW, pool("a/train", boxes(3)), linger=3).edit("a/train", gpus=0)
    watts = []
    for _ in range(8):
        it.cycle()
        watts.append(committed(it.factories["dfw"], it.nodes.values())[""])
        power = it.factories["dfw"].status.power
        assert power is not None
    assert watts[0] == 30
    assert set(watts) == {30, 0}
