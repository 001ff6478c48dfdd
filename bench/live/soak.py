"""A soak: a fleet that is changed for an hour, and whether the operator's process is afterwards as it was.

``python -m bench.live.soak --minutes 60`` exits with 1 where it is not.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console

import controlplane
from aifactory.api import names
from aifactory.backends.port import NODE
from aifactory.shell.client import FACTORY, POOL, ApiError, KubernetesClient
from bench.live.asking import Object, connected, megabytes, until
from bench.live.fleet import TENANTS, at_rest, site, tenants_pool
from bench.live.storm import change, settled
from cluster.operating import Operator, Start, install, operators
from controlplane import Kubectl, Lines, open_cluster

SITES: Final = 4
POOLS: Final = 200
PAUSE: Final = 0.1  # seconds between two changes
LOOK: Final = 5.0  # seconds between two looks at the process
GROWTH: Final = 1.05  # of the memory, from the second quarter to the last
SEED: Final = 1


class Look(NamedTuple):
    """What a process holds."""

    megabytes: float
    threads: int
    files: int  # connections among them


def look_at(operator: Operator) -> Look:
    """What the operator's own process holds now."""
    proc = Path(f"/proc/{operator.process.pid}")
    return Look(megabytes(operator), len(list((proc / "task").iterdir())), len(list((proc / "fd").iterdir())))


def faults(before: Look, looks: Sequence[Look], after: Look) -> list[str]:
    """What has grown: looks at rest before, while it was changed, and at rest after."""
    found = []
    quarter = max(1, len(looks) // 4)
    second, last = (
        statistics.median(it.megabytes for it in some)
        for some in (looks[quarter : 2 * quarter] or looks, looks[-quarter:])
    )
    if last > GROWTH * second:
        found.append(f"memory grew from {second:.0f} MB in the second quarter to {last:.0f} MB in the last")
    for name in ("threads", "files"):
        if (had := getattr(before, name)) < (has := getattr(after, name)):
            found.append(f"{has} {name} are open at rest, {had} were before")
    return found


class Soak:
    """A fleet, and people who change it."""

    def __init__(self, client: KubernetesClient, kubectl: Kubectl, operator: Operator) -> None:
        self._client, self._kubectl, self._operator = client, kubectl, operator
        self._dice = random.Random(SEED)

    async def begin(self) -> None:
        """Apply the fleet."""
        for n in range(SITES):
            await self._client.create(FACTORY, site(n))
        await self._create(range(POOLS))

    async def at_rest(self) -> Look:
        """What the operator holds once all is settled."""
        await self._create(range(POOLS))
        await until(lambda: settled(self._client))
        await at_rest(self._operator)
        return look_at(self._operator)

    async def change(self, seconds: float) -> list[Look]:
        """Change the fleet for a while: pools are edited, deleted and made again, and nodes are lost."""
        looks, end, due = list[Look](), time.monotonic() + seconds, 0.0
        while (now := time.monotonic()) < end:
            if now >= due:
                looks.append(look_at(self._operator))
                due = now + LOOK
            try:
                await self._step(self._dice.randrange(POOLS))
            except ApiError as error:
                if error.status not in (404, 409):  # it is not there just now, or there already
                    raise
            await asyncio.sleep(PAUSE)
        return looks

    async def _step(self, n: int) -> None:
        meta = _pool(n)["metadata"]
        match self._dice.randrange(20):
            case 0:
                nodes = await self._client.read_all(NODE, lambda it: it["metadata"])
                lost = self._dice.choice(nodes)
                await self._client.delete(NODE, lost["name"], uid=lost["uid"])
            case 1:
                gone = (f"{POOL.plural}.{names.GROUP}", meta["name"], f"--namespace={meta['namespace']}")
                await asyncio.to_thread(self._kubectl, "delete", *gone, "--ignore-not-found")
            case 2:
                await self._client.create(POOL, _pool(n))
            case _:
                spec = {"spec": change(self._dice)}
                await self._client.patch(POOL, meta["name"], spec, meta["namespace"])

    async def _create(self, pools: Iterable[int]) -> None:
        for n in pools:
            try:
                await self._client.create(POOL, _pool(n))
            except ApiError as error:
                if error.status != 409:
                    raise


def _pool(n: int) -> Object:
    return tenants_pool(n % SITES + 10 * (n // SITES), 8)


async def soaked(kubeconfig: Path, kubectl: Kubectl, start: Start, seconds: float) -> list[str]:
    """Change a fleet for a while; the faults that were found."""
    operator = await asyncio.to_thread(start)
    async with connected(kubeconfig) as client:
        soak = Soak(client, kubectl, operator)
        await soak.begin()
        await soak.change(seconds / 10)  # what is made on first use is there afterwards
        before = await soak.at_rest()
        looks = await soak.change(seconds)
        return faults(before, looks, await soak.at_rest())


def main() -> int:
    """Soak an operator on a cluster of its own."""
    parser = argparse.ArgumentParser(prog="python -m bench.live.soak", description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    minutes, console = parser.parse_args().minutes, Console()
    with tempfile.TemporaryDirectory() as made, open_cluster(on_progress=Lines(print)) as cluster:
        kubectl = controlplane.Kubectl(cluster.kubeconfig)
        with operators(kubectl, install(cluster, kubectl, Path(made)), Path(made)) as start:
            for namespace in TENANTS:
                kubectl("create", "namespace", namespace)
            found = asyncio.run(soaked(cluster.kubeconfig, kubectl, start, 60 * minutes))
    console.print("\n".join(found) or f"nothing has grown in {minutes:g} minutes", highlight=False)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
