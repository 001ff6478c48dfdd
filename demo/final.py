"""What is said at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from rich.console import Console
from rich.table import Table

from aifactory.api.quantity import show_power
from demo.delays import delays
from demo.replay import Outcome
from demo.stage import FACTORY
from recorder import Event, NodeSeen, PowerSample, Series, Verdict


@dataclass(frozen=True)
class Summary:
    """A replay in a few numbers."""

    outcome: Outcome
    seconds: float
    verdict: Verdict
    delays: Sequence[float]  # from a wish to ready GPUs, sorted
    created: int  # nodes
    released: int
    wanted: int  # GPUs at the peak of demand
    short: int  # the most GPUs that were wanted and not placed, once settled
    power: PowerSample  # at its highest
    series: Series


def sum_up(
    outcome: Outcome, seconds: float, events: Sequence[Event], verdict: Verdict, series: Series
) -> Summary:
    """Sum a replay up, from what was recorded."""
    ends = [step.settled for step in outcome.steps]
    settled = [[sample for sample in series.gpus if sample.time <= end][-1] for end in ends]
    return Summary(
        outcome=outcome,
        seconds=seconds,
        verdict=verdict,
        delays=sorted(delay.seconds for delay in delays(events, outcome.steps)),
        created=verdict.nodes,
        released=sum(event.gone for event in events if isinstance(event.seen, NodeSeen)),
        wanted=max(sample.wanted for sample in settled),
        short=max(sample.wanted - sample.placed for sample in settled),
        power=max(series.power[FACTORY, ""], key=lambda sample: sample.committed),
        series=series,
    )


def at_percent(values: Sequence[float], percent: int) -> float:
    """The value that so many percent of the sorted values are not above."""
    return values[max(0, ceil(len(values) * percent / 100) - 1)]


def show(summary: Summary, console: Console) -> None:
    """Print it."""
    it, verdict = summary, summary.verdict
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row(
        "replayed",
        f"{it.outcome.days} days in {it.seconds:.0f} s: {it.outcome.changes} changes on "
        f"{len(it.outcome.steps) - 1} days, {it.created} nodes created, {it.released} released",
    )
    table.add_row("GPUs", f"up to {it.wanted:,} wanted, up to {it.short:,} of them had to wait")
    share = it.power.committed / it.power.limit
    table.add_row(
        "power",
        f"up to {show_power(it.power.committed)} of {show_power(it.power.limit)} committed ({share:.1%})"
        + (f"; fullest: {verdict.peak.domain} {verdict.peak.share:.1%}" if verdict.peak else ""),
    )
    if it.delays:
        table.add_row(
            "delay",
            f"from a tenant's wish to ready GPUs: median {at_percent(it.delays, 50):.1f} s, "
            f"95 % within {at_percent(it.delays, 95):.1f} s, worst {it.delays[-1]:.1f} s",
        )
    for shed in verdict.sheds:
        met = "never" if shed.met is None else f"{shed.met - shed.began:.1f} s"
        table.add_row("shed", f"{shed.domain} was {show_power(shed.excess)} above its new limit for {met}")
    if verdict.kept:
        table.add_row(
            "proved",
            f"[green]no limit was exceeded[/], no node lost or doubled, no spec written: "
            f"{verdict.instants:,} instants, {verdict.domains} limits",
        )
    else:
        table.add_row("proved", "[bold red]not kept[/]")
        for wrong in (*verdict.violations, *verdict.gaps):
            table.add_row("", str(wrong))
    console.print(table)
