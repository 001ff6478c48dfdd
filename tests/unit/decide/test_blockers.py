"""What keeps a factory from being as planned: each says its reason, and the gravest is told."""

from collections.abc import Callable
from datetime import timedelta
from itertools import combinations

import pytest

from aifactory.decide.report import blockers
from unit.decide.build import boxes, factory, pool
from unit.decide.operated import Cluster, settled, status_of

DFW = factory("dfw", quota=200, halls=2, hall=100, boxes=4)


def standing() -> Cluster:
    return settled(DFW, pool("a/train", boxes(2)), pool("a/other", boxes(1)))


def resources_going(it: Cluster) -> None:
    it.resources_going = True


def not_installed(it: Cluster) -> None:
    it.edit("dfw", backend="karpenter").not_installed = {"karpenter": "The cluster serves no NodeClaim."}


def unknown(it: Cluster) -> None:
    it.hide("dfw")


def not_supported(it: Cluster) -> None:
    it.edit("dfw", backend="karpenter")


def deleting(it: Cluster) -> None:
    it.delete("dfw")


def unknown_system(it: Cluster) -> None:
    it.edit("dfw", racks=1, without=("rack",))


def unknown_instance(it: Cluster) -> None:
    it.edit("dfw", out_of_service=("hall-7",))


def quota_too_small(it: Cluster) -> None:
    it.edit("dfw", quota=9)


def stray(it: Cluster) -> None:
    it.stray(like=it.nodes_of("a/train")[0], name="by-hand")


def pools_lost(it: Cluster) -> None:
    it.remove("a/other")
    it.now += timedelta(minutes=1)
    it.pools_since = it.now


def name_taken(it: Cluster) -> None:
    it.stranger("dfw.hall-2.box.1.1")


def in_the_way(it: Cluster) -> None:
    it.edit("dfw", boxes=1)


# In the order of the chain: what happens to a site, and the reason that it gives.
TROUBLES: dict[Callable[[Cluster], None], str] = {
    resources_going: "ResourcesGoing",
    not_installed: "BackendNotInstalled",
    unknown: "Unknown",
    not_supported: "BackendNotSupported",
    deleting: "Deleting",
    unknown_system: "UnknownSystem",
    unknown_instance: "UnknownInstance",
    quota_too_small: "QuotaTooSmall",
    stray: "Stray",
    pools_lost: "PoolsLost",
    name_taken: "NameTaken",
    in_the_way: "InTheWay",
}


def reason(it: Cluster) -> str:
    ready, *_ = status_of(it.decide(), "dfw")["conditions"]
    assert (ready["type"], ready["status"]) == ("Ready", "False"), ready
    return str(ready["reason"])


def test_the_table_has_each_of_the_chain_in_its_order() -> None:
    assert [trouble.__name__ for trouble in TROUBLES] == [speaks.__name__ for speaks in blockers.CHAIN]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
def test_each_says_its_reason(trouble: Callable[[Cluster], None]) -> None:
    it = standing()
    assert status_of(it.decide(), "dfw")["conditions"][0]["reason"] == "AsPlanned"
    trouble(it)
    assert reason(it) == TROUBLES[trouble]


@pytest.mark.parametrize(
    ("graver", "other"), list(combinations(TROUBLES, 2)), ids=lambda trouble: trouble.__name__
)
def test_of_two_the_graver_is_told(
    graver: Callable[[Cluster], None], other: Callable[[Cluster], None]
) -> None:
    it = standing()
    for trouble in (other, graver):
        trouble(it)
    assert reason(it) == TROUBLES[graver]
