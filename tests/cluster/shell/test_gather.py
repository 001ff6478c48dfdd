"""Gathering the world, with all rights and with the few that are left, as the API server grants them."""

import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from aifactory.api import names
from aifactory.backends import Backend, Mandate, drivers
from aifactory.decide.model.plan import CallOff, Cause, Drain
from aifactory.decide.model.world import PoolKey, Refusal
from aifactory.shell import gather as module
from aifactory.shell.client import FACTORY, POOL, ApiError, KubernetesClient, configuration
from aifactory.shell.gather import gather, look_at
from aifactory.shell.memory import Memory
from cluster.faulty import Instead, Proxy
from cluster.machines import backend
from cluster.operating import factory, pool
from cluster.shell.nodes import made, order, seen
from controlplane import Cluster, Kubectl, service_account_kubeconfig

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.fixture
async def limited(
    cluster: Cluster, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> AsyncIterator[Callable[..., Any]]:
    """`limited("nodes", ...)` gives a client that may list only these, beside the CRDs."""
    clients = []

    async def limited(*resources: str) -> KubernetesClient:
        name = f"{namespace}-{secrets.token_hex(2)}"
        kubectl("create", "serviceaccount", name, f"-n={namespace}")
        everything = ",".join(["customresourcedefinitions.apiextensions.k8s.io", *resources])
        kubectl("create", "clusterrole", name, "--verb=get,list", f"--resource={everything}")
        account = f"--serviceaccount={namespace}:{name}"
        kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", account)
        path = service_account_kubeconfig(cluster.kubeconfig, namespace, name, tmp_path / name)
        client = KubernetesClient(await configuration(str(path)))
        clients.append((name, client))
        return client

    yield limited
    for name, client in clients:
        await client.close()
        kubectl("delete", "clusterrole,clusterrolebinding", name)


NOT_SERVED = Instead(404, "404 page not found\n", "text/plain")
OURS = (f"{FACTORY.plural}.{names.GROUP}", f"{POOL.plural}.{names.GROUP}")


async def test_all_is_seen(
    client: KubernetesClient, driver: Backend, site: str, namespace: str, kubectl: Kubectl
) -> None:
    await driver.create(order(site), Mandate("x", 1))
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pool("llm", namespace, 8, site)))
    memory = Memory()
    world = await gather(client, drivers(client), memory)
    assert site in {f.metadata.name for f in world.factories}
    assert (namespace, "llm") in {(p.metadata.namespace, p.metadata.name) for p in world.pools}
    assert [n.factory for n in world.nodes if n.factory == site] == [site]
    assert world.unknown == frozenset()
    assert not world.resources_going
    assert world.backends == {"kwok", "karpenter"}


async def test_what_no_decision_needs_is_not_kept(
    client: KubernetesClient, site: str, namespace: str, kubectl: Kubectl
) -> None:
    fat = pool("llm", namespace, 8, site)
    fat["metadata"] |= {"labels": {"team": "nlp"}, "annotations": {"fat": "x" * 100_000}}
    kubectl("create", "-f", "-", stdin=yaml.safe_dump(fat))
    memory = Memory()
    world = await gather(client, drivers(client), memory)
    (it,) = [p for p in world.pools if p.metadata.namespace == namespace]
    assert (it.metadata.labels, it.metadata.annotations) == ({}, {})
    assert "x" * 1000 not in repr(memory)


async def test_whatever_goes_wrong_about_reading_an_object_is_its_own(
    client: KubernetesClient, site: str, namespace: str, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pool("llm", namespace, 8, site)))

    def fails(obj: Any) -> Any:
        raise RecursionError("a bug")

    monkeypatch.setattr(module, "parse_factory", fails)
    world = await gather(client, drivers(client), Memory())
    assert "llm" in {p.metadata.name for p in world.pools}
    (refused,) = [r for r in world.refused if r.name == site]
    assert "RecursionError: a bug" in refused.message


async def test_an_object_that_makes_no_sense_is_refused_by_field(
    client: KubernetesClient, site: str, kubectl: Kubectl
) -> None:
    many = factory(site, rows=100, racks=10_000)  # no rule of the API server counts the racks of all rows
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump(many))
    world = await gather(client, drivers(client), Memory())
    (refused,) = [r for r in world.refused if r.name == site]
    assert (refused.kind, refused.metadata.generation) == ("AIFactory", 2)
    assert refused.message.startswith("spec.racks: ")
    assert "1000000" in refused.message


async def test_a_backend_that_cannot_be_listed_leaves_its_nodes_as_last_seen(
    client: KubernetesClient, limited: Callable[..., Any], driver: Backend, site: str
) -> None:
    await driver.create(order(site), Mandate("x", 1))
    memory = Memory()
    before = await gather(client, drivers(client), memory)
    blind = await limited(*OURS)
    after = await gather(blind, drivers(blind), memory)
    assert site in after.unknown
    assert after.nodes == before.nodes
    assert not [claim for claim in after.claims if claim.factory == site]


async def test_a_backend_that_is_not_installed_makes_its_own_factories_unknown(
    proxy: Proxy, site: str, namespace: str, kubectl: Kubectl, tmp_path: Path
) -> None:
    karpenters = factory(f"{site}-k", backend=backend())
    kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(karpenters))
    # As an API server answers that serves no such group; this one may have got it from another test.
    proxy.fault = lambda asked: NOT_SERVED if asked.path.startswith("/apis/karpenter.sh/") else None
    client = KubernetesClient(await configuration(str(proxy.kubeconfig(tmp_path / "proxied"))))
    try:
        world = await gather(client, drivers(client), Memory())
    finally:
        await client.close()
        kubectl("delete", OURS[0], f"{site}-k")
    assert world.not_installed == {"karpenter": "The cluster serves no NodeClaim of karpenter.sh/v1."}
    assert world.unknown & {site, f"{site}-k"} == {f"{site}-k"}


async def test_after_a_restart_the_statuses_say_what_stands_there(
    client: KubernetesClient, limited: Callable[..., Any], site: str, namespace: str
) -> None:
    made = await client.create(POOL, pool("llm", namespace, 16, site))
    placement = {"factory": site, "domain": "row-1", "fabric": "row-1", "system": "hgx-h100"}
    figures = {"units": 2, "nodes": 2, "gpus": 16, "readyGpus": 8, "watts": 20_400}
    status = {"placedUnder": "abc", "placements": [placement | figures]}
    await client.apply_status(
        POOL,
        {
            **{k: made[k] for k in ("apiVersion", "kind")},
            "metadata": {"name": "llm", "namespace": namespace},
            "status": status,
        },
    )
    blind = await limited(*OURS)
    world = await gather(blind, drivers(blind), Memory())
    (claim,) = [claim for claim in world.claims if claim.factory == site]
    assert claim.pool == PoolKey(namespace, "llm")
    assert (claim.domain, claim.units, claim.watts, claim.placed_under) == ("row-1", 2, 20_400, "abc")
    assert site in world.unknown


async def test_a_factory_whose_draining_nodes_hide_their_pods_is_unknown(
    limited: Callable[..., Any], driver: Backend, site: str
) -> None:
    await driver.create(order(site), Mandate("x", 1))
    blind = await limited(*OURS, "nodes")
    assert site not in (await gather(blind, drivers(blind), Memory())).unknown
    await driver.drain(Drain((await seen(driver, site))[1], NOW, Cause.SPEC))
    assert site in (await gather(blind, drivers(blind), Memory())).unknown


def run_job(kubectl: Kubectl, namespace: str, node: str) -> None:
    """A pod on a node."""
    job = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "job", "namespace": namespace},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "none"}]},
    }
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(job))


async def test_an_eviction_that_was_refused_is_forgotten_once_its_pod_is_gone_or_may_stay(
    client: KubernetesClient, driver: Backend, site: str, namespace: str, kubectl: Kubectl
) -> None:
    said, memory = Refusal(namespace, "its budget says no"), Memory()
    for slot, end in ((1, "it goes"), (2, "the node is kept")):
        await driver.create(order(site, slot), Mandate("x", 1))
        await driver.drain(Drain((await seen(driver, site))[slot], NOW, Cause.SPEC))
        node = (await seen(driver, site))[slot]
        run_job(kubectl, namespace, node.name)
        memory.refusals[node.name] = said
        assert (await gather(client, drivers(client), memory)).refusals == {node.name: said}
        if end == "it goes":
            kubectl("delete", "pod", "job", f"-n={namespace}", "--grace-period=0", "--force")
        else:
            await made(partial(driver.call_off, CallOff(node)))
        assert (await gather(client, drivers(client), memory)).refusals == {}, end


async def test_the_pods_of_nodes_that_stay_are_read_where_they_matter(
    client: KubernetesClient, driver: Backend, site: str, namespace: str, kubectl: Kubectl
) -> None:
    await driver.create(order(site), Mandate("x", 1))
    node, memory = (await seen(driver, site))[1].name, Memory()
    run_job(kubectl, namespace, node)
    world = await gather(client, drivers(client), memory)
    assert (node in world.looked_at, world.pods) == (False, ())
    world = await look_at(world, {node}, drivers(client), memory)
    assert node in world.looked_at
    assert [(it.namespace, it.name, it.node) for it in world.pods] == [(namespace, "job", node)]


async def test_pods_that_cannot_be_read_leave_it_open_which_nodes_are_idle(
    limited: Callable[..., Any], driver: Backend, site: str
) -> None:
    await driver.create(order(site), Mandate("x", 1))
    node, memory = (await seen(driver, site))[1].name, Memory()
    blind = await limited(*OURS, "nodes")
    world = await gather(blind, drivers(blind), memory)
    assert await look_at(world, {node}, drivers(blind), memory) == world


async def test_without_our_own_resources_nothing_is_decided(limited: Callable[..., Any]) -> None:
    blind = await limited("nodes", "pods")
    with pytest.raises(ApiError) as caught:
        await gather(blind, drivers(blind), Memory())
    assert caught.value.status == 403
