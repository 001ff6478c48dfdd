"""A storm: 200 changes a second for a minute on 1,000 pools, and how long after the last all is settled."""

import asyncio
import random
import time
from pathlib import Path
from typing import Final

from aifactory.shell.client import FACTORY, POOL, KubernetesClient
from bench.live.asking import Object, Sample, connected, processor_seconds, until
from bench.live.fleet import POOLS, SITES, TENANTS, at_rest, site, tenants_pool
from cluster.operating import Operator, Start, condition

NAMESPACES = TENANTS
RATE: Final = 200  # changes a second
SECONDS: Final = 60.0
AT_ONCE: Final = 16  # changes under way
SEED: Final = 1


async def measure(kubeconfig: Path, start: Start) -> list[Sample]:
    """Apply a fleet with room to spare, change it for a while, and wait."""
    operator = await asyncio.to_thread(start)
    async with connected(kubeconfig) as client:
        for n in range(SITES):
            await client.create(FACTORY, site(n))
        for n in range(POOLS):
            await client.create(POOL, tenants_pool(n, 8))
        await until(lambda: settled(client))
        await at_rest(operator)
        return await _stormed(client, operator)


async def _stormed(client: KubernetesClient, operator: Operator) -> list[Sample]:
    dice, made, used = random.Random(SEED), 0, processor_seconds(operator)
    began = time.monotonic()

    async def work() -> None:
        nonlocal made
        while (now := time.monotonic()) < began + SECONDS:
            if made >= (now - began) * RATE:
                await asyncio.sleep(1 / RATE)
                continue
            made += 1
            n = dice.randrange(POOLS)
            await client.patch(POOL, f"pool-{n}", {"spec": change(dice)}, TENANTS[n % len(TENANTS)])

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    last = time.monotonic()
    after = await until(lambda: settled(client))
    await at_rest(operator)
    return [
        ("changes a second", "1/s", made / (last - began)),
        ("settled after the last change", "s", after),
        ("processor until all is at rest", "s", processor_seconds(operator) - used),
    ]


def change(dice: random.Random) -> Object:
    """A change of a pool: of its size, of its priority, of what decides nothing."""
    return dice.choice(
        (
            {"gpus": dice.choice((8, 16, 24)), "minGpus": 8},
            {"priority": dice.randrange(5)},
            {"drainTimeoutSeconds": dice.randrange(60, 600)},
        )
    )


async def settled(client: KubernetesClient) -> bool:
    """Whether every pool is Ready under its present spec, with all that it asks for."""

    def fine(it: Object) -> bool:
        status = it.get("status", {})
        seen = status.get("observedGeneration") == it["metadata"]["generation"]
        ready = condition(it, "Ready").get("status") == "True"
        return seen and ready and bool(status.get("gpus") == it["spec"]["gpus"])

    return all(map(fine, await client.read_all(POOL, dict)))
