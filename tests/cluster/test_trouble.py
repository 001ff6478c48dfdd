"""The operator behind trouble: whatever is answered in place of the API server, it lives and goes on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.faulty import HTML, Asked, Fault, Instead, Proxy, error_event, status
from cluster.operating import HASTY, POOLS, TAKE_OVER, Operator, Start, apply, nodes_of, operators, pool
from controlplane import Cluster, Kubectl, wait_until

TRIES = 12  # Kopf by itself gives up at the ninth


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


@pytest.fixture(scope="class")
def between(cluster: Cluster) -> Iterator[Proxy]:
    with Proxy(cluster.kubeconfig).running() as proxy:
        yield proxy


@pytest.fixture(scope="class")
def replicas(
    between: Proxy, kubeconfig: Path, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Operator]]:
    folder = tmp_path_factory.mktemp("replicas")
    with operators(kubectl, between.kubeconfig(folder / "proxied", kubeconfig), folder) as start:
        yield [start(name, pace=HASTY, leads=False) for name in "ab"]


class TestReplicas:
    """Two operators live through one trouble after the other."""

    @pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE.keys())
    def test_both_replicas_live_through_trouble_and_a_new_pool_is_placed_after_it(
        self,
        between: Proxy,
        replicas: list[Operator],
        kubectl: Kubectl,
        site: str,
        trouble: tuple[Applies, Fault],
    ) -> None:
        def one_leads() -> bool:
            return any(operator.leads() for operator in replicas)

        applies, fault = trouble
        wait_until(one_leads, "one of them leads")

        between.asked.clear()
        between.fault = lambda asked: fault if applies(asked) else None
        between.sever()
        wait_until(lambda: sum(map(applies, between.asked)) >= 2 * TRIES, "both have tried often", 120)
        for operator in replicas:
            assert operator.process.poll() is None, operator.log.read_text()[-3000:]
            assert operator.health("/livez") is not None
        between.fault = lambda asked: None

        wait_until(one_leads, "one of them leads again", TAKE_OVER)
        apply(kubectl, pool("llm", site, 16, site))
        wait_until(lambda: len(nodes_of(kubectl, "llm", site)) == 2, "a new pool is placed", TAKE_OVER)
        assert [operator.process.poll() for operator in replicas] == [None, None]


@pytest.mark.parametrize("fault", [status(503, "ServiceUnavailable"), status(403, "Forbidden"), HTML])
def test_a_start_waits_for_the_api_server_in_good_health(
    proxy: Proxy, behind: Start, kubectl: Kubectl, site: str, fault: Fault
) -> None:
    proxy.fault = lambda asked: fault
    operator = behind("a", pace=HASTY, leads=False)
    wait_until(lambda: len(proxy.asked) >= TRIES, "it has tried often", 120)
    assert operator.process.poll() is None
    assert operator.health() == {"loop": "in time", "leader": False}
    assert "waiting for the API server" in operator.log.read_text()
    proxy.fault = lambda asked: None
    wait_until(operator.leads, "it leads", TAKE_OVER)
    apply(kubectl, pool("llm", site, 16, site))
    wait_until(lambda: len(nodes_of(kubectl, "llm", site)) == 2, "a pool is placed")


def test_the_last_pool_that_goes_while_nobody_hears_of_it_is_missed(
    proxy: Proxy, behind: Start, kubectl: Kubectl, site: str
) -> None:
    """Where the list is empty, no object tells that the watch has begun anew."""
    behind("a", pace=HASTY)
    kubectl("delete", POOLS, "--all", "--all-namespaces")
    apply(kubectl, pool("llm", site, 16, site))
    kubectl("wait", "--for=condition=Ready", POOLS, "llm", f"--namespace={site}")

    def deaf(asked: Asked) -> Fault | None:
        if not asked.path.endswith("/gpupools"):
            return None
        return error_event(410, "Expired") if asked.watches else status(503, "ServiceUnavailable")

    proxy.fault = deaf
    proxy.asked.clear()
    proxy.sever()
    wait_until(lambda: any(map(deaf, proxy.asked)), "its watch is to begin anew")
    unfinished = '--patch={"metadata": {"finalizers": null}}'
    kubectl("patch", POOLS, "llm", f"--namespace={site}", "--type=merge", unfinished)
    kubectl("delete", POOLS, "llm", f"--namespace={site}")
    proxy.fault = lambda asked: None
    wait_until(lambda: not nodes_of(kubectl, "llm", site), "its nodes are released")


def test_a_start_that_waits_can_be_ended(proxy: Proxy, behind: Start) -> None:
    proxy.fault = lambda asked: HTML
    operator = behind("a", leads=False)
    wait_until(lambda: proxy.asked, "it has tried")
    assert operator.end() == 0
