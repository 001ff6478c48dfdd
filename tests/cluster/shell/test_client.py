"""What the API server does with each call of the client: the ground that the operator's safety stands on."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from kubernetes.aio.client import Configuration

from aifactory.api import names
from aifactory.backends.port import NODE, POD, Kind
from aifactory.shell import client as module
from aifactory.shell.client import FACTORY, ApiError, KubernetesClient, Unconfigured, configuration
from aifactory.shell.settings import Settings
from cluster.operating import factory
from cluster.reading import read
from controlplane import Kubectl, wait_until
from controlplane.ports import free_port

Object = dict[str, Any]


@pytest.fixture
def label(kubectl: Kubectl) -> Iterator[str]:
    """A label of the test's own; the nodes that carry it go afterwards."""
    key = f"test-{secrets.token_hex(4)}"
    yield key
    kubectl("delete", "nodes", f"--selector={key}")


def node(name: str, label: str) -> Object:
    meta = {"name": name, "labels": {label: "x"}, "annotations": {"kwok.x-k8s.io/node": "fake"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta}


async def refusal(call: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await call
    return caught.value


async def test_a_name_that_is_taken_is_not_created_again(client: KubernetesClient, label: str) -> None:
    first = await client.create(NODE, node(label, label))
    error = await refusal(client.create(NODE, node(label, label)))
    assert (error.status, error.reason) == (409, "AlreadyExists")
    assert (await client.get(NODE, label))["metadata"]["uid"] == first["metadata"]["uid"]


async def test_a_patch_meets_only_the_object_it_was_meant_for(client: KubernetesClient, label: str) -> None:
    old = (await client.create(NODE, node(label, label)))["metadata"]
    await client.delete(NODE, label, uid=old["uid"])
    new = (await client.create(NODE, node(label, label)))["metadata"]

    error = await refusal(client.patch(NODE, label, {"metadata": {"uid": old["uid"], "labels": {"a": "b"}}}))
    assert error.status == 409
    changed = await client.patch(NODE, label, {"metadata": {"uid": new["uid"], "labels": {"a": "b"}}})
    assert changed["metadata"]["labels"]["a"] == "b"


async def test_a_patch_of_a_version_that_is_past_is_a_conflict(client: KubernetesClient, label: str) -> None:
    old = (await client.create(NODE, node(label, label)))["metadata"]
    await client.patch(NODE, label, {"metadata": {"labels": {"a": "b"}}})
    change = {"metadata": {"resourceVersion": old["resourceVersion"], "labels": {"a": "c"}}}
    assert (await refusal(client.patch(NODE, label, change))).status == 409


async def test_nothing_is_made_by_changing_or_deleting_what_is_gone(client: KubernetesClient) -> None:
    change: Object = {"metadata": {"labels": {"a": "b"}}}
    assert (await refusal(client.patch(NODE, "gone", change))).status == 404
    assert (await refusal(client.delete(NODE, "gone", uid="x"))).status == 404
    body = {**factory("gone"), "status": {"observedGeneration": 1}}
    assert (await refusal(client.apply_status(FACTORY, body))).status == 404


async def test_only_the_object_that_was_meant_is_deleted(client: KubernetesClient, label: str) -> None:
    old = (await client.create(NODE, node(label, label)))["metadata"]
    assert (await refusal(client.delete(NODE, label, uid="another"))).status == 409
    stale = client.delete(NODE, label, uid=old["uid"], version="1")
    assert (await refusal(stale)).status == 409
    await client.delete(NODE, label, uid=old["uid"])
    assert (await refusal(client.get(NODE, label))).status == 404


async def test_a_list_has_everything_page_by_page(client: KubernetesClient, label: str) -> None:
    client.settings = Settings(page_objects=3)
    for i in range(10):
        await client.create(NODE, node(f"{label}-{i}", label))
    found = await client.read_all(NODE, lambda obj: obj, labels=label)
    assert [obj["metadata"]["name"] for obj in found] == [f"{label}-{i}" for i in range(10)]
    assert {(obj["kind"], obj["apiVersion"]) for obj in found} == {("Node", "v1")}
    bare = await client.read_all(NODE, lambda obj: obj, labels=label, metadata_only=True)
    assert [obj["metadata"]["name"] for obj in bare] == [obj["metadata"]["name"] for obj in found]
    assert all("status" not in obj for obj in bare)
    by_field = await client.read_all(NODE, lambda obj: obj, fields=f"metadata.name={label}-4")
    assert len(by_field) == 1


async def test_a_page_is_bounded_by_its_bytes(
    client: KubernetesClient, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.settings = Settings(page_bytes=400_000)
    for i in range(8):
        fat = node(f"{label}-{i}", label)
        fat["metadata"]["annotations"]["fat"] = "x" * 150_000
        await client.create(NODE, fat)
    exchange, sizes = client._exchange, list[int]()

    async def measured(*arguments: Any, **options: Any) -> tuple[Object, int]:
        page, size = await exchange(*arguments, **options)
        sizes.append(size)
        return page, size

    monkeypatch.setattr(client, "_exchange", measured)
    for _ in range(2):  # the first time nothing is known of their size
        sizes.clear()
        found = await client.read_all(NODE, lambda obj: obj, labels=label)
        assert len(found) == 8
    assert len(sizes) == 4
    assert max(sizes) <= 400_000


async def test_a_list_of_nothing_is_empty_and_one_of_no_kind_an_error(client: KubernetesClient) -> None:
    assert await client.read_all(NODE, lambda obj: obj, labels="no-such-label") == []
    assert await client.read_all(NODE, lambda obj: obj, labels="no-such-label", metadata_only=True) == []
    unknown = Kind("/apis/aifactory.dev/v1alpha1", "wishes", "Wish", namespaced=False)
    assert (await refusal(client.read_all(unknown, lambda obj: obj))).status == 404


class TestStatus:
    """Server-side apply to the status."""

    @pytest.fixture
    async def site(self, client: KubernetesClient, kubectl: Kubectl, crds: None) -> AsyncIterator[Object]:
        yield await client.create(FACTORY, factory(f"test-{secrets.token_hex(4)}"))
        kubectl("delete", f"{FACTORY.plural}.{names.GROUP}", "--all", "--wait=false")

    @staticmethod
    def body(site: Object, status: Object, version: str = "") -> Object:
        meta = {"name": site["metadata"]["name"]} | ({"resourceVersion": version} if version else {})
        return {"apiVersion": names.API_VERSION, "kind": "AIFactory", "metadata": meta, "status": status}

    async def test_the_same_again_changes_nothing(self, client: KubernetesClient, site: Object) -> None:
        status = {"observedGeneration": 1, "nodes": 4}
        once = await client.apply_status(FACTORY, self.body(site, status))
        again = await client.apply_status(FACTORY, self.body(site, status))
        assert once["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]
        assert once["spec"] == site["spec"]

    async def test_what_is_left_out_goes(self, client: KubernetesClient, site: Object) -> None:
        def condition(kind: str) -> Object:
            return {
                "type": kind,
                "status": "True",
                "reason": "X",
                "lastTransitionTime": "2026-11-24T08:00:00Z",
            }

        both = {"nodes": 4, "conditions": [condition("Ready"), condition("Stalled")]}
        await client.apply_status(FACTORY, self.body(site, both))
        left = await client.apply_status(FACTORY, self.body(site, {"conditions": [condition("Ready")]}))
        assert "nodes" not in left["status"]
        assert [c["type"] for c in left["status"]["conditions"]] == ["Ready"]

    async def test_it_is_written_only_to_the_version_it_was_made_for(
        self, client: KubernetesClient, site: Object
    ) -> None:
        version = site["metadata"]["resourceVersion"]
        await client.apply_status(FACTORY, self.body(site, {"nodes": 1}, version))
        error = await refusal(client.apply_status(FACTORY, self.body(site, {"nodes": 2}, version)))
        assert error.status == 409

    async def test_the_server_ignores_a_wrong_uid_here(self, client: KubernetesClient, site: Object) -> None:
        # Why statuses carry a resourceVersion.
        body = self.body(site, {"nodes": 3})
        body["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
        assert (await client.apply_status(FACTORY, body))["status"]["nodes"] == 3


class TestEviction:
    """Disruption budgets, as the controller manager counts them."""

    @pytest.fixture
    async def pod(
        self, client: KubernetesClient, kubectl: Kubectl, label: str, namespace: str
    ) -> tuple[str, str, str]:
        await client.create(NODE, node(label, label))
        kubectl("wait", "--for=condition=Ready", f"node/{label}")
        meta = {"name": "trainer", "namespace": namespace, "labels": {"app": "trainer"}}
        spec = {"nodeName": label, "containers": [{"name": "main", "image": "none"}]}
        made = await client.create(POD, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        kubectl("wait", "--for=condition=Ready", "pod/trainer", f"-n={namespace}")
        return namespace, "trainer", made["metadata"]["uid"]

    @staticmethod
    def budget(kubectl: Kubectl, namespace: str, name: str) -> None:
        kubectl(
            *("create", "poddisruptionbudget", name, f"-n={namespace}", "--selector=app=trainer"),
            "--min-available=1",
        )

        def counted() -> bool:
            status = read(kubectl, "pdb", name, namespace)["status"]
            return int(status.get("expectedPods", 0)) == 1

        wait_until(counted, f"budget {name} counts the pod")

    async def test_without_a_budget_the_pod_goes(
        self, client: KubernetesClient, pod: tuple[str, str, str]
    ) -> None:
        await client.evict(*pod)
        assert (await refusal(client.evict("default", "no-such-pod", pod[2]))).status == 404

    async def test_one_that_bears_the_name_of_another_stays(
        self, client: KubernetesClient, pod: tuple[str, str, str]
    ) -> None:
        namespace, name, _ = pod
        error = await refusal(client.evict(namespace, name, "00000000-0000-0000-0000-000000000000"))
        assert error.status == 409
        assert "deletionTimestamp" not in (await client.get(POD, name, namespace))["metadata"]

    async def test_a_budget_that_does_not_allow_it_is_named(
        self, client: KubernetesClient, kubectl: Kubectl, pod: tuple[str, str, str]
    ) -> None:
        self.budget(kubectl, pod[0], "hold-on")
        error = await refusal(client.evict(*pod))
        assert error.status == 429
        assert "budget hold-on" in error.message

    async def test_two_budgets_never_will(
        self, client: KubernetesClient, kubectl: Kubectl, pod: tuple[str, str, str]
    ) -> None:
        self.budget(kubectl, pod[0], "one")
        self.budget(kubectl, pod[0], "two")
        error = await refusal(client.evict(*pod))
        assert error.status == 500
        assert "more than one PodDisruptionBudget" in error.message


async def test_a_server_that_is_not_there_is_one_error_without_a_status() -> None:
    client = KubernetesClient(Configuration(host=f"http://127.0.0.1:{free_port()}"))
    error = await refusal(client.get(NODE, "x"))
    assert (error.status, error.reason) == (0, "Unreachable")
    await client.close()


async def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.2)
    hung = asyncio.Event()

    async def say_nothing(*_: object) -> None:
        await hung.wait()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", free_port())
    host, port = server.sockets[0].getsockname()
    client = KubernetesClient(Configuration(host=f"http://{host}:{port}"))
    error = await refusal(client.create(NODE, node("x", "y")))
    assert (error.status, error.reason) == (0, "Timeout")
    assert "no answer within 0.2 s" in error.message
    hung.set()
    server.close()
    await client.close()


async def test_no_kubeconfig_is_an_error_that_names_the_file() -> None:
    with pytest.raises(Unconfigured, match="no-such-file"):
        await configuration("/no-such-file")
