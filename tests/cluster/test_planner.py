"""The operator and its solver's process: better plans are used, and a solver that hangs holds up nothing."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from aifactory.shell.machine import memory
from cluster.operating import (
    FACTORIES,
    LEASE,
    POOLS,
    SYSTEM,
    Start,
    apply,
    condition,
    factory,
    nodes_of,
    pool,
)
from cluster.reading import read
from controlplane import Kubectl, wait_until
from unit.shell.children import children
from unit.shell.solvers import GATE

ENOUGH = 512 * 2**20  # bytes of memory for a solver with a few pools


def certified(kubectl: Kubectl, site: str) -> dict[str, Any]:
    return condition(read(kubectl, FACTORIES, site), "Certified")


def renewed(kubectl: Kubectl) -> datetime:
    lease = read(kubectl, "lease", LEASE, SYSTEM)
    return datetime.fromisoformat(lease["spec"]["renewTime"])


@pytest.mark.long
def test_a_solver_that_hangs_holds_up_nothing_and_the_factory_says_so(
    start: Start, kubectl: Kubectl, namespace: str
) -> None:
    operator = start(module="cluster.stuck", solver_seconds=4)
    apply(kubectl, factory(namespace), pool("llm", namespace, 32, namespace))
    wait_until(lambda: certified(kubectl, namespace), "the factory has the condition")
    kubectl("wait", "--for=condition=Ready", f"{POOLS}/llm", f"-n={namespace}")
    assert len(nodes_of(kubectl, "llm", namespace)) == 4

    def says(reason: str) -> dict[str, Any]:
        found = certified(kubectl, namespace)
        return found if found["reason"] == reason else {}

    said = wait_until(lambda: says("SolverTimedOut"), "the factory says that the solver was cut off")
    assert said["status"] == "False"
    assert said["message"] == "The adopted plan is in use: the solver was cut off after 4 s."
    assert operator.metric("aifactory_solves_cut_off_total", reason="SolverTimedOut") >= 1
    kubectl("wait", "--for=condition=Ready", f"{FACTORIES}/{namespace}")

    # The next problem is a new try, meanwhile the Lease is renewed and nodes are ordered.
    before, cut_off = renewed(kubectl), operator.metric("aifactory_solves_cut_off_total")
    kubectl("scale", POOLS, "llm", "--replicas=48", f"-n={namespace}")
    said = wait_until(lambda: says("Solving"), "a new try is made")
    assert said["message"] == "The adopted plan is in use; a better one is being computed."
    wait_until(lambda: len(nodes_of(kubectl, "llm", namespace)) == 6, "the pool grows")
    wait_until(lambda: operator.metric("aifactory_solves_cut_off_total") > cut_off, "it is cut off again")
    assert renewed(kubectl) > before
    assert operator.leads()
    assert operator.health() == {"loop": "in time", "leader": True}

    # It ends in time while the solver hangs, and nothing is left of that.
    kubectl("scale", POOLS, "llm", "--replicas=40", f"-n={namespace}")
    (solver,) = wait_until(lambda: children(operator.process.pid), "the solver is at it again")
    assert operator.end() == 0
    assert not Path(f"/proc/{solver}").exists()
    assert "Traceback" not in operator.log.read_text()


@pytest.mark.long
def test_a_solver_that_needs_too_much_memory_fails_alone_and_the_factory_says_so(
    start: Start, kubectl: Kubectl, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enough = tmp_path / "enough"
    monkeypatch.setenv(GATE, str(enough))
    operator = start(module="cluster.hoarding", solver_memory_percent=1 + 100 * ENOUGH // memory())
    apply(kubectl, factory(namespace), pool("llm", namespace, 32, namespace))
    kubectl("wait", "--for=condition=Ready", f"{POOLS}/llm", f"-n={namespace}")

    def says(reason: str) -> dict[str, Any]:
        found = certified(kubectl, namespace)
        return found if found.get("reason") == reason else {}

    said = wait_until(lambda: says("SolverFailed"), "the factory says that there was too little memory")
    assert said["status"] == "False"
    assert "The adopted plan is in use: the solver's process needs more than the " in said["message"]
    assert "MiB of memory that it may use." in said["message"]

    # The next question takes less.
    enough.touch()
    apply(kubectl, pool("other", namespace, 16, namespace))
    wait_until(lambda: certified(kubectl, namespace)["status"] == "True", "the solver's plan is in use")
    kubectl("wait", "--for=condition=Ready", f"{POOLS}/other", f"-n={namespace}")
    assert operator.end() == 0
    assert "Traceback" not in operator.log.read_text()


def test_a_better_plan_than_the_safe_one_is_used(start: Start, kubectl: Kubectl, namespace: str) -> None:
    """The safe plan would put the flexible pool on the only system that the other pool takes."""
    operator = start()
    site = factory(namespace, rows=1, paused=True)
    site["spec"]["racks"].append({"domain": "row", "system": "hgx-h200", "count": 1})
    apply(kubectl, site)
    wait_until(lambda: certified(kubectl, namespace).get("status") == "True", "the solver is warm")
    flexible = pool("flexible", namespace, 32, namespace, systems=["hgx-h100", "hgx-h200"])
    apply(kubectl, flexible, pool("bound", namespace, 32, namespace))

    def promised() -> bool:
        found = read(kubectl, POOLS, "bound", namespace)
        return "it would have 4 units" in condition(found, "Stalled").get("message", "")

    wait_until(promised, "the better plan is what would be done")
    kubectl("patch", FACTORIES, namespace, "--type=merge", '-p={"spec": {"paused": false}}')
    for name, system in (("bound", "hgx-h100"), ("flexible", "hgx-h200")):
        kubectl("wait", "--for=condition=Ready", f"{POOLS}/{name}", f"-n={namespace}")
        found = read(kubectl, POOLS, name, namespace)
        assert [p["system"] for p in found["status"]["placements"]] == [system]
    wait_until(lambda: certified(kubectl, namespace)["reason"] == "Optimal", "everything is proved")
    assert operator.metric("aifactory_solve_seconds") > 0
    assert operator.metric("aifactory_solves_cut_off_total") == 0
    assert "Traceback" not in operator.log.read_text()
