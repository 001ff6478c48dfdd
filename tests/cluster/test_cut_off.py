"""Decisions that never come to an end: they are cut off, and what cannot wait is decided all the same."""

import pytest

from cluster.operating import (
    FACTORIES,
    LEASE,
    POOLS,
    SYSTEM,
    Operator,
    Start,
    apply,
    condition,
    is_ready,
    nodes_of,
    pool,
)
from cluster.reading import read
from controlplane import Kubectl, wait_until


def cut_off(operator: Operator) -> float:
    """How many decisions have come to nothing."""
    return operator.metric("aifactory_errors_total", phase="decide")


@pytest.mark.long
def test_a_decision_that_takes_too_long_is_cut_off_and_the_next_one_does_what_is_forced(
    start: Start, kubectl: Kubectl, site: str
) -> None:
    """Limits are met, and pools are placed by the solver's plans."""
    operator = start(module="cluster.endless", decision_seconds=4)
    apply(kubectl, pool("llm", site, 32, site, minGpus=8))
    wait_until(lambda: is_ready(kubectl, "llm", site), "the solver's plan is carried out")
    assert cut_off(operator) >= 1
    assert "only what is forced is decided for 40 s" in operator.log.read_text()
    assert len(nodes_of(kubectl, "llm", site)) == 4

    kubectl("patch", FACTORIES, site, "--type=merge", '-p={"spec": {"power": {"quota": "25k"}}}')
    wait_until(lambda: len(nodes_of(kubectl, "llm", site)) == 2, "the lowered quota is met")
    wait_until(
        lambda: condition(read(kubectl, FACTORIES, site), "WithinLimits").get("status") == "True", "and told"
    )

    # Once in a while it is tried whether all can be decided again.
    before = cut_off(operator)
    wait_until(lambda: cut_off(operator) > before, "it is tried", 120)
    assert operator.leads()
    assert operator.health() == {"loop": "in time", "leader": True}


@pytest.mark.long
def test_an_operator_whose_decision_hangs_for_good_ends_so_that_another_one_can_lead(
    start: Start, kubectl: Kubectl, site: str
) -> None:
    operator = start(module="cluster.hung", decision_seconds=1)
    wait_until(lambda: operator.process.poll() is not None, "it ends")
    assert operator.end() == 1
    log = operator.log.read_text()
    assert "it took longer than 1 s, and could not be cut off" in log
    assert not read(kubectl, "lease", LEASE, SYSTEM)["spec"].get("holderIdentity")
    start("after")
    apply(kubectl, pool("llm", site, 8, site))
    wait_until(lambda: is_ready(kubectl, "llm", site), "the next one places a pool")
    kubectl("delete", POOLS, "llm", f"-n={site}", "--timeout=60s")
