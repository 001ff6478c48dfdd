"""The operator on a real cluster: what users do, and what they see then."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aifactory.api import names
from cluster.operating import (
    FACTORIES,
    POOLS,
    Operator,
    apply,
    condition,
    delete_factory,
    factory,
    guard,
    nodes_in,
    nodes_of,
    operators,
    pool,
    settled,
)
from cluster.reading import get, read
from controlplane import Kubectl, wait_until


@pytest.fixture(scope="module")
def operator(kubectl: Kubectl, kubeconfig: Path) -> Iterator[Operator]:
    """A running operator that leads."""
    with operators(kubectl, kubeconfig, kubeconfig.parent) as start:
        operator = start()
        yield operator
        assert operator.end() == 0
    # Its rights suffice: nothing was forbidden to it, and no bug was met.
    log = operator.log.read_text()
    assert "forbidden" not in log.lower()
    assert "Traceback" not in log


@pytest.fixture
def site(operator: Operator, kubectl: Kubectl, namespace: str) -> Iterator[str]:
    """A factory of the test's own, with 8 nodes in 2 rows; emptied and deleted afterwards."""
    name = namespace
    apply(kubectl, factory(name))
    yield name
    kubectl("delete", POOLS, "--all", f"--namespace={namespace}")
    wait_until(lambda: not nodes_in(kubectl, name), "the factory is empty")
    delete_factory(kubectl, name)


def ready(kubectl: Kubectl, name: str, namespace: str) -> dict[str, Any]:
    """Wait until a pool is Ready in its present generation; returns it."""

    def found() -> dict[str, Any]:
        obj = read(kubectl, POOLS, name, namespace)
        return obj if settled(obj) and condition(obj, "Ready")["status"] == "True" else {}

    return wait_until(found, f"pool {name} is Ready")


def versions(kubectl: Kubectl, site: str, namespace: str) -> dict[str, str]:
    """The resourceVersion of everything that the operator writes."""
    objects = [*get(kubectl, FACTORIES), *get(kubectl, POOLS, namespace), *nodes_in(kubectl, site)]
    return {obj["metadata"]["uid"]: obj["metadata"]["resourceVersion"] for obj in objects}


def cycles_more(operator: Operator, kubectl: Kubectl, site: str, count: int) -> None:
    """Wake the operator by a change that means nothing, and wait until it has decided so often more."""
    for _ in range(count):
        before = operator.cycles()
        kubectl("label", FACTORIES, site, "--overwrite", f"touched={before}")
        wait_until(lambda before=before: operator.cycles() > before, "another cycle ends")  # type: ignore[misc]


def test_a_pool_gets_its_nodes(operator: Operator, kubectl: Kubectl, namespace: str, site: str) -> None:
    taint = {"key": "dedicated", "value": "llm", "effect": "NoSchedule"}
    apply(kubectl, pool("llm", namespace, 32, site, nodeLabels={"team": "nlp"}, nodeTaints=[taint]))
    kubectl("wait", "--for=condition=Ready", f"{POOLS}/llm", f"-n={namespace}")

    nodes = nodes_of(kubectl, "llm", namespace)
    assert len(nodes) == 4
    for node in nodes:
        assert node["status"]["capacity"]["nvidia.com/gpu"] == "8"
        assert node["metadata"]["labels"]["team"] == "nlp"
        assert taint in node["spec"]["taints"]
    status = ready(kubectl, "llm", namespace)["status"]
    assert (status["gpus"], status["readyGpus"], status["watts"]) == (32, 32, 4 * 10_200)
    wait_until(
        lambda: operator.metric("aifactory_committed_watts", factory=site) == 4 * 10_200, "its power is shown"
    )


def test_a_pool_is_scaled_up_and_down_again(kubectl: Kubectl, namespace: str, site: str) -> None:
    apply(kubectl, pool("llm", namespace, 16, site))
    ready(kubectl, "llm", namespace)
    first = {node["metadata"]["uid"] for node in nodes_of(kubectl, "llm", namespace)}

    kubectl("scale", POOLS, "llm", "--replicas=48", f"-n={namespace}")
    assert ready(kubectl, "llm", namespace)["status"]["readyGpus"] == 48
    more = {node["metadata"]["uid"] for node in nodes_of(kubectl, "llm", namespace)}
    assert first < more
    assert len(more) == 6

    kubectl("scale", POOLS, "llm", "--replicas=8", f"-n={namespace}")
    wait_until(lambda: len(nodes_of(kubectl, "llm", namespace)) == 1, "five nodes are released")
    assert ready(kubectl, "llm", namespace)["status"]["gpus"] == 8


def test_of_two_nodes_the_idle_one_goes(kubectl: Kubectl, namespace: str, site: str) -> None:
    apply(kubectl, pool("llm", namespace, 16, site))
    ready(kubectl, "llm", namespace)
    _, busy = sorted(node["metadata"]["name"] for node in nodes_of(kubectl, "llm", namespace))
    guard(kubectl, namespace, busy)  # if nobody looked, the higher slot went
    kubectl("scale", POOLS, "llm", "--replicas=8", f"-n={namespace}")
    wait_until(lambda: len(nodes_of(kubectl, "llm", namespace)) == 1, "a node is released")
    assert nodes_of(kubectl, "llm", namespace)[0]["metadata"]["name"] == busy
    kubectl("delete", "pdb", "hold-on", f"-n={namespace}")


def test_a_deleted_pool_goes_with_its_nodes_and_not_before_them(
    kubectl: Kubectl, namespace: str, site: str
) -> None:
    apply(kubectl, pool("llm", namespace, 64, site))
    ready(kubectl, "llm", namespace)
    kubectl("delete", POOLS, "llm", f"-n={namespace}")  # waits for the finalizer
    assert not nodes_of(kubectl, "llm", namespace)


def test_labels_and_taints_are_changed_in_place(kubectl: Kubectl, namespace: str, site: str) -> None:
    taint = {"key": "dedicated", "value": "llm", "effect": "NoSchedule"}
    apply(
        kubectl, pool("llm", namespace, 16, site, nodeLabels={"team": "nlp", "old": "x"}, nodeTaints=[taint])
    )
    ready(kubectl, "llm", namespace)
    uids = {node["metadata"]["uid"] for node in nodes_of(kubectl, "llm", namespace)}
    name = nodes_of(kubectl, "llm", namespace)[0]["metadata"]["name"]
    kubectl("taint", "node", name, "somebody=else:NoSchedule")

    apply(kubectl, pool("llm", namespace, 16, site, nodeLabels={"team": "vision"}))

    def changed() -> bool:
        labels = [node["metadata"]["labels"] for node in nodes_of(kubectl, "llm", namespace)]
        return all(each["team"] == "vision" and "old" not in each for each in labels)

    wait_until(changed, "all nodes are relabelled")
    nodes = {node["metadata"]["name"]: node for node in nodes_of(kubectl, "llm", namespace)}
    assert {node["metadata"]["uid"] for node in nodes.values()} == uids
    taints = {name: [t["key"] for t in node["spec"].get("taints", [])] for name, node in nodes.items()}
    assert sorted(taints.pop(name)) == [names.TAINT_TENANT, "somebody"]  # another one's taint stays
    assert [keys for keys in taints.values() if keys != [names.TAINT_TENANT]] == []


def test_nothing_is_written_where_nothing_changes(
    operator: Operator, kubectl: Kubectl, namespace: str, site: str
) -> None:
    apply(kubectl, pool("llm", namespace, 32, site), pool("waits", namespace, 4096, site))
    ready(kubectl, "llm", namespace)

    def certified() -> bool:
        found = condition(read(kubectl, FACTORIES, site), "Certified")
        return bool(found["status"] == "True")

    wait_until(certified, "the plan is certified")
    cycles_more(operator, kubectl, site, 1)
    writes, before = operator.metric("aifactory_writes_total"), versions(kubectl, site, namespace)

    cycles_more(operator, kubectl, site, 3)

    assert operator.metric("aifactory_writes_total") == writes
    after = versions(kubectl, site, namespace)
    mine = read(kubectl, FACTORIES, site)["metadata"]
    assert after.pop(mine["uid"]) != before.pop(mine["uid"])  # the test's own label
    assert after == before


def test_a_lost_node_is_provisioned_again(kubectl: Kubectl, namespace: str, site: str) -> None:
    apply(kubectl, pool("llm", namespace, 32, site))
    ready(kubectl, "llm", namespace)
    lost = nodes_of(kubectl, "llm", namespace)[0]["metadata"]
    kubectl("delete", "node", lost["name"])

    def again() -> bool:
        nodes = {n["metadata"]["name"]: n["metadata"]["uid"] for n in nodes_of(kubectl, "llm", namespace)}
        return lost["name"] in nodes and nodes[lost["name"]] != lost["uid"]

    wait_until(again, "the node is there again")
    ready(kubectl, "llm", namespace)


def test_an_object_that_makes_no_sense_is_reported_and_stops_nobody(
    kubectl: Kubectl, namespace: str, site: str
) -> None:
    bad = f"{site}-bad"

    def seen() -> dict[str, Any]:
        return read(kubectl, FACTORIES, bad)

    apply(kubectl, factory(bad))
    wait_until(lambda: condition(seen(), "Ready"), "the factory is seen")
    # Only the operator counts the racks of all rows.
    apply(kubectl, factory(bad, rows=100, racks=10_000))
    apply(kubectl, pool("llm", namespace, 8, site))
    ready(kubectl, "llm", namespace)
    found = wait_until(lambda: condition(seen(), "Stalled"), "the bad factory has a condition")
    assert found["reason"] == "InvalidSpec"
    assert "spec.racks" in found["message"]
    assert "1000000" in found["message"]
    delete_factory(kubectl, bad)  # it need not make sense for that


def test_a_budget_that_blocks_a_drain_is_named_and_nothing_goes_meanwhile(
    kubectl: Kubectl, namespace: str, site: str
) -> None:
    apply(kubectl, pool("llm", namespace, 8, site))
    ready(kubectl, "llm", namespace)
    (node,) = nodes_of(kubectl, "llm", namespace)
    guard(kubectl, namespace, node["metadata"]["name"])

    no_power = [{"op": "replace", "path": "/spec/power/domains/0/limit", "value": 0}]
    kubectl("patch", FACTORIES, site, "--type=json", f"-p={json.dumps(no_power)}")

    def blocked() -> str:
        within = condition(read(kubectl, FACTORIES, site), "WithinLimits")
        return within["message"] if within["reason"] == "DrainBlocked" else ""

    said = wait_until(blocked, "the factory says that its drain is blocked")
    assert "budget hold-on" in said
    (kept,) = nodes_of(kubectl, "llm", namespace)
    assert kept["metadata"]["uid"] == node["metadata"]["uid"]
    assert kept["spec"]["unschedulable"]
    assert names.ANNOTATION_DRAINING_SINCE in kept["metadata"]["annotations"]
    assert "trainer" in kubectl("get", "pods", f"-n={namespace}", "-o=name")

    kubectl("delete", "pdb", "hold-on", f"-n={namespace}")
    wait_until(lambda: not nodes_of(kubectl, "llm", namespace), "the node goes once its pod may")
    assert "trainer" not in kubectl("get", "pods", f"-n={namespace}", "-o=name")


def test_its_health_says_whether_it_leads(operator: Operator) -> None:
    assert operator.health() == {"loop": "in time", "leader": True}
