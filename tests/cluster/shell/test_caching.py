"""The client that keeps what it was told, on a real API server."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from aifactory.backends import Mandate, drivers
from aifactory.backends.kwok import Kwok
from aifactory.backends.port import NODE
from aifactory.decide.model.plan import Cause, Delete, Drain
from aifactory.shell.caching import CachingClient
from aifactory.shell.client import ApiError, KubernetesClient, configuration
from aifactory.shell.gather import gather
from aifactory.shell.memory import Memory
from cluster.shell.nodes import made, order, seen
from controlplane import Cluster


class Counting(CachingClient):
    """Counts its LISTs and writes that came too late, and may lose the answers to its writes."""

    lists = late = 0
    deaf = False

    async def _list(self, *request: Any) -> Any:
        self.lists += 1
        return await super()._list(*request)

    async def _exchange(self, method: str, *request: Any, **more: Any) -> Any:
        try:
            answer = await super()._exchange(method, *request, **more)
        except ApiError as error:
            self.late += error.status == 409
            raise
        if self.deaf and method != "GET":
            raise ApiError(0, "Timeout", "no answer")
        return answer


@pytest.fixture
async def caching(cluster: Cluster) -> AsyncIterator[Counting]:
    client = Counting(await configuration(str(cluster.kubeconfig)))
    yield client
    await client.close()


@pytest.fixture
def kwok(caching: Counting) -> Kwok:
    driver = drivers(caching)["kwok"]
    assert isinstance(driver, Kwok)
    return driver


async def ours(caching: Counting, kwok: Kwok, site: str) -> dict[int, tuple[bool, bool]]:
    """By slot: whether a node is cordoned, and whether it drains. Others' names are listed each time."""
    found = await seen(kwok, site)
    caching.lists -= 1
    return {slot: (node.unschedulable, node.drains) for slot, node in found.items()}


async def test_its_own_writes_are_seen_without_a_list(caching: Counting, kwok: Kwok, site: str) -> None:
    assert await ours(caching, kwok, site) == {}
    for slot in (1, 2):
        await kwok.create(order(site, slot), Mandate("x", 1))
    assert await ours(caching, kwok, site) == {1: (False, False), 2: (False, False)}
    node = (await seen(kwok, site))[1]
    await made(lambda: kwok.drain(Drain(node, node.created, Cause.SPEC)))
    assert await ours(caching, kwok, site) == {1: (True, True), 2: (False, False)}
    await made(lambda: kwok.delete(Delete(node)))
    caching.lists -= 1
    assert await ours(caching, kwok, site) == {2: (False, False)}
    assert caching.lists <= 1 + caching.late  # somebody else writes to nodes, too, and that is a doubt


async def test_a_write_without_an_answer_is_a_doubt(caching: Counting, kwok: Kwok, site: str) -> None:
    assert await ours(caching, kwok, site) == {}
    caching.deaf = True
    with pytest.raises(ApiError):
        await kwok.create(order(site), Mandate("x", 1))
    caching.deaf = False
    assert await ours(caching, kwok, site) == {1: (False, False)}
    assert caching.lists == 2


async def test_a_write_that_comes_too_late_is_a_doubt(
    caching: Counting, kwok: Kwok, client: KubernetesClient, site: str
) -> None:
    await kwok.create(order(site), Mandate("x", 1))
    node = (await seen(kwok, site))[1]
    await client.delete(NODE, node.name, uid=node.uid)  # somebody else, and no watch tells of it
    assert await ours(caching, kwok, site) != {}
    with pytest.raises(ApiError):
        await kwok.drain(Drain(node, node.created, Cause.SPEC))
    assert await ours(caching, kwok, site) == {}


async def test_an_object_is_read_once_for_each_version_of_it(
    caching: Counting, kwok: Kwok, site: str
) -> None:
    await kwok.create(order(site), Mandate("x", 1))
    memory = Memory(cache=caching.cache)
    first, second = [await gather(caching, {"kwok": kwok}, memory) for _ in range(2)]
    assert [id(it) for it in first.factories] == [id(it) for it in second.factories]
    mine = {it.name: it for it in first.nodes if it.factory == site}
    assert all(any(it is other for other in second.nodes) for it in mine.values())
    assert replace(first, nodes=()) == replace(second, nodes=())
