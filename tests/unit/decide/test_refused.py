"""A write that fails again and again is seen by whoever waits for it, in the API server's own words."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifactory.decide import Plan
from aifactory.decide.model.plan import Order
from aifactory.decide.model.world import Failure, PoolKey, Slot, Written
from thorough import sample
from unit.decide.build import boxes, factory, pool
from unit.decide.operated import Cluster, cluster, events_of, settled, status_of
from unit.decide.truth import plan_lies

DFW, SJC = factory("dfw", boxes=4), factory("sjc", boxes=4)
TRAIN = PoolKey("a", "train")
SAYS = "nodes is forbidden: every node needs the label cost-center"


def order(tries: int, site: str = "dfw", slot: Slot | None = None) -> Failure:
    return Failure(Written.ORDER, site, TRAIN, "", tries, SAYS, slot)


def conditions(plan: Plan, path: str) -> dict[str, str]:
    """Every condition in short."""
    return {c["type"]: f"{c['status']}: {c['reason']}" for c in status_of(plan, path)["conditions"]}


def message(plan: Plan, path: str, kind: str) -> str:
    return next(str(c["message"]) for c in status_of(plan, path)["conditions"] if c["type"] == kind)


def after(it: Cluster, *failures: Failure) -> Plan:
    """What is decided once these writes have failed."""
    it.failures = failures
    return it.decide()


def waiting() -> Cluster:
    """A pool of which nothing stands, with its conditions written once."""
    it = cluster(DFW, pool("a/train", boxes(2)))
    plan = it.decide()
    for write in plan.statuses:
        it.write(write)
    return it


def test_a_refused_order_is_told_by_pool_and_factory_in_the_servers_words() -> None:
    plan = after(waiting(), order(2))
    says = conditions(plan, "a/train")
    assert says["Ready"] == says["Provisioned"] == "False: OrderRefused"
    assert says["Reconciling"] == "True: OrderRefused"
    assert SAYS in message(plan, "a/train", "Ready")
    assert conditions(plan, "dfw")["Ready"] == "False: OrderRefused"
    assert SAYS in message(plan, "dfw", "Ready")


def test_after_some_tries_it_is_stalled_and_still_tried() -> None:
    plan = after(waiting(), order(3))
    says = conditions(plan, "a/train")
    assert says["Stalled"] == "True: OrderRefused"
    assert "Reconciling" not in says
    assert conditions(plan, "dfw")["Stalled"] == "True: OrderRefused"
    assert [a.pool for a in plan.actions if isinstance(a, Order)] == [TRAIN, TRAIN]


def test_it_is_an_event_once() -> None:
    it = waiting()
    plan = after(it, order(2))
    for path in ("a/train", "dfw"):
        (event,) = [e for e in events_of(plan, path) if e.reason == "OrderRefused"]
        assert event.warning
        assert SAYS in event.message
    for write in plan.statuses:
        it.write(write)
    for tries in (2, 3, 9):
        again = after(it, order(tries))
        assert [e for e in again.events if e.reason == "OrderRefused"] == []
        for write in again.statuses:
            it.write(write)


def test_more_tries_change_no_word() -> None:
    it = waiting()
    assert after(it, order(4)).statuses == after(it, order(40)).statuses


def test_an_order_that_waits_for_its_next_try_asks_for_no_cycle() -> None:
    it = waiting()
    assert it.decide().again_after is None  # whatever comes of orders is watched
    assert after(it, order(3)).again_after is None


def test_it_is_over_when_an_order_is_taken() -> None:
    it = waiting()
    after(it, order(3))
    it.failures = ()
    it.settle()
    assert it.says("a/train", "Ready") == "True: Ready"
    assert it.says("dfw", "Ready") == "True: AsPlanned"


def test_growth_that_is_refused_is_told_though_the_pool_is_ready() -> None:
    it = settled(DFW, pool("a/train", boxes(2), at_least=boxes(2))).edit("a/train", gpus=boxes(3))
    plan = after(it, order(3))
    says = conditions(plan, "a/train")
    assert says["Ready"] == "True: OrderRefused"
    assert says["Provisioned"] == "False: OrderRefused"
    assert not {"Stalled", "Reconciling"} & says.keys()
    assert SAYS in message(plan, "a/train", "Ready")


def test_a_pool_that_may_stand_elsewhere_goes_there() -> None:
    it = cluster(DFW, SJC, pool("a/train", boxes(2)))
    assert {a.spec.slot.factory for a in it.decide().actions if isinstance(a, Order)} == {"dfw"}
    plan = after(it, order(3))
    assert {a.spec.slot.factory for a in plan.actions if isinstance(a, Order)} == {"sjc"}
    assert conditions(plan, "dfw")["Ready"] == "True: AsPlanned"


def test_a_pool_that_fits_nowhere_else_keeps_its_plan() -> None:
    it = settled(SJC, pool("b/there", boxes(3))).apply(DFW, pool("a/train", boxes(2)))
    plan = after(it, order(3))
    assert {a.spec.slot.factory for a in plan.actions if isinstance(a, Order)} == {"dfw"}
    assert conditions(plan, "a/train")["Stalled"] == "True: OrderRefused"


def test_what_stands_is_not_moved_for_a_refused_rest() -> None:
    it = settled(DFW, pool("a/train", boxes(2), pack="Factory"), SJC).edit("a/train", gpus=boxes(3))
    before = dict(it.nodes)
    plan = after(it, order(3))
    assert {a.spec.slot.factory for a in plan.actions if isinstance(a, Order)} == {"dfw"}
    assert it.nodes == before


def test_a_slot_that_alone_is_refused_is_left_and_the_next_one_used() -> None:
    it = waiting()
    plan = after(it, order(3, slot=Slot("dfw", "hall", "box", 1, 1)))
    assert sorted(a.spec.slot.slot for a in plan.actions if isinstance(a, Order)) == [2, 3]
    assert conditions(plan, "a/train")["Provisioned"] == "False: Ordering"


def test_a_release_that_is_refused_is_told_while_a_limit_is_exceeded() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), busy=True).edit("dfw", quota=10)
    node = it.nodes_of("a/train")[0]
    plan = after(it, Failure(Written.RELEASE, "dfw", TRAIN, node, 3, SAYS))
    assert conditions(plan, "dfw")["WithinLimits"] == "False: ReleaseRefused"
    assert conditions(plan, "dfw")["Stalled"] == "True: ReleaseRefused"
    assert SAYS in message(plan, "dfw", "WithinLimits")


def test_labels_that_cannot_be_written_are_told_by_the_pool_and_the_factory() -> None:
    it = settled(DFW, pool("a/train", boxes(2))).edit("a/train", node_labels={"team": "x"})
    node = it.nodes_of("a/train")[0]
    plan = after(it, Failure(Written.UPDATE, "dfw", TRAIN, node, 2, SAYS))
    assert conditions(plan, "a/train")["Ready"] == "True: WriteRefused"
    assert conditions(plan, "dfw")["Ready"] == "False: WriteRefused"


@pytest.mark.parametrize("what", [Written.STATUS, Written.FINALIZER])
def test_a_pool_that_waits_for_a_factorys_own_write_says_so(what: Written) -> None:
    plan = after(waiting(), Failure(what, "dfw", None, "", 3, SAYS))
    assert conditions(plan, "a/train")["Stalled"] == "True: WriteRefused"
    assert SAYS in message(plan, "a/train", "Stalled")


def test_a_pool_whose_finalizer_cannot_be_written_says_so() -> None:
    plan = after(waiting(), Failure(Written.FINALIZER, "", TRAIN, "", 3, SAYS))
    assert conditions(plan, "a/train")["Stalled"] == "True: WriteRefused"


@settings(deadline=None, max_examples=sample(60))
@given(st.data())
def test_whatever_fails_no_status_contradicts_itself(data: st.DataObject) -> None:
    it = settled(DFW, pool("a/train", boxes(2), at_least=0), SJC, pool("b/serve", boxes(1)), busy=True)
    edits: dict[str, dict[str, Any]] = {
        "dfw": {"quota": 10},
        "sjc": {"drain": True},
        "a/train": {"gpus": boxes(5)},
        "b/serve": {"gpus": 0},
    }
    for path in data.draw(st.sets(st.sampled_from(sorted(edits)))):
        it.edit(path, **edits[path])
    keys, nodes = [None, TRAIN, PoolKey("b", "serve")], ["", *it.nodes]
    failures = data.draw(
        st.lists(
            st.builds(
                Failure,
                st.sampled_from(Written),
                st.sampled_from(["", "dfw", "sjc", "gone"]),
                st.sampled_from(keys),
                st.sampled_from(nodes),
                st.sampled_from([2, 3]),
                st.just(SAYS),
            ),
            max_size=4,
        )
    )
    plan = after(it, *failures)
    assert plan_lies(it, plan) == []
    json.dumps([write.status for write in plan.statuses])


def test_a_lost_minimum_is_ordered_where_nothing_is_refused() -> None:
    """The growth of a pool is refused in one factory, and the only unit that it has in the other is lost."""
    grows = pool("a/train", boxes(2), at_least=boxes(1))
    it = cluster(factory("dfw", boxes=1), factory("sjc", boxes=1), grows).settle()
    (lost,) = [name for name in it.nodes_of("a/train") if name.startswith("sjc")]
    (gone,) = [name for name in it.nodes_of("a/train") if name.startswith("dfw")]
    it.lose(lost, gone)
    for refusing in ("dfw", "sjc"):
        plan = after(it, order(3, refusing))
        orders = [(a.spec.slot.factory, a.growth) for a in plan.actions if isinstance(a, Order)]
        other = {"dfw": "sjc", "sjc": "dfw"}[refusing]
        assert orders in ([(other, False), (refusing, True)], [(other, False)])
