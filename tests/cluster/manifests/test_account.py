"""The operator's account in a thief's hands: whose pods it deletes, and with which token it writes at all."""

import json
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from aifactory.api import names
from cluster.manifests.base import (
    AS_ACCOUNT,
    AS_OPERATOR,
    CRDS,
    ONE,
    POD,
    SYSTEM,
    TRY,
    TWO,
    Object,
    bound_kubeconfig,
    hold_lease,
    ordered,
    patch,
    refused,
)
from cluster.operating import refusal
from cluster.reading import read
from controlplane import Cluster, Kubectl, kubectl, service_account_kubeconfig, wait_until

# Pods


@pytest.fixture
def pod(installed: Kubectl, namespace: str) -> Callable[[str], str]:
    """`pod(node)`: the path of a pod that is bound to a node of this name; empty: to none."""

    def make(node: str) -> str:
        name = f"pod-{secrets.token_hex(4)}"
        spec: Object = {"containers": [{"name": "it", "image": "none"}]} | (
            {"nodeName": node} if node else {}
        )
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
        installed("create", "--filename=-", stdin=json.dumps(body))
        return f"/api/v1/namespaces/{namespace}/pods/{name}"

    return make


@pytest.mark.parametrize(
    "node", ["", "control-plane-1", "ip-10-0-1-2.ec2.internal", "10.0.1.2", "x", "lab.hall.x123"]
)
def test_the_operator_deletes_no_pod_on_a_node_of_somebody_else(
    installed: Kubectl, pod: Callable[[str], str], node: str
) -> None:
    path = pod(node)
    said = refused("released-pods", lambda: installed("delete", f"--raw={path}?dryRun=All", *AS_OPERATOR))
    assert f'this one is on "{node}"' in said
    installed("delete", f"--raw={path}?gracePeriodSeconds=0")


@pytest.mark.parametrize("node", ["lab.hall-2.hgx-h100.1.4", "dfw-1.hall-of-many-racks.x0123456789abcdef"])
def test_the_operator_deletes_pods_on_its_nodes(
    installed: Kubectl, pod: Callable[[str], str], node: str
) -> None:
    installed("delete", f"--raw={pod(node)}?gracePeriodSeconds=0", *AS_OPERATOR)


def test_the_operator_evicts_in_a_pods_own_time_only(installed: Kubectl, pod: Callable[[str], str]) -> None:
    path = pod("lab.hall-2.hgx-h100.1.4")
    namespace, name = path.split("/")[4::2]
    uid = {"preconditions": {"uid": read(installed, "pod", name, namespace)["metadata"]["uid"]}}

    def evict(options: Object) -> str:
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": options,
        }
        return installed(
            "create", f"--raw={path}/eviction", "--filename=-", *AS_OPERATOR, stdin=json.dumps(body)
        )

    for options in ({}, {"gracePeriodSeconds": 0}, {**uid, "gracePeriodSeconds": 0}):
        refused("evicted-pods", lambda o=options: evict(o))  # type: ignore[misc]
    evict(uid)


# Tokens


def test_a_token_that_no_pod_has_writes_nothing(
    installed: Kubectl, cluster: Cluster, factory: str, running: tuple[str, str], tmp_path: Path
) -> None:
    """As `kubectl create token` gives it to whoever may ask for one, and as a Secret keeps it for ever."""
    status = {"apiVersion": names.API_VERSION, "kind": "AIFactory", "status": {"pools": 0}}
    text = json.dumps(status | {"metadata": {"name": factory}})
    write = ("apply", "--server-side", "--filename=-", "--subresource=status")
    unbound = service_account_kubeconfig(cluster.kubeconfig, SYSTEM, "aifactory", tmp_path / "unbound")
    said = refused("own-pods", lambda: kubectl(unbound, *write, stdin=text))
    assert "bound to no pod" in said
    kubectl(bound_kubeconfig(cluster, running, tmp_path / "bound"), *write, stdin=text)


def test_everything_that_the_account_writes_is_written_by_its_pods(
    installed: Kubectl, factory: str, pool: str, namespace: str
) -> None:
    where = f"--namespace={namespace}"
    hold_lease(installed, ONE)
    node = ordered(ONE)
    create = partial(installed, "create", "--filename=-", *AS_OPERATOR)
    wait_until(lambda: not refusal(lambda: create(stdin=json.dumps(node))), "it may create nodes")
    event: Object = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": secrets.token_hex(4), "namespace": namespace},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": "GPUPool",
            "namespace": namespace,
            "name": pool,
        },
    }
    create(stdin=json.dumps(event))
    on = node["metadata"]["name"]
    asked: dict[str, Callable[..., str]] = {
        "finalizer": lambda *who: patch(
            installed, CRDS[1], pool, {"metadata": {"finalizers": [names.FINALIZER]}}, where, *who
        ),
        "status": lambda *who: patch(
            installed, CRDS[0], factory, {"status": {"pools": 0}}, "--subresource=status", *who
        ),
        "order": lambda *who: installed("create", *TRY, *who, stdin=json.dumps(ordered(ONE))),
        "taint": lambda *who: installed("taint", "node", on, "a=b:NoSchedule", *who),
        "event": lambda *who: patch(installed, "event", event["metadata"]["name"], {"count": 2}, where, *who),
        "lease": lambda *who: patch(
            installed, "lease", "aifactory", {"spec": {"holderIdentity": ""}}, f"--namespace={SYSTEM}", *who
        ),
    }
    try:
        for what, ask in asked.items():
            assert "bound to no pod" in refused("own-pods", partial(ask, *AS_ACCOUNT)), what
            ask(*AS_OPERATOR)
    finally:
        installed("delete", "node", on)
        patch(installed, CRDS[1], pool, {"metadata": {"finalizers": None}}, where)


def test_the_lease_is_taken_in_the_name_of_the_pod_that_asks(installed: Kubectl) -> None:
    hold_lease(installed, ONE)
    hold_lease(installed, TWO)  # another process in the same pod
    hold_lease(installed, "")
    for holder in ("somebody", POD, ONE.replace(POD, "another-pod"), f"x{POD}_y"):
        refused("own-lease", lambda h=holder: hold_lease(installed, h))  # type: ignore[misc]


def test_no_other_lease_is_made(installed: Kubectl) -> None:
    for name, namespace in (("other", SYSTEM),):
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"holderIdentity": ONE},
        }
        refused("own-lease", lambda m=lease: installed("create", *TRY, *AS_OPERATOR, stdin=json.dumps(m)))  # type: ignore[misc]
