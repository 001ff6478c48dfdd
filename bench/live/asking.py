"""What the scenarios share: a client, waiting, and what the operator's process has used."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aifactory.shell.client import POOL, KubernetesClient, configuration
from cluster.operating import Operator, condition

LONGEST: Final = 300.0  # seconds until something is given up
LOOK: Final = 0.05  # seconds between two looks: as exact are all figures
LOOK_AT_ALL: Final = 1.0  # likewise at a thousand objects, of which each look costs as much as a cycle
Object = dict[str, Any]
Sample = tuple[str, str, float]  # metric, unit, value


@asynccontextmanager
async def connected(kubeconfig: Path) -> AsyncIterator[KubernetesClient]:
    """A client of the test cluster's own user."""
    client = KubernetesClient(await configuration(str(kubeconfig)))
    try:
        yield client
    finally:
        await client.close()


async def until(true: Callable[[], Awaitable[object]], seconds: float = LONGEST, look: float = LOOK) -> float:
    """Wait until something is true, looking every ``look`` seconds; the seconds that it took.

    Raises TimeoutError.
    """
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110 - it is another process's doing
            await asyncio.sleep(look)
    return time.monotonic() - began


async def placed(client: KubernetesClient, wish: Object) -> float:
    """Create a pool; seconds until it says that it is placed."""
    await client.create(POOL, wish)
    meta = wish["metadata"]

    async def says_so() -> bool:
        seen = await client.get(POOL, meta["name"], meta["namespace"])
        return condition(seen, "Placed").get("status") == "True"

    return await until(says_so)


def told(samples: list[Sample]) -> list[Sample]:
    """The same, shown as they come: a scenario takes minutes, and may not come to its end."""
    for metric, unit, value in samples:
        print(f"{metric}: {value:.2f} {unit}".rstrip(), flush=True)
    return samples


def processor_seconds(operator: Operator) -> float:
    """What the operator's own process has used of the processor, its solver's left out."""
    fields = Path(f"/proc/{operator.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(operator: Operator) -> float:
    """What it holds of memory."""
    lines = Path(f"/proc/{operator.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024
