"""A fleet of 10 factories, 1,000 pools and 4,000 nodes: applied at once, quiet, edited, short of power."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aifactory.api import names
from aifactory.backends.port import NODE
from aifactory.shell.client import FACTORY, POOL, KubernetesClient
from bench.live.asking import (
    LOOK_AT_ALL,
    Object,
    Sample,
    connected,
    megabytes,
    placed,
    processor_seconds,
    told,
    until,
)
from cluster.operating import Operator, Start, condition, factory, pool

SITES, POOLS, GPUS = 10, 1_000, 32  # four nodes a pool
EDITS: Final = 20  # of pools a second, of what decides nothing
NEW: Final = 8  # pools that come to the quiet fleet, and to the busy one
LOWERED: Final = 3  # times that a quota falls
FULL: Final = 5  # the first site that has no power left once quotas fell while all was quiet
TENANTS = NAMESPACES = tuple(f"team-{n}" for n in range(10))


async def measure(kubeconfig: Path, start: Start) -> list[Sample]:
    """Measure an operator that leads, and one that takes over from it."""
    operator = await asyncio.to_thread(start)
    async with connected(kubeconfig) as client:
        for n in range(SITES):
            await client.create(FACTORY, site(n))
        samples = told(await _applied(client, operator))
        samples += told(await _quiet(client, operator))
        samples += told([it async for it in _new(client, "quiet")])
        samples += told([it async for it in _lowered(client, "quiet")])
        async with _edited(client):
            samples += told([it async for it in _new(client, "20 edits a second")])
            samples += told([it async for it in _lowered(client, "20 edits a second")])
        samples.append(("memory", "MB", megabytes(operator)))
        samples.append(("from SIGKILL to the first decision", "s", await _restarted(operator, start)))
        return samples


def site(n: int) -> Object:
    """Room for some 600 nodes of 10.2 kW."""
    made = factory(f"site-{n}", rows=10, racks=20, limit="1M")
    made["spec"]["power"]["quota"] = "6M"
    return made


def tenants_pool(n: int, gpus: int = GPUS) -> Object:
    """The n-th pool of the fleet."""
    return pool(f"pool-{n}", TENANTS[n % len(TENANTS)], gpus, f"site-{n % SITES}", priority=n % 5)


async def _applied(client: KubernetesClient, operator: Operator) -> list[Sample]:
    """All pools at once."""
    began = time.monotonic()
    for n in range(POOLS):
        await client.create(POOL, tenants_pool(n))
    last = time.monotonic()

    async def all_of(kind: str) -> bool:
        pools = await client.read_all(POOL, dict)
        return all(condition(it, kind).get("status") == "True" for it in pools)

    await until(lambda: all_of("Placed"), look=LOOK_AT_ALL)
    all_placed = time.monotonic()
    await until(lambda: all_of("Ready"), look=LOOK_AT_ALL)
    ready = time.monotonic()
    await at_rest(operator)
    written = sum(operator.metric("aifactory_writes_total", action=it) for it in ("StatusWrite", "Finalizer"))
    nodes = operator.metric("aifactory_writes_total", action="Order", outcome="done")
    return [
        ("1,000 pools applied: all created", "s", last - began),
        ("1,000 pools applied: all placed, after the last", "s", all_placed - last),
        ("1,000 pools applied: all ready, after the last", "s", ready - last),
        ("1,000 pools applied: nodes ordered a second", "1/s", nodes / (ready - began)),
        ("1,000 pools applied: writes a pool, nodes and events left out", "", written / POOLS),
    ]


async def _quiet(client: KubernetesClient, operator: Operator) -> list[Sample]:
    """Cycles in which nothing changes: an annotation on a factory wakes the loop, or rather a label."""
    samples: list[Sample] = []
    for n in range(5):
        cycles, writes = operator.cycles(), operator.metric("aifactory_writes_total")
        used = processor_seconds(operator)
        await client.patch(FACTORY, "site-0", {"metadata": {"labels": {"touched": str(n)}}})

        async def another(before: int = cycles) -> bool:
            return operator.cycles() > before

        took = await until(another)
        samples += [
            ("quiet cycle", "s", took),
            ("quiet cycle: processor", "s", processor_seconds(operator) - used),
            ("quiet cycle: writes", "", operator.metric("aifactory_writes_total") - writes),
        ]
        await at_rest(operator)
    return samples


async def _new(client: KubernetesClient, when: str) -> AsyncIterator[Sample]:
    """A pool of 8 nodes comes, to a site whose quota nobody has lowered by then."""
    for n in range(NEW):
        name, where = f"new-{when[0]}-{n}", f"site-{n % FULL}"
        began = time.monotonic()
        yield (
            f"new pool, {when}: placed",
            "s",
            await placed(client, pool(name, TENANTS[0], 64, where, priority=9)),
        )
        selector = f"{names.LABEL_POOL}={name}"

        async def there(selector: str = selector) -> bool:
            return len(await client.read_all(NODE, dict, labels=selector)) == 8

        await until(there)
        yield f"new pool, {when}: all nodes created", "s", time.monotonic() - began


async def _lowered(client: KubernetesClient, when: str) -> AsyncIterator[Sample]:
    """A site's quota falls to what a tenth less than its nodes draw."""
    for n in range(LOWERED):
        name = f"site-{n + (FULL if when == 'quiet' else 0)}"
        status = (await client.get(FACTORY, name))["status"]["power"]
        await client.patch(FACTORY, name, {"spec": {"power": {"quota": str(status["committed"] * 9 // 10)}}})
        began = time.monotonic()
        selector = f"{names.LABEL_FACTORY}={name}"

        async def drains(selector: str = selector) -> bool:
            return any(await client.read_all(NODE, lambda it: "unschedulable" in it["spec"], labels=selector))

        async def met(name: str = name) -> bool:
            power = (await client.get(FACTORY, name))["status"]["power"]
            return bool(power["limit"] < status["committed"] and power["committed"] <= power["limit"])  # noqa: B023

        yield f"lowered quota, {when}: first release", "s", await until(drains)
        await until(met)
        yield f"lowered quota, {when}: met", "s", time.monotonic() - began


@asynccontextmanager
async def _edited(client: KubernetesClient) -> AsyncIterator[None]:
    """Somebody changes pools all the time, in what decides nothing: how long they may drain."""

    async def edit() -> None:
        n = 0
        while True:
            change = {"spec": {"drainTimeoutSeconds": 600 + n % 100}}
            which = n % POOLS
            await client.patch(POOL, f"pool-{which}", change, TENANTS[which % len(TENANTS)])
            n += 1
            await asyncio.sleep(1 / EDITS)

    editing = asyncio.create_task(edit())
    try:
        yield
    finally:
        editing.cancel()
        await asyncio.wait((editing,))


async def at_rest(operator: Operator) -> None:
    """Wait until no cycle has run for three seconds."""
    since, cycles = time.monotonic(), operator.cycles()
    while time.monotonic() - since < 3:
        await asyncio.sleep(0.2)
        if operator.cycles() != cycles:
            since, cycles = time.monotonic(), operator.cycles()


async def _restarted(operator: Operator, start: Start) -> float:
    operator.kill()
    began = time.monotonic()
    after = await asyncio.to_thread(start, "after")

    async def decided() -> bool:
        return after.cycles() > 0

    await until(decided)
    return time.monotonic() - began
