"""The base on a real API server: how it is put in force, and how to ask what it refuses."""

import json
import secrets
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from aifactory.api import names
from cluster.operating import refusal
from controlplane import wait_until

Kubectl = Callable[..., str]
Object = dict[str, Any]
MANIFESTS = Path(__file__).parents[3] / "manifests"
SYSTEM = "aifactory-system"
AS_OPERATOR = f"--as=system:serviceaccount:{SYSTEM}:aifactory"
CRDS = ("aifactories.aifactory.dev", "gpupools.aifactory.dev")
ALLOW = "aifactory.dev/allow-deletion"
TRY = ("--dry-run=server", "--filename=-")


def build(kubectl: Kubectl, folder: str) -> list[Object]:
    return list(yaml.safe_load_all(kubectl("kustomize", str(MANIFESTS / folder))))


def dump(objects: Iterable[Object]) -> str:
    return yaml.safe_dump_all(objects)


def node(name: str = "", *, ours: bool = True, leader: str | None = None, term: str | None = "1") -> str:
    labels = {names.LABEL_FACTORY: "lab"} if ours else {}
    said = {names.ANNOTATION_LEADER: leader, names.ANNOTATION_TERM: term}
    annotations = {key: value for key, value in said.items() if leader is not None and value is not None}
    metadata = {
        "name": name or f"node-{secrets.token_hex(4)}",
        "labels": labels,
        "annotations": {"kwok.x-k8s.io/node": "fake", **annotations},
    }
    resources = {"cpu": "64", "memory": "512Gi", "pods": "110"}
    status = {"capacity": resources, "allocatable": resources}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status})


def put_in_force(kubectl: Kubectl, probe: str) -> None:
    """Apply the base, and wait until each policy refuses something; `probe` names a factory for that."""
    kubectl(
        "apply", "--server-side", "--force-conflicts", "--warnings-as-errors",
        "--kustomize", str(MANIFESTS / "base"),
    )  # fmt: skip
    kubectl("wait", "--for=condition=Established", *(f"crd/{crd}" for crd in CRDS))
    wait_until(
        lambda: not refusal(lambda: kubectl("auth", "can-i", "patch", CRDS[0], AS_OPERATOR)), "rights hold"
    )
    make_factory(kubectl, probe)
    fill(kubectl, probe, nodes=1)
    wrong: dict[str, Callable[[], object]] = {
        "resource-definitions": lambda: kubectl("delete", "crd", CRDS[1], "--dry-run=server"),
        "occupied-factories": lambda: kubectl("delete", CRDS[0], probe, "--dry-run=server"),
        "users-spec": lambda: change_spec(kubectl, CRDS[0], probe, {"paused": True}, AS_OPERATOR),
        "own-nodes": lambda: kubectl("create", AS_OPERATOR, *TRY, stdin=node(ours=False)),
        "leader-only": lambda: kubectl("create", AS_OPERATOR, *TRY, stdin=node(leader="nobody")),
    }
    policies = [obj for obj in build(kubectl, "base") if obj["kind"] == "ValidatingAdmissionPolicy"]
    assert {f"{name}.{names.GROUP}" for name in wrong} == {obj["metadata"]["name"] for obj in policies}
    for name, ask in wrong.items():
        wait_until(
            partial(lambda n, a: f"'{n}.{names.GROUP}'" in refusal(a), name, ask), f"{name} is enforced"
        )


def make_factory(kubectl: Kubectl, name: str) -> None:
    factory = yaml.safe_load((MANIFESTS / "examples" / "factory-lab.yaml").read_text())
    factory["metadata"]["name"] = name
    kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump(factory))


def fill(kubectl: Kubectl, name: str, nodes: int = 0, committed: int = 0) -> None:
    """Write a factory's status, as the operator."""
    power = {"limit": 600000, "committed": committed, "reserved": committed, "free": 600000 - committed}
    change = json.dumps({"status": {"nodes": nodes, "power": power}})
    kubectl("patch", CRDS[0], name, "--subresource=status", "--type=merge", f"--patch={change}", AS_OPERATOR)


def change_spec(kubectl: Kubectl, kind: str, name: str, spec: Object, *more: str) -> None:
    """Try a change, without making it."""
    change = json.dumps({"spec": spec})
    kubectl("patch", kind, name, "--type=merge", f"--patch={change}", "--dry-run=server", *more)


def pool_manifest(namespace: str) -> str:
    metadata = {"name": "pool", "namespace": namespace}
    spec = {"gpus": 8, "systems": ["hgx-h100"]}
    return yaml.safe_dump(
        {"apiVersion": names.API_VERSION, "kind": "GPUPool", "metadata": metadata, "spec": spec}
    )


def hold_lease(kubectl: Kubectl, identity: str, term: int = 1) -> None:
    """Take the Lease in somebody's name, as the operator does: in place, so that it is never missing."""
    spec = {"holderIdentity": identity, "leaseDurationSeconds": 15, "leaseTransitions": term}
    metadata = {"name": "aifactory", "namespace": SYSTEM}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
    kubectl(
        "apply", "--server-side", "--force-conflicts", "--filename=-", AS_OPERATOR, stdin=json.dumps(lease)
    )


def create_when_known(kubectl: Kubectl, manifest: str, *more: str) -> None:
    """Create a node as soon as the policy has seen the Lease as it is now."""
    wait_until(lambda: not refusal(lambda: kubectl("create", *TRY, *more, stdin=manifest)), "it is let in")
    kubectl("create", "--filename=-", *more, stdin=manifest)
