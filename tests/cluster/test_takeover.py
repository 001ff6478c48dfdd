"""One leader after another: what the later one goes by, and how long it waits."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from aifactory.api import names
from cluster.faulty import Proxy
from cluster.operating import (
    FACTORIES,
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
    settled,
)
from cluster.reading import read
from controlplane import Kubectl, wait_until

NODE = 10_200  # watts of a node in the factories here


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


# One that was killed when all was done and not all was said


@pytest.mark.long
def test_whoever_is_killed_before_it_says_why_pools_wait_is_followed_by_one_that_says_it(
    proxy: Proxy, behind: Start, kubectl: Kubectl, site: str
) -> None:
    def status(name: str) -> dict[str, Any]:
        obj = read(kubectl, POOLS, name, site)
        said: dict[str, Any] = obj.get("status", {})
        return said if settled(obj) else {}

    def waits(name: str) -> bool:
        return bool(status(name).get("waiting", {}).get("message"))

    def orders() -> int:
        return [(it.method, it.path) for it in proxy.asked].count(("POST", "/api/v1/nodes"))

    power = {"quota": 5 * NODE}
    kubectl("patch", FACTORIES, site, "--type=merge", f"--patch={json.dumps({'spec': {'power': power}})}")
    first = behind("first", module="cluster.silent")
    wait_until(lambda: condition(read(kubectl, FACTORIES, site), "Ready"), "the factory is seen")
    first.signal(signal.SIGSTOP)  # so that it sees all of them at once
    apply(
        kubectl,
        pool("served", site, 16, site, preemptible=True),
        pool("growing", site, 32, site, minGpus=16, priority=1),
        pool("waiting", site, 24, site, priority=-1),
    )
    first.signal(signal.SIGCONT)
    assert first.process.wait(60) == -signal.SIGKILL
    uids = {node["metadata"]["uid"] for node in nodes_in(kubectl, site)}
    assert len(uids) == orders() == 5
    assert not status("waiting")

    kubectl("delete", "lease", LEASE, f"-n={SYSTEM}")
    second = behind("second", module="cluster.silent")
    wait_until(lambda: waits("waiting") and waits("growing"), "it is told what is not served")
    wait_until(
        lambda: all(is_ready(kubectl, it, site) for it in ("served", "growing")), "the others are ready"
    )
    assert {node["metadata"]["uid"] for node in nodes_in(kubectl, site)} == uids

    apply(kubectl, pool("urgent", site, 16, site, priority=2))
    assert second.process.wait(60) == -signal.SIGKILL
    assert not waits("served")
    kubectl("delete", "lease", LEASE, f"-n={SYSTEM}")
    behind("third")
    wait_until(lambda: is_ready(kubectl, "urgent", site), "it is ready")
    wait_until(lambda: waits("served"), "it is told why its nodes are gone")
    assert len(nodes_in(kubectl, site)) == 5
    assert orders() == 7
