"""One tenant's thousand wishes beside another tenant's single ones: how long those wait.

What is measured is what the other tenant sees: from the answer to its `create` until its pool says `Placed`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aifactory.backends.port import NODE
from aifactory.shell.client import FACTORY, POOL, KubernetesClient, configuration
from cluster.operating import condition, factory, pool

SITES, QUOTA = 10, "8M"
FLOOD: Final = 1_000  # pools that want what no site has, and more than all have together
CHUNK: Final = 100  # of them, made one after the other in one go
QUIET, DURING, AFTER = 3, 3, 5  # pools of the other tenant
FLOODER, OTHER = "team-a", "team-b"
LONGEST: Final = 300.0  # seconds until something is given up

Sample = tuple[str, float]  # metric, seconds


async def measure(kubeconfig: Path) -> list[Sample]:
    """Flood a cluster where an operator leads, and measure. The namespaces are there."""
    async with _client(kubeconfig) as client:
        for site in _sites():
            await client.create(FACTORY, site)
        for n in range(20):
            await _placed(client, pool(f"stands-{n}", OTHER, 16, "site-0", priority=500))
        samples = [("placed, quiet", await _timed(client, f"quiet-{n}")) for n in range(QUIET)]
        flood = asyncio.create_task(_flood(client))
        for n in range(DURING):
            await asyncio.sleep(2)
            samples.append(("placed, during the flood", await _timed(client, f"during-{n}")))
        await flood
        for n in range(AFTER):
            samples.append(("placed, after the flood", await _timed(client, f"after-{n}")))
        samples.append(("first drain after a fallen quota", await _drained(client)))
        return samples


def _sites() -> Iterator[dict[str, Any]]:
    for n in range(SITES):
        site = factory(f"site-{n}", rows=10, racks=20, limit="1M")
        site["spec"]["power"]["quota"] = QUOTA
        yield site


async def _flood(client: KubernetesClient) -> None:
    """Pools of a hundred bytes: each asks for a search, and few can be served."""
    every = [f"site-{n}" for n in range(SITES)]
    for n in range(FLOOD):
        spread = {"spread": {"over": "Domain", "domain": "row", "atLeast": 3}}
        wish = pool(f"flood-{n:04}", FLOODER, 6_000 + 34 * n, "", priority=-n, topology=spread)
        wish["spec"]["factories"] = {"names": every}
        await client.create(POOL, wish)


async def _timed(client: KubernetesClient, name: str) -> float:
    return await _placed(client, pool(name, OTHER, 16, "site-0", priority=1_000))


async def _placed(client: KubernetesClient, wish: dict[str, Any]) -> float:
    await client.create(POOL, wish)
    began, meta = time.monotonic(), wish["metadata"]
    async with asyncio.timeout(LONGEST):
        while True:
            seen = await client.get(POOL, meta["name"], meta["namespace"])
            if condition(seen, "Placed").get("status") == "True":
                return time.monotonic() - began
            await asyncio.sleep(0.05)


async def _drained(client: KubernetesClient) -> float:
    """From a quota lowered to nothing until the first node drains."""
    await client.patch(FACTORY, "site-0", {"spec": {"power": {"quota": "1k"}}})
    began = time.monotonic()
    async with asyncio.timeout(LONGEST):
        while True:
            nodes = await client.read_all(NODE, lambda it: it["spec"].get("unschedulable", False))
            if any(nodes):
                return time.monotonic() - began
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _client(kubeconfig: Path) -> AsyncIterator[KubernetesClient]:
    client = KubernetesClient(await configuration(str(kubeconfig)))
    try:
        yield client
    finally:
        await client.close()
