"""One leader after another: what the later one goes by, and how long it waits."""

import signal
from collections.abc import Callable
from pathlib import Path

from aifactory.api import names
from cluster.operating import (
    LEASE,
    POOLS,
    SYSTEM,
    Operator,
    Start,
    apply,
    condition,
    guard,
    is_ready,
    nodes_in,
    nodes_of,
    pool,
    read,
)
from controlplane import wait_until

Kubectl = Callable[..., str]


def test_a_leader_whose_clock_is_ahead_keeps_drains_to_their_time(
    start: Start, kubectl: Kubectl, site: str
) -> None:
    first = start("a")
    apply(kubectl, pool("llm", site, 8, site, drainTimeoutSeconds=3600))
    wait_until(lambda: is_ready(kubectl, "llm", site), "it is ready")
    (node,) = nodes_of(kubectl, "llm", site)
    guard(kubectl, site, node["metadata"]["name"])
    kubectl("scale", POOLS, "llm", "--replicas=0", f"-n={site}")
    mark = names.ANNOTATION_DRAINING_SINCE
    wait_until(
        lambda: nodes_in(kubectl, site)[0]["metadata"]["annotations"].get(mark), "the node is being drained"
    )
    first.end()

    second = start("b", module="cluster.ahead")
    wait_until(lambda: second.cycles() >= 3, "it has decided a few times")
    assert [n["metadata"]["uid"] for n in nodes_in(kubectl, site)] == [node["metadata"]["uid"]]
    assert "trainer" in kubectl("get", "pods", f"-n={site}", "-o=name")
    said = condition(read(kubectl, POOLS, "llm", site), "Ready")["lastTransitionTime"]
    assert said <= kubectl(
        "get", "lease", LEASE, f"-n={SYSTEM}", "-o=jsonpath={.metadata.managedFields[0].time}"
    )
    kubectl("delete", "pdb", "hold-on", f"-n={site}")


# A process that follows itself


def test_a_container_that_is_restarted_leads_before_its_lease_has_run_out(
    kubectl: Kubectl, kubeconfig: Path, tmp_path: Path
) -> None:
    started: list[Operator] = []

    def run(name: str, pod: str) -> Operator:
        started.append(Operator(kubeconfig, tmp_path, name, "-v", f"--pod-uid={pod}"))
        wait_until(started[-1].leads, f"{name} leads; its log is {started[-1].log}", 60)
        return started[-1]

    try:
        first = run("a", "pod-1")
        before = read(kubectl, "lease", LEASE, SYSTEM)["spec"]
        first.signal(signal.SIGKILL)
        first.process.wait(10)
        run("b", "pod-1")
        after = read(kubectl, "lease", LEASE, SYSTEM)["spec"]
    finally:
        for operator in started:
            operator.end()
        kubectl("delete", "lease", LEASE, f"--namespace={SYSTEM}", "--ignore-not-found")
    one, two = before["holderIdentity"], after["holderIdentity"]
    assert one != two
    assert one.rpartition("_")[0] == two.rpartition("_")[0]
    assert after["leaseTransitions"] == before["leaseTransitions"] + 1
