"""The kwok backend on a real API server."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from aifactory.api import names
from aifactory.backends import Backend, Mandate
from aifactory.backends.looks import NodeLook
from aifactory.backends.steps import FEW_NODES
from aifactory.decide.plan import CallOff, Cause, Delete, Drain, Hold, Relabel
from aifactory.decide.world import Pod, Taint
from aifactory.shell.client import ApiError
from cluster.shell.nodes import made, order, seen

Kubectl = Callable[..., str]
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


async def test_what_is_ordered_is_seen(driver: Backend, site: str) -> None:
    wanted = order(site)
    await driver.create(wanted, Mandate("leader-1", 3))
    (node,) = (await seen(driver, site)).values()
    assert node.stamp is not None
    assert node.stamp.slot == wanted.wish.slot
    assert node.stamp.pool == wanted.pool
    assert isinstance(node.look, NodeLook)
    assert node.look.annotations[names.ANNOTATION_LEADER] == "leader-1"
    assert node.look.annotations[names.ANNOTATION_TERM] == "3"
    assert (node.unit_watts, node.deleting, node.unschedulable) == (10_200, False, False)


async def test_a_slot_is_ordered_once(driver: Backend, site: str) -> None:
    await driver.create(order(site), Mandate("leader-1", 1))
    with pytest.raises(ApiError) as caught:
        await driver.create(order(site), Mandate("leader-2", 1))
    assert caught.value.status == 409
    (node,) = (await seen(driver, site)).values()
    assert isinstance(node.look, NodeLook)
    assert node.look.annotations[names.ANNOTATION_LEADER] == "leader-1"


async def test_a_node_is_drained_and_then_deleted(driver: Backend, site: str) -> None:
    await driver.create(order(site), Mandate("x", 1))
    node = (await seen(driver, site))[1]
    await driver.drain(Drain(node, NOW, Cause.SPEC))
    drained = (await seen(driver, site))[1]
    assert drained.unschedulable
    assert drained.stamp is not None
    assert drained.stamp.draining_since == NOW
    await made(lambda: driver.delete(Delete(drained)))
    assert await seen(driver, site) == {}


async def test_a_drain_that_is_called_off_leaves_nothing_behind(driver: Backend, site: str) -> None:
    await driver.create(order(site), Mandate("x", 1))
    before = (await seen(driver, site))[1]
    await driver.drain(Drain(before, NOW, Cause.SPEC))
    drained = (await seen(driver, site))[1]
    await made(lambda: driver.call_off(CallOff(drained)))
    after = (await seen(driver, site))[1]
    assert (after.uid, after.stamp, after.unschedulable) == (before.uid, before.stamp, False)


async def test_a_cordon_that_was_there_before_stays(driver: Backend, site: str, kubectl: Kubectl) -> None:
    await driver.create(order(site), Mandate("x", 1))
    kubectl("cordon", (await seen(driver, site))[1].name)
    await driver.drain(Drain((await seen(driver, site))[1], NOW, Cause.SPEC))
    drained = (await seen(driver, site))[1]
    assert drained.cordoned
    await made(lambda: driver.call_off(CallOff(drained)))
    after = (await seen(driver, site))[1]
    assert (after.unschedulable, after.drains) == (True, False)


async def test_a_node_that_was_uncordoned_meanwhile_is_not_deleted(
    driver: Backend, site: str, kubectl: Kubectl
) -> None:
    await driver.create(order(site), Mandate("x", 1))
    await driver.drain(Drain((await seen(driver, site))[1], NOW, Cause.SPEC))
    drained = (await seen(driver, site))[1]
    kubectl("uncordon", drained.name)
    await driver.delete(Delete(drained))
    assert not (await seen(driver, site))[1].unschedulable


async def test_another_node_of_the_same_name_is_left_alone(
    driver: Backend, site: str, kubectl: Kubectl
) -> None:
    await driver.create(order(site), Mandate("x", 1))
    old = (await seen(driver, site))[1]
    kubectl("delete", "node", old.name)
    await driver.create(order(site), Mandate("x", 1))
    new = (await seen(driver, site))[1]
    await driver.drain(Drain(new, NOW, Cause.SPEC))
    drained = (await seen(driver, site))[1]

    steps: list[Any] = [
        driver.drain(Drain(old, NOW, Cause.SPEC)),
        driver.hold(Hold(old)),
        driver.delete(Delete(old)),
        driver.relabel(Relabel(old, order(site, labels={"a": "b"}).wish)),
    ]
    for step in steps:
        with pytest.raises(ApiError) as caught:
            await step
        assert caught.value.status == 409
    after = (await seen(driver, site))[1]
    assert after.uid == new.uid
    assert after.look == drained.look


async def test_a_held_node_is_nobodys(driver: Backend, site: str) -> None:
    await driver.create(order(site), Mandate("x", 1))
    await driver.hold(Hold((await seen(driver, site))[1]))
    stamp = (await seen(driver, site))[1].stamp
    assert stamp is not None
    assert stamp.pool is None


async def test_taints_are_changed_beside_those_of_others(
    driver: Backend, site: str, kubectl: Kubectl
) -> None:
    await driver.create(order(site, taints=(Taint("old", "x", "NoSchedule"),)), Mandate("x", 1))
    node = (await seen(driver, site))[1]
    kubectl("taint", "node", node.name, "somebody=else:NoSchedule")
    wish = order(site, taints=(Taint("dedicated", "llm", "NoExecute"),)).wish
    assert not node.look.suits(wish)
    await made(lambda: driver.relabel(Relabel(node, wish)))
    after = (await seen(driver, site))[1].look
    assert after.suits(wish)
    assert isinstance(after, NodeLook)
    found = {taint.key for taint in after.taints}
    assert {"somebody", "dedicated"} <= found
    assert "old" not in found


async def test_the_pods_that_have_to_leave_are_found(
    driver: Backend, site: str, kubectl: Kubectl, namespace: str
) -> None:
    await driver.create(order(site), Mandate("x", 1))
    node = (await seen(driver, site))[1]
    for name, where in (
        ("goes", {"nodeName": node.name}),
        ("waits", {"nodeSelector": {"is": "nowhere"}}),
    ):
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace},
            "spec": where | {"containers": [{"name": "main", "image": "none"}]},
        }
        kubectl("apply", "-f", "-", stdin=yaml.safe_dump(body))
    (goes,) = await driver.pods([node.name])
    assert (goes.namespace, goes.name, goes.node) == (namespace, "goes", node.name)
    # Of many nodes they are found by one LIST.
    many = [node.name, *(f"other-{i}" for i in range(FEW_NODES))]
    assert await driver.pods(many) == [goes]
    # What is left at the timeout goes before its node: it would stay bound to the name.
    await driver.drain(Drain(node, NOW, Cause.SPEC))
    # One that came back under its old name, perhaps elsewhere, is another pod.
    again = Pod(namespace, "waits", node.name, uid="of-the-former-one")
    left = (goes, again, Pod(namespace, "gone", node.name, uid="x"))
    drained = (await seen(driver, site))[1]
    await made(lambda: driver.delete(Delete(drained, left)))
    assert kubectl("get", "pods", f"--namespace={namespace}", "--output=name").split() == ["pod/waits"]
    assert await seen(driver, site) == {}


async def test_a_node_that_lost_our_label_still_counts_where_it_stands(
    driver: Backend, site: str, kubectl: Kubectl
) -> None:
    await driver.create(order(site), Mandate("x", 1))
    node = (await seen(driver, site))[1]
    kubectl("label", "node", node.name, f"{names.LABEL_FACTORY}-")
    (found,) = (await driver.observe())[site]
    assert (found.name, found.stamp, found.unit_watts) == (node.name, None, 10_200)
    kubectl("delete", "node", node.name)
