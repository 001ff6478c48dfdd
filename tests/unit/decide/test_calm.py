"""Promise 3: nothing that stands is touched without a rule that says why."""

import gc
from typing import Any

import pytest

from aifactory.decide import decide
from aifactory.decide.place.placed import Asked, Placed, nothing_yet
from unit.decide.build import Factory, boxes, factory, pool
from unit.decide.operated import Cluster, cluster, settled

HALVES = factory("dfw", halls=2, boxes=4, labels={"region": "south"})


def uids(it: Cluster) -> dict[str, str]:
    return {name: node.uid for name, node in it.nodes.items()}


def untouched(it: Cluster, before: dict[str, str]) -> bool:
    """Whether all these nodes still are what they were, and none is leaving."""
    return before.items() <= uids(it).items() and not any(n.unschedulable for n in it.nodes.values())


# The same world gives the same plan


def test_nothing_is_done_where_there_is_nothing() -> None:
    plan = cluster().settle().decide()
    assert (plan.actions, plan.statuses, plan.events, plan.again_after) == ((), (), (), None)


def test_a_settled_cluster_is_left_alone() -> None:
    it = settled(HALVES, pool("a/train", boxes(3)), pool("b/infer", boxes(5), at_least=8, priority=2))
    plan = it.decide()
    assert plan.actions == ()
    assert it.writes(plan) == []


def test_the_same_world_gives_the_same_plan() -> None:
    it = cluster(HALVES, factory("sjc", boxes=5), *(pool(f"a/p{i}", boxes(2)) for i in range(6)))
    assert it.decide() == it.decide()


def test_the_order_of_a_list_changes_nothing() -> None:
    it = cluster(HALVES, factory("sjc", boxes=5), *(pool(f"a/p{i}", boxes(2)) for i in range(6)), busy=True)
    it.cycle()
    it.delete("a/p0", "a/p1").cycle()
    other = it.copy()
    other.backwards = True
    assert it.decide() == other.decide()


def test_time_alone_changes_nothing() -> None:
    it = settled(HALVES, pool("a/train", boxes(3)))
    assert it.writes(it.tick(1e7).decide()) == []


# What may be touched: (a) limits and drains, (b) preemption, (c) a pool's own spec


def test_a_standing_pool_stays_when_better_places_open() -> None:
    it = settled(HALVES, pool("a/train", boxes(2), systems=("cube", "box")))
    before = uids(it)
    cheap = factory("sjc", cubes=9, boxes=9, energy={"pricePerMWh": "1"})
    assert untouched(it.apply(cheap).settle(), before)


def test_nothing_moves_for_balance() -> None:
    it = settled(HALVES, *(pool(f"a/p{i}") for i in range(6)))
    it.delete("a/p4", "a/p5").settle()
    before = uids(it)
    assert untouched(it.settle(), before)


def test_nothing_moves_so_that_an_equal_fits() -> None:
    it = settled(HALVES, *(pool(f"a/p{i}", boxes(1), pack="hall") for i in range(8)))
    it.delete("a/p0", "a/p7").settle()
    before = uids(it)
    assert {u.split("/")[1] for i in range(1, 7) for u in it.units(f"a/p{i}")} == {"hall", "hall-2"}
    it.apply(pool("b/pair", boxes(2), pack="hall", priority=9)).settle()
    assert untouched(it, before)


def test_raising_a_limit_moves_nothing() -> None:
    it = settled(HALVES.but(quota=50), pool("a/train", boxes(2)), pool("b/wide", boxes(9), at_least=0))
    before = uids(it)
    assert untouched(it.edit("dfw", quota=10_000).settle(), before)


def test_a_limit_that_is_still_met_moves_nothing() -> None:
    it = settled(HALVES, pool("a/train", boxes(4)))
    before = uids(it)
    assert untouched(it.edit("dfw", quota=40).settle(), before)


def test_a_higher_priority_that_fits_in_free_room_touches_nobody() -> None:
    it = settled(HALVES, pool("a/soft", boxes(4), preemptible=True))
    before = uids(it)
    it.apply(pool("b/high", boxes(4), priority=9)).settle()
    assert untouched(it, before)
    assert it.gpus("b/high") == (boxes(4),)


def test_a_pool_that_stands_never_preempts_to_grow() -> None:
    it = settled(HALVES, pool("a/soft", boxes(6), preemptible=True), pool("b/high", boxes(2), priority=9))
    before = uids(it)
    it.edit("b/high", gpus=boxes(4), at_least=boxes(2)).settle()
    assert untouched(it, before)


def test_only_who_is_under_the_exceeded_limit_is_touched() -> None:
    it = settled(
        HALVES.but(hall=40), pool("a/one", boxes(4), pack="hall"), pool("b/two", boxes(4), pack="hall")
    )
    it.apply(factory("sjc", hall=20, boxes=2), pool("c/far", boxes(2), only_in=("sjc",))).settle()
    before = {n: u for n, u in uids(it).items() if n in it.nodes_of("a/one") + it.nodes_of("b/two")}
    assert untouched(it.edit("sjc", hall=10).settle(), before)


@pytest.mark.parametrize(
    "words",
    [
        {"priority": 7},
        {"preemptible": True},
        {"purpose": "Inference"},
        {"drain_timeout": 5},
        {"node_labels": {"team": "nlp"}},
        {"node_taints": ({"key": "team", "value": "nlp", "effect": "NoSchedule"},)},
        {"paused": True},
        {"systems": ("box", "cube")},
        {"systems": ("cube", "box")},
        {"only_in": ("dfw",)},
        {"not_in": ("sjc",)},
        {"where": {"region": "south"}},
        {"pack": "Factory"},
        {"gpus": boxes(5)},
        {"gpus": boxes(5), "at_least": boxes(1)},
        {"at_least": boxes(1)},
    ],
    ids=str,
)
def test_an_edit_that_the_standing_place_suits_moves_nothing(words: dict[str, Any]) -> None:
    it = settled(HALVES, pool("a/train", boxes(3)))
    before = uids(it)
    assert untouched(it.edit("a/train", **words).settle(), before)


def test_a_pool_whose_spec_changed_moves_to_where_it_fits() -> None:
    it = settled(HALVES, factory("sjc", boxes=4), pool("a/train", boxes(2), only_in=("dfw",)))
    it.edit("a/train", only_in=("sjc",)).settle()
    assert it.units("a/train") == {"sjc/hall": 2}


def test_it_keeps_the_old_place_until_the_new_one_fits() -> None:
    it = settled(HALVES, factory("sjc", boxes=1), pool("a/train", boxes(2), only_in=("dfw",)))
    before = uids(it)
    it.edit("a/train", only_in=("sjc",)).settle()
    assert untouched(it, before)
    assert it.says("a/train", "Placed") == "True: KeepsOldPlace"
    assert it.edit("sjc", boxes=2).settle().units("a/train") == {"sjc/hall": 2}
    assert it.says("a/train", "Placed") == "True: Placed"


def test_a_change_of_topology_gathers_the_pool() -> None:
    it = settled(HALVES.but(hall=20), pool("a/train", boxes(4)))
    assert len(it.units("a/train")) == 2
    it.edit("dfw", hall=40).settle()
    assert len(it.units("a/train")) == 2
    it.edit("a/train", pack="hall").settle()
    assert len(it.units("a/train")) == 1
    assert it.gpus("a/train") == (boxes(4),)


def test_a_minimum_that_rises_keeps_what_there_is_until_it_fits() -> None:
    it = settled(factory("dfw", boxes=4), pool("a/train", boxes(2)), pool("b/firm", boxes(1)))
    before = uids(it)
    it.edit("a/train", gpus=boxes(4)).settle()
    assert untouched(it, before)
    assert it.gpus("a/train") == (boxes(2),)
    assert it.says("a/train", "Ready").startswith("False")
    assert it.delete("b/firm").settle().gpus("a/train") == (boxes(4),)


def test_a_minimum_that_rises_may_preempt() -> None:
    it = settled(
        factory("dfw", boxes=4),
        pool("a/train", boxes(2), priority=1),
        pool("b/soft", boxes(2), preemptible=True),
    )
    it.edit("a/train", gpus=boxes(3)).settle()
    assert it.gpus("a/train", "b/soft") == (boxes(3), 0)


def test_a_pool_gives_up_what_it_no_longer_wishes_for() -> None:
    it = settled(factory("dfw", boxes=4), pool("a/train", boxes(4)))
    it.edit("a/train", gpus=boxes(1)).settle()
    assert it.gpus("a/train") == (boxes(1),)
    assert it.edit("a/train", gpus=0).settle().gpus("a/train") == (0,)


# A factory's own change never moves a standing pool


@pytest.mark.parametrize(
    ("wish", "site"),
    [
        ({"where": {"region": "south"}}, {"labels": {"region": "north"}}),
        ({"pack": "Fabric"}, {"fabric": None}),
        ({}, {"systems": {"box": {"gpusPerNode": 4}}}),
    ],
    ids=["labels", "fabrics", "catalogue"],
)
def test_a_change_of_the_factory_never_moves_a_standing_pool(
    wish: dict[str, Any], site: dict[str, Any]
) -> None:
    rows: Factory = factory("dfw", rows=2, row=20, boxes=4, fabric="hall", labels={"region": "south"})
    it = settled(rows, pool("a/train", boxes(4), **wish), factory("sjc", boxes=9, labels={"region": "south"}))
    assert it.units("a/train") == {"dfw/hall/row": 2, "dfw/hall/row-2": 2}
    before = uids(it)
    it.edit("dfw", **site).settle()
    assert untouched(it, before)
    assert it.gpus("a/train") == (boxes(4),)


def test_a_standing_pool_that_no_longer_matches_is_reported() -> None:
    it = settled(HALVES, pool("a/train", boxes(3), where={"region": "south"}))
    it.edit("dfw", labels={"region": "north"}).settle()
    assert it.says("a/train", "Placed") == "True: NoLongerMatches"
    assert it.edit("dfw", labels={"region": "south"}).settle().says("a/train", "Placed") == "True: Placed"


def test_a_pool_that_no_longer_matches_grows_only_where_it_does() -> None:
    it = settled(HALVES, pool("a/train", boxes(3), where={"region": "south"}))
    it.edit("dfw", labels={"region": "north"}).settle()
    it.edit("a/train", gpus=boxes(4), at_least=boxes(3)).settle()
    assert it.gpus("a/train") == (boxes(3),)


def test_units_that_are_lost_are_asked_for_again_and_cost_nothing_else() -> None:
    it = settled(HALVES, pool("a/train", boxes(4)), pool("b/late", boxes(5)))
    lost, *rest = it.nodes_of("a/train")
    before = {name: it.nodes[name].uid for name in rest}
    it.lose(lost).settle()
    assert untouched(it, before)
    assert it.gpus("a/train", "b/late") == (boxes(4), 0)


def test_no_cycles_are_looked_for_while_a_decision_lasts() -> None:
    on: list[bool] = []

    def placer(asked: Asked) -> Placed:
        on.append(gc.isenabled())
        return nothing_yet(asked)

    it = cluster(HALVES, pool("a/t"))
    decide(it.world(), it.now, placer)
    assert (on, gc.isenabled()) == ([False], True)
