"""Plans as tables for people."""

import os
from collections import Counter
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from aifactory.api import names
from aifactory.api.quantity import show_power
from aifactory.cli.diff import Difference
from aifactory.cli.manifests import Manifests
from aifactory.decide import Plan
from aifactory.decide.layout import Layout, lay_out
from aifactory.decide.world import key_of

_SHOWN_DOMAINS = 5
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


def show_factories(console: Console, manifests: Manifests, plan: Plan, *, every_domain: bool) -> None:
    """Watts against limits: each factory, and its tightest domains or all of them."""
    worth = {(f, d): gpus for f, prices in plan.prices.items() for d, gpus in prices.domains}
    priced = every_domain and bool(worth)
    table = _table(
        "FACTORY / DOMAIN", ">LIMIT", ">PLANNED", ">FREE", "LOAD", ">GPUS", *[">+1 MW SERVES"] * priced
    )
    for factory in manifests.factories:
        layout = lay_out(factory)
        watts, gpus = _loads(layout, plan)
        rows = [i for i in range(1, len(layout.instances)) if every_domain or watts[i]]
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
                show_power(max(0, instance.limit - watts[i])),
                f"{bar:<{_BAR}} {share:5.1%}",
                str(gpus[i]),
                *[worth.get((factory.metadata.name, instance.name), "")] * priced,
                style="bold" if not i else "",
            )
    console.print(table)
    for line in (*_units_worth(plan, every_domain=every_domain), *_energy(plan)):
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


def show_pools(console: Console, manifests: Manifests, plan: Plan) -> None:
    """Which pool goes where, how good that is proved to be, and who waits and why."""
    statuses = {
        (write.namespace, write.name): write.status for write in plan.statuses if write.kind == "GPUPool"
    }
    table = _table("POOL", ">PRIORITY", ">GPUS", ">PLACED", ">POWER", "WHERE")
    waiting = []
    for pool in sorted(manifests.pools, key=lambda p: (-p.spec.priority, key_of(p))):
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
    console.print(table)
    proved = (c for w in plan.statuses for c in w.status["conditions"] if c["type"] == "Certified")
    if proof := next(proved, None):  # the same for all factories
        console.print(f"\n{proof['reason']}: {proof['message']}", highlight=False, markup=False)
    if waiting:
        console.print("\n[bold]WAITING[/bold]")
    for key, why in waiting:
        console.print(f"{key}: {why['reason']}. {why['message']}", highlight=False, markup=False)


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
