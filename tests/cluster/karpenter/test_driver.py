"""What is the Karpenter driver's own; what all drivers keep is in tests/cluster/backends."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from aifactory.api.backend import Backend as Spec
from aifactory.backends import Mandate
from aifactory.backends.karpenter import Karpenter
from aifactory.backends.port import NODE_CLAIM, Kind
from aifactory.decide.model.plan import Cause, Delete, Drain, Order
from aifactory.shell.caching import CachingClient
from aifactory.shell.client import KubernetesClient, configuration
from cluster.backends.bed import gone, made, now, seen, until, up
from cluster.karpenter.conftest import Claim
from cluster.machines import CLAIMS, CLASSES, backend, node_class
from cluster.operating import apply, nodes_in
from cluster.reading import read
from cluster.shell.nodes import order
from controlplane import Cluster, Kubectl

pytestmark = pytest.mark.long

LEADER = Mandate("leader-1", 3)


@pytest.fixture
def late(kubectl: Kubectl, claim: Claim, site: str) -> Iterator[Order]:
    """An order for a machine whose Node comes late: what is done before that may take a while, too."""
    apply(kubectl, node_class(site, delay="15s"))
    yield order(site, backend=Spec.model_validate(backend(site)))
    kubectl("delete", CLASSES, site)


@pytest.fixture
def driver(client: KubernetesClient, claim: Claim) -> Karpenter:
    return Karpenter(client)


async def test_a_node_that_nothing_stands_behind_any_more_counts_as_a_stray(
    driver: Karpenter, late: Order, site: str, kubectl: Kubectl
) -> None:
    name = (await driver.create(late, LEADER)).name

    async def launched() -> bool:
        return "providerID" in read(kubectl, CLAIMS, name).get("status", {})

    await until(launched, "it has a machine")
    # Gone before the machine has registered: that its kwok provider forgets, as a cloud may for a while.
    kubectl("delete", CLAIMS, name)

    async def stray() -> bool:
        return bool((await driver.observe()).get(site))

    await until(stray, "its Node comes all the same")
    (node,) = (await driver.observe())[site]
    assert (node.unit_watts, node.ours, node.factory) == (10_200, True, site)
    assert node.stamp is not None
    assert node.stamp.slot == late.spec.slot
    assert node.name != node.stamp.slot.node_name, "it is in nobody's slot by its name"
    kubectl("delete", "node", node.name)
    assert await seen(driver, site) == {}


async def test_a_drain_that_began_before_its_node_was_there_goes_on_when_it_comes(
    driver: Karpenter, late: Order, site: str, kubectl: Kubectl
) -> None:
    await driver.create(late, LEADER)
    await made(lambda node: driver.drain(Drain(node, now(), Cause.SPEC)), driver, site)
    assert (await seen(driver, site))[1].drains
    node = (await up(driver, site, 1))[1]
    assert (node.drains, node.spared) == (True, False)
    assert not nodes_in(kubectl, site)[0]["spec"].get("unschedulable")
    await made(lambda node: driver.delete(Delete(node)), driver, site)
    await gone(driver, site, 1)


class Counting(CachingClient):
    """Counts its LISTs of NodeClaims of ours."""

    lists = 0

    async def _list(self, kind: Kind, read: Any, query: list[tuple[str, str]], accept: str) -> Any:
        self.lists += kind == NODE_CLAIM and ("labelSelector", "aifactory.dev/factory") in query
        return await super()._list(kind, read, query, accept)


@pytest.fixture
async def caching(cluster: Cluster) -> AsyncIterator[Counting]:
    client = Counting(await configuration(str(cluster.kubeconfig)))
    yield client
    await client.close()


async def test_claims_are_listed_each_time_until_a_watch_of_them_has_begun(
    caching: Counting, claim: Claim, site: str, client: KubernetesClient
) -> None:
    driver = Karpenter(caching)
    wanted = [order(site, slot, backend=Spec.model_validate(backend("slow"))) for slot in (1, 2, 3)]
    for it in wanted[:2]:
        await driver.create(it, LEADER)
        assert len(await seen(driver, site)) == it.spec.slot.slot
    before = caching.lists
    assert before >= 2

    caching.cache.begins(NODE_CLAIM.name)
    await seen(driver, site)
    after = caching.lists
    # Its own writes it has seen at once.
    await driver.create(wanted[2], LEADER)
    assert (await seen(driver, site)).keys() == {1, 2, 3}
    assert caching.lists == after <= before + 1
    # What goes, a watch tells.
    last = await client.get(NODE_CLAIM, wanted[2].spec.slot.node_name)
    caching.cache.told(last, gone=True)
    assert (await seen(driver, site)).keys() == {1, 2}
