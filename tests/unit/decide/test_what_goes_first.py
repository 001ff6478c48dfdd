"""Of what a pool gives up, the broken goes first, then the idle; for whatever reason, also across cells."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifactory.decide.model.world import Pod
from unit.decide.build import boxes, factory, pool
from unit.decide.operated import Cluster, settled

HALLS = factory("dfw", halls=2, boxes=2)
ROOM = factory("dfw", boxes=8)


def dead(it: Cluster, *nodes: str) -> Cluster:
    """Nodes that are not ready any more."""
    it.duds |= set(nodes)
    for node in nodes:
        it.nodes[node] = replace(it.nodes[node], ready=False)
        it.pods = {key: pod for key, pod in it.pods.items() if pod.node != node}
    return it


def work(it: Cluster, *nodes: str) -> Cluster:
    """A pod on each of the nodes."""
    for node in nodes:
        it.pods[f"a/job-{node}"] = Pod("a", f"job-{node}", node)
    return it


def reasons(it: Cluster) -> Cluster:
    """The quota falls by half."""
    return it.edit("dfw", quota=20)


@pytest.mark.parametrize("hall", ["hall", "hall-2"])
def test_a_limit_takes_the_dead_ones_in_whatever_hall(hall: str) -> None:
    it = settled(HALLS, pool("a/train", boxes(4), at_least=boxes(1)))
    gone = [n for n in it.nodes_of("a/train") if it.nodes[n].stamp.slot.path == hall]  # type: ignore[union-attr]
    dead(it, *gone)
    it.edit("dfw", quota=20).settle()
    assert not set(gone) & set(it.nodes_of("a/train"))
    assert it.pools["a/train"].status.ready_gpus == boxes(2)


@pytest.mark.parametrize("broken", ["dead", "cordoned"])
@pytest.mark.parametrize("slot", range(6))
def test_a_smaller_wish_takes_the_broken_one(broken: str, slot: int) -> None:
    it = settled(ROOM, pool("a/train", boxes(6), at_least=0))
    bad = it.nodes_of("a/train")[slot]
    it = dead(it, bad) if broken == "dead" else it.cordon(bad)
    assert bad not in it.edit("a/train", gpus=boxes(5)).settle().nodes_of("a/train")


@pytest.mark.parametrize("at_least", [0, None])
@pytest.mark.parametrize("slot", range(4))
def test_a_smaller_wish_takes_the_idle_one(slot: int, at_least: int | None) -> None:
    it = settled(HALLS, pool("a/train", boxes(4), at_least=at_least))
    idle = it.nodes_of("a/train")[slot]
    work(it, *(n for n in it.nodes if n != idle))
    assert idle not in it.edit("a/train", gpus=boxes(3)).settle().nodes_of("a/train")


def test_the_broken_one_goes_before_the_idle_one() -> None:
    it = settled(HALLS, pool("a/train", boxes(4), at_least=0))
    one, two, *rest = it.nodes_of("a/train")
    dead(work(it, *rest), two)
    it.edit("a/train", gpus=boxes(3)).settle()
    assert two not in it.nodes_of("a/train")
    assert one in it.nodes_of("a/train")


def test_preemption_takes_the_broken_and_then_the_idle() -> None:
    it = settled(
        factory("dfw", halls=2, boxes=3, quota=60), pool("a/soft", boxes(6), at_least=0, preemptible=True)
    )
    first, *_, last = it.nodes_of("a/soft")
    dead(it, last)
    work(it, *(n for n in it.nodes if n not in (first, last)))
    it.apply(pool("b/high", boxes(2), priority=5)).settle()
    assert not {first, last} & set(it.nodes_of("a/soft"))


def test_growth_that_is_given_back_is_the_idle() -> None:
    it = settled(ROOM, pool("a/train", boxes(6), at_least=boxes(2)))
    idle = it.nodes_of("a/train")[:3]
    work(it, *it.nodes_of("a/train")[3:])
    it.edit("dfw", quota=30).settle()
    assert not set(idle) & set(it.nodes_of("a/train"))


def test_where_the_limit_binds_decides_before_health_does() -> None:
    it = settled(HALLS, pool("a/train", boxes(4), at_least=boxes(1)))
    far = [n for n in it.nodes_of("a/train") if it.nodes[n].stamp.slot.path == "hall-2"]  # type: ignore[union-attr]
    dead(it, *far)
    it.edit("dfw", limits={"hall": 10}).settle()
    assert set(far) <= set(it.nodes_of("a/train"))
    assert it.units("a/train") == {"dfw/hall": 1, "dfw/hall-2": 2}


def test_a_broken_unit_alone_makes_nothing_go() -> None:
    it = settled(HALLS, pool("a/train", boxes(4), at_least=0))
    before = dict(it.nodes)
    dead(it, *it.nodes_of("a/train")[:2]).settle()
    assert it.nodes.keys() == before.keys()


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.sampled_from(("dead", "cordoned", "idle", "busy")), min_size=4, max_size=9),
    st.integers(0, 9),
    st.sampled_from(("gpus", "minimum", "quota", "preempt")),
    st.sampled_from((1, 2, 3)),
)
def test_never_a_better_one_before_a_worse_one(kinds: list[str], stay: int, why: str, halls: int) -> None:
    count, stay = len(kinds), min(stay, len(kinds))
    it = settled(
        factory("dfw", halls=halls, boxes=-(-count // halls), quota=10 * count),
        pool("a/soft", boxes(count), at_least=None if why == "minimum" else 0, preemptible=True),
    )
    of = dict(zip(it.nodes_of("a/soft"), kinds, strict=True))
    dead(it, *(n for n, kind in of.items() if kind == "dead"))
    it.cordon(*(n for n, kind in of.items() if kind == "cordoned"))
    work(it, *(n for n, kind in of.items() if kind == "busy"))
    if why in ("gpus", "minimum"):
        it.edit("a/soft", gpus=boxes(stay))
    elif why == "quota":
        it.edit("dfw", quota=10 * stay)
    elif count > stay:
        it.apply(pool("b/high", boxes(count - stay), priority=3))
    it.settle()
    rank = {"dead": 0, "cordoned": 0, "idle": 1, "busy": 2}
    stays = [rank[of[n]] for n in it.nodes_of("a/soft")]
    goes = [rank[kind] for n, kind in of.items() if n not in it.nodes_of("a/soft")]
    assert len(stays) == stay
    assert max(goes, default=0) <= min(stays, default=2)
