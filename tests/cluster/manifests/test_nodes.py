"""Who creates nodes, in whose name and in which form; and what the operator may do to them."""

import json
import secrets
from functools import partial
from typing import Any

import pytest

from aifactory.api import names
from aifactory.decide.model.world import Taint
from cluster.manifests.base import (
    AS_OPERATOR,
    ONE,
    SYSTEM,
    TWO,
    Object,
    asking,
    hold_lease,
    node,
    ordered,
    patch,
    refused,
)
from cluster.operating import refusal
from cluster.reading import read
from controlplane import Kubectl, wait_until

DRAINING = {
    "metadata": {"annotations": {names.ANNOTATION_DRAINING_SINCE: "2026-01-01T00:00:00+00:00"}},
    "spec": {"unschedulable": True},
}


# In whose name


def test_only_the_holder_of_the_lease_creates_nodes(installed: Kubectl) -> None:
    def said(leader: str | None) -> str:
        return refusal(asking(installed, ordered(leader), *AS_OPERATOR))

    for holder, other in ((ONE, TWO), (TWO, ONE)):
        hold_lease(installed, holder)
        wait_until(partial(lambda h: not said(h), holder), "the holder may create nodes")
        for name in (other, None, ""):
            assert f'in the name of "{name or ""}", but the Lease is held by "{holder}"' in said(name)
    hold_lease(installed, "")  # given back
    wait_until(lambda: 'held by ""' in said(TWO), "the former holder is refused")
    refused("leader-only", asking(installed, ordered(TWO), *AS_OPERATOR))


def test_the_holder_creates_nodes_in_its_present_term_alone(installed: Kubectl) -> None:
    def said(term: str | None) -> str:
        return refusal(asking(installed, ordered(ONE, term), *AS_OPERATOR))

    for term in (7, 8):
        hold_lease(installed, ONE, term)
        wait_until(partial(lambda t: not said(str(t)), term), "the holder may create nodes in this term")
        for other in (str(term - 1), str(term + 1), "", None):
            assert f'in term "{other or ""}", but the Lease is in term "{term}"' in said(other)


def test_without_a_lease_nothing_is_ordered_and_other_nodes_come_and_go(installed: Kubectl) -> None:
    hold_lease(installed, ONE)
    installed("delete", "lease", "aifactory", f"--namespace={SYSTEM}")
    ask = asking(installed, ordered(ONE), *AS_OPERATOR)
    wait_until(lambda: "no params found" in refusal(ask), "the operator is refused")
    assert "no params found" in refusal(asking(installed, node()))  # a price of failing closed
    assert not refusal(asking(installed, node(ours=False)))
    name = f"node-{secrets.token_hex(4)}"
    installed("create", "--filename=-", stdin=json.dumps(node(name, ours=False)))
    installed("delete", "node", name)


def test_a_person_creates_any_node(installed: Kubectl) -> None:
    hold_lease(installed, ONE)
    for manifest in (node(), ordered(TWO), node(ours=False)):
        wait_until(partial(lambda m: not refusal(asking(installed, m)), manifest), "it is let in")


# In which form


def merged(obj: Any, change: Any) -> Any:
    """An object with a change in it, as a merge-patch has it."""
    if not isinstance(obj, dict) or not isinstance(change, dict):
        return change
    both = obj | {key: merged(obj.get(key), value) for key, value in change.items()}
    return {key: value for key, value in both.items() if value is not None}


def holding(resources: Object) -> Object:
    return {"status": {"capacity": resources, "allocatable": resources}}


BLACK_HOLE = {
    "addresses": [{"type": "InternalIP", "address": "203.0.113.66"}],
    "daemonEndpoints": {"kubeletEndpoint": {"Port": 4443}},
}
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


@pytest.mark.parametrize(
    "change",
    [
        {"status": BLACK_HOLE},
        {"status": {"addresses": BLACK_HOLE["addresses"]}},
        {"status": {"daemonEndpoints": BLACK_HOLE["daemonEndpoints"]}},
        {"status": READY},
        *({"status": {key: {"cpu": "100000"}}} for key in ("capacity", "allocatable")),
        holding({"cpu": "100000"}),
        holding({"nvidia.com/gpu": "1000000"}),
        holding({"amd.com/gpu": "8"}),
        holding({"hugepages-2Mi": "1Ti", "nvidia.com/gpu": None}),
        {"spec": {"providerID": "aws:///us-east-1a/i-0123456789abcdef0"}},
        {"spec": {"podCIDR": "10.0.0.0/8", "podCIDRs": ["10.0.0.0/8"]}},
        {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}},
        {"metadata": {"labels": {"node-restriction.kubernetes.io/secret": "yes"}}},
        {"metadata": {"labels": {"node.kubernetes.io/exclude-from-external-load-balancers": "no"}}},
        {"metadata": {"labels": {"kubernetes.io/hostname": "control-plane-1"}}},
        {"metadata": {"labels": {"topology.kubernetes.io/zone": "another-site"}}},
        {"metadata": {"labels": {"topology.k8s.io/zone": "another-site"}}},
        {"metadata": {"labels": {names.LABEL_RACK: "7"}}},
        {"metadata": {"name": "control-plane-1", "labels": {"kubernetes.io/hostname": None}}},
        {"metadata": {"name": "other.hall.x0123456789abcdef", "labels": {"kubernetes.io/hostname": None}}},
        {"metadata": {"annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}}},
        {"metadata": {"finalizers": ["example.com/never"]}},
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "x", "uid": "x"}]}},
    ],
    ids=json.dumps,
)
def test_the_operator_creates_no_node_of_another_form(led: Kubectl, change: Object) -> None:
    """A node with an address, ready at once, is a black hole for pods and leads the API server astray."""
    refused("node-form", asking(led, merged(ordered(ONE), change), *AS_OPERATOR))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"metadata": {"labels": {"topology.kubernetes.io/region": "south", "team": "nlp"}}},
        {"metadata": {"labels": {"nvidia.com/gpu.product": "NVIDIA-H100"}}},
        {"spec": {"taints": [Taint("aifactory.dev/tenant", "team-a", "NoSchedule")._asdict()]}},
        {"spec": {"taints": [Taint("node.cilium.io/agent-not-ready", "", "NoExecute")._asdict()]}},
        holding({"nvidia.com/gpu": None, "amd.com/gpu": "8"}),
    ],
    ids=json.dumps,
)
def test_the_operator_creates_nodes_as_its_driver_makes_them(led: Kubectl, change: Object) -> None:
    assert not refusal(asking(led, merged(ordered(ONE), change), *AS_OPERATOR))


def test_a_name_that_is_cut_is_that_of_a_node_too(led: Kubectl) -> None:
    long = ordered(ONE, path="/".join(["hall-of-many-racks"] * 4))
    assert long["metadata"]["name"][-18:-16] == ".x"
    assert not refusal(asking(led, long, *AS_OPERATOR))


# What stands


CORDON: Object = {"spec": {"unschedulable": True}}


def test_the_operator_writes_its_own_nodes_and_no_other(led: Kubectl, own: str) -> None:
    foreign = f"node-{secrets.token_hex(4)}"
    led("create", "--filename=-", stdin=json.dumps(node(foreign, ours=False)))
    message = "the operator writes only nodes with the label aifactory.dev/factory"
    taint = {"spec": {"taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}]}}
    label = {"metadata": {"labels": {"a": "b"}}}
    take = {"metadata": {"labels": {names.LABEL_FACTORY: "lab"}}}
    for change in (label, take, taint, CORDON):
        assert message in refused("own-nodes", lambda c=change: patch(led, "node", foreign, c, *AS_OPERATOR))  # type: ignore[misc]
    for ask in (
        lambda: led("delete", "node", foreign, *AS_OPERATOR),
        lambda: patch(led, "node", own, {"metadata": {"labels": {names.LABEL_FACTORY: None}}}, *AS_OPERATOR),
        asking(led, node(ours=False), *AS_OPERATOR),
    ):
        assert message in refused("own-nodes", ask)
    for change in (label, taint, CORDON):
        patch(led, "node", own, change, *AS_OPERATOR)
    led("delete", "node", foreign)


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}},
        {"metadata": {"labels": {"node-restriction.kubernetes.io/secret": "yes"}}},
        {"metadata": {"labels": {"beta.kubernetes.io/instance-type": "large"}}},
        {"metadata": {"labels": {names.LABEL_FACTORY: "empty"}}},  # so that a factory looks as if it were
        {"metadata": {"annotations": {"cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"}}},
        {"metadata": {"annotations": {"kwok.x-k8s.io/node": None}}},
        {"metadata": {"finalizers": ["example.com/never"]}},
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "x", "uid": "x"}]}},
        {"spec": {"podCIDR": "10.0.0.0/8", "podCIDRs": ["10.0.0.0/8"]}},
    ],
    ids=json.dumps,
)
def test_the_operator_changes_nothing_else_of_a_standing_node(led: Kubectl, own: str, change: Object) -> None:
    refused("own-nodes", lambda: patch(led, "node", own, change, *AS_OPERATOR))


def test_the_operator_changes_what_it_has_to_also_where_a_person_was_before_it(
    led: Kubectl, own: str
) -> None:
    role = {"node-role.kubernetes.io/worker": "", "kubernetes.io/hostname": "wrong"}
    patch(led, "node", own, {"metadata": {"labels": role, "finalizers": ["example.com/hold"]}})
    right = {"kubernetes.io/hostname": own, names.LABEL_POOL: None, "team": "nlp"}
    patch(led, "node", own, {"metadata": {"labels": right}}, *AS_OPERATOR)
    patch(led, "node", own, DRAINING, *AS_OPERATOR)
    assert read(led, "node", own)["metadata"]["labels"]["node-role.kubernetes.io/worker"] == ""
    patch(led, "node", own, {"metadata": {"finalizers": None}})


def test_the_operator_deletes_a_node_only_as_it_was_drained(led: Kubectl, own: str) -> None:
    delete = partial(led, "delete", "node", own, *AS_OPERATOR)
    for change in ({}, CORDON, {**DRAINING, "spec": {"unschedulable": None}}):
        patch(led, "node", own, change, *AS_OPERATOR)
        assert "only once it is cordoned and noted as draining" in refused("own-nodes", delete)
    patch(led, "node", own, DRAINING, *AS_OPERATOR)
    delete()
