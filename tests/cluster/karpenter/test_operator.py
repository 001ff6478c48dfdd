"""The whole operator on the real Karpenter: pools are placed, scaled, preempted and shed, and it is shown."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from aifactory.api import names
from cluster.karpenter.seeing import claims_in
from cluster.machines import CLAIMS, backend
from cluster.operating import (
    FACTORIES,
    LEASE,
    POOLS,
    SYSTEM,
    Object,
    Start,
    apply,
    condition,
    delete_factory,
    factory,
    is_ready,
    nodes_of,
    operators,
    pool,
)
from cluster.reading import read
from controlplane import Cluster, Kubectl, wait_until
from recorder import History, Recorder

pytestmark = pytest.mark.long

NODE = 10_200  # watts of a node in the factories here


@pytest.fixture(scope="module")
def recorder(cluster: Cluster, kubectl: Kubectl, kubeconfig: Path) -> Iterator[Recorder]:
    kubectl("delete", CLAIMS, f"--selector={names.LABEL_FACTORY}")  # what other tests have left
    with Recorder(cluster.kubeconfig, claims=True) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def start(
    kubectl: Kubectl, kubeconfig: Path, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    with operators(kubectl, kubeconfig, tmp_path_factory.mktemp("operators")) as start:
        yield start


def power(nodes: int) -> Object:
    """The power of a site whose quota carries so many nodes."""
    domains = [{"path": "row", "count": 1, "limit": "200k"}]
    return {"quota": str(nodes * NODE), "basis": "CriticalIT", "domains": domains}


def test_two_pools_are_placed_scaled_preempted_and_shed(
    kubectl: Kubectl, start: Start, recorder: Recorder, namespace: str
) -> None:
    site = namespace
    operator = start("first")

    def edit(**spec: object) -> None:
        kubectl("patch", FACTORIES, site, "--type=merge", f"--patch={json.dumps({'spec': spec})}")

    def stand(**nodes: int) -> dict[str, set[str]]:
        """Wait until the pools have so many ready nodes, and return the NodeClaims of each, by uid."""

        def there() -> bool:
            return len(claims_in(kubectl, site)) == sum(nodes.values()) and all(
                len(nodes_of(kubectl, name, namespace)) == count
                and (not count or is_ready(kubectl, name, namespace))
                for name, count in nodes.items()
            )

        wait_until(there, f"there are {nodes}")
        claims = claims_in(kubectl, site)
        label = names.LABEL_POOL
        return {
            name: {it["metadata"]["uid"] for it in claims if it["metadata"]["labels"][label] == name}
            for name in nodes
        }

    apply(kubectl, factory(site, rows=1, racks=2, backend=backend(), power=power(5)))
    apply(kubectl, pool("low", namespace, 32, site, minGpus=16, priority=1, preemptible=True))
    stand(low=4)
    apply(kubectl, pool("high", namespace, 8, site, priority=2))
    placed = stand(low=4, high=1)
    assert read(kubectl, FACTORIES, site)["status"]["power"]["committed"] == 5 * NODE

    kubectl("scale", f"{POOLS}/high", f"--namespace={namespace}", "--replicas=24")
    preempted = stand(low=2, high=3)
    assert preempted["low"] < placed["low"]
    assert preempted["high"] > placed["high"]

    edit(power=power(3))
    operator.kill()
    kubectl("delete", "lease", LEASE, f"--namespace={SYSTEM}")
    start("second")
    shed = stand(low=0, high=3)
    assert shed["high"] == preempted["high"]
    wait_until(
        lambda: condition(read(kubectl, FACTORIES, site), "WithinLimits")["status"] == "True",
        "the limit is kept",
    )

    edit(power=power(7))
    back = stand(low=4, high=3)
    assert back["high"] == shed["high"]

    recorder.wait(at_rest, "everything is at rest")
    verdict, _ = recorder.verdict()
    assert verdict.kept, str(verdict)
    assert verdict.sheds, "a limit was lowered"
    assert verdict.nodes == len(placed["low"] | placed["high"] | preempted["high"] | back["low"])

    kubectl("delete", POOLS, "--all", f"--namespace={namespace}")
    assert claims_in(kubectl, site) == []
    delete_factory(kubectl, site)


def at_rest(history: History) -> bool:
    """Whether nothing is under way."""
    if any(node.draining or not node.ready for node in history.nodes()):
        return False
    resources = (it for kind in ("AIFactory", "GPUPool") for it in history.resources(kind).values())
    return not any(it.is_true("Reconciling") or it.observed != it.generation for it in resources)
