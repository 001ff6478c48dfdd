"""What every driver does while nothing goes wrong: nodes come, are seen as they are, and go when told."""

from typing import Any

import pytest
import yaml

from aifactory.api import names
from aifactory.backends import Backend, Mandate
from aifactory.backends.port import ApiError
from aifactory.decide.model.plan import CallOff, Cause, Delete, Drain, Evict, Hold, Relabel
from aifactory.decide.model.world import Pod, PoolKey, Taint
from aifactory.shell.client import KubernetesClient
from cluster.backends.bed import Bed, gone, made, now, seen, until, up
from cluster.operating import guard
from cluster.reading import get, read
from controlplane import Kubectl
from unit.shell.made import wish_of

LEADER = Mandate("leader-1", 3)


async def test_what_is_ordered_is_seen_from_its_order_on(bed: Bed, driver: Backend, site: str) -> None:
    wanted = bed.order(site)
    ordered = await driver.create(wanted, LEADER)
    node = (await seen(driver, site))[1]
    assert (node.name, node.uid) == (ordered.name, ordered.uid)
    assert node.name == wanted.spec.slot.node_name
    assert node.stamp is not None
    assert node.stamp.slot == wanted.spec.slot
    assert node.stamp.pool == wanted.pool
    assert (node.unit_watts, node.deleting, node.unschedulable, node.ours) == (10_200, False, False, True)
    assert node.factory == site


async def test_an_order_says_in_whose_name_it_is(
    bed: Bed, driver: Backend, site: str, kubectl: Kubectl
) -> None:
    node = await driver.create(bed.order(site), LEADER)
    notes = read(kubectl, bed.kind, node.name)["metadata"]["annotations"]
    assert (notes[names.ANNOTATION_LEADER], notes[names.ANNOTATION_TERM]) == ("leader-1", "3")


async def test_what_is_up_is_as_it_was_wished(bed: Bed, driver: Backend, site: str, kubectl: Kubectl) -> None:
    wanted = bed.order(site, labels={"team": "nlp"}, taints=(Taint("dedicated", "llm", "NoSchedule"),))
    await driver.create(wanted, LEADER)
    node = (await up(driver, site, 1))[1]
    assert node.look.suits(wanted.spec)
    machine = read(kubectl, "node", bed.machine(kubectl, node.name))
    assert (
        machine["metadata"]["labels"].items()
        >= {
            "team": "nlp",
            names.LABEL_POOL: "llm",
            names.LABEL_POOL_NAMESPACE: "ns",
        }.items()
    )
    assert machine["status"]["allocatable"]["nvidia.com/gpu"] == "8"


async def test_it_grows_and_those_that_stand_are_left_alone(bed: Bed, driver: Backend, site: str) -> None:
    for slot in (1, 2):
        await driver.create(bed.order(site, slot), LEADER)
    before = await up(driver, site, 1, 2)
    for slot in (3, 4):
        await driver.create(bed.order(site, slot), LEADER)
    after = await up(driver, site, 1, 2, 3, 4)
    assert {slot: after[slot].uid for slot in before} == {slot: node.uid for slot, node in before.items()}


async def test_of_many_the_chosen_ones_go(bed: Bed, driver: Backend, site: str) -> None:
    for slot in (1, 2, 3):
        await driver.create(bed.order(site, slot), LEADER)
    before = await up(driver, site, 1, 2, 3)
    since = now()
    await made(lambda node: driver.drain(Drain(node, since, Cause.SPEC)), driver, site, 2)
    drained = (await seen(driver, site))[2]
    assert drained.drains
    assert drained.stamp is not None
    assert (drained.stamp.draining_since, drained.stamp.draining_for) == (since, Cause.SPEC)
    await made(lambda node: driver.delete(Delete(node)), driver, site, 2)
    left = await gone(driver, site, 2)
    assert {slot: node.uid for slot, node in left.items()} == {slot: before[slot].uid for slot in (1, 3)}


async def test_what_goes_counts_until_it_is_gone(
    bed: Bed, driver: Backend, site: str, kubectl: Kubectl
) -> None:
    await driver.create(bed.order(site), LEADER)
    node = (await up(driver, site, 1))[1]
    machine = bed.machine(kubectl, node.name)
    await made(lambda node: driver.drain(Drain(node, now(), Cause.SPEC)), driver, site)
    await made(lambda node: driver.delete(Delete(node)), driver, site)

    async def nothing_is_left() -> bool:
        if (await seen(driver, site)).get(1):
            return False
        assert not get(kubectl, "nodes", fields=f"metadata.name={machine}"), "its Node outlives it"
        return True

    await until(nothing_is_left, "it is gone")


async def test_what_never_comes_up_counts_and_can_be_let_go(
    bed: Bed, client: KubernetesClient, site: str
) -> None:
    driver, wanted = bed.stillborn(client, site)
    await driver.create(wanted, LEADER)
    node = (await seen(driver, site))[1]
    assert (node.ready, node.unit_watts) == (False, 10_200)
    await made(lambda node: driver.drain(Drain(node, now(), Cause.SPEC)), driver, site)
    assert (await seen(driver, site))[1].drains
    await made(lambda node: driver.delete(Delete(node)), driver, site)
    await gone(driver, site, 1)


async def test_the_slot_of_what_is_gone_can_be_ordered_again(bed: Bed, driver: Backend, site: str) -> None:
    before = await driver.create(bed.order(site), LEADER)
    await up(driver, site, 1)
    await made(lambda node: driver.drain(Drain(node, now(), Cause.SPEC)), driver, site)
    await made(lambda node: driver.delete(Delete(node)), driver, site)
    await gone(driver, site, 1)
    await driver.create(bed.order(site), LEADER)
    after = (await up(driver, site, 1))[1]
    assert after.uid != before.uid
    assert not after.drains
    # What was meant for the former one leaves the new one alone.
    await made(lambda node: driver.drain(Drain(node, now(), Cause.SPEC)), driver, site)
    steps: list[Any] = [
        driver.drain(Drain(before, now(), Cause.SPEC)),
        driver.hold(Hold(before)),
        driver.relabel(Relabel(before, wish_of(bed.order(site).spec.slot, labels={"a": "b"}))),
        driver.delete(Delete(before)),
    ]
    for step in steps:
        with pytest.raises(ApiError) as caught:
            await step
        assert caught.value.status == 409
    left = (await seen(driver, site))[1]
    assert (left.uid, left.deleting, left.stamp and left.stamp.pool) == (
        after.uid,
        False,
        PoolKey("ns", "llm"),
    )


async def test_a_drain_that_is_called_off_leaves_nothing_behind(
    bed: Bed, driver: Backend, site: str, kubectl: Kubectl
) -> None:
    await driver.create(bed.order(site), LEADER)
    before = (await up(driver, site, 1))[1]
    await made(lambda node: driver.drain(Drain(node, now(), Cause.SPEC)), driver, site)
    await made(lambda node: driver.call_off(CallOff(node)), driver, site)
    after = (await seen(driver, site))[1]
    assert (after.uid, after.stamp, after.unschedulable) == (before.uid, before.stamp, False)
    machine = read(kubectl, "node", bed.machine(kubectl, after.name))
    assert not machine["spec"].get("unschedulable")


async def test_a_cordon_that_was_there_before_stays(
    bed: Bed, driver: Backend, site: str, kubectl: Kubectl
) -> None:
    await driver.create(bed.order(site), LEADER)
    node = (await up(driver, site, 1))[1]
    kubectl("cordon", bed.machine(kubectl, node.name))
    await made(lambda node: driver.drain(Drain(node, now(), Cause.SPEC)), driver, site)
    assert (await seen(driver, site))[1].cordoned
    await made(lambda node: driver.call_off(CallOff(node)), driver, site)
    after = (await seen(driver, site))[1]
    assert (after.unschedulable, after.drains) == (True, False)


async def test_what_somebody_has_uncordoned_meanwhile_is_not_deleted(
    bed: Bed, driver: Backend, site: str, kubectl: Kubectl
) -> None:
    await driver.create(bed.order(site), LEADER)
    await up(driver, site, 1)
    await made(lambda node: driver.drain(Drain(node, now(), Cause.SPEC)), driver, site)
    drained = (await seen(driver, site))[1]
    kubectl("uncordon", bed.machine(kubectl, drained.name))
    await driver.delete(Delete(drained))
    after = (await seen(driver, site))[1]
    assert (after.uid, after.deleting, after.spared) == (drained.uid, False, True)


async def test_what_is_held_is_nobodys(bed: Bed, driver: Backend, site: str) -> None:
    await driver.create(bed.order(site), LEADER)
    await up(driver, site, 1)
    await made(lambda node: driver.hold(Hold(node)), driver, site)
    stamp = (await seen(driver, site))[1].stamp
    assert stamp is not None
    assert stamp.pool is None


async def test_labels_and_taints_are_brought_up_to_date_beside_those_of_others(
    bed: Bed, driver: Backend, site: str, kubectl: Kubectl
) -> None:
    await driver.create(
        bed.order(site, labels={"team": "nlp"}, taints=(Taint("old", "x", "NoSchedule"),)), LEADER
    )
    machine = bed.machine(kubectl, (await up(driver, site, 1))[1].name)
    kubectl("taint", "node", machine, "somebody=else:NoSchedule")
    wish = bed.order(site, labels={"tier": "a"}, taints=(Taint("new", "y", "NoSchedule"),)).spec
    assert not (await seen(driver, site))[1].look.suits(wish)
    await made(lambda node: driver.relabel(Relabel(node, wish)), driver, site)
    assert (await seen(driver, site))[1].look.suits(wish)
    node = read(kubectl, "node", machine)
    keys = {taint["key"] for taint in node["spec"]["taints"]}
    assert {"somebody", "new"} <= keys
    assert "old" not in keys
    assert node["metadata"]["labels"]["tier"] == "a"
    assert "team" not in node["metadata"]["labels"]


async def test_pods_are_told_by_the_slot_that_they_stand_in_and_leave_when_asked(
    bed: Bed, driver: Backend, site: str, kubectl: Kubectl, namespace: str
) -> None:
    await driver.create(bed.order(site), LEADER)
    name = (await up(driver, site, 1))[1].name
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pod_on(bed.machine(kubectl, name), namespace)))
    (pod,) = await driver.pods([name])
    assert (pod.namespace, pod.name, pod.node, pod.evicted) == (namespace, "trainer", name, False)
    await driver.evict(Evict(pod))
    await until(lambda: empty(driver, name), "it has left")


async def test_pods_that_are_left_go_with_their_node_whatever_holds_them(
    bed: Bed, driver: Backend, site: str, kubectl: Kubectl, namespace: str
) -> None:
    await driver.create(bed.order(site, drain_seconds=3600), LEADER)
    name = (await up(driver, site, 1))[1].name
    guard(kubectl, namespace, bed.machine(kubectl, name))
    await made(lambda node: driver.drain(Drain(node, now(), Cause.SPEC)), driver, site)
    pods = tuple(await driver.pods([name]))
    assert len(pods) == 1
    await made(lambda node: driver.delete(Delete(node, pods)), driver, site)
    await gone(driver, site, 1)
    # Where another node may get the name at once, they went before it; else they go with it, or after.
    await until(lambda: none_in(kubectl, namespace), "no pod is left")


async def test_of_what_is_marked_as_broken_it_is_told(
    bed: Bed, driver: Backend, site: str, kubectl: Kubectl
) -> None:
    await driver.create(bed.order(site), LEADER)
    name = (await up(driver, site, 1))[1].name
    kubectl("label", "node", bed.machine(kubectl, name), f"{names.LABEL_OUT_OF_SERVICE}=true")
    node = (await seen(driver, site))[1]
    assert (node.out_of_service, node.serves) == (True, False)


async def none_in(kubectl: Kubectl, namespace: str) -> bool:
    """Whether no pod is in a namespace."""
    return not get(kubectl, "pods", namespace)


async def empty(driver: Backend, name: str) -> bool:
    """Whether no pod has to leave a node any more."""
    left: list[Pod] = await driver.pods([name])
    return not left


def pod_on(node: str, namespace: str) -> dict[str, Any]:
    """A pod that runs on a node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "trainer", "namespace": namespace},
        "spec": {
            "nodeName": node,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "main", "image": "none"}],
        },
    }
