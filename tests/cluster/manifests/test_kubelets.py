"""A kubelet in a thief's hands: what it may say of its own node. Kubernetes lets it write no other."""

import json
import secrets
from functools import partial

import pytest

from aifactory.api import names
from cluster.manifests.base import READERS, Object, node, patch, refused
from controlplane import Kubectl

TAINT = {"key": "aifactory.dev/tenant", "value": "team-a", "effect": "NoSchedule"}
OTHER = {"key": "example.com/maintenance", "effect": "NoSchedule"}
# `status` is where a kubelet writes all the time, and labels and annotations can be changed there too.
THERE = ((), ("--subresource=status",))


def kubelet(name: str) -> tuple[str, ...]:
    return f"--as=system:node:{name}", "--as-group=system:nodes", f"--as-group={READERS}"


@pytest.fixture
def own(led: Kubectl, own: str) -> str:
    """A node of a pool that drains."""
    drains = {"annotations": {names.ANNOTATION_DRAINING_SINCE: "2026-01-01T00:00:00+00:00"}}
    patch(led, "node", own, {"metadata": drains, "spec": {"taints": [TAINT, OTHER], "unschedulable": True}})
    return own


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {names.LABEL_POOL: "theirs", names.LABEL_POOL_NAMESPACE: "team-b"}},
        {"labels": {names.LABEL_POOL: None}},
        {"labels": {names.LABEL_OUT_OF_SERVICE: "true"}},
        {"labels": {names.LABEL_FACTORY: None}},
        {"labels": None},
        {"annotations": {names.ANNOTATION_DRAINING_SINCE: "9999-12-31T23:59:59+00:00"}},
        {"annotations": {names.ANNOTATION_DRAINING_SINCE: None}},
        {"annotations": {names.ANNOTATION_NODES: "1000000"}},
        {"annotations": {names.ANNOTATION_WATTS: "1"}},
        {"annotations": {"aifactory.dev/anything": ""}},
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("where", THERE, ids=["node", "status"])
def test_a_kubelet_does_not_change_what_is_ours(
    installed: Kubectl, own: str, change: Object, where: tuple[str, ...]
) -> None:
    refused("kubelets", lambda: patch(installed, "node", own, {"metadata": change}, *where, *kubelet(own)))


@pytest.mark.parametrize(
    "change",
    [
        {"taints": [OTHER]},
        {"taints": [OTHER, {**TAINT, "value": "team-b"}]},
        {"taints": [OTHER, {**TAINT, "effect": "PreferNoSchedule"}]},
        {"taints": [TAINT, OTHER, {**TAINT, "key": "aifactory.dev/other"}]},
        {"unschedulable": None},
    ],
    ids=json.dumps,
)
def test_a_kubelet_takes_no_taint_and_no_cordon_of_ours_off(
    installed: Kubectl, own: str, change: Object
) -> None:
    refused("kubelets", lambda: patch(installed, "node", own, {"spec": change}, *kubelet(own)))


def test_a_kubelet_adds_no_node_to_a_factory(led: Kubectl) -> None:
    name = f"node-{secrets.token_hex(4)}"
    for body in (
        node(name, ours=True),
        node(name, ours=False, annotations={names.ANNOTATION_WATTS: "1"}),
        node(name, ours=False) | {"spec": {"taints": [TAINT]}},
    ):
        create = partial(led, "create", "--filename=-", *kubelet(name), stdin=json.dumps(body))
        refused("kubelets", create)
    led("create", "--filename=-", *kubelet(name), stdin=json.dumps(node(name, ours=False)))
    patch(led, "node", name, {"spec": {"unschedulable": True, "taints": [OTHER]}}, *kubelet(name))
    led("delete", "node", name)


def test_a_kubelet_writes_all_else(installed: Kubectl, own: str) -> None:
    said = {"labels": {"example.com/rack": "7"}, "annotations": {"example.com/seen": "yes"}}
    for where in THERE:
        patch(installed, "node", own, {"metadata": said}, *where, *kubelet(own))
    beat = {
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        "nodeInfo": {"bootID": "x"},
    }
    patch(installed, "node", own, {"status": beat}, "--subresource=status", *kubelet(own))
    patch(installed, "node", own, {"spec": {"taints": [TAINT, {**OTHER, "value": "soon"}]}}, *kubelet(own))


def test_a_person_changes_what_is_ours(installed: Kubectl, own: str) -> None:
    installed("uncordon", own)
    installed("label", "node", own, f"{names.LABEL_OUT_OF_SERVICE}=true")
    installed("taint", "node", own, f"{TAINT['key']}-")
