"""The operator as a process: how it starts and ends, and what is left when it is cut off at any point."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aifactory.api import names
from aifactory.shell.lease import RETRY
from aifactory.shell.terms import DURATION
from cluster.operating import (
    FACTORIES,
    LEASE,
    POOLS,
    ROOT,
    SYSTEM,
    TAKE_OVER,
    Operator,
    Start,
    apply,
    as_in_background,
    condition,
    factory,
    is_ready,
    nodes_in,
    nodes_of,
    pool,
)
from cluster.reading import read
from controlplane import ESTABLISHED, Cluster, Kubectl, open_cluster, wait_until
from controlplane.waiting import PATIENCE


def holder(kubectl: Kubectl) -> str:
    """The identity that holds the lease; empty if nobody."""
    return str(read(kubectl, "lease", LEASE, SYSTEM)["spec"].get("holderIdentity") or "")


def test_sigterm_ends_it_in_time_and_frees_the_lease(start: Start, kubectl: Kubectl) -> None:
    operator = start("a")
    assert holder(kubectl)

    assert operator.end() == 0
    assert holder(kubectl) == ""
    # Kopf waits five seconds for tasks that do not end.
    assert "Hung tasks stopping is skipped" in operator.log.read_text()


def test_it_ends_with_ctrl_c_even_where_a_shell_has_it_ignored(start: Start, kubectl: Kubectl) -> None:
    with as_in_background():
        operator = start("a")
    assert operator.end(ctrl_c=True) == 0
    assert holder(kubectl) == ""


def test_the_next_one_leads_at_once_after_an_orderly_end(start: Start) -> None:
    first = start("a")
    second = start("b", leads=False)
    assert not second.leads()
    first.end()
    wait_until(second.leads, "the second leads", seconds=DURATION - RETRY)  # not because it ran out


def test_a_leader_killed_while_it_orders_is_replaced_and_nothing_is_ordered_twice(
    start: Start, kubectl: Kubectl, namespace: str, site: str
) -> None:
    first = start("a")
    second = start("b", leads=False)
    apply(kubectl, pool("llm", namespace, 48 * 8, site))
    wait_until(lambda: nodes_in(kubectl, site), "the first orders")
    first.kill()
    left = {node["metadata"]["uid"] for node in nodes_in(kubectl, site)}

    wait_until(second.leads, "the second leads", seconds=TAKE_OVER)
    wait_until(lambda: is_ready(kubectl, "llm", namespace), "the pool is whole")

    nodes = nodes_of(kubectl, "llm", namespace)
    assert len(nodes) == 48
    assert left <= {node["metadata"]["uid"] for node in nodes}


def test_a_leader_that_was_frozen_writes_nothing_once_another_one_leads(
    start: Start, kubectl: Kubectl, namespace: str, site: str
) -> None:
    first = start("a")
    second = start("b", leads=False)
    first.signal(signal.SIGSTOP)
    wait_until(second.leads, "the second leads", seconds=TAKE_OVER)
    leader = holder(kubectl)
    # Both have something to do from here on.
    apply(kubectl, pool("llm", namespace, 64, site))

    first.signal(signal.SIGCONT)
    wait_until(lambda: is_ready(kubectl, "llm", namespace), "the pool is whole")

    wait_until(lambda: first.health() == {"loop": "in time", "leader": False}, "the first has given up")
    ordered_by = {n["metadata"]["annotations"][names.ANNOTATION_LEADER] for n in nodes_in(kubectl, site)}
    assert ordered_by == {leader}
    assert holder(kubectl) == leader
    assert first.metric("aifactory_writes_total", action="Order") == 0


@pytest.mark.long
def test_it_converges_from_wherever_it_is_killed(
    start: Start, kubectl: Kubectl, namespace: str, site: str
) -> None:
    apply(kubectl, pool("one", namespace, 16 * 8, site), pool("two", namespace, 16 * 8, site))
    for count in (1, 9, 20):  # nodes that are there when it is killed
        operator = start(f"killed-{count}", leads=False)
        # One before may have ordered as many: without its own Lease there would be none to delete.
        ordered = partial(_leads_and_has, operator, kubectl, site, count)
        wait_until(ordered, "it leads, and nodes come", TAKE_OVER)
        operator.kill()
        kubectl("delete", "lease", LEASE, f"-n={SYSTEM}")  # the dead need not be waited for here
    start("last", leads=False)
    for name in ("one", "two"):
        wait_until(lambda name=name: is_ready(kubectl, name, namespace), f"{name} is whole")  # type: ignore[misc]
        assert len(nodes_of(kubectl, name, namespace)) == 16
    kubectl("delete", POOLS, "--all", f"-n={namespace}")
    assert nodes_in(kubectl, site) == []


def _leads_and_has(operator: Operator, kubectl: Kubectl, site: str, count: int) -> bool:
    return operator.leads() and len(nodes_in(kubectl, site)) >= count


# Where it cannot start, or is cut off from the API server


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    """An API server of the module's own, without our resources."""
    with open_cluster(frozenset()) as cluster:
        if cluster.apiserver is None:
            pytest.skip(f"a cluster from {cluster.provider} cannot be emptied and stopped")
        yield cluster


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aifactory", "run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_without_our_resources_it_says_how_to_install_them(bare: Cluster) -> None:
    done = run(f"--kubeconfig={bare.kubeconfig}")
    assert done.returncode == 1
    assert f"CRD {FACTORIES} is not installed" in done.stderr
    assert "kubectl apply --server-side -f crds/" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_kubeconfig_it_says_so(tmp_path: Path) -> None:
    done = run(f"--kubeconfig={tmp_path / 'none'}")
    assert done.returncode == 1
    assert str(tmp_path / "none") in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_makes_no_sense_is_wrong_usage() -> None:
    done = run("--health-bind=8081")
    assert done.returncode == 2
    assert "HOST:PORT" in done.stderr


@pytest.fixture(scope="module")
def alone(bare: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kubectl, Operator]]:
    """An operator on the module's own API server, with a pool of two nodes; nothing makes them ready."""
    kubectl = Kubectl(bare.kubeconfig)
    kubectl("apply", "--server-side", "--filename", str(ROOT / "crds"))
    kubectl("wait", ESTABLISHED, f"crd/{FACTORIES}", f"crd/{POOLS}")
    kubectl("create", "namespace", SYSTEM)
    operator = Operator(bare.kubeconfig, tmp_path_factory.mktemp("alone"))
    try:
        wait_until(operator.leads, "it leads")
        apply(kubectl, factory("site"), pool("llm", "default", 16, "site"))
        wait_until(lambda: len(nodes_in(kubectl, "site")) == 2, "it orders")
        yield kubectl, operator
    finally:
        assert operator.end() == 0


def test_it_lives_through_the_loss_of_the_api_server(bare: Cluster, alone: tuple[Kubectl, Operator]) -> None:
    kubectl, operator = alone
    bare.stop_apiserver()
    wait_until(lambda: not operator.leads(), "it no longer believes that it leads")
    bare.start_apiserver()
    kubectl("scale", POOLS, "llm", "--replicas=24")
    wait_until(lambda: len(nodes_in(kubectl, "site")) == 3, "it orders again", TAKE_OVER)


def test_deleting_our_definitions_releases_nothing(alone: tuple[Kubectl, Operator]) -> None:
    kubectl, operator = alone
    before = [node["metadata"]["uid"] for node in nodes_in(kubectl, "site")]
    kubectl("delete", f"crd/{POOLS}", "--wait=false")
    wait_until(
        lambda: "deletionTimestamp" in kubectl("get", POOLS, "llm", "-o=yaml"), "the pool is being deleted"
    )
    for _ in range(2):
        cycles = operator.cycles()
        kubectl("label", FACTORIES, "site", "--overwrite", f"touched={cycles}")
        wait_until(lambda cycles=cycles: operator.cycles() > cycles, "another cycle ends")  # type: ignore[misc]
    nodes = nodes_in(kubectl, "site")
    assert [node["metadata"]["uid"] for node in nodes] == before
    assert not any(node["spec"].get("unschedulable") for node in nodes)
    assert "llm" in kubectl("get", POOLS)


def test_definitions_that_are_made_again_find_all_nodes_as_they_were(alone: tuple[Kubectl, Operator]) -> None:
    """Goes on where the one before ends."""
    kubectl, operator = alone
    before = {node["metadata"]["uid"] for node in nodes_in(kubectl, "site")}
    assert before
    kubectl("patch", POOLS, "llm", "--type=merge", '--patch={"metadata": {"finalizers": null}}')
    kubectl("wait", "--for=delete", f"crd/{POOLS}")
    errors = operator.metric("aifactory_errors_total")
    kubectl("label", FACTORIES, "site", "--overwrite", "touched=meanwhile")
    wait_until(lambda: operator.metric("aifactory_errors_total") > errors, "it has missed the definition")

    kubectl("apply", "--server-side", "--filename", str(ROOT / "crds"))
    kubectl("wait", ESTABLISHED, f"crd/{POOLS}")

    def ready() -> dict[str, Any]:
        return condition(read(kubectl, FACTORIES, "site"), "Ready")

    wait_until(lambda: ready()["reason"] == "PoolsLost", "the factory says that its pools are lost")
    assert "default/llm" in ready()["message"]
    apply(kubectl, pool("llm", "default", 24, "site"))
    wait_until(lambda: ready()["reason"] != "PoolsLost", "the pool has its nodes again")
    # It is heard as before.
    cycles = operator.cycles()
    kubectl("label", POOLS, "llm", "--overwrite", "touched=again")
    wait_until(lambda: operator.cycles() > cycles, "another cycle ends")
    nodes = nodes_in(kubectl, "site")
    assert before <= {node["metadata"]["uid"] for node in nodes}
    assert not any(node["spec"].get("unschedulable") for node in nodes)
    assert operator.leads()
    assert "Traceback" not in operator.log.read_text()
