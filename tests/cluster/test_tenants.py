"""What one tenant with rights in one namespace can do to others, tried on a real scheduler and API server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from aifactory.api import names
from cluster.operating import FACTORIES, POOLS, a_namespace, apply, condition, is_ready, nodes_of, pool
from cluster.reading import get, read
from controlplane import Kubectl, wait_until

Object = dict[str, Any]
EVERYTHING = [{"operator": "Exists"}]
SECRET = "victims-secret-budget"

pytestmark = pytest.mark.usefixtures("operator")


def own(namespace: str) -> list[Object]:
    """What a tenant's own pods tolerate."""
    return [{"key": names.TAINT_TENANT, "value": namespace, "effect": "NoSchedule"}]


def on_pool(namespace: str, tolerations: list[Object] | None = None) -> Object:
    """The spec of a pod that wants to run on the nodes of a tenant."""
    return {
        "nodeSelector": {names.LABEL_POOL_NAMESPACE: namespace},
        "tolerations": tolerations or [],
        "containers": [{"name": "main", "image": "none"}],
    }


def bare(name: str, namespace: str, spec: Object) -> Object:
    """A pod."""
    meta = {"name": name, "namespace": namespace, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def budget(namespace: str, app: str, name: str = SECRET) -> Object:
    """A budget that allows no disruption."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": app}}},
    }


@pytest.fixture
def other(kubectl: Kubectl, namespace: str) -> Iterator[str]:
    """The namespace of another tenant."""
    with a_namespace(kubectl, f"{namespace}-other") as name:
        yield name


@pytest.fixture
def node(kubectl: Kubectl, namespace: str, site: str) -> str:
    """The one node of a pool that gives no pod any time."""
    apply(kubectl, pool("jack", namespace, 8, site, drainTimeoutSeconds=0))
    wait_until(lambda: is_ready(kubectl, "jack", namespace), "the pool is ready")
    (it,) = nodes_of(kubectl, "jack", namespace)
    return str(it["metadata"]["name"])


def scheduled(kubectl: Kubectl, name: str, namespace: str) -> Object:
    """A pod's condition PodScheduled."""
    return condition(read(kubectl, "pod", name, namespace), "PodScheduled")


def test_only_pods_that_tolerate_the_tenant_land_on_its_nodes(
    kubectl: Kubectl, namespace: str, other: str, node: str
) -> None:
    monitor = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "monitor", "namespace": other},
        "spec": {
            "selector": {"matchLabels": {"app": "monitor"}},
            "template": {
                "metadata": {"labels": {"app": "monitor"}},
                "spec": on_pool(namespace, [{"key": names.TAINT_TENANT, "operator": "Exists"}]),
            },
        },
    }
    apply(
        kubectl,
        bare("stranger", other, on_pool(namespace)),
        bare("guest", other, on_pool(namespace, own(other))),
        bare("trainer", namespace, on_pool(namespace, own(namespace))),
        monitor,
    )
    kubectl("wait", "--for=condition=Ready", "pod/trainer", f"-n={namespace}")
    kubectl("rollout", "status", "daemonset/monitor", f"-n={other}")
    (watch,) = get(kubectl, "pods", other, selector="app=monitor")
    assert watch["spec"]["nodeName"] == node
    for name in ("stranger", "guest"):
        refused = wait_until(
            lambda name=name: scheduled(kubectl, name, other),  # type: ignore[misc]
            f"the scheduler has looked at {name}",
        )
        assert refused["reason"] == "Unschedulable"
        assert "untolerated taint" in refused["message"]


def test_a_pool_that_goes_at_once_takes_nobody_elses_pods_with_it(
    kubectl: Kubectl, namespace: str, other: str, node: str, site: str
) -> None:
    apply(kubectl, budget(other, "victim"), bare("victim", other, on_pool(namespace, EVERYTHING)))
    kubectl("wait", "--for=condition=Ready", "pod/victim", f"-n={other}")
    uid = read(kubectl, "pod", "victim", other)["metadata"]["uid"]

    kubectl("scale", POOLS, "jack", "--replicas=0", f"-n={namespace}")

    def blocked() -> str:
        seen = condition(read(kubectl, POOLS, "jack", namespace), "Reconciling")
        return str(seen["message"]) if seen.get("reason") == "DrainBlocked" else ""

    said = wait_until(blocked, "the pool says that its drain is blocked")
    assert "1 pod of other namespaces" in said
    assert read(kubectl, "pod", "victim", other)["metadata"]["uid"] == uid
    # The platform's own people read more.
    seen = condition(read(kubectl, FACTORIES, site), "Reconciling")
    assert SECRET in seen["message"]

    kubectl("patch", FACTORIES, site, "--type=merge", '-p={"spec": {"foreignDrainSeconds": 0}}')
    wait_until(lambda: not nodes_of(kubectl, "jack", namespace), "the node goes once the site says so")
    wait_until(
        lambda: "DrainTimedOut" in kubectl("get", "events", f"-n={namespace}", "-o=json"),
        "the pool's tenant is told",
    )
    told = kubectl("get", "events", f"-n={namespace}", "-o=json")
    told += json.dumps(read(kubectl, POOLS, "jack", namespace)["status"])
    assert not [word for word in (SECRET, "victim", other) if word in told]
    events = get(kubectl, "events", "default", fields=f"involvedObject.name={site}")
    assert not [e["message"] for e in events if SECRET in e["message"] or "jack" in e["message"]]


def test_a_pool_cannot_say_what_its_site_says_of_a_node(kubectl: Kubectl, namespace: str, site: str) -> None:
    own = {"example.com/zone": "public"}
    systems = [{"name": "hgx-h100", "nodeLabels": own}]
    kubectl("patch", FACTORIES, site, "--type=merge", f"-p={json.dumps({'spec': {'systems': systems}})}")
    wish = {"example.com/zone": "confidential", "nvidia.com/mig.config": "all-disabled", "team": "nlp"}
    apply(kubectl, pool("jack", namespace, 8, site, nodeLabels=wish))
    wait_until(lambda: is_ready(kubectl, "jack", namespace), "the pool is ready")
    (node,) = nodes_of(kubectl, "jack", namespace)
    labels = node["metadata"]["labels"]
    assert labels["example.com/zone"] == "public"
    assert labels["team"] == "nlp"
    assert "nvidia.com/mig.config" not in labels
    told = condition(read(kubectl, POOLS, "jack", namespace), "Provisioned")
    assert told["reason"] == "PartlyAsWished"

    allowed = {"spec": {"tenantLabelPrefixes": ["nvidia.com"]}}
    kubectl("patch", FACTORIES, site, "--type=merge", f"-p={json.dumps(allowed)}")
    wait_until(
        lambda: "nvidia.com/mig.config" in nodes_of(kubectl, "jack", namespace)[0]["metadata"]["labels"],
        "the site allows it now",
    )
