"""What the operator cannot see, and what is not its own."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifactory.api import names
from aifactory.api.reading import parse_factory
from aifactory.decide.model.layout import lay_out
from aifactory.decide.model.named import slot_named
from aifactory.decide.model.plan import Order
from aifactory.decide.model.world import Slot
from unit.decide.build import Factory, boxes, factory, pool, racks
from unit.decide.count import committed
from unit.decide.operated import Cluster, settled
from unit.decide.state import START, Labelled

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
    it.change(one, annotations=spoiled)
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


# Names say where a node stands


def site(name: str) -> Factory:
    return factory(name, halls=2, hall=40, boxes=4)


def test_a_taken_name_costs_its_slot_and_its_power_and_nothing_else() -> None:
    it = settled(factory("dfw", quota=30, boxes=4)).stranger("dfw.hall.box.1.1")
    it.apply(pool("a/train", boxes(2)), pool("b/late", boxes(1))).settle()
    assert it.gpus("a/train", "b/late") == (boxes(2), 0)
    assert "dfw.hall.box.1.1" not in it.nodes_of("a/train")
    assert it.says("dfw", "Ready") == "False: NameTaken"
    assert "dfw.hall.box.1.1" in it.tells("dfw", "Ready")
    assert it.statuses["dfw"]["power"]["committed"] == 30
    assert it.says("b/late", "Stalled") == "True: InsufficientPower"


def test_a_taken_name_is_looked_at_again_and_its_slot_used_once_it_is_free() -> None:
    it = settled(DFW).stranger("dfw.hall.box.1.1").apply(pool("a/train", boxes(4), at_least=0)).settle()
    assert it.gpus("a/train") == (boxes(3),)
    assert it.decide().again_after is not None
    assert it.lose("dfw.hall.box.1.1").settle().gpus("a/train") == (boxes(4),)
    assert it.says("dfw", "Ready") == "True: AsPlanned"


def test_a_taken_name_in_a_rack_shuts_the_rack_and_counts_it_once() -> None:
    it = settled(factory("dfw", racks=2)).stranger("dfw.hall.rack.1.2").stranger("dfw.hall.rack.1.4")
    it.apply(pool("a/train", racks(2), at_least=0, systems=("rack",))).settle()
    assert it.gpus("a/train") == (racks(1),)
    assert it.statuses["dfw"]["power"]["committed"] == 2 * 40


def test_a_node_of_a_rack_that_is_ordered_again_waits_for_a_taken_name() -> None:
    it = settled(factory("dfw", racks=1), pool("a/train", racks(1), systems=("rack",)))
    it.lose("dfw.hall.rack.1.3").stranger("dfw.hall.rack.1.3").settle()
    assert len(it.nodes_of("a/train")) == 3
    assert it.statuses["dfw"]["power"]["committed"] == 40


@pytest.mark.parametrize(
    "name",
    [
        *("dfw", "dfw.example.com", "dfw.hall.box.1.5", "dfw.hall.box.2.1", "dfw.cellar.box.1.1"),
        *("osl.hall.box.1.1", "dfw.hall.box.1.x0123456789abcdef"),
    ],
)
def test_any_other_node_is_none_of_our_business(name: str) -> None:
    it = settled(DFW).stranger(name).settle()
    assert it.says("dfw", "Ready") == "True: AsPlanned"
    assert it.statuses["dfw"]["power"]["committed"] == 0


def test_a_stranger_does_not_hold_a_factory_back_from_its_deletion() -> None:
    it = settled(DFW).stranger("dfw.hall.box.1.1").settle().delete("dfw").settle()
    assert it.objects == {}
    assert it.nodes.keys() == {"dfw.hall.box.1.1"}


@pytest.mark.parametrize(
    "labels",
    [
        {"factory": "sjc"},
        {"factory": "nowhere"},
        {"factory": "sjc", "system": "cube", "domain": "hall-2"},
        {"system": "rack", "rack": "7", "slot": "7"},
        {"factory": ""},
        {"domain": "", "system": "", "rack": "", "slot": "", "pool": ""},
    ],
    ids=str,
)
def test_labels_move_no_power_and_shrink_none(labels: dict[str, str]) -> None:
    it = settled(site("dfw"), pool("a/train", boxes(1)), site("sjc"))
    one = it.nodes_of("a/train")[0]
    before = it.nodes[one].uid
    it.scribble(one, **labels).settle()
    told = {name: it.statuses[name]["power"]["committed"] for name in ("dfw", "sjc")}
    assert told == {"dfw": 20, "sjc": 0}
    assert it.nodes[one].uid == before
    assert it.gpus("a/train") == (boxes(1),)
    assert it.says("dfw", "Ready") == "False: Stray"
    assert it.says("sjc", "Ready") == "True: AsPlanned"
    assert it.decide().actions == ()


def test_a_node_without_any_of_our_marks_left_counts_as_before() -> None:
    it = settled(site("dfw"), pool("a/train", boxes(1)))
    one = it.nodes_of("a/train")[0]
    it.nodes[one] = replace(it.nodes[one], labels={}, annotations={})
    it.settle()
    assert it.says("dfw", "Ready") == "False: NameTaken"
    assert it.statuses["dfw"]["power"]["committed"] == 20
    assert it.gpus("a/train") == (boxes(1),)


def test_a_relabelled_node_still_sheds_where_it_stands() -> None:
    it = settled(site("dfw"), pool("a/train", boxes(4), at_least=0), site("sjc"))
    it.scribble(it.nodes_of("a/train")[0], factory="sjc").edit("dfw", quota=30).settle()
    assert it.statuses["dfw"]["power"]["committed"] == 30
    assert it.gpus("a/train") == (boxes(4),)  # two in dfw, two in sjc


@settings(deadline=None)
@given(depth=st.integers(1, 6), rack=st.integers(1, 40), slot=st.integers(1, 8), marked=st.booleans())
def test_a_shortened_name_is_found_too(depth: int, rack: int, slot: int, marked: bool) -> None:
    paths = ["/".join(["wing-north"] * (n + 1)) for n in range(depth)]
    long = factory(
        "site-with-a-long-name",
        domains=tuple({"path": path, "limit": 100} for path in paths),
        groups=({"domain": paths[-1], "system": "box", "count": 40, "nodesPerRack": 8},),
    )
    layout = lay_out(parse_factory(long.manifest()))
    wanted = Slot(layout.factory, paths[-1], "box", rack, slot)
    node = Labelled(
        name=wanted.node_name,
        uid="u",
        labels={names.LABEL_FACTORY: "elsewhere"} if marked else {},
        ready=True,
        unschedulable=False,
        deleting=False,
        created=START,
    )
    assert slot_named(node, {layout.factory: layout}) == wanted


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
