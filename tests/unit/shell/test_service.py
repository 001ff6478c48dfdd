"""What watches tell the service, in virtual time."""

import asyncio

import pytest
from kubernetes.aio.client import Configuration

from aifactory.shell.caching import CachingClient
from aifactory.shell.service import Service
from aifactory.shell.settings import DEFAULTS

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("begins", [True, False])
async def test_a_watch_that_begins_anew_wakes_the_loop_whatever_its_list_holds(begins: bool) -> None:
    client = CachingClient(Configuration())
    service = Service(client, "default", "lease", DEFAULTS)
    clock = asyncio.get_running_loop().time
    began = clock()
    if begins:
        service.listed("GPUPool")
    await service.wake.wait()
    assert (clock() - began < 2 * DEFAULTS.storm_ends) == begins
    assert client.cache.watched("GPUPool") == begins
    await client.close()
