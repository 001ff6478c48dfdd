"""Times the operator on a real control plane, and writes the rows that the documentation shows."""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console

import controlplane
from bench.live import fleet, flood
from bench.live.asking import Sample
from cluster.operating import Start, install, operators
from controlplane import Lines, open_cluster

Scenario = Callable[[Path, Start], Coroutine[Any, Any, list[Sample]]]
SCENARIOS: Final[dict[str, tuple[Scenario, tuple[str, ...]]]] = {
    "fleet": (fleet.measure, fleet.NAMESPACES),
    "flood": (flood.measure, flood.NAMESPACES),
}
ROWS: Final = Path(__file__).parents[2] / "docs" / "benchmarks" / "operator.json"


def main() -> None:
    """Run the scenarios that are asked for, each on a cluster of its own."""
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=main.__doc__)
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), action="append", help="default: all")
    parser.add_argument("--write", action="store_true", help=f"write {ROWS.name} in docs/benchmarks")
    parser.add_argument("--keep", type=Path, help="a folder for the operator's log")
    options = parser.parse_args()
    console, rows = Console(), []
    for name in options.scenario or sorted(SCENARIOS):
        for (metric, unit), values in _run(name, options.keep).items():
            row = {
                "scenario": name,
                "metric": metric,
                "unit": unit,
                "median": round(statistics.median(values), 2),
                "minimum": round(min(values), 2),
                "maximum": round(max(values), 2),
                "runs": len(values),
            }
            console.print(f"{name}: {metric}: {row['median']} {unit} ({row['minimum']} to {row['maximum']})")
            rows.append(row)
    if options.write:
        said = json.loads(ROWS.read_text())["rows"] if ROWS.exists() else []
        done = {row["scenario"] for row in rows}
        rows = [*(row for row in said if row["scenario"] not in done), *rows]
        ROWS.write_text(json.dumps({"measured on": _machine(), "rows": rows}, indent=1) + "\n")


def _run(name: str, keep: Path | None) -> dict[tuple[str, str], list[float]]:
    with tempfile.TemporaryDirectory() as made, open_cluster(on_progress=Lines(print)) as cluster:
        folder = keep or Path(made)
        kubectl = partial(controlplane.kubectl, cluster.kubeconfig)
        with operators(kubectl, install(cluster, kubectl, folder), folder) as start:
            scenario, namespaces = SCENARIOS[name]
            for namespace in namespaces:
                kubectl("create", "namespace", namespace)
            found = defaultdict(list)
            for metric, unit, value in asyncio.run(scenario(cluster.kubeconfig, start)):
                found[metric, unit].append(value)
            return found


def _machine() -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    cores = len(os.sched_getaffinity(0))
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, commit {commit}"


if __name__ == "__main__":
    main()
