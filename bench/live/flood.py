"""One tenant's thousand wishes beside another tenant's single ones: how long those wait.

What is measured is what the other tenant sees: from the answer to its `create` until its pool says `Placed`.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aifactory.backends.port import NODE
from aifactory.shell.client import FACTORY, POOL, KubernetesClient
from bench.live.asking import Object, Sample, connected, placed, until
from cluster.operating import Start, factory, pool

SITES, QUOTA = 10, "8M"
FLOOD: Final = 1_000  # pools that want what no site has, and more than all have together
QUIET, DURING, AFTER = 3, 3, 5  # pools of the other tenant
FLOODER, OTHER = NAMESPACES = ("team-a", "team-b")


async def measure(kubeconfig: Path, start: Start) -> list[Sample]:
    """Flood a cluster where an operator leads, and measure."""
    await asyncio.to_thread(start)
    async with connected(kubeconfig) as client:
        for site in _sites():
            await client.create(FACTORY, site)
        for n in range(20):
            await placed(client, pool(f"stands-{n}", OTHER, 16, "site-0", priority=500))
        samples = [("placed, quiet", "s", await _timed(client, f"quiet-{n}")) for n in range(QUIET)]
        flood = asyncio.create_task(_flood(client))
        for n in range(DURING):
            await asyncio.sleep(2)
            samples.append(("placed, during the flood", "s", await _timed(client, f"during-{n}")))
        await flood
        for n in range(AFTER):
            samples.append(("placed, after the flood", "s", await _timed(client, f"after-{n}")))
        samples.append(("first drain after a fallen quota", "s", await _drained(client)))
        return samples


def _sites() -> Iterator[Object]:
    for n in range(SITES):
        site = factory(f"site-{n}", rows=10, racks=20, limit="1M")
        site["spec"]["power"]["quota"] = QUOTA
        yield site


async def _flood(client: KubernetesClient) -> None:
    """Pools of a few hundred bytes: each asks for a search, and few can be served."""
    every = [f"site-{n}" for n in range(SITES)]
    for n in range(FLOOD):
        spread = {"spread": {"over": "Domain", "domain": "row", "atLeast": 3}}
        wish = pool(f"flood-{n:04}", FLOODER, 6_000 + 34 * n, "", priority=-n, topology=spread)
        wish["spec"]["factories"] = {"names": every}
        await client.create(POOL, wish)


async def _timed(client: KubernetesClient, name: str) -> float:
    return await placed(client, pool(name, OTHER, 16, "site-0", priority=1_000))


async def _drained(client: KubernetesClient) -> float:
    """From a quota lowered to next to nothing until the first node drains."""
    await client.patch(FACTORY, "site-0", {"spec": {"power": {"quota": "1k"}}})

    async def drains() -> bool:
        return any(await client.read_all(NODE, lambda it: bool(it["spec"].get("unschedulable"))))

    return await until(drains)
