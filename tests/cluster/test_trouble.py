"""The operator behind trouble: whatever is answered in place of the API server, it lives and goes on."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from aifactory.api import names
from cluster.faulty import HTML, Asked, Fault, Instead, Proxy, error_event, status
from cluster.operating import (
    FACTORIES,
    LEASE,
    POOLS,
    SYSTEM,
    Operator,
    Start,
    apply,
    condition,
    factory,
    nodes_in,
    nodes_of,
    operators,
    pool,
)
from controlplane import Cluster, KubectlError, wait_until

Kubectl = Callable[..., str]
TAKE_OVER = 60  # seconds: 15 for the lease to run out, and a share for a busy machine
TRIES = 12  # Kopf by itself gives up at the ninth


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    with Proxy(cluster.kubeconfig).running() as proxy:
        yield proxy


@pytest.fixture
def behind(proxy: Proxy, kubeconfig: Path, kubectl: Kubectl, tmp_path: Path) -> Iterator[Start]:
    """Starts operators behind the proxy, with their own rights."""
    token = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
    with operators(kubectl, proxy.kubeconfig(tmp_path / "proxied", token), tmp_path) as start:
        yield start
    proxy.fault = lambda asked: None


@pytest.fixture
def site(kubectl: Kubectl, kubeconfig: Path, namespace: str) -> str:
    """A factory of the test's own with room for 64 nodes, named like the namespace of its pools."""
    apply(kubectl, factory(namespace, rows=4, racks=4, limit="200k"))
    return namespace


def watched(asked: Asked) -> bool:
    """Whether Kopf asks: it lists in chunks, and watches."""
    return asked.path.endswith(("aifactories", "gpupools", "nodes")) and asked.watches


def everything(asked: Asked) -> bool:
    return True


Applies = Callable[[Asked], bool]
TROUBLE: dict[str, tuple[Applies, Fault]] = {
    "an ERROR event": (watched, error_event(500)),
    "an expired version": (watched, error_event(410, "Expired")),
    "watches of HTML": (watched, HTML),
    "watches of nothing": (watched, Instead(200, "")),
    "watches that are forbidden": (watched, status(403, "Forbidden")),
    "503": (everything, status(503, "ServiceUnavailable")),
    "403": (everything, status(403, "Forbidden")),
    "401": (everything, status(401, "Unauthorized")),
    "404": (everything, Instead(404, HTML.body, "text/html")),
    "HTML": (everything, HTML),
    "an empty object": (everything, Instead(200, "{}")),
}


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE.keys())
def test_both_replicas_live_through_trouble_and_a_new_pool_is_placed_after_it(
    proxy: Proxy, behind: Start, kubectl: Kubectl, site: str, trouble: tuple[Applies, Fault]
) -> None:
    applies, fault = trouble
    first = behind("a", module="cluster.hasty")
    second = behind("b", module="cluster.hasty", leads=False)

    proxy.asked.clear()
    proxy.fault = lambda asked: fault if applies(asked) else None
    proxy.sever()
    wait_until(lambda: sum(map(applies, proxy.asked)) >= 2 * TRIES, "both have tried often", 120)
    for operator in (first, second):
        assert operator.process.poll() is None, operator.log.read_text()[-3000:]
        assert operator.health() is not None
    proxy.fault = lambda asked: None

    wait_until(lambda: first.leads() or second.leads(), "one of them leads", TAKE_OVER)
    apply(kubectl, pool("llm", site, 16, site))
    wait_until(lambda: len(nodes_of(kubectl, "llm", site)) == 2, "a new pool is placed", TAKE_OVER)
    assert first.process.poll() is None
    assert second.process.poll() is None


@pytest.mark.parametrize("fault", [status(503, "ServiceUnavailable"), status(403, "Forbidden"), HTML])
def test_a_start_waits_for_the_api_server_in_good_health(
    proxy: Proxy, behind: Start, kubectl: Kubectl, site: str, fault: Fault
) -> None:
    proxy.fault = lambda asked: fault
    operator = behind("a", module="cluster.hasty", leads=False)
    wait_until(lambda: len(proxy.asked) >= TRIES, "it has tried often", 120)
    assert operator.process.poll() is None
    assert operator.health() == {"loop": "in time", "leader": False}
    assert "waiting for the API server" in operator.log.read_text()
    proxy.fault = lambda asked: None
    wait_until(operator.leads, "it leads", TAKE_OVER)
    apply(kubectl, pool("llm", site, 16, site))
    wait_until(lambda: len(nodes_of(kubectl, "llm", site)) == 2, "a pool is placed")


def test_a_start_that_waits_can_be_ended(proxy: Proxy, behind: Start) -> None:
    proxy.fault = lambda asked: HTML
    operator = behind("a", leads=False)
    wait_until(lambda: proxy.asked, "it has tried")
    assert operator.end() == 0


# What a factory is about to hold


@pytest.mark.parametrize("count", [1, 2, 9, 30])
def test_a_factory_with_nodes_is_never_let_go_wherever_its_operator_is_killed(
    proxy: Proxy, behind: Start, kubectl: Kubectl, site: str, count: int
) -> None:
    operator = behind("a")
    wait_until(lambda: status_of(kubectl, site).get("observedGeneration"), "the factory is seen")
    ordered = 0

    def kill(asked: Asked) -> Fault | None:
        nonlocal ordered
        ordered += (asked.method, asked.path) == ("POST", "/api/v1/nodes")
        if ordered == count:
            operator.signal(signal.SIGKILL)
        return None

    proxy.fault = kill
    apply(kubectl, pool("llm", site, 48 * 8, site))
    operator.process.wait(60)
    wait_until(lambda: nodes_in(kubectl, site), "nodes stand")

    said = status_of(kubectl, site)
    assert said["nodes"] >= len(nodes_in(kubectl, site)) > 0
    assert said["power"]["committed"] >= 10_200 * len(nodes_in(kubectl, site))
    with pytest.raises(KubectlError, match="occupied-factories"):
        kubectl("delete", FACTORIES, site, "--wait=false")


def test_what_was_claimed_and_never_came_is_taken_back(
    proxy: Proxy, behind: Start, kubectl: Kubectl, site: str
) -> None:
    behind("a", module="cluster.hasty")
    proxy.fault = lambda asked: (
        status(403, "Forbidden") if (asked.method, asked.path) == ("POST", "/api/v1/nodes") else None
    )
    apply(kubectl, pool("llm", site, 16, site))
    wait_until(lambda: status_of(kubectl, site).get("nodes") == 2, "two nodes are claimed")
    kubectl("delete", POOLS, "llm", f"-n={site}")
    wait_until(lambda: status_of(kubectl, site)["nodes"] == 0, "the claim is taken back")
    assert status_of(kubectl, site)["power"]["committed"] == 0
    kubectl("delete", FACTORIES, site, "--timeout=30s")


def status_of(kubectl: Kubectl, site: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(kubectl("get", FACTORIES, site, "-o=json")).get("status", {})
    return found


# A status that somebody else wrote


def test_a_status_that_was_wiped_is_back_at_once_and_guards_its_factory_meanwhile(
    start: Start, kubectl: Kubectl, site: str
) -> None:
    operator = start("a")
    apply(kubectl, pool("llm", site, 16, site))
    wait_until(lambda: condition(get_pool(kubectl, site), "Ready").get("status") == "True", "it is ready")
    wait_until(lambda: status_of(kubectl, site).get("readyNodes") == 2, "the factory says so")
    operator.signal(signal.SIGSTOP)
    wipe = ("--subresource=status", "--type=merge", '--patch={"status": null}')
    kubectl("patch", FACTORIES, site, *wipe)
    kubectl("patch", POOLS, "llm", f"-n={site}", *wipe)
    with pytest.raises(KubectlError, match="occupied-factories"):
        kubectl("delete", FACTORIES, site, "--wait=false")
    operator.signal(signal.SIGCONT)
    wait_until(lambda: status_of(kubectl, site).get("nodes") == 2, "the factory's status is back", TAKE_OVER)
    wait_until(lambda: get_pool(kubectl, site).get("status"), "the pool's status is back", TAKE_OVER)


def get_pool(kubectl: Kubectl, site: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(kubectl("get", POOLS, "llm", f"-n={site}", "-o=json"))
    return found


# Whose time it is


def test_a_leader_whose_clock_is_ahead_keeps_drains_to_their_time(
    start: Start, kubectl: Kubectl, site: str
) -> None:
    first = start("a")
    apply(kubectl, pool("llm", site, 8, site, drainTimeoutSeconds=3600))
    wait_until(lambda: condition(get_pool(kubectl, site), "Ready").get("status") == "True", "it is ready")
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
    said = condition(get_pool(kubectl, site), "Ready")["lastTransitionTime"]
    assert said <= kubectl(
        "get", "lease", LEASE, f"-n={SYSTEM}", "-o=jsonpath={.metadata.managedFields[0].time}"
    )
    kubectl("delete", "pdb", "hold-on", f"-n={site}")


def guard(kubectl: Kubectl, namespace: str, node: str) -> None:
    """Put a pod on a node that its budget lets nobody evict."""
    labels = {"app": "trainer"}
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "hold-on", "namespace": namespace},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
    }
    trainer = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "trainer", "namespace": namespace, "labels": labels},
        "spec": {
            "nodeName": node,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "main", "image": "none"}],
        },
    }
    apply(kubectl, budget, trainer)
    kubectl("wait", "--for=condition=Ready", "pod/trainer", f"-n={namespace}", "--timeout=30s")


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
        before = lease_of(kubectl)
        first.signal(signal.SIGKILL)
        first.process.wait(10)
        run("b", "pod-1")
        after = lease_of(kubectl)
    finally:
        for operator in started:
            operator.end()
        kubectl("delete", "lease", LEASE, f"--namespace={SYSTEM}", "--ignore-not-found")
    one, two = str(before["holderIdentity"]), str(after["holderIdentity"])
    assert one != two
    assert one.rpartition("_")[0] == two.rpartition("_")[0]
    assert int(str(after["leaseTransitions"])) == int(str(before["leaseTransitions"])) + 1


def lease_of(kubectl: Kubectl) -> dict[str, object]:
    found: dict[str, object] = json.loads(kubectl("get", "lease", LEASE, f"-n={SYSTEM}", "-o=json"))["spec"]
    return found
