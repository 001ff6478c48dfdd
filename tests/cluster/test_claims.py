"""What stands in a factory is in its status before it stands, and whoever wipes a status is told at once."""

import signal
from typing import Any

import pytest

from cluster.faulty import Asked, Fault, Proxy, status
from cluster.operating import FACTORIES, HASTY, POOLS, TAKE_OVER, Start, apply, is_ready, nodes_in, pool
from cluster.reading import read
from controlplane import Kubectl, KubectlError, wait_until
from thorough import sample


@pytest.mark.parametrize("count", [1, 2, 9, 30][-sample(4) :])
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
    behind("a", pace=HASTY)
    proxy.fault = lambda asked: (
        status(403, "Forbidden") if (asked.method, asked.path) == ("POST", "/api/v1/nodes") else None
    )
    apply(kubectl, pool("llm", site, 16, site))
    wait_until(lambda: status_of(kubectl, site).get("nodes") == 2, "two nodes are claimed")
    kubectl("delete", POOLS, "llm", f"-n={site}")
    wait_until(lambda: status_of(kubectl, site)["nodes"] == 0, "the claim is taken back")
    assert status_of(kubectl, site)["power"]["committed"] == 0
    kubectl("delete", FACTORIES, site, "--timeout=30s")


def status_of(kubectl: Kubectl, site: str) -> dict[str, Any]:
    found: dict[str, Any] = read(kubectl, FACTORIES, site).get("status", {})
    return found


# A status that somebody else wrote


def test_a_status_that_was_wiped_is_back_at_once_and_guards_its_factory_meanwhile(
    start: Start, kubectl: Kubectl, site: str
) -> None:
    operator = start("a")
    apply(kubectl, pool("llm", site, 16, site))
    wait_until(lambda: is_ready(kubectl, "llm", site), "it is ready")
    wait_until(lambda: status_of(kubectl, site).get("readyNodes") == 2, "the factory says so")
    operator.signal(signal.SIGSTOP)
    wipe = ("--subresource=status", "--type=merge", '--patch={"status": null}')
    kubectl("patch", FACTORIES, site, *wipe)
    kubectl("patch", POOLS, "llm", f"-n={site}", *wipe)
    with pytest.raises(KubectlError, match="occupied-factories"):
        kubectl("delete", FACTORIES, site, "--wait=false")
    operator.signal(signal.SIGCONT)
    wait_until(lambda: status_of(kubectl, site).get("nodes") == 2, "the factory's status is back", TAKE_OVER)
    wait_until(
        lambda: read(kubectl, POOLS, "llm", site).get("status"), "the pool's status is back", TAKE_OVER
    )
