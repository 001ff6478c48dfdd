"""The operator in a pod's name, under all policies of production: what it does, and with which rights."""

import asyncio
import json
from http import HTTPStatus
from pathlib import Path

from aifactory.shell.access import Access
from aifactory.shell.client import KubernetesClient, configuration
from cluster.manifests.base import (
    ACCOUNT,
    AT_HOME,
    EVERYWHERE,
    SYSTEM,
    WHERE_SERVED,
    Object,
    bound_kubeconfig,
    rights,
)
from cluster.operating import (
    LEASE,
    POOLS,
    PROMPT,
    Operator,
    apply,
    delete_factory,
    factory,
    guard,
    is_ready,
    nodes_of,
    options,
    pool,
    settled,
)
from cluster.reading import get, read
from controlplane import Cluster, Kubectl, wait_until

TAINT = {"key": "dedicated", "value": "llm", "effect": "NoSchedule"}


def allowed(cluster: Cluster, after: int) -> set[tuple[str, str, str]]:
    """What the operator's account was given, as `rights` lists it, after so much of the audit log."""
    assert cluster.audit is not None
    found = set()
    for line in cluster.audit.read_text()[after:].splitlines():
        entry = json.loads(line)
        ours = entry["user"]["username"] == ACCOUNT and "objectRef" in entry  # else it asks what is served
        if ours and entry.get("responseStatus", {}).get("code", 500) < 300:
            about = entry["objectRef"]
            resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
            found.add((entry["verb"], f"{about.get('apiGroup', '')}/{resource}", about.get("name", "")))
    return found


def test_it_does_all_its_work_and_has_no_right_that_it_does_not_use(
    installed: Kubectl, cluster: Cluster, running: tuple[str, str], namespace: str, tmp_path: Path
) -> None:
    began = len(cluster.audit.read_text()) if cluster.audit else 0
    installed("delete", "lease", LEASE, f"--namespace={SYSTEM}", "--ignore-not-found")
    config = bound_kubeconfig(cluster, running, tmp_path / "kubeconfig")
    operator = Operator(config, tmp_path, "operator", "-v", f"--pod-uid={running[1]}", *options(PROMPT))
    try:
        wait_until(operator.leads, f"it leads; its log is {operator.log}")
        work(installed, namespace)
        assert asyncio.run(judged(config)) is HTTPStatus.FORBIDDEN
    finally:
        assert operator.end() == 0
    log = operator.log.read_text()
    assert "denied request" not in log
    assert "forbidden" not in log
    if cluster.audit:
        listed = rights(EVERYWHERE | AT_HOME)
        named = {(verb, resource) for verb, resource, name in listed if name}
        seen = {
            (verb, resource, name if (verb, resource) in named else "")
            for verb, resource, name in allowed(cluster, began)
        }
        assert listed - seen <= rights(WHERE_SERVED), "rights that nothing needs"


async def judged(config: Path) -> HTTPStatus:
    """Whether the operator's own token may read metrics, asked as it asks where others can reach it."""
    client = KubernetesClient(await configuration(str(config)))
    try:
        return await Access(client, "/metrics").judge(f"Bearer {await client.token()}")
    finally:
        await client.close()


def work(kubectl: Kubectl, namespace: str) -> None:
    """Everything that an operator ever does."""
    site, where = namespace, f"--namespace={namespace}"

    def scale(gpus: int) -> None:
        kubectl("scale", POOLS, "llm", f"--replicas={gpus}", where)

    def nodes() -> list[Object]:
        return nodes_of(kubectl, "llm", namespace)

    # Order, hold with a finalizer, say so.
    wish = pool("llm", namespace, 16, site)
    apply(kubectl, factory(site), wish)
    wait_until(lambda: is_ready(kubectl, "llm", namespace), "its nodes are ready")
    # Relabel and taint.
    wish["spec"] |= {"nodeLabels": {"team": "nlp"}, "nodeTaints": [TAINT]}
    apply(kubectl, wish)
    wait_until(
        lambda: all(TAINT in node["spec"].get("taints", []) for node in nodes()), "its nodes are tainted"
    )
    # Drain, be refused an eviction, and call the drain off.
    guard(kubectl, namespace, nodes()[0]["metadata"]["name"])
    scale(0)
    wait_until(lambda: [n["spec"].get("unschedulable") for n in nodes()] == [True], "one is drained and gone")
    scale(8)
    wait_until(lambda: not any(n["spec"].get("unschedulable") for n in nodes()), "its drain is called off")
    # Evict, and delete a node with the pod that is left.
    kubectl("patch", "pdb", "hold-on", where, "--type=merge", '--patch={"spec":{"minAvailable":2}}')
    kubectl("patch", POOLS, "llm", where, "--type=merge", '--patch={"spec":{"drainTimeoutSeconds":1}}')
    scale(0)
    wait_until(lambda: not nodes(), "its node is gone")
    assert "trainer" not in kubectl("get", "pods", where, "--output=name")
    kubectl("delete", "pdb", "hold-on", where)
    scale(8)
    wait_until(lambda: is_ready(kubectl, "llm", namespace), "it has a node again")
    guard(kubectl, namespace, nodes()[0]["metadata"]["name"])
    kubectl("delete", "pdb", "hold-on", where)
    kubectl("patch", POOLS, "llm", where, "--type=merge", '--patch={"spec":{"drainTimeoutSeconds":600}}')
    scale(0)
    wait_until(lambda: not nodes(), "its pod is evicted and its node gone")
    # Count up an event.
    for gpus in (80_000, 0, 80_000, 0):
        scale(gpus)
        wait_until(lambda: settled(read(kubectl, POOLS, "llm", namespace)), "it is settled")
    wait_until(
        lambda: any(e.get("count", 1) > 1 for e in get(kubectl, "events", namespace)), "an event is counted"
    )
    # Let go.
    kubectl("delete", POOLS, "llm", where)
    delete_factory(kubectl, site)
