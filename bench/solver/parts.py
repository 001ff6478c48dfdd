"""Where the solver's process time goes, part by part: `python -m bench.solver.parts`.

A clock ticks each millisecond, and each tick is given to the innermost module of the solver on the stack.
Python looks at a tick when the call into compiled code is over in which it fell; all ticks of that call are
given to the module that made it. Unlike a profiler of calls this slows small functions no more than large.
"""

import argparse
import os
import platform
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Self

import highspy
import numpy as np
from rich.console import Console

import aifactory_solver
from aifactory_solver import Explainer, certify, improve
from aifactory_solver.problem import Problem, Solution
from bench.solver.cases import FIRST, Named, case
from bench.solver.instances import SCALES
from bench.solver.report import FOLDER
from bench.solver.runs import EXACT, LED, PLAIN, REGROUPED, ROCKS, STRICT, watched

EVENT = "quota-20"
_HOME = f"{Path(aifactory_solver.__file__).parent}{os.sep}"
_TICK = 0.001  # seconds
_ENOUGH = 2.0  # seconds: what is shorter is done again until then

_ENGINE = {
    PLAIN: "engine, by itself",
    LED: "engine, led by the targets",
    ROCKS: "engine, hard ones first (rocks)",
    STRICT: "engine, strict order (finalize)",
    REGROUPED: "engine, in the room of those that are lost",
    EXACT: "engine, led by an exact answer",
    "": "engine's search, outside of a run",
}
# The first that begins as a module's path does; what is in `_XP` is written for any array namespace.
_PARTS = (
    ("strict/forest", "sums over the forest of limits"),
    ("relax/pdhg", "PDHG"),
    ("relax/matrix", "PDHG"),
    ("relax/bound", "bounds from prices"),
    ("batch/", "many scenarios at once"),
    ("strict/layout", "layout of the problem"),
    ("strict/", ""),
    ("targets", ""),
    ("relax/tighten", "tightening limits to whole units"),
    ("relax/simplex", "linear program (HiGHS' simplex)"),
    ("relax/", "merging cells and demands"),
    ("exact/", "integer programs (HiGHS)"),
    ("explain/", "changes that would let a pool in"),
    ("check/", "checker"),
    ("", "all else: comparing plans, adding up"),
)
_XP = {name for _, name in _PARTS[:5]}


@dataclass(frozen=True)
class Spent:
    """Process time of one piece of work."""

    seconds: float  # of one time
    shares: dict[str, float]  # by part, 1 together


def main() -> None:
    """Measure at each scale where solve, certify and the explanations spend their time."""
    parser = argparse.ArgumentParser(prog="python -m bench.solver.parts", description=main.__doc__)
    parser.add_argument("--scale", choices=tuple(SCALES), action="append", help="default: all")
    parser.add_argument("--write", action="store_true", help="write solver-parts.md in docs/benchmarks")
    options = parser.parse_args()
    console, found = Console(stderr=True), dict[str, dict[str, Spent]]()
    for scale in options.scale or SCALES:
        for what, spent in measured(scale):
            console.print(f"{scale}: {what}: {spent.seconds:.3g} s", style="dim")
            found.setdefault(what, {})[scale] = spent
    text = page(found)
    print(text)
    if options.write:
        (FOLDER / "solver-parts.md").write_text(text, encoding="utf-8")


def measured(scale: str) -> Iterator[tuple[str, Spent]]:
    """What each piece of work on one instance spends."""
    improve.solve(case(Named("S", "classes", 1)).problem, np)  # loads what loads when it is used
    problem = case(Named(scale, "classes", 1, FIRST)).problem
    plan = improve.solve(problem, np)
    yield "solve, a first plan", spent(lambda: improve.solve(problem, np))
    event = case(Named(scale, "classes", 1, EVENT)).problem
    yield f"solve, after {EVENT}", spent(lambda: improve.solve(event, np))
    yield "certify, a first plan", spent(lambda: certify(problem, plan, np))
    yield "explain, every pool that waits", spent(lambda: _explained(problem, plan))


def _explained(problem: Problem, plan: Solution) -> None:
    explainer, gets = Explainer(problem, plan), np.zeros(problem.pools, dtype=np.int64)
    gpus = problem.system_gpus[problem.cell_system[plan.new_cell]]
    np.add.at(gets, plan.new_pool, plan.new_units * gpus)
    for pool in np.flatnonzero(gets < problem.minimum).tolist():
        explainer.explain(pool)


def spent(work: Callable[[], object]) -> Spent:
    """Look where some work is while it is done, again and again if it is short. In the main thread only."""
    ticks, times = _Ticks(), 0
    began, process = time.perf_counter(), time.process_time()
    with ticks:
        while not times or time.perf_counter() - began < _ENOUGH:
            with watched(ticks.begins, ticks.ends):
                work()
            times += 1
    total = max(1, sum(ticks.counts.values()))
    seconds = (time.process_time() - process) / times
    return Spent(seconds, {part: count / total for part, count in ticks.counts.items()})


class _Ticks:
    """Counts ticks by part: of the clock, for the kernel lets process time tick too slowly to be fair."""

    def __init__(self) -> None:
        self.counts = Counter[str]()
        self._role, self._seen = "", 0

    def begins(self, role: str) -> None:
        self._role = role

    def ends(self) -> None:
        self._role = ""

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGALRM, self._look)
        self._began = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
        return self

    def __exit__(self, *error: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)

    def _look(self, number: int, frame: FrameType | None) -> None:
        passed = int((time.perf_counter() - self._began) / _TICK)
        self.counts[part_of(frame, self._role)] += passed - self._seen
        self._seen = passed


def part_of(frame: FrameType | None, role: str) -> str:
    """The part that the innermost module of the solver on a stack belongs to, in a run of the engine."""
    while frame is not None and not frame.f_code.co_filename.startswith(_HOME):
        frame = frame.f_back
    module = "" if frame is None else frame.f_code.co_filename.removeprefix(_HOME)
    name = next(name for path, name in _PARTS if module.startswith(path))
    return name or _ENGINE[role]


_HEAD = """\
# Where the solver's time goes

Written by `python -m bench.solver.parts --write`. One instance of each scale, priorities in classes, seed 1,
in a warm process.

{scales}

*xp* is written for any array namespace, so it runs on CuPy where there is a device; here it ran on NumPy.
*host* is Python, int64 NumPy or HiGHS, on the host in any case. Where time goes was looked up each
millisecond; a call into NumPy or HiGHS counts where it was made.

Measured on: {machine}.
"""


def page(found: dict[str, dict[str, Spent]]) -> str:
    """The page: a table for each piece of work, host parts and xp parts from the largest."""
    scales = {scale: None for spent in found.values() for scale in spent}
    parts = [
        _HEAD.format(
            scales="\n".join(
                "- **{}**: {:,} factories, {:,} racks, {:,} pools".format(s, *SCALES[s]) for s in scales
            ),
            machine=f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
            f"Python {platform.python_version()}, NumPy {np.__version__}, HiGHS {_highs()}",
        )
    ]
    for what, by_scale in found.items():
        parts += [f"## {what[0].upper()}{what[1:]}\n", _table(by_scale), ""]
    return "\n".join(parts)


def _highs() -> str:
    return str(highspy.Highs().version())  # type: ignore[no-untyped-call]


def _table(by_scale: dict[str, Spent]) -> str:
    lines = [f"| part | where | {' | '.join(by_scale)} |", f"|---|---|{'--:|' * len(by_scale)}"]
    last = next(reversed(by_scale.values())).shares
    names = {name for spent in by_scale.values() for name in spent.shares}
    for where in ("host", "xp"):
        mine = sorted(name for name in names if (name in _XP) == (where == "xp"))
        for name in sorted(mine, key=lambda name: -last.get(name, 0.0)):
            shares: Iterator[float] = (spent.shares.get(name, 0.0) for spent in by_scale.values())
            lines.append(f"| {name} | {where} | {' | '.join(map(_percent, shares))} |")
        together = (sum((spent.shares.get(name, 0.0) for name in mine), 0.0) for spent in by_scale.values())
        lines.append(f"| **together** | {where} | {' | '.join(map(_percent, together))} |")
    seconds = " | ".join(f"{spent.seconds:.3g} s" for spent in by_scale.values())
    return "\n".join((*lines, f"| process time | | {seconds} |"))


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 else "-"


if __name__ == "__main__":
    main()
