"""What the operator cannot see, and what is not its own."""

import pytest

from aifactory.api import names
from aifactory.decide.plan import Order
from unit.decide.build import boxes, factory, pool, racks
from unit.decide.count import committed
from unit.decide.operated import Cluster, settled

DFW, SJC = factory("dfw", boxes=4), factory("sjc", boxes=4)


def there(it: Cluster, prefix: str) -> dict[str, str]:
    return {n.name: n.uid for n in it.nodes.values() if n.name.startswith(prefix)}


# Unknown factories


def test_nothing_is_changed_in_a_factory_that_cannot_be_seen() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), pool("b/soft", boxes(2), preemptible=True))
    before = there(it, "dfw")
    it.hide("dfw").edit("dfw", quota=10).delete("a/train").apply(
        pool("c/high", boxes(3), priority=9)
    ).settle()
    assert there(it, "dfw") == before
    assert not any(n.unschedulable for n in it.nodes.values())


def test_a_factory_that_cannot_be_seen_says_so() -> None:
    it = settled(DFW, pool("a/train", boxes(2))).hide("dfw").settle()
    assert it.says("dfw", "Ready") == "False: Unknown"
    assert it.says("dfw", "Stalled") == "True: Unknown"


def test_its_power_counts_as_last_seen() -> None:
    it = settled(DFW, pool("a/train", boxes(2))).hide("dfw").settle()
    power = it.factories["dfw"].status.power
    assert power is not None
    assert power.committed == 20


def test_its_pools_keep_what_they_had_there() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), SJC).hide("dfw").settle()
    assert there(it, "sjc") == {}
    assert it.pools["a/train"].status.gpus == boxes(2)


def test_after_a_restart_its_pools_keep_what_their_status_says() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), SJC).hide("dfw").restart().settle()
    assert there(it, "sjc") == {}
    assert it.pools["a/train"].status.gpus == boxes(2)
    assert it.show("dfw").settle().gpus("a/train") == (boxes(2),)
    assert it.decide().actions == ()


def test_racks_are_kept_after_a_restart_too() -> None:
    it = settled(
        factory("dfw", racks=3), pool("a/train", racks(2), systems=("rack",)), factory("sjc", racks=3)
    )
    it.hide("dfw").restart().settle()
    assert there(it, "sjc") == {}
    it.show("dfw").settle()
    assert it.gpus("a/train") == (racks(2),)


def test_the_others_go_on() -> None:
    it = settled(DFW, SJC).hide("dfw").apply(pool("a/train", boxes(5), at_least=0)).settle()
    assert it.units("a/train") == {"sjc/hall": 4}


def test_a_pool_is_not_let_go_while_a_factory_of_it_cannot_be_seen() -> None:
    it = settled(DFW, pool("a/train", boxes(2))).hide("dfw").restart().delete("a/train").settle()
    assert "a/train" in it.objects
    assert it.show("dfw").settle().objects.keys() == {"dfw"}


# Strays


def stray() -> Cluster:
    it = settled(DFW.but(quota=40), pool("a/train", boxes(2)))
    return it.stray(like=it.nodes_of("a/train")[0], name="by-hand")


def test_a_stray_counts() -> None:
    it = stray().apply(pool("b/wide", boxes(2), at_least=0)).settle()
    assert it.gpus("b/wide") == (boxes(1),)
    assert committed(it.factories["dfw"], it.nodes.values())[""] == 40


def test_a_stray_is_reported() -> None:
    it = stray().settle()
    assert it.says("dfw", "Ready") == "False: Stray"
    assert "by-hand" in it.conditions("dfw")["Ready"].message


def test_a_stray_is_never_adopted_nor_deleted() -> None:
    it = stray()
    before = it.nodes["by-hand"]
    it.edit("a/train", gpus=boxes(3)).settle().delete("a/train").settle()
    it.edit("dfw", quota=0).settle().edit("dfw", drain=True).settle()
    assert it.nodes == {"by-hand": before}
    assert it.gpus("a/train") == (0,)


def test_a_node_whose_labels_make_no_sense_is_a_stray() -> None:
    it = settled(DFW, pool("a/train", boxes(2)))
    one = it.nodes_of("a/train")[0]
    it.scribble(one, rack="zero").settle()
    assert it.says("dfw", "Ready") == "False: Stray"
    assert one in it.nodes
    assert it.gpus("a/train") == (boxes(2),)
    assert len(it.nodes) == 3


def test_one_relabelled_node_of_a_rack_does_not_cost_the_rack() -> None:
    it = settled(factory("dfw", racks=1), pool("a/train", racks(1), systems=("rack",)))
    before = there(it, "dfw")
    it.scribble(it.nodes_of("a/train")[0], pool="hacker").settle()
    assert there(it, "dfw") == before
    assert len(it.nodes_of("a/train")) == 4


@pytest.mark.parametrize("spoiled", [{names.ANNOTATION_WATTS: "x"}, {names.ANNOTATION_PATH: ""}])
def test_a_node_whose_notes_are_spoiled_counts_where_its_labels_say(spoiled: dict[str, str]) -> None:
    it = settled(factory("dfw", halls=2, hall=40, boxes=4), pool("a/train", boxes(4), pack="hall"))
    one = it.nodes_of("a/train")[0]
    it.change(one, annotations=spoiled, unit_watts=0)
    assert it.settle().says("dfw", "Ready") == "False: Stray"
    assert committed(it.factories["dfw"], it.nodes.values())["hall"] == 40
    assert it.statuses["dfw"]["tightest"][0] == {"domain": "hall-1", "limit": 40, "committed": 40}


def test_a_node_that_claims_another_slot_is_a_stray() -> None:
    it = settled(DFW, pool("a/train", boxes(2)))
    one = it.nodes_of("a/train")[0]
    it.scribble(one, slot="4").settle()
    assert it.says("dfw", "Ready") == "False: Stray"
    assert it.gpus("a/train") == (boxes(2),)
    assert one in it.nodes


def test_no_unit_is_ordered_into_a_slot_that_a_stray_claims() -> None:
    it = settled(DFW, pool("a/train", boxes(2)))
    it.scribble(it.nodes_of("a/train")[0], slot="4").apply(pool("b/wide", boxes(4), at_least=0)).settle()
    assert it.gpus("a/train", "b/wide") == (boxes(2), 0)


def test_a_node_of_a_rack_that_became_a_stray_is_not_ordered_again() -> None:
    it = settled(factory("dfw", racks=1), pool("a/train", racks(1), systems=("rack",)))
    it.scribble(it.nodes_of("a/train")[2], slot="1").settle()
    assert it.says("dfw", "Ready") == "False: Stray"
    assert it.says("a/train", "Reconciling") == ""
    assert len(it.nodes) == 4


# What belongs to nobody


def test_nodes_whose_pool_is_gone_are_released() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), busy=True)
    it.remove("a/train")
    assert it.settle().nodes == {}


def test_they_count_until_they_are_gone_and_are_drained_first() -> None:
    it = settled(DFW.but(quota=20), pool("a/train", boxes(2)), pool("b/next", boxes(2)), linger=2, busy=True)
    it.remove("a/train")
    while there(it, "dfw").keys() & set(it.nodes_of("a/train")):
        assert not any(isinstance(a, Order) for a in it.cycle().actions)
    assert it.settle().gpus("b/next") == (boxes(2),)


def test_nodes_whose_factory_is_gone_are_kept() -> None:
    it = settled(DFW, pool("a/train", boxes(2)))
    before = there(it, "dfw")
    it.remove("dfw")
    it.settle()
    assert there(it, "dfw") == before
