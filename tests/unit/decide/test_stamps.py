"""What is stamped on a node and what the spec says now; names of instances; edits in place."""

from typing import Any

import pytest

from aifactory.api import names
from aifactory.backends.marks import labels_of
from aifactory.decide.model.plan import Complete, Order, Relabel
from aifactory.decide.model.world import Taint
from unit.decide.build import RACK_NODES, boxes, factory, pool, racks
from unit.decide.count import committed
from unit.decide.operated import Cluster, settled

DFW = factory("dfw", boxes=4)
SHARED = DFW.but(shared_nodes=True)  # nodes with no taint but the pool's own


def draws(it: Cluster, path: str = "") -> int:
    """Watts committed at a place of dfw, by what the operator says and by our own count."""
    power = it.factories["dfw"].status.power
    assert power is not None
    if not path:
        assert power.committed == committed(it.factories["dfw"], it.nodes.values())[""]
        return power.committed
    return committed(it.factories["dfw"], it.nodes.values())[path]


# Watts


def test_every_node_carries_its_units_watts_shape_and_path() -> None:
    it = settled(
        factory("dfw", halls=2, overhead=5, racks=1, fabric="hall"), pool("a/t", racks(2), systems=("rack",))
    )
    stamps = [n.stamp for n in it.nodes.values() if n.stamp]
    assert {(s.unit_watts, s.unit_gpus, s.unit_nodes) for s in stamps} == {(42, 32, 4)}
    assert {(s.slot.path, s.fabric) for s in stamps} == {("hall", "hall"), ("hall-2", "hall-2")}
    assert {str(s.pool) for s in stamps} == {"a/t"}


def test_a_unit_counts_what_it_was_stamped_with_when_that_is_more() -> None:
    it = settled(DFW.but(overhead=50), pool("a/train", boxes(2)))
    assert draws(it) == 30
    it.edit("dfw", overhead=0).settle()
    assert draws(it) == 30
    assert it.pools["a/train"].status.watts == 30


def test_a_unit_counts_what_the_spec_says_when_that_is_more() -> None:
    it = settled(DFW, pool("a/train", boxes(2))).edit("dfw", overhead=50).settle()
    assert draws(it) == 30


def test_a_unit_that_comes_later_counts_what_the_spec_says_then() -> None:
    it = settled(DFW.but(overhead=50), pool("a/train", boxes(2))).edit("dfw", overhead=0).settle()
    it.edit("a/train", gpus=boxes(3)).settle()
    assert draws(it) == 2 * 15 + 10


def test_reserved_is_exact_where_old_and_new_units_differ() -> None:
    it = settled(DFW.but(overhead=50), pool("a/train", boxes(1))).edit("dfw", overhead=0).settle()
    it.edit("a/train", gpus=boxes(3))
    it.carry_out(it.decide())
    power = it.factories["dfw"].status.power
    assert power is not None
    assert (power.committed, power.reserved) == (15 + 2 * 10, 15 + 2 * 10)


def test_a_domain_that_is_gone_counts_in_the_nearest_above_it() -> None:
    it = settled(factory("dfw", rows=2, boxes=2), pool("a/train", boxes(4)))
    assert (draws(it, "hall/row"), draws(it, "hall/row-2")) == (20, 20)
    it.edit("dfw", rows=1).settle()
    assert (draws(it, "hall/row"), draws(it, "hall"), draws(it)) == (20, 40, 40)


def test_its_nearest_ancestor_may_be_the_factory_itself() -> None:
    it = settled(factory("dfw", halls=2, boxes=2), pool("a/train", boxes(4))).edit("dfw", halls=1).settle()
    assert (draws(it, "hall"), draws(it)) == (20, 40)
    assert it.gpus("a/train") == (boxes(4),)


def test_units_that_stand_in_the_way_are_reported_and_kept() -> None:
    it = settled(factory("dfw", halls=2, boxes=2), pool("a/train", boxes(4))).edit("dfw", halls=1).settle()
    assert it.says("dfw", "Ready") == "False: InTheWay"
    assert "2 units" in it.conditions("dfw")["Ready"].message


@pytest.mark.parametrize(
    "words", [{"boxes": 0}, {"groups": ()}, {"boxes": 1}, {"without": ("box",), "groups": ()}], ids=str
)
def test_removing_what_nodes_stand_on_moves_nothing(words: dict[str, Any]) -> None:
    it = settled(DFW, pool("a/train", boxes(3)))
    before = dict(it.nodes)
    it.edit("dfw", **words).settle()
    assert it.nodes == before
    assert it.gpus("a/train") == (boxes(3),)
    assert draws(it) == 30


def test_a_limit_above_what_is_gone_still_sheds_it() -> None:
    it = settled(factory("dfw", halls=2, boxes=2), pool("a/train", boxes(4), at_least=0))
    it.edit("dfw", halls=1, quota=25).settle()
    assert draws(it) == 20


def test_overhead_raises_a_unit_whose_racks_are_gone() -> None:
    it = settled(DFW, pool("a/train", boxes(3))).edit("dfw", boxes=0).settle()
    it.edit("dfw", overhead=100).settle()
    assert draws(it) == 60


# Shape


def test_gpus_per_unit_change_for_new_units_only() -> None:
    it = settled(DFW, pool("a/train", boxes(2))).edit("dfw", systems={"box": {"gpusPerNode": 4}}).settle()
    assert it.gpus("a/train") == (boxes(2),)
    it.apply(pool("b/late", 8)).settle()
    assert it.gpus("b/late") == (8,)
    assert len(it.nodes_of("b/late")) == 2


def test_the_slot_of_a_unit_of_the_old_shape_is_not_planned_with() -> None:
    it = settled(DFW, pool("a/train", boxes(3))).edit("dfw", systems={"box": {"gpusPerNode": 4}}).settle()
    it.apply(pool("b/late", 8)).settle()
    assert it.gpus("b/late") == (0,)
    assert it.says("b/late", "Stalled") == "True: InsufficientUnits"


def test_nodes_per_rack_change_for_new_units_only() -> None:
    it = settled(factory("dfw", racks=3), pool("a/train", racks(1), systems=("rack",)))
    it.edit("dfw", systems={"rack": {"nodesPerRack": 2}}).settle()
    assert (it.gpus("a/train"), len(it.nodes)) == ((racks(1),), RACK_NODES)
    it.apply(pool("b/late", 16, systems=("rack",))).settle()
    assert len(it.nodes_of("b/late")) == 2


def test_a_lost_node_of_a_rack_comes_back_in_the_racks_own_shape() -> None:
    it = settled(factory("dfw", racks=1), pool("a/train", racks(1), systems=("rack",)))
    lost = it.nodes_of("a/train")[3]
    it.edit("dfw", systems={"rack": {"nodesPerRack": 2}}).settle().lose(lost).settle()
    assert it.gpus("a/train") == (racks(1),)
    assert len(it.nodes) <= RACK_NODES


def test_a_lost_node_of_a_rack_is_ordered_again_and_the_others_stay() -> None:
    it = settled(factory("dfw", racks=1), pool("a/train", racks(1), systems=("rack",)))
    lost, *rest = it.nodes_of("a/train")
    before = {name: it.nodes[name].uid for name in rest}
    it.lose(lost)
    assert [type(a) for a in it.decide().actions] == [Complete]
    it.settle()
    assert {name: it.nodes[name].uid for name in rest} == before
    assert lost in it.nodes


def test_a_node_of_a_rack_that_is_being_deleted_by_hand_costs_only_itself() -> None:
    it = settled(factory("dfw", racks=1), pool("a/train", racks(1), systems=("rack",)))
    lost, *rest = it.nodes_of("a/train")
    before = {name: it.nodes[name].uid for name in rest}
    it.change(lost, deleting=True)
    it.lingering[lost] = 3
    it.settle()
    assert {name: it.nodes[name].uid for name in rest} == before
    assert it.nodes.keys() == {lost, *rest}


def test_a_system_without_a_figure_gets_nothing() -> None:
    it = settled(
        factory("dfw", groups=({"domain": "hall", "system": "mystery", "count": 4},)),
        pool("a/train", 8, systems=("mystery",)),
    )
    assert it.gpus("a/train") == (0,)
    assert it.says("dfw", "Ready") == "False: UnknownSystem"
    assert it.says("a/train", "Stalled") == "True: UnknownSystem"


# Names of instances


def test_a_second_hall_renames_nothing_under_a_running_node() -> None:
    it = settled(factory("dfw", boxes=4), pool("a/train", boxes(3)))
    before = dict(it.nodes)
    it.edit("dfw", halls=2).settle()
    assert it.nodes == before
    assert it.pools["a/train"].status.placements[0].domain == "hall-1"
    it.edit("dfw", halls=1).settle()
    assert it.nodes == before
    assert it.pools["a/train"].status.placements[0].domain == "hall"


def test_instances_are_numbered_from_one() -> None:
    it = settled(factory("dfw", halls=2, rows=3, boxes=1), pool("a/train", boxes(6)))
    shown = [p.domain for p in it.pools["a/train"].status.placements]
    assert sorted(shown) == [f"hall-{h}/row-{r}" for h in (1, 2) for r in (1, 2, 3)]


def test_no_two_nodes_have_one_name() -> None:
    it = settled(
        factory("dfw", halls=2, rows=2, boxes=3, racks=2),
        pool("a/t", boxes(12)),
        pool("b/t", racks(8), systems=("rack",)),
    )
    assert len({n.name for n in it.nodes.values()}) == 12 + 8 * RACK_NODES


def test_a_long_path_still_gives_a_label() -> None:
    path = "/".join(["h" * 12] * 6)
    parts = path.split("/")
    domains = tuple({"path": "/".join(parts[: i + 1]), "limit": 100} for i in range(6))
    groups = ({"domain": path, "system": "box", "count": 1},)
    it = settled(factory("f" * 40, domains=domains, groups=groups), pool("a/train", boxes(2)))
    assert it.gpus("a/train") == (boxes(2),)
    assert all(len(value) <= 63 for n in it.nodes.values() for value in (n.name, *n.labels.values()))
    assert {n.annotations[names.ANNOTATION_PATH] for n in it.nodes.values()} == {path}


# Edits in place


def test_labels_and_taints_are_applied_to_standing_nodes_in_place() -> None:
    taint = {"key": "team", "value": "nlp", "effect": "NoSchedule"}
    it = settled(
        SHARED, pool("a/train", boxes(1), node_labels={"team": "nlp", "tier": "gold"}, node_taints=(taint,))
    )
    (node,) = it.nodes.values()
    assert (node.labels["team"], node.labels["tier"]) == ("nlp", "gold")
    assert [tuple(t) for t in node.taints] == [("team", "nlp", "NoSchedule")]
    it.edit("a/train", node_labels={"team": "vision"}, node_taints=()).settle()
    (after,) = it.nodes.values()
    assert after.uid == node.uid
    assert after.labels["team"] == "vision"
    assert "tier" not in after.labels
    assert after.taints == ()


def test_labels_and_taints_of_others_are_left_alone() -> None:
    it = settled(SHARED, pool("a/train", boxes(1), node_labels={"team": "nlp"}))
    (name,) = it.nodes
    foreign = (Taint("node.kubernetes.io/not-ready", "", "NoExecute"),)
    it.change(name, labels={**it.nodes[name].labels, "zone": "b7"}, taints=foreign)
    assert it.decide().actions == ()
    it.edit("a/train", node_labels={}).settle()
    assert it.nodes[name].labels["zone"] == "b7"
    assert it.nodes[name].taints == foreign


def test_a_label_of_ours_that_somebody_changed_is_put_right() -> None:
    it = settled(DFW.but(region="south"), pool("a/train", boxes(1), node_labels={"team": "nlp"}))
    (name,) = it.nodes
    it.change(name, labels={**it.nodes[name].labels, "team": "other"})
    assert [type(a) for a in it.decide().actions] == [Relabel]
    assert it.settle().nodes[name].labels["team"] == "nlp"


def test_new_nodes_have_the_labels_from_the_start() -> None:
    it = settled(DFW.but(region="south"))
    it.apply(pool("a/train", boxes(1), node_labels={"team": "nlp"}))
    (order,) = (a for a in it.decide().actions if isinstance(a, Order))
    labels = labels_of(order.spec)
    assert labels["team"] == "nlp"
    assert labels["topology.kubernetes.io/region"] == "south"
    assert (order.spec.resource, order.spec.devices) == ("nvidia.com/gpu", 8)


# What is set with the order only


AGENT = {"key": "node.cilium.io/agent-not-ready", "value": "true", "effect": "NoSchedule"}
GUARD = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


def taints(it: Cluster) -> list[set[str]]:
    return [{taint.key for taint in node.taints} for node in it.nodes.values()]


def take_off(it: Cluster, key: str) -> Cluster:
    for name, node in list(it.nodes.items()):
        it.change(name, taints=tuple(taint for taint in node.taints if taint.key != key))
    return it


@pytest.mark.parametrize("words", [{"startup_taints": (AGENT,)}, {"node_taints": (AGENT,)}], ids=str)
def test_a_taint_that_an_agent_takes_off_stays_off(words: dict[str, Any]) -> None:
    it = settled(SHARED, pool("a/t", boxes(2), **words))
    assert taints(it) == [{AGENT["key"]}] * 2
    take_off(it, AGENT["key"])
    assert it.decide().actions == ()
    it.edit("a/t", node_labels={"team": "nlp"}).settle()
    assert taints(it) == [set(), set()]
    it.edit("a/t", gpus=boxes(3)).settle()
    assert sorted(taints(it), key=len) == [set(), set(), {AGENT["key"]}]


def test_an_edit_of_a_taint_reaches_standing_nodes_also_where_another_was_taken_off() -> None:
    it = take_off(settled(SHARED, pool("a/t", boxes(1), node_taints=(AGENT,))), AGENT["key"])
    it.edit("a/t", node_taints=(AGENT, GUARD)).settle()
    assert taints(it) == [{GUARD["key"]}]
    it.edit("a/t", node_taints=(AGENT, {**GUARD, "value": "other"})).settle()
    assert [t.value for node in it.nodes.values() for t in node.taints] == ["other"]
    it.edit("a/t", node_taints=({**AGENT, "effect": "PreferNoSchedule"},)).settle()
    assert [tuple(t) for node in it.nodes.values() for t in node.taints] == [
        (AGENT["key"], "true", "PreferNoSchedule")
    ]


def test_an_edit_of_startup_taints_is_for_new_nodes() -> None:
    it = settled(SHARED, pool("a/t", boxes(1), startup_taints=(AGENT,)))
    it.edit("a/t", startup_taints=(GUARD,), gpus=boxes(2)).settle()
    assert sorted(map(sorted, taints(it))) == sorted([[AGENT["key"]], [GUARD["key"]]])


def test_a_node_of_an_earlier_version_keeps_off_what_was_taken_off() -> None:
    """Its annotation has the keys alone."""
    it = take_off(settled(SHARED, pool("a/t", boxes(1), node_taints=(AGENT, GUARD))), AGENT["key"])
    (name,) = it.nodes
    it.change(name, annotations={names.ANNOTATION_TAINT_KEYS: f"{AGENT['key']},{GUARD['key']}"})
    assert taints(it.settle()) == [{GUARD["key"]}]
    it.edit("a/t", node_taints=()).settle()
    assert taints(it) == [set()]


def test_a_label_of_the_system_is_set_with_the_order_and_left_to_others() -> None:
    labels = {"nvidia.com/gpu.product": "H100"}
    it = settled(DFW.but(systems={"box": {"nodeLabels": labels}}), pool("a/t", boxes(1)))
    (name,) = it.nodes
    assert it.nodes[name].labels["nvidia.com/gpu.product"] == "H100"
    it.change(name, labels={**it.nodes[name].labels, "nvidia.com/gpu.product": "H100-SHARED"})
    assert it.decide().actions == ()
    it.edit("a/t", node_labels={"team": "nlp"}).settle()
    assert it.nodes[name].labels["nvidia.com/gpu.product"] == "H100-SHARED"
