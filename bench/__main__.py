"""Times the decision, and writes the table that the documentation shows."""

import argparse
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy
from rich.console import Console

from aifactory.decide import World, decide
from aifactory.decide.model.build import build
from aifactory_solver import check, solve_plainly
from bench.fleets import fleet, served, standing

T = TypeVar("T")

SCALES = {"S": (3, 60, 40), "M": (10, 2_000, 1_000), "L": (40, 40_000, 10_000)}
SEEDS = (1, 2, 3)
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks" / "decide.md"


def main() -> None:
    """Run the scales that are asked for; three seeds each, medians."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument("--scale", choices=sorted(SCALES), action="append", help="default: all")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name} in docs/benchmarks")
    options = parser.parse_args()
    lines = [
        "| scale | event | arrays | solve | check | decide | GPUs served | of wished |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    console = Console()
    for scale in options.scale or SCALES:
        for event, rows in _measure(scale, console).items():
            medians = [statistics.median(column) for column in zip(*rows, strict=True)]
            seconds = " | ".join(f"{value:.2f} s" for value in medians[:4])
            gpus = f"{medians[4]:,.0f} | {medians[5]:.1%}"
            lines.append(f"| {scale} | {event} | {seconds} | {gpus} |")
            console.print(lines[-1], highlight=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    page = _PAGE.format(
        table="\n".join(lines),
        scales="\n".join(
            f"- **{name}**: {f} factories, {racks:,} racks, {pools:,} pools"
            for name, (f, racks, pools) in SCALES.items()
        ),
        machine=f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
        f"Python {platform.python_version()}, NumPy {numpy.__version__}; "
        f"peak memory of the whole run {peak:,.0f} MB",
    )
    if options.write:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page, encoding="utf-8")


_PAGE = """\
# How long a decision takes

Written by `python -m bench --write`. Medians of three seeds, one process, times as the clock shows them.

{scales}

{table}

*first plan*: nothing stands. *nothing*: the plan stands and nothing has changed; the answer is to
change nothing. *quota -20 %*: the plan stands, and the first factory's quota falls by a fifth.
*arrays* turns resources into the solver's arrays, *solve* is the safe plan of the engine, *check* the
independent checker, and *decide* the whole decision with statuses and explanations for every pool that waits.

Measured on: {machine}.
"""


def _measure(scale: str, console: Console) -> dict[str, list[list[float]]]:
    rows: dict[str, list[list[float]]] = {}
    for seed in SEEDS:
        world = fleet(*SCALES[scale], seed)
        with console.status(f"{scale}, seed {seed}"):
            plan = decide(world, datetime.now(UTC), acting=False)
            events = {
                "first plan": world,
                "nothing": standing(world, plan),
                "quota -20 %": standing(world, plan, quota_percent=80),
            }
            for event, after in events.items():
                rows.setdefault(event, []).append(_time(after))
    return rows


def _time(world: World) -> list[float]:
    """Seconds for arrays, solve, check and decide, then GPUs served and their share of those wished."""
    arrays, case = _clock(lambda: build(world))
    solving, solution = _clock(lambda: solve_plainly(case.problem))
    checking, _ = _clock(lambda: check(case.problem, solution))
    deciding, plan = _clock(lambda: decide(world, datetime.now(UTC), acting=False))
    gpus = served(world, plan)
    return [arrays, solving, checking, deciding, gpus, gpus / sum(p.spec.gpus for p in world.pools)]


def _clock(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


if __name__ == "__main__":
    main()
