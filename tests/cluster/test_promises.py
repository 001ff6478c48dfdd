"""The promises, end to end: what tenants and sites do, and a record that judges all of it at the end."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aifactory.api import names
from cluster.operating import (
    FACTORIES,
    LEASE,
    POOLS,
    SYSTEM,
    Start,
    apply,
    condition,
    delete_factory,
    factory,
    is_ready,
    nodes_in,
    nodes_of,
    operators,
    pool,
    settled,
)
from cluster.reading import get, read
from controlplane import Cluster, Kubectl, wait_until
from recorder import History, Recorder

NODE = 10_200  # watts of a node in the factories here


class Stage:
    """A cluster with the operator and the recorder at work."""

    def __init__(self, kubectl: Kubectl, start: Start) -> None:
        self.kubectl = kubectl
        self._start = start
        self._started = 0
        self._start_next()

    def _start_next(self) -> None:
        self._started += 1
        self.operator = self._start(f"operator-{self._started}")

    def kill_and_start_again(self) -> None:
        """End the operator as a power cut does; its successor need not wait for the dead."""
        self.operator.kill()
        self.kubectl("delete", "lease", LEASE, f"-n={SYSTEM}")
        self._start_next()

    def pool(self, name: str, namespace: str) -> dict[str, Any]:
        return read(self.kubectl, POOLS, name, namespace)

    def factory(self, name: str) -> dict[str, Any]:
        return read(self.kubectl, FACTORIES, name)

    def wait_ready(self, name: str, namespace: str, nodes: int) -> None:
        def ready() -> bool:
            there = len(nodes_of(self.kubectl, name, namespace))
            return there == nodes and is_ready(self.kubectl, name, namespace)

        wait_until(ready, f"{name} has {nodes} nodes")

    def wait_stalled(self, name: str, namespace: str) -> dict[str, Any]:
        """Wait until a pool says that it waits, and return why."""

        def stalled() -> bool:
            obj = self.pool(name, namespace)
            return settled(obj) and condition(obj, "Stalled").get("status") == "True"

        wait_until(stalled, f"{name} waits")
        waiting: dict[str, Any] = self.pool(name, namespace)["status"]["waiting"]
        return waiting

    def edit(self, name: str, **spec: Any) -> None:
        self.kubectl("patch", FACTORIES, name, "--type=merge", f"--patch={json.dumps({'spec': spec})}")


@pytest.fixture(scope="module")
def recorder(cluster: Cluster, kubectl: Kubectl, kubeconfig: Path) -> Iterator[Recorder]:
    with Recorder(cluster.kubeconfig) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def stage(
    kubectl: Kubectl, kubeconfig: Path, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    with operators(kubectl, kubeconfig, tmp_path_factory.mktemp("operators")) as start:
        yield Stage(kubectl, start)


def test_a_higher_pool_takes_the_place_of_a_preemptible_lower_one_and_of_no_other(
    stage: Stage, namespace: str
) -> None:
    apply(stage.kubectl, factory(namespace, rows=1, racks=2))
    apply(stage.kubectl, pool("fixed", namespace, 32, namespace, priority=1))
    apply(stage.kubectl, pool("spare", namespace, 32, namespace, priority=1, preemptible=True))
    stage.wait_ready("fixed", namespace, 4)
    stage.wait_ready("spare", namespace, 4)
    uids = {node["metadata"]["uid"] for node in nodes_of(stage.kubectl, "fixed", namespace)}

    apply(stage.kubectl, pool("urgent", namespace, 32, namespace, priority=2))

    stage.wait_ready("urgent", namespace, 4)
    waiting = stage.wait_stalled("spare", namespace)
    assert waiting["reason"] == "InsufficientUnits"
    assert waiting["shortUnits"] == 4
    assert {node["metadata"]["uid"] for node in nodes_of(stage.kubectl, "fixed", namespace)} == uids


def test_an_equal_pool_waits_and_comes_when_exactly_the_named_watts_are_there(
    stage: Stage, namespace: str
) -> None:
    apply(stage.kubectl, factory(namespace, rows=1, racks=2, limit=str(5 * NODE)))
    apply(stage.kubectl, pool("first", namespace, 32, namespace))
    stage.wait_ready("first", namespace, 4)
    apply(stage.kubectl, pool("second", namespace, 16, namespace))
    waiting = stage.wait_stalled("second", namespace)
    assert (waiting["reason"], waiting["domain"]) == ("InsufficientPower", "row")
    assert waiting["shortWatts"] == NODE

    limit = waiting["limit"] + waiting["shortWatts"]
    stage.edit(
        namespace,
        power={
            "quota": "1M",
            "basis": "CriticalIT",
            "domains": [{"path": "row", "count": 1, "limit": limit}],
        },
    )
    stage.wait_ready("second", namespace, 2)


def test_a_lowered_limit_is_met_by_the_lowest_although_the_operator_dies_on_the_way(
    stage: Stage, namespace: str
) -> None:
    apply(stage.kubectl, factory(namespace, rows=2, racks=2))
    for priority, name in enumerate(("low", "middle", "high")):
        apply(stage.kubectl, pool(name, namespace, 32, namespace, priority=priority))
    for name in ("low", "middle", "high"):
        stage.wait_ready(name, namespace, 4)

    stage.edit(namespace, power={"quota": str(8 * NODE), "basis": "CriticalIT"})
    stage.kill_and_start_again()

    def within() -> bool:
        site = stage.factory(namespace)
        return settled(site) and condition(site, "WithinLimits")["status"] == "True"

    wait_until(within, "the limit is met")
    assert stage.wait_stalled("low", namespace)["reason"] == "InsufficientPower"
    assert [len(nodes_of(stage.kubectl, name, namespace)) for name in ("low", "middle", "high")] == [0, 4, 4]

    stage.edit(namespace, power={"quota": "1M", "basis": "CriticalIT"})
    stage.wait_ready("low", namespace, 4)


def test_a_drained_factory_moves_its_pools_and_can_then_be_deleted(stage: Stage, namespace: str) -> None:
    old, new = f"{namespace}-old"[-40:].strip("-"), f"{namespace}-new"[-40:].strip("-")
    apply(stage.kubectl, factory(old, rows=1))
    wish = pool("llm", namespace, 32, old)
    wish["spec"]["factories"] = {"names": [old, new]}
    apply(stage.kubectl, wish)
    stage.wait_ready("llm", namespace, 4)
    apply(stage.kubectl, factory(new, rows=1))

    stage.edit(old, drain=True)

    wait_until(lambda: nodes_in(stage.kubectl, old) == [], "the old factory is empty")
    stage.wait_ready("llm", namespace, 4)
    assert len(nodes_in(stage.kubectl, new)) == 4
    delete_factory(stage.kubectl, old)


def test_a_broken_node_is_replaced_and_its_slot_stays_shut_until_the_label_goes(
    stage: Stage, namespace: str
) -> None:
    apply(stage.kubectl, factory(namespace, rows=1, racks=2))
    apply(stage.kubectl, pool("llm", namespace, 32, namespace))
    stage.wait_ready("llm", namespace, 4)
    broken = nodes_of(stage.kubectl, "llm", namespace)[0]["metadata"]["name"]

    stage.kubectl("label", "node", broken, f"{names.LABEL_OUT_OF_SERVICE}=true")
    wait_until(
        lambda: (
            len(nodes_in(stage.kubectl, namespace)) == 5
            and broken not in {n["metadata"]["name"] for n in nodes_of(stage.kubectl, "llm", namespace)}
        ),
        "another node stands for it, and it is nobody's",
    )
    stage.wait_ready("llm", namespace, 4)

    stage.kubectl("label", "node", broken, f"{names.LABEL_OUT_OF_SERVICE}-")
    wait_until(lambda: len(nodes_in(stage.kubectl, namespace)) == 4, "it is released")


def test_whole_racks_come_and_go_whole(stage: Stage, namespace: str) -> None:
    site = factory(namespace, rows=2, racks=2, limit="300k")
    site["spec"]["racks"][0]["system"] = "gb200-nvl72"
    apply(stage.kubectl, site)
    wish = pool("llm", namespace, 100, namespace)
    wish["spec"]["systems"] = ["gb200-nvl72"]
    apply(stage.kubectl, wish)
    stage.wait_ready("llm", namespace, 36)
    assert stage.pool("llm", namespace)["status"]["gpus"] == 144
    stage.kubectl("scale", f"{POOLS}/llm", f"-n={namespace}", "--replicas=72")
    stage.wait_ready("llm", namespace, 18)
    assert (
        len({node["metadata"]["labels"][names.LABEL_RACK] for node in nodes_in(stage.kubectl, namespace)})
        == 1
    )


def test_a_spread_pool_stands_evenly_over_rows(stage: Stage, namespace: str) -> None:
    apply(stage.kubectl, factory(namespace, rows=3))
    spread = {"spread": {"over": "Domain", "domain": "row", "atLeast": 3}}
    apply(stage.kubectl, pool("llm", namespace, 48, namespace, topology=spread))
    stage.wait_ready("llm", namespace, 6)
    rows = [node["metadata"]["labels"][names.LABEL_DOMAIN] for node in nodes_in(stage.kubectl, namespace)]
    assert sorted(rows.count(row) for row in set(rows)) == [2, 2, 2]


def test_a_paused_pool_shows_its_place_and_takes_it_only_when_it_goes_on(
    stage: Stage, namespace: str
) -> None:
    apply(stage.kubectl, factory(namespace, rows=1))
    apply(stage.kubectl, pool("llm", namespace, 16, namespace, paused=True))
    waiting = stage.wait_stalled("llm", namespace)
    assert waiting["reason"] == "Paused"
    assert f"2 units in {namespace}/row" in waiting["message"]
    assert nodes_in(stage.kubectl, namespace) == []
    stage.kubectl(
        "patch", POOLS, "llm", f"-n={namespace}", "--type=merge", '--patch={"spec": {"paused": false}}'
    )
    stage.wait_ready("llm", namespace, 2)


def test_racks_that_are_taken_out_of_the_spec_switch_nothing_off(stage: Stage, namespace: str) -> None:
    apply(stage.kubectl, factory(namespace, rows=1))
    apply(stage.kubectl, pool("llm", namespace, 32, namespace))
    stage.wait_ready("llm", namespace, 4)

    stage.edit(namespace, racks=[])

    def in_the_way() -> bool:
        site = stage.factory(namespace)
        return settled(site) and condition(site, "Ready").get("reason") == "InTheWay"

    wait_until(in_the_way, "the factory says what is in the way")
    assert f"{namespace}/llm" in condition(stage.factory(namespace), "Ready")["message"]
    assert len(nodes_in(stage.kubectl, namespace)) == 4
    assert stage.factory(namespace)["status"]["power"]["committed"] == 4 * NODE


def test_the_record_of_all_this_shows_every_promise_kept(stage: Stage, recorder: Recorder) -> None:
    def at_rest(history: History) -> bool:
        nodes = any(node.draining or not node.ready for node in history.nodes())
        kinds = ("AIFactory", "GPUPool")
        return not nodes and not any(
            resource.is_true("Reconciling")
            or resource.status.get("observedGeneration") != resource.generation
            for kind in kinds
            for resource in history.resources(kind).values()
        )

    def over() -> bool:
        spaces = {obj["metadata"]["name"]: obj["metadata"] for obj in get(stage.kubectl, "namespaces")}
        going = [obj["metadata"]["namespace"] for obj in get(stage.kubectl, POOLS)]
        return not any("deletionTimestamp" in spaces.get(name, {"deletionTimestamp": ""}) for name in going)

    # A namespace goes some time after its test has ended, and its pools with it.
    wait_until(over, "no pool is left of the tests before")
    recorder.wait(at_rest, "everything is at rest")
    verdict, _ = recorder.verdict()
    assert verdict.kept, str(verdict)
    assert verdict.sheds, "a limit was lowered"
    assert verdict.nodes > 50
