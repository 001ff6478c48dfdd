"""What production has, on a real API server: how it is put in force, and how to ask what it refuses."""

import json
import secrets
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from aifactory.api import names
from aifactory.api.catalogue import catalogue
from aifactory.api.reading import parse_factory, parse_pool
from aifactory.backends.kwok import node_body
from aifactory.backends.port import Mandate
from aifactory.decide.act.node_spec import node_specs
from aifactory.decide.model.world import Slot, key_of
from cluster.operating import refusal
from controlplane import ESTABLISHED, Cluster, Kubectl, service_account_kubeconfig, wait_until
from unit.shell.made import STAMP

Object = dict[str, Any]
MANIFESTS = Path(__file__).parents[3] / "manifests"
SYSTEM = "aifactory-system"
CRDS = ("aifactories.aifactory.dev", "gpupools.aifactory.dev")
ALLOW = "aifactory.dev/allow-deletion"
TRY = ("--dry-run=server", "--filename=-")

ACCOUNT = f"system:serviceaccount:{SYSTEM}:aifactory"
POD = str(uuid.uuid4())
# kubectl reads an object before it changes it, which the operator's account need not be able to.
READERS = "readers.test"
# The operator's account with a token that is bound to no pod; and as one of its pods has it.
AS_ACCOUNT = (f"--as={ACCOUNT}", f"--as-group={READERS}")
AS_OPERATOR = (*AS_ACCOUNT, f"--as-user-extra=authentication.kubernetes.io/pod-uid={POD}")
READING: tuple[Object, ...] = (
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": READERS},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get"]}],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": READERS},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": READERS},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": READERS}],
    },
)
# What the operator may do everywhere, and in its own namespace: verbs by resource, and name.
EVERYWHERE = {
    "aifactory.dev/aifactories": "list watch patch",
    "aifactory.dev/gpupools": "list watch patch",
    "aifactory.dev/aifactories/status": "patch",
    "aifactory.dev/gpupools/status": "patch",
    "/nodes": "get list watch create patch delete",
    "/pods": "list delete",
    "/pods/eviction": "create",
    "/events": "get create patch",
    "apiextensions.k8s.io/customresourcedefinitions aifactories.aifactory.dev": "get",
    "apiextensions.k8s.io/customresourcedefinitions gpupools.aifactory.dev": "get",
    "authentication.k8s.io/tokenreviews": "create",
    "authorization.k8s.io/subjectaccessreviews": "create",
}
# And that is used where it is served: a cluster need not have Karpenter.
EVERYWHERE |= (WHERE_SERVED := {"karpenter.sh/nodeclaims": "list watch"})
AT_HOME = {
    "coordination.k8s.io/leases": "create",
    "coordination.k8s.io/leases aifactory": "get patch",
}
# A policy that comes last, and is in force once all that came before it are: it refuses what bears its label.
LAST = "last.test"
SENTINEL: tuple[Object, ...] = (
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": LAST},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["configmaps"],
                    }
                ],
                "objectSelector": {"matchExpressions": [{"key": LAST, "operator": "Exists"}]},
            },
            "validations": [{"expression": "false"}],
        },
    },
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": LAST},
        "spec": {"policyName": LAST, "validationActions": ["Deny"]},
    },
)


def build(kubectl: Kubectl, folder: str) -> list[Object]:
    return list(yaml.safe_load_all(kubectl("kustomize", str(MANIFESTS / folder))))


def production(kubectl: Kubectl) -> list[Object]:
    """All of production; the Prometheus operator's kinds are not part of Kubernetes."""
    return [obj for obj in build(kubectl, "overlays/production") if obj["kind"] != "ServiceMonitor"]


def dump(objects: Iterable[Object]) -> str:
    return yaml.safe_dump_all(objects)


def identity(process: str) -> str:
    """What an operator in our pod calls itself."""
    return f"aifactory-0_{POD}_{process}"


ONE, TWO = identity("one"), identity("two")


def node(name: str = "", *, ours: bool = True, **metadata: Any) -> Object:
    """A node as a person makes it."""
    meta = {
        "name": name or f"node-{secrets.token_hex(4)}",
        "labels": {names.LABEL_FACTORY: "lab"} if ours else {},
        "annotations": {"kwok.x-k8s.io/node": "fake"},
        **metadata,
    }
    resources = {"cpu": "64", "memory": "512Gi", "pods": "110"}
    status = {"capacity": resources, "allocatable": resources}
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta, "status": status}


def ordered(leader: str | None, term: str | None = "1", factory: str = "lab", path: str = "row-2") -> Object:
    """A node as the operator orders it, in a slot of its own, in somebody's name and term."""
    site = parse_factory(yaml.safe_load((MANIFESTS / "examples" / "factory-lab.yaml").read_text()))
    pool = parse_pool(pool_manifest("team-a"))
    slot = Slot(factory, path, "hgx-h100", 1 + secrets.randbelow(10**6), 1)
    stamp = replace(STAMP, slot=slot, pool=key_of(pool), fabric=path, unit_gpus=8, unit_nodes=1)
    wish = node_specs(site, catalogue()[slot.system], pool)(stamp)
    body = node_body(wish, Mandate("", 0))
    said = {names.ANNOTATION_LEADER: leader, names.ANNOTATION_TERM: term}
    notes = body["metadata"]["annotations"] | said
    body["metadata"]["annotations"] = {key: value for key, value in notes.items() if value is not None}
    return body


def rights(table: dict[str, str]) -> set[tuple[str, str, str]]:
    """(verb, group/resource, name or nothing) of all that a table lists."""
    return {
        (verb, resource, name)
        for what, verbs in table.items()
        for resource, _, name in [what.partition(" ")]
        for verb in verbs.split()
    }


def bound_kubeconfig(cluster: Cluster, pod: tuple[str, str], out: Path) -> Path:
    """A kubeconfig with the token that a pod of the operator's account has; `pod` is its name and uid."""
    bound = ("--bound-object-kind=Pod", f"--bound-object-name={pod[0]}", f"--bound-object-uid={pod[1]}")
    return service_account_kubeconfig(cluster.kubeconfig, SYSTEM, "aifactory", out, "1h", *bound)


def put_in_force(kubectl: Kubectl) -> None:
    """Apply what production has, and wait until it holds."""
    objects = dump([*production(kubectl), *READING])
    kubectl(
        "apply", "--server-side", "--force-conflicts", "--warnings-as-errors", "--filename=-", stdin=objects
    )
    kubectl("wait", ESTABLISHED, *(f"crd/{crd}" for crd in CRDS))
    wait_until(
        lambda: not refusal(lambda: kubectl("auth", "can-i", "patch", CRDS[0], *AS_OPERATOR)), "rights hold"
    )
    kubectl("apply", "--server-side", "--filename=-", stdin=dump(SENTINEL))
    wait_until(lambda: holds(kubectl), "policies hold")


def take_away(kubectl: Kubectl) -> None:
    """Delete it, but for what others use too or is slow to go, and wait until it holds no more."""
    stays = ("CustomResourceDefinition", "Namespace")
    ours = [obj for obj in production(kubectl) if obj["kind"] not in stays]
    # kubectl would wait for one after the other, five in a second; and none of it has a finalizer.
    objects = dump([*ours, *READING, *SENTINEL])
    kubectl("delete", "--ignore-not-found", "--wait=false", "--filename=-", stdin=objects)
    wait_until(lambda: not holds(kubectl), "policies hold no more")


def holds(kubectl: Kubectl) -> bool:
    """Whether the last policy is in force."""
    labelled = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "any", "labels": {LAST: ""}}}
    return LAST in refusal(lambda: kubectl("create", *TRY, stdin=json.dumps(labelled)))


def refused(policy: str, ask: Callable[[], object]) -> str:
    """What a policy of ours says against a request; an error where another one or nobody is against it."""
    said = refusal(ask)
    assert f"ValidatingAdmissionPolicy '{policy}.{names.GROUP}'" in said, said or "it was let in"
    return said


def make_factory(kubectl: Kubectl, name: str) -> None:
    factory = yaml.safe_load((MANIFESTS / "examples" / "factory-lab.yaml").read_text())
    factory["metadata"]["name"] = name
    kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump(factory))


def fill(kubectl: Kubectl, name: str, nodes: int = 0, committed: int = 0) -> None:
    """Write a factory's status, as the operator."""
    power = {"limit": 600000, "committed": committed, "reserved": committed, "free": 600000 - committed}
    change = {"status": {"nodes": nodes, "power": power}}
    patch(kubectl, CRDS[0], name, change, "--subresource=status", *AS_OPERATOR)


def patch(kubectl: Kubectl, kind: str, name: str, change: Object, *more: str) -> str:
    """Merge-patch an object."""
    return kubectl("patch", kind, name, "--type=merge", f"--patch={json.dumps(change)}", *more)


def change_spec(kubectl: Kubectl, kind: str, name: str, spec: Object, *more: str) -> None:
    """Try a change, without making it."""
    patch(kubectl, kind, name, {"spec": spec}, "--dry-run=server", *more)


def pool_manifest(
    namespace: str, name: str = "pool", *, spec: Object | None = None, **metadata: Any
) -> Object:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "GPUPool",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"gpus": 8, "systems": ["hgx-h100"], **(spec or {})},
    }


def hold_lease(kubectl: Kubectl, holder: str, term: int = 1) -> None:
    """Take the Lease in somebody's name, as the operator does: in place, so that it is never missing."""
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": term}
    metadata = {"name": "aifactory", "namespace": SYSTEM}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
    kubectl(
        "apply", "--server-side", "--force-conflicts", "--filename=-", *AS_OPERATOR, stdin=json.dumps(lease)
    )


def asking(kubectl: Kubectl, manifest: Object, *more: str) -> Callable[[], str]:
    """Try to create an object."""
    return lambda: kubectl("create", *TRY, *more, stdin=json.dumps(manifest))


def create_when_known(kubectl: Kubectl, manifest: Object, *more: str) -> None:
    """Create a node as soon as the policy has seen the Lease as it is now."""
    wait_until(lambda: not refusal(asking(kubectl, manifest, *more)), "it is let in")
    kubectl("create", "--filename=-", *more, stdin=json.dumps(manifest))
