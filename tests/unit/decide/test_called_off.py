"""What drains and is wanted again is kept, with the pods that are left."""

from collections.abc import Callable

import pytest

from aifactory.decide.model.plan import CallOff, Delete, Drain, Order
from unit.decide.build import boxes, factory, pool, racks
from unit.decide.operated import Cluster, events_of, settled

DFW = factory("dfw", boxes=8)
HELD = {"busy": True, "budgets": frozenset({"a/soft"})}


def shed() -> Cluster:
    """Two of four busy units drain, for a limit that fell."""
    it = settled(DFW.but(quota=40), pool("a/soft", boxes(4), at_least=boxes(1)), **HELD)
    return it.edit("dfw", quota=20)


def restored(it: Cluster) -> Cluster:
    return it.edit("dfw", quota=40)


def scaled() -> Cluster:
    it = settled(DFW, pool("a/soft", boxes(4), at_least=boxes(1)), **HELD)
    return it.edit("a/soft", gpus=boxes(1))


def scaled_back(it: Cluster) -> Cluster:
    return it.edit("a/soft", gpus=boxes(4))


def preempted() -> Cluster:
    """A whole pool drains for a higher one; in the first hall, that the plan likes best, nothing is free."""
    it = settled(
        factory("dfw", halls=2, hall=20, boxes=2),
        pool("z/firm", boxes(2), priority=9, pack="hall"),
        pool("a/soft", boxes(2), preemptible=True),
        **HELD,
    )
    return it.apply(pool("b/high", boxes(2), priority=5, pack="hall"))


def claimant_gone(it: Cluster) -> Cluster:
    return it.delete("b/high")


def preempted_and_room_elsewhere(it: Cluster) -> Cluster:
    return it.delete("b/high").delete("z/firm")


def racked() -> Cluster:
    it = settled(
        factory("dfw", racks=2, quota=80),
        pool("a/soft", racks(2), at_least=racks(1), systems=("rack",)),
        **HELD,
    )
    return it.edit("dfw", quota=40)


def raised(it: Cluster) -> Cluster:
    return it.edit("dfw", quota=80)


def moved() -> Cluster:
    it = settled(DFW, factory("sjc", boxes=8), pool("a/soft", boxes(3), only_in=("dfw",)), **HELD)
    return it.edit("a/soft", only_in=("sjc",))


def moved_back(it: Cluster) -> Cluster:
    return it.edit("a/soft", only_in=("dfw",))


UNDONE = [
    (shed, restored),
    (scaled, scaled_back),
    (preempted, claimant_gone),
    (preempted, preempted_and_room_elsewhere),
    (racked, raised),
    (moved, moved_back),
]


@pytest.mark.parametrize(("scene", "undo"), UNDONE)
@pytest.mark.parametrize("cycles", [1, 3])
def test_a_drain_whose_reason_is_gone_is_called_off(
    scene: Callable[[], Cluster], undo: Callable[[Cluster], Cluster], cycles: int
) -> None:
    it = scene()
    before = {name: it.nodes[name].uid for name in it.nodes_of("a/soft")}
    for _ in range(cycles):
        it.cycle()
    assert any(n.drains for n in it.nodes.values())
    undo(it).cycle()
    it.budgets = frozenset()  # of the units that are moved off again too
    it.settle()
    assert {n: it.nodes[n].uid for n in it.nodes_of("a/soft")} == before
    assert not any(n.unschedulable for n in it.nodes.values() if n.name in before)
    assert sum(pod.node in before for pod in it.pods.values()) == len(before)


def test_it_is_told() -> None:
    it = shed()
    it.cycle()
    (event,) = [e for e in events_of(restored(it).decide(), "a/soft") if e.reason == "DrainCalledOff"]
    assert "2 nodes" in event.message


def test_nothing_is_ordered_where_a_unit_of_the_pool_drains() -> None:
    it = shed()
    it.cycle()
    plan = restored(it).decide()
    assert not [a for a in plan.actions if isinstance(a, Order)]
    assert len([a for a in plan.actions if isinstance(a, CallOff)]) == 2


def test_a_crash_in_the_middle_calls_the_rest_off_too() -> None:
    it = shed()
    it.cycle()
    restored(it).cycle(stop_after=2)
    before = {n.uid for n in it.nodes.values()}
    it.restart().settle()
    assert {n.uid for n in it.nodes.values()} == before


def test_what_is_out_of_service_is_not_kept() -> None:
    it = shed()
    it.cycle()
    draining = [n.name for n in it.nodes.values() if n.drains]
    it.mark(draining[0])
    it.budgets = frozenset()
    restored(it).settle()
    assert draining[0] not in it.nodes_of("a/soft")
    assert draining[1] in it.nodes_of("a/soft")


def test_while_the_reason_stands_nothing_is_called_off() -> None:
    it = shed()
    for _ in range(10):
        assert not any(isinstance(a, CallOff) for a in it.cycle().actions)


def test_what_is_wanted_only_in_part_is_kept_in_part() -> None:
    it = scaled()
    it.cycle()
    before = dict(it.nodes)
    it.edit("a/soft", gpus=boxes(3))
    it.budgets = frozenset()
    it.settle()
    assert len(it.nodes_of("a/soft")) == 3
    assert set(it.nodes_of("a/soft")) < set(before)
    assert all(it.nodes[n].uid == before[n].uid for n in it.nodes_of("a/soft"))


# A person's uncordon


def test_what_somebody_uncordons_is_kept_and_another_goes() -> None:
    it = settled(DFW, pool("a/soft", boxes(4), at_least=boxes(1)), busy=True).edit("a/soft", gpus=boxes(3))
    it.budgets = frozenset({"a/soft"})
    it.cycle()
    (first,) = [n.name for n in it.nodes.values() if n.drains]
    it.cordon(first, off=True)
    it.cycle()
    (other,) = [n.name for n in it.nodes.values() if n.drains]
    assert other != first
    it.budgets = frozenset()
    assert first in it.settle().nodes_of("a/soft")


def test_what_has_to_go_all_the_same_goes_by_its_first_deadline() -> None:
    it = settled(DFW, pool("a/soft", boxes(1), drain_timeout=100), **HELD).edit("dfw", quota=0)
    it.cycle()
    (node,) = it.nodes
    since = it.nodes[node].stamp.draining_since  # type: ignore[union-attr]
    for _ in range(3):
        it.cordon(node, off=True)
        (drain,) = [a for a in it.cycle().actions if isinstance(a, Drain)]
        assert drain.since == since
    it.tick(100)
    assert any(isinstance(a, Delete) for a in it.decide().actions)


def test_what_is_out_of_service_goes_though_somebody_uncordons_it() -> None:
    it = settled(DFW, pool("a/soft", boxes(2)), busy=True)
    bad = it.nodes_of("a/soft")[0]
    it.mark(bad).cycle()
    assert bad not in it.cordon(bad, off=True).settle().nodes_of("a/soft")


def test_a_cordon_of_somebody_outlives_a_drain_that_is_called_off() -> None:
    it = settled(DFW, pool("a/soft", boxes(4), at_least=boxes(1)), **HELD)
    node = it.nodes_of("a/soft")[0]
    it.cordon(node).edit("a/soft", gpus=boxes(3)).cycle()
    assert it.nodes[node].drains
    it.edit("a/soft", gpus=boxes(4)).settle()
    assert it.nodes[node].unschedulable
    assert not it.nodes[node].drains
