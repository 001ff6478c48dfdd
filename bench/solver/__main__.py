"""Runs methods on instances, each pair in a process of its own, and reports.

`python -m bench.solver --scale S,M --seeds 1,2,3 --methods all --profile classes,many --event first`; the
environment variables SCALE, SEEDS, METHODS, PROFILE, EVENT and BUDGET say the same.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from bench.solver.cases import FIRST, GENERATED, REAL, Named, named
from bench.solver.events import EVENTS
from bench.solver.instances import PROFILES, SCALES
from bench.solver.peers import METHODS
from bench.solver.report import FIELDS, Row, page, write

CHOICES = {
    "scale": ("S,M", tuple(SCALES)),
    "seeds": ("1,2,3", ()),
    "methods": ("all", tuple(METHODS)),
    "profile": ("classes,many", (*PROFILES, *GENERATED, *REAL)),
    "event": (FIRST, (FIRST, *EVENTS)),
}
GRACE = 900  # seconds beside twice the budget, until a method is given up


def main() -> None:
    """Measure, and print the page; with --write, write it and the rows."""
    options = _options()
    console, rows = Console(stderr=True), list[Row]()
    instances = named(options.scale, options.profile, map(int, options.seeds), options.event)
    with tempfile.TemporaryDirectory() as folder, Progress(console=console) as progress:
        task = progress.add_task("", total=len(instances) * len(options.methods))
        path = Path(folder) / "instance"
        for instance in instances:
            progress.update(task, description=f"{instance}: making it")
            _child("build", path, *vars(instance).values())
            for method in options.methods:
                progress.update(task, description=f"{instance}: {method}")
                rows.append(_measured(instance, method, options.budget, path, console))
                progress.advance(task)
    print(page(rows))
    if options.write:
        write(rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.solver", description=main.__doc__)
    for name, (default, allowed) in CHOICES.items():
        value = os.environ.get(name.upper()) or default
        says = f"of {', '.join(allowed)}, or all; " if allowed else ""
        parser.add_argument(f"--{name}", default=value, help=f"a list, {says}here: {value}")
    budget = float(os.environ.get("BUDGET") or 60)
    parser.add_argument("--budget", type=float, default=budget, help=f"seconds each, here: {budget:g}")
    parser.add_argument("--write", action="store_true", help="write solver.json, the page and the pictures")
    options = parser.parse_args()
    for name, (_, allowed) in CHOICES.items():
        given = getattr(options, name)
        values = list(allowed) if given == "all" and allowed else given.split(",")
        wrong = [value for value in values if allowed and value not in allowed]
        if wrong:
            parser.error(f"{name}: found {', '.join(wrong)}, allowed are {', '.join(allowed)}")
        setattr(options, name, values)
    return options


def _measured(instance: Named, method: str, budget: float, path: Path, console: Console) -> Row:
    """One row; without numbers where the method gave no plan that may be used."""
    row: Row = dict.fromkeys(FIELDS)
    row |= {**vars(instance), "method": method, "budget_s": budget}
    try:
        found = _child("solve", path, method, str(budget), seconds=2 * budget + GRACE)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        last = (error.stderr or b"").decode(errors="replace").strip().rpartition("\n")[2]
        console.print(f"{instance}: {method}: no plan: {last or error}", style="red", markup=False)
        return row
    if "served_by_band" not in found:
        console.print(f"{instance}: {method}: not sound: {found['broken']}", style="red", markup=False)
    memory = f"{found['absolute_mb']:,.0f} MB in all"
    console.print(f"{instance}: {method}: {found['seconds']:.3g} s, {memory}", style="dim", markup=False)
    return {field: found.get(field, row[field]) for field in FIELDS}


def _child(*words: Any, seconds: float | None = None) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.solver.child", *map(str, words)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=seconds)
    lines = done.stdout.decode().strip().splitlines()
    return json.loads(lines[-1]) if lines else {}


if __name__ == "__main__":
    main()
