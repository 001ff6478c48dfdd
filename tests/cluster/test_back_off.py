"""An API server that wants to be left alone is."""

import re

import pytest

from cluster.faulty import Asked, Instead, Proxy, status
from cluster.operating import Start, apply, is_ready, pool
from controlplane import Kubectl, wait_until

AFTER = 4  # seconds that the API server asks for


def busy(code: int) -> Instead:
    answer = status(code, "TooManyRequests", "wait")
    return Instead(answer.status, answer.body, headers={"Retry-After": str(AFTER)})


def pauses(log: str, says: str) -> list[float]:
    """How long it says that it waits, each time."""
    return [float(found) for found in re.findall(rf"{says}, again in ([\d.]+) s", log)]


@pytest.mark.long
def test_a_server_that_is_too_busy_to_be_read_is_left_alone_as_long_as_it_asks(
    proxy: Proxy, behind: Start, kubectl: Kubectl, site: str
) -> None:
    operator = behind("a")

    def reads(asked: Asked) -> bool:
        return asked.method == "GET" and "customresourcedefinitions" in asked.path

    proxy.fault = lambda asked: busy(429) if reads(asked) else None
    apply(kubectl, pool("llm", site, 8, site))
    wait_until(lambda: len(pauses(operator.log.read_text(), "cycle failed")) >= 2, "it has tried twice")
    proxy.fault = lambda asked: None
    assert min(pauses(operator.log.read_text(), "cycle failed")) >= AFTER
    wait_until(lambda: is_ready(kubectl, "llm", site), "and goes on")


@pytest.mark.long
def test_a_server_that_answers_no_write_is_left_alone_longer_each_time(
    proxy: Proxy, behind: Start, kubectl: Kubectl, site: str
) -> None:
    operator = behind("a")

    def writes(asked: Asked) -> bool:
        return asked.method != "GET" and "leases" not in asked.path

    proxy.fault = lambda asked: busy(503) if writes(asked) else None
    apply(kubectl, pool("llm", site, 8, site))
    wait_until(lambda: pauses(operator.log.read_text(), "no write was answered"), "it says so")
    proxy.fault = lambda asked: None
    assert min(pauses(operator.log.read_text(), "no write was answered")) >= AFTER
    wait_until(lambda: is_ready(kubectl, "llm", site), "and goes on")
