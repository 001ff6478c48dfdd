"""Who may read the metrics, as a real API server has it."""

import secrets
import ssl
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest

from aifactory.shell import access
from aifactory.shell.caching import CachingClient
from aifactory.shell.client import KubernetesClient, configuration
from aifactory.shell.service import Service
from aifactory.shell.settings import Settings
from cluster.operating import SYSTEM
from controlplane import Kubectl
from controlplane.ports import free_port

ANYWHERE = "0.0.0.0"  # what it is asked to listen on, in a pod; the test lets it listen on loopback


@pytest.fixture
async def service(kubeconfig: Path) -> AsyncIterator[Service]:
    """What runs in the operator's process, with its own rights; no part of it is at work."""
    client = CachingClient(await configuration(str(kubeconfig)))
    yield Service(client, SYSTEM, "aifactory", Settings())
    await client.close()


@pytest.fixture
async def url(service: Service) -> AsyncIterator[str]:
    """Where a pod's metrics are."""
    endpoint = service.metrics_endpoint(ANYWHERE, None)
    port = free_port()
    await endpoint.start(("127.0.0.1", port))
    yield f"https://127.0.0.1:{port}/metrics"
    await endpoint.stop()


@pytest.fixture
def account(kubectl: Kubectl, namespace: str) -> Iterator[str]:
    """An account that may read the metrics; its name."""
    kubectl("create", "serviceaccount", "prometheus", f"--namespace={namespace}")
    name = f"test-{secrets.token_hex(4)}"
    role = "--clusterrole=aifactory-metrics-reader"
    kubectl("create", "clusterrolebinding", name, role, f"--serviceaccount={namespace}:prometheus")
    yield "prometheus"
    kubectl("delete", "clusterrolebinding", name, "--ignore-not-found")


def token_of(kubectl: Kubectl, account: str, namespace: str) -> str:
    return kubectl("create", "token", account, f"--namespace={namespace}").strip()


async def ask(url: str, authorization: str = "") -> tuple[int, str]:
    headers = {"Authorization": authorization} if authorization else {}
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=context) as answer:
        return answer.status, await answer.text()


async def test_who_may_read_the_metrics_reads_them(
    url: str, kubectl: Kubectl, account: str, namespace: str
) -> None:
    status, text = await ask(url, f"Bearer {token_of(kubectl, account, namespace)}")
    assert status == HTTPStatus.OK
    assert "aifactory_leader 0.0" in text


async def test_nobody_else_does(url: str, kubectl: Kubectl, account: str, namespace: str) -> None:
    known = token_of(kubectl, "default", namespace)
    refused = {
        HTTPStatus.UNAUTHORIZED: ("", "Bearer", "Bearer nonsense", f"Bearer {known}x", f"Basic {known}"),
        HTTPStatus.FORBIDDEN: (f"Bearer {known}",),
    }
    for status, headers in refused.items():
        for header in headers:
            said, text = await ask(url, header)
            assert said == status, header[:20]
            assert "aifactory" not in text


async def test_what_was_answered_counts_for_a_short_while_and_no_longer(
    service: Service, kubectl: Kubectl, account: str, namespace: str
) -> None:
    now = 0.0
    judge = access.Access(service._client, "/metrics", lambda: now)
    allowed = f"Bearer {token_of(kubectl, account, namespace)}"
    other = f"Bearer {token_of(kubectl, 'default', namespace)}"
    assert await judge.judge(allowed) is HTTPStatus.OK
    assert await judge.judge(other) is HTTPStatus.FORBIDDEN

    bindings = kubectl("get", "clusterrolebindings", "--output=name").split()
    kubectl("delete", *[name for name in bindings if "/test-" in name])
    role = "--clusterrole=aifactory-metrics-reader"
    kubectl(
        "create", "clusterrolebinding", f"test-{namespace}", role, f"--serviceaccount={namespace}:default"
    )
    try:
        now = access.NO_SECONDS - 1
        assert await judge.judge(other) is HTTPStatus.FORBIDDEN
        assert await judge.judge(allowed) is HTTPStatus.OK
        now = access.NO_SECONDS
        assert await judge.judge(other) is HTTPStatus.OK
        now = access.YES_SECONDS
        assert await judge.judge(allowed) is HTTPStatus.FORBIDDEN
    finally:
        kubectl("delete", "clusterrolebinding", f"test-{namespace}")


async def test_where_nobody_can_be_asked_nobody_reads(kubeconfig: Path) -> None:
    config = await configuration(str(kubeconfig))
    config.host = f"https://127.0.0.1:{free_port()}"
    client = KubernetesClient(config)
    try:
        judge = access.Access(client, "/metrics")
        assert await judge.judge("Bearer any") is HTTPStatus.SERVICE_UNAVAILABLE
    finally:
        await client.close()
