"""Whatever is answered in place of the API server: every call of the client returns, or raises ApiError."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException

from aifactory.backends.port import NODE, Kind
from aifactory.shell.client import FACTORY, LEASE, ApiError, KubernetesClient, configuration
from aifactory.shell.settings import Settings
from cluster.faulty import HTML, Asked, Cut, Fault, Instead, Lost, Proxy, status
from controlplane.ports import free_port

NAMESPACE = Kind("/api/v1", "namespaces", "Namespace", namespaced=False)
Call = Callable[[KubernetesClient], Awaitable[object]]

BODY: dict[str, Any] = {"metadata": {"name": "no-such-node", "namespace": ""}}
CALLS: dict[str, Call] = {
    "read_all": lambda client: client.read_all(NODE, lambda obj: obj),
    "get": lambda client: client.get(LEASE, "no-such-lease", "default"),
    "create": lambda client: client.create(NODE, BODY),
    "patch": lambda client: client.patch(NODE, "no-such-node", {"metadata": {}}),
    "apply_status": lambda client: client.apply_status(FACTORY, BODY),
    "delete": lambda client: client.delete(NODE, "no-such-node", uid="x"),
    "evict": lambda client: client.evict("default", "no-such-pod", "x"),
    "kill": lambda client: client.kill("default", "no-such-pod", "x"),
}
NONE: dict[str, Fault] = {
    "a page of HTML": HTML,
    "a page of HTML as JSON": Instead(200, HTML.body),
    "nothing": Instead(200, ""),
    "a list": Instead(200, "[]"),
    "a number": Instead(200, "7"),
    "null": Instead(200, "null"),
    "an empty object": Instead(200, "{}"),
    "metadata that is none": Instead(200, '{"metadata": 7, "items": []}'),
    "deep nesting": Instead(200, "[" * 100_000),
    "no content": Instead(204),
    "a redirection nowhere": Instead(302, headers={"Location": "http://127.0.0.1:1/"}),
    "an error in HTML": Instead(502, HTML.body, "text/html"),
    "an error of no sense": Instead(500, '{"message": []}'),
    "a half": Cut(),
    "silence": Lost(),
}


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        pytest.param(call, fault, id=f"{name}-{what}")
        for name, call in CALLS.items()
        for what, fault in NONE.items()
        # Where there is no such pod, that is what was wanted, however it is told.
        if name != "kill" or not isinstance(fault, Cut | Lost)
    ],
)
async def test_an_answer_that_is_none_is_an_api_error(
    proxy: Proxy, through: KubernetesClient, call: Call, fault: Fault
) -> None:
    proxy.fault = lambda asked: fault
    with pytest.raises(ApiError) as caught:
        await call(through)
    assert str(caught.value)


@pytest.mark.parametrize(
    "fault", [HTML, Cut(), status(503, "ServiceUnavailable"), status(500, "InternalError")]
)
@pytest.mark.parametrize("failures", [1, 2])
async def test_a_read_that_fails_once_or_twice_is_made_again_and_a_write_is_not(
    proxy: Proxy, through: KubernetesClient, fault: Fault, failures: int
) -> None:
    proxy.fault = lambda asked: fault if len(proxy.asked) <= failures else None
    assert (await through.get(NAMESPACE, "default"))["metadata"]["name"] == "default"
    assert len(proxy.asked) == failures + 1

    proxy.asked.clear()
    with pytest.raises(ApiError):
        await through.create(NODE, BODY)
    assert len(proxy.asked) == 1


@pytest.mark.parametrize("fault", [status(404, "NotFound"), status(403, "Forbidden"), status(410, "Expired")])
async def test_a_read_that_is_refused_is_not_made_again(
    proxy: Proxy, through: KubernetesClient, fault: Fault
) -> None:
    proxy.fault = lambda asked: fault
    with pytest.raises(ApiError):
        await through.get(NAMESPACE, "default")
    assert len(proxy.asked) == 1


@pytest.mark.parametrize(
    "body",
    [
        '{"kind": "NodeList", "metadata": {}}',
        '{"kind": "NodeList", "metadata": {}, "items": null}',
        '{"kind": "NodeList", "items": []}',
        '{"kind": "PodList", "metadata": {}, "items": []}',
        '{"metadata": {}, "items": []}',
        '{"kind": "NodeList", "metadata": {}, "items": [7]}',
        '{"kind": "NodeList", "metadata": {}, "items": [{}]}',
    ],
)
async def test_a_list_that_is_none_is_never_taken_for_an_empty_one(
    proxy: Proxy, through: KubernetesClient, body: str
) -> None:
    proxy.fault = lambda asked: Instead(200, body)
    with pytest.raises(ApiError) as caught:
        await through.read_all(NODE, lambda obj: obj["metadata"]["name"])
    assert (caught.value.status, caught.value.reason) == (0, "Unreadable")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("1000000", 60.0), ("tomorrow", 0.0), ("-5", 0.0), ("", 0.0)],
)
async def test_a_server_that_wants_to_be_left_alone_says_for_how_long(
    proxy: Proxy, through: KubernetesClient, header: str, seconds: float
) -> None:
    busy = replace(status(429, "TooManyRequests"), headers={"Retry-After": header} if header else {})
    proxy.fault = lambda asked: busy
    with pytest.raises(ApiError) as caught:
        await through.create(NODE, BODY)
    assert (caught.value.status, caught.value.reason, caught.value.after) == (429, "TooManyRequests", seconds)


async def test_an_object_without_what_it_is_known_by_is_none(proxy: Proxy, through: KubernetesClient) -> None:
    proxy.fault = lambda asked: Instead(200, '{"metadata": {"name": "x", "uid": "u"}}')
    with pytest.raises(ApiError) as caught:
        await through.get(NODE, "x")
    assert caught.value.reason == "Unreadable"


async def test_a_list_that_expires_between_its_pages_is_asked_for_in_one(
    proxy: Proxy, through: KubernetesClient
) -> None:
    through.settings = Settings(page_objects=1)

    def expired(asked: Asked) -> Fault | None:
        return status(410, "Expired") if "continue" in asked.query else None

    proxy.fault = expired
    names = await through.read_all(NAMESPACE, lambda obj: obj["metadata"]["name"])
    assert {"default", "kube-system", "kube-public"} <= set(names)
    # One that is always expired is an error, at once.
    proxy.fault = lambda asked: status(410, "Expired")
    proxy.asked.clear()
    with pytest.raises(ApiError) as caught:
        await through.read_all(NAMESPACE, lambda obj: obj)
    assert caught.value.status == 410
    assert len(proxy.asked) == 2


# What gives the token


def kubeconfig(tmp_path: Path, user: dict[str, Any], port: int) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "a", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "u"}}],
        "current-context": "a",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("says", ["exit 1", "echo", "echo {}", "echo '{\"status\": 7}'"])
async def test_a_program_that_gives_no_token_is_an_api_error(tmp_path: Path, says: str) -> None:
    program = tmp_path / "token"
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o700)
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(program),
        "interactiveMode": "Never",
    }
    client = KubernetesClient(await configuration(str(kubeconfig(tmp_path, {"exec": plugin}, free_port()))))
    for call in CALLS.values():
        with pytest.raises(ApiError) as caught:  # if not for want of a token, then of a server
            await call(client)
        assert caught.value.status == 0
    await client.close()


@pytest.mark.parametrize(
    "error", [ConfigException("Token file exists but empty."), OSError("gone"), KeyError("x")]
)
async def test_a_token_hook_that_fails_is_an_api_error(error: Exception) -> None:
    def hook(_: Configuration) -> None:
        raise error

    config = Configuration(host=f"http://127.0.0.1:{free_port()}")
    config.api_key = {"BearerToken": "old"}
    vars(config)["refresh_api_key_hook"] = hook
    client = KubernetesClient(config)
    for call in (*CALLS.values(), KubernetesClient.token):
        with pytest.raises(ApiError) as caught:
            await call(client)
        assert (caught.value.status, caught.value.reason) == (0, "NoToken")
    await client.close()


async def test_a_token_that_cannot_be_sent_is_an_api_error() -> None:
    config = Configuration(host=f"http://127.0.0.1:{free_port()}")
    config.api_key = {"BearerToken": "half\nhalf"}
    config.api_key_prefix = {"BearerToken": "Bearer"}
    client = KubernetesClient(config)
    with pytest.raises(ApiError):
        await client.get(NODE, "x")
    await client.close()


# Whose time it is


async def test_the_clock_is_the_api_servers_and_only_a_sound_answer_tells_it(
    proxy: Proxy, through: KubernetesClient
) -> None:
    lies = {"Date": "Tue, 24 Nov 2099 08:00:00 GMT"}
    proxy.fault = lambda asked: Instead(503, "", headers=lies)
    with pytest.raises(ApiError):
        await through.read_all(NODE, lambda obj: obj)
    proxy.fault = lambda asked: None
    await through.read_all(NODE, lambda obj: obj)
    assert through.clock.now().year < 2099
    proxy.fault = lambda asked: Instead(200, '{"kind":"NodeList","metadata":{},"items":[]}', headers=lies)
    await through.read_all(NODE, lambda obj: obj)
    assert through.clock.now().year == 2099
