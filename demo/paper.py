"""The 5-GW fleet, planned on paper: `python -m demo.paper FOLDER` writes it down, plans it and sums it up.

It is a process of its own, since it keeps a core busy while the control plane is built beside it.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from aifactory.api.quantity import show_power
from aifactory.cli.manifests import Manifests, read, world_of
from aifactory.decide import Plan, decide
from demo.fleet import write_fleet

_TIGHTEST: Final = 3


@dataclass(frozen=True)
class SitePower:
    """The power of one site in the plan, in IT watts."""

    name: str
    limit: int
    planned: int

    @property
    def share(self) -> float:
        """Part of the limit."""
        return self.planned / self.limit if self.limit else 0.0


@dataclass(frozen=True)
class Waiting:
    """A pool that waits, and what it is told."""

    name: str
    priority: int
    reason: str
    message: str


@dataclass(frozen=True)
class Summary:
    """A planned fleet in a few numbers."""

    sites: tuple[SitePower, ...]
    racks: int
    gross: int
    pools: int
    tenants: int
    wanted: int  # GPUs
    placed: int
    waiting: tuple[Waiting, ...]  # below their minimum, the highest priority first
    partly: int  # pools with their minimum, and not yet all they want
    read_seconds: float
    plan_seconds: float


def plan_fleet(folder: Path) -> Summary:
    """Read a fleet and plan it as `aifactory plan` does."""
    began = time.monotonic()
    manifests = read([folder])
    read_at = time.monotonic()
    plan = decide(world_of(manifests), datetime.now(UTC), acting=False)
    return summarise(manifests, plan, read_at - began, time.monotonic() - read_at)


def summarise(manifests: Manifests, plan: Plan, read_seconds: float, plan_seconds: float) -> Summary:
    """Sum a plan up."""
    statuses = {(w.kind, w.namespace, w.name): w.status for w in plan.statuses}
    planned: Counter[str] = Counter()
    for placings in plan.placings.values():
        for placing in placings:
            planned[placing.factory] += placing.watts
    sites = []
    for factory in manifests.factories:
        name = factory.metadata.name
        status = statuses["AIFactory", "", name]
        sites.append(SitePower(name, status["power"]["limit"], planned[name]))
    placed, partly, waiting = 0, 0, []
    for pool in manifests.pools:
        status = statuses["GPUPool", pool.metadata.namespace, pool.metadata.name]
        placed += min(status["gpus"], pool.spec.gpus)
        if status["gpus"] < pool.spec.minimum:
            told = status["waiting"]
            name = f"{pool.metadata.namespace}/{pool.metadata.name}"
            waiting.append(Waiting(name, pool.spec.priority, told["reason"], told["message"]))
        else:
            partly += status["gpus"] < pool.spec.gpus
    return Summary(
        sites=tuple(sites),
        racks=sum(_racks(manifests)),
        gross=sum(_gross(manifests)),
        pools=len(manifests.pools),
        tenants=len({pool.metadata.namespace for pool in manifests.pools}),
        wanted=sum(pool.spec.gpus for pool in manifests.pools),
        placed=placed,
        waiting=tuple(sorted(waiting, key=lambda w: (-w.priority, w.name))),
        partly=partly,
        read_seconds=read_seconds,
        plan_seconds=plan_seconds,
    )


def _racks(manifests: Manifests) -> Iterator[int]:
    for factory in manifests.factories:
        counts = {domain.path: domain.count for domain in factory.spec.power.domains}
        for racks in factory.spec.racks:
            steps, total = racks.domain.split("/"), racks.count
            for depth in range(len(steps)):
                total *= counts["/".join(steps[: depth + 1])]
            yield total


def _gross(manifests: Manifests) -> Iterator[int]:
    for factory in manifests.factories:
        power = factory.spec.power
        yield int(power.quota * (power.peak_pue or 1) if power.basis == "CriticalIT" else power.quota)


def show(summary: Summary, console: Console, folder: Path) -> None:
    """Print the summary."""
    limit = sum(site.limit for site in summary.sites)
    planned = sum(site.planned for site in summary.sites)
    served = summary.pools - len(summary.waiting)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row(
        "fleet",
        f"{len(summary.sites)} factories, {summary.racks:,} racks, {show_power(summary.gross)} at the meter; "
        f"{summary.pools:,} pools of {summary.tenants} tenants ({folder}/*.yaml)",
    )
    table.add_row(
        "power",
        f"{show_power(planned)} of {show_power(limit)} for the equipment are planned ({planned / limit:.1%})",
    )
    table.add_row("GPUs", f"{summary.placed:,} placed of {summary.wanted:,} wanted")
    reasons = Counter(waiting.reason for waiting in summary.waiting)
    why = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
    table.add_row(
        "pools",
        f"{served:,} have their minimum ({summary.partly:,} of them wait for growth), "
        f"{len(summary.waiting):,} wait: {why}",
    )
    tightest = sorted(summary.sites, key=lambda site: -site.share)[:_TIGHTEST]
    table.add_row("tightest", ", ".join(f"{s.name} {s.share:.1%} of {show_power(s.limit)}" for s in tightest))
    if summary.waiting:
        example = next((w for w in summary.waiting if w.reason == "InsufficientPower"), summary.waiting[0])
        table.add_row("a tenant reads", f"{example.name} (priority {example.priority}): {example.message}")
    table.add_row(
        "time", f"{summary.plan_seconds:.0f} s to plan, {summary.read_seconds:.1f} s to read the YAML"
    )
    console.print(table)


def main(folder: Path) -> None:
    """Write, plan and sum up."""
    write_fleet(folder)
    show(plan_fleet(folder), Console(), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
