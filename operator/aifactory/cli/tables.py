"""Plans as tables for people."""

import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table

from aifactory.api import names
from aifactory.api.pool import GPUPool
from aifactory.api.quantity import show_power
from aifactory.cli.diff import Difference
from aifactory.cli.manifests import Manifests
from aifactory.cli.present import held_back
from aifactory.cli.shown import LARGE_FACTORIES, Shown
from aifactory.decide import Plan
from aifactory.decide.model.layout import Layout, lay_out
from aifactory.decide.model.world import Claim, PoolKey, key_of
from aifactory.decide.phrases import counted

_SHOWN_DOMAINS = 5
_RANGES = 5  # of priorities, for each reason
_BAR = 20
_WIDE = 200


def open_console(*, stderr: bool = False) -> Console:
    """A console; where no terminal and no $COLUMNS says how wide it is, wide enough to break no word."""
    console = Console(stderr=stderr)
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(stderr=stderr, width=_WIDE)


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        right, last = column.startswith(">"), column == columns[-1]
        table.add_column(
            column.lstrip(">"), justify="right" if right else "left", no_wrap=not last, overflow="fold"
        )
    return table


def statuses_of(plan: Plan, kind: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The plan's statuses of one kind, by namespace and name."""
    return {(write.namespace, write.name): write.status for write in plan.statuses if write.kind == kind}


def listed(manifests: Manifests, plan: Plan, shown: Shown) -> set[PoolKey]:
    """The pools that the filters leave."""
    statuses = statuses_of(plan, "GPUPool")
    return {key_of(pool) for pool in manifests.pools if shown.has(pool, statuses[key_of(pool)])}


def show_totals(console: Console, manifests: Manifests, plan: Plan) -> None:
    """The whole fleet in one line."""
    statuses = statuses_of(plan, "GPUPool").values()
    sites = [status["power"] for status in statuses_of(plan, "AIFactory").values() if "power" in status]
    placed = sum(min(_gpus(plan, pool), pool.spec.gpus) for pool in manifests.pools)
    held = held_back(manifests.factories, manifests.pools)
    planned = sum(placing.watts for placings in plan.placings.values() for placing in placings)
    planned += sum(claim.watts for claim in held if not claim.leaving)
    wished = sum(pool.spec.gpus for pool in manifests.pools)
    below = sum(_waits_for_minimum(status) for status in statuses)
    growth = sum("waiting" in status and not _waits_for_minimum(status) for status in statuses)
    number = len(manifests.factories)
    console.print(
        f"{'1 factory' if number == 1 else f'{number} factories'}, {counted(len(manifests.pools), 'pool')}: "
        f"{placed} of {wished} GPUs placed, {show_power(planned)} of "
        f"{show_power(sum(it['limit'] for it in sites))} planned. "
        f"Waiting: {counted(below, 'pool')} for the minimum, {growth} for growth.",
        highlight=False,
        soft_wrap=True,
    )
    console.print()


def _gpus(plan: Plan, pool: GPUPool) -> int:
    """GPUs that a pool has in the plan."""
    return sum(placing.gpus for placing in plan.placings.get(key_of(pool), ()))


def _waits_for_minimum(status: Mapping[str, Any]) -> bool:
    return any(it["type"] == "Placed" and it["status"] == "False" for it in status.get("conditions", ()))


def show_factories(
    console: Console, manifests: Manifests, plan: Plan, shown: Shown, *, every_domain: bool
) -> None:
    """Watts against limits: each factory, and its tightest domains or all of them."""
    worth = {(f, d): gpus for f, prices in plan.prices.items() for d, gpus in prices.domains}
    priced = every_domain and bool(worth)
    table = _table(
        "FACTORY / DOMAIN", ">LIMIT", ">PLANNED", ">FREE", "LOAD", ">GPUS", *[">+1 MW SERVES"] * priced
    )
    held = held_back(manifests.factories, manifests.pools)
    factories = [it for it in manifests.factories if shown.has_factory(it.metadata.name)]
    for factory in factories:
        layout = lay_out(factory)
        watts, gpus = _loads(layout, plan)
        kept = _held(layout, held)
        rows = [i for i in range(1, len(layout.instances)) if every_domain or watts[i]]
        if len(factories) > LARGE_FACTORIES and not every_domain:
            rows = []
        if not every_domain:
            rows.sort(key=lambda i: -watts[i] / max(layout.instances[i].limit, 1))
            rows = sorted(rows[:_SHOWN_DOMAINS])
        for i in (0, *rows):
            instance = layout.instances[i]
            share = watts[i] / instance.limit if instance.limit else float(watts[i] > 0)
            bar = "█" * min(_BAR, round(share * _BAR))
            table.add_row(
                factory.metadata.name if not i else f"  {instance.name}",
                show_power(instance.limit),
                show_power(watts[i]),
                show_power(max(0, instance.limit - watts[i] - kept[i])),
                f"{bar:<{_BAR}} {share:5.1%}",
                str(gpus[i]),
                *[worth.get((factory.metadata.name, instance.name), "")] * priced,
                style="bold" if not i else "",
            )
    console.print(table)
    lines = (*_units_worth(plan, every_domain=every_domain), *_energy(plan), *_held_words(held, shown))
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _units_worth(plan: Plan, *, every_domain: bool) -> list[str]:
    """What one more unit would serve, where units are short."""
    each = [
        f"{system} in {factory} {gpus}"
        for factory, prices in plan.prices.items()
        for system, gpus in prices.systems
    ]
    return [f"GPUs that one more unit serves: {', '.join(each)}"] if each and every_domain else []


def _energy(plan: Plan) -> list[str]:
    """What the plan's energy costs per day: in all, and factory by factory where there are several."""
    given = {
        write.name: write.status["energy"]
        for write in plan.statuses
        if write.kind == "AIFactory" and "energy" in write.status
    }
    parts = []
    for figure, what, unit in (("costPerDay", "cost", ""), ("carbonKilogramsPerDay", "carbon", " kg")):
        each = {name: Decimal(energy[figure]) for name, energy in given.items() if figure in energy}
        if each:
            sites = ", ".join(f"{name} {amount}" for name, amount in each.items())
            parts.append(f"{what} {sum(each.values())}{unit}{f' ({sites})' if len(each) > 1 else ''}")
    return [f"Energy per day: {'; '.join(parts)}"] if parts else []


def _held(layout: Layout, held: tuple[Claim, ...]) -> Counter[int]:
    """Watts below every instance that are held back and not being released."""
    watts: Counter[int] = Counter()
    for claim in held:
        if claim.factory == layout.factory and not claim.leaving:
            for i in layout.chain(layout.nearest(names.canonical(claim.domain))):
                watts[i] += claim.watts
    return watts


def _held_words(held: tuple[Claim, ...], shown: Shown) -> list[str]:
    """What counts in each factory beside the pools' placements."""
    lines = []
    for name, group in groupby(held, key=lambda claim: claim.factory):
        claims = list(group)
        for leaving, why in ((False, "held back"), (True, "being released")):
            some = [claim for claim in claims if claim.leaving is leaving]
            if some and shown.has_factory(name):
                units = sum(claim.units for claim in some if claim.system)
                watts = show_power(sum(claim.watts for claim in some))
                lines.append(f"In no pool's placements in {name}: {watts} ({counted(units, 'unit')}), {why}")
    return lines


def _loads(layout: Layout, plan: Plan) -> tuple[Counter[int], Counter[int]]:
    """Planned watts and GPUs of every instance."""
    watts: Counter[int] = Counter()
    gpus: Counter[int] = Counter()
    for placings in plan.placings.values():
        for placing in placings:
            if placing.factory == layout.factory:
                for i in layout.chain(layout.nearest(names.canonical(placing.domain))):
                    watts[i] += placing.watts
                    gpus[i] += placing.gpus
    return watts, gpus


def show_pools(console: Console, manifests: Manifests, plan: Plan, shown: Shown) -> None:
    """Which pool goes where, how good that is proved to be, and who waits and why.

    Of a large fleet only how many wait, by reason and priority.
    """
    statuses = statuses_of(plan, "GPUPool")
    table = _table("POOL", ">PRIORITY", ">GPUS", ">PLACED", ">POWER", "WHERE")
    waiting: list[tuple[PoolKey, Mapping[str, Any]]] = []
    named = listed(manifests, plan, shown)
    pools = [pool for pool in manifests.pools if key_of(pool) in named]
    each = shown.lists(len(pools))
    for pool in sorted(pools, key=lambda p: (-p.spec.priority, key_of(p))):
        status = statuses[key_of(pool)]
        table.add_row(
            str(key_of(pool)),
            str(pool.spec.priority),
            str(pool.spec.gpus),
            str(status["gpus"]),
            status["printed"]["power"] if status["gpus"] else "",
            status["printed"]["where"],
        )
        if "waiting" in status:
            waiting.append((key_of(pool), status["waiting"]))
    console.print()
    if each:
        console.print(table)
    else:
        console.print(
            f"{len(pools)} pools: list them by --pools, --factory, --namespace, --priority or --reason.",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    proved = (c for w in plan.statuses for c in w.status["conditions"] if c["type"] == "Certified")
    if proof := next(proved, None):  # the same for all factories
        console.print(f"\n{proof['reason']}: {proof['message']}", highlight=False, markup=False)
    if waiting and not each:
        console.print()
        console.print(_waiting_sums(pools, statuses))
    elif waiting:
        console.print("\n[bold]WAITING[/bold]")
    for key, why in waiting if each else ():
        console.print(f"{key}: {why['reason']}. {why['message']}", highlight=False, markup=False)


def _waiting_sums(pools: list[GPUPool], statuses: Mapping[tuple[str, str], Mapping[str, Any]]) -> Table:
    """How many pools wait for each reason, by priority from the highest: few ranges, each of whole values."""
    by_reason: dict[str, list[GPUPool]] = defaultdict(list)
    for pool in sorted(pools, key=lambda p: -p.spec.priority):
        if waiting := statuses[key_of(pool)].get("waiting"):
            by_reason[waiting["reason"]].append(pool)
    table = _table("WAITING FOR", ">PRIORITY", ">POOLS", ">GPUS MISSING", "THE FIRST")
    for reason, mine in sorted(by_reason.items(), key=lambda it: -len(it[1])):
        for some in _ranges(mine):
            missing = sum(pool.spec.gpus - statuses[key_of(pool)]["gpus"] for pool in some)
            most, least = some[0].spec.priority, some[-1].spec.priority
            table.add_row(
                reason,
                str(most) if most == least else f"{least}..{most}",
                str(len(some)),
                str(missing),
                str(key_of(some[0])),
            )
    return table


def _ranges(pools: list[GPUPool]) -> list[list[GPUPool]]:
    """Cut pools, sorted by priority, into at most so many ranges of about as many pools each."""
    found: list[list[GPUPool]] = [[]]
    for _, group in groupby(pools, key=lambda pool: pool.spec.priority):
        if len(found[-1]) * _RANGES >= len(pools):
            found.append([])
        found[-1] += group
    return found


def show_differences(console: Console, found: list[Difference]) -> None:
    """What moves and who loses."""
    console.print()
    if not found:
        console.print("Nothing changes.")
        return
    table = _table("POOL", ">PRIORITY", ">KEPT", ">MOVED", ">LOST", ">GAINED", "LEAVES", "ENTERS")
    for it in found:
        table.add_row(
            f"{it.pool}{' (evicted)' if it.evicted else ''}",
            str(it.priority),
            *(str(n) if n else "" for n in (it.kept, it.moved, it.lost, it.gained)),
            ", ".join(it.leaves[:3]) + (" ..." if len(it.leaves) > 3 else ""),
            ", ".join(it.enters[:3]) + (" ..." if len(it.enters) > 3 else ""),
        )
    console.print(table)
    console.print(
        f"GPUs moved {sum(it.moved for it in found)}, lost {sum(it.lost for it in found)}, "
        f"gained {sum(it.gained for it in found)}; pools evicted {sum(it.evicted for it in found)}."
    )
