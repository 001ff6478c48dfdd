"""The rows of docs/benchmarks/operator.json, and the page that shows them."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from bench.live.asking import Sample

FOLDER: Final = Path(__file__).parents[2] / "docs" / "benchmarks"
ROWS, PAGE = FOLDER / "operator.json", FOLDER / "operator.md"
Row = dict[str, Any]


def rows_of(scenario: str, samples: Iterable[Sample]) -> list[Row]:
    """Median, least and most of each metric."""
    found: dict[tuple[str, str], list[float]] = {}
    for metric, unit, value in samples:
        found.setdefault((metric, unit), []).append(value)
    return [
        {
            "scenario": scenario,
            "metric": metric,
            "unit": unit,
            "median": round(statistics.median(values), 2),
            "minimum": round(min(values), 2),
            "maximum": round(max(values), 2),
            "runs": len(values),
            "commit": _commit(),
        }
        for (metric, unit), values in found.items()
    ]


def shown(row: Row) -> str:
    """A row for a terminal."""
    spread = f"{row['minimum']} to {row['maximum']}"
    return f"{row['scenario']}: {row['metric']}: {row['median']} {row['unit']} ({spread})"


def write(rows: list[Row]) -> None:
    """Put rows in place of those of their scenarios, and renew the page."""
    said = json.loads(ROWS.read_text())["rows"] if ROWS.exists() else []
    done = {row["scenario"] for row in rows}
    rows = sorted(
        [*(row for row in said if row["scenario"] not in done), *rows], key=lambda row: row["scenario"]
    )
    machine = (
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    )
    ROWS.write_text(json.dumps({"measured on": machine, "rows": rows}, indent=1) + "\n")
    lines = [
        f"| {row['scenario']} | {row['metric']} | {row['median']:g} {row['unit']} | "
        f"{row['minimum']:g} to {row['maximum']:g} | {row['runs']} | {row['commit']} |"
        for row in rows
    ]
    PAGE.write_text(_PAGE.format(table="\n".join(lines), machine=machine))


_PAGE = """\
# What the running operator takes

Written by `make bench-operator`. Measured on: {machine}.

- **fleet**: the operator's own process on a real control plane with simulated nodes: 10 factories,
  1,000 pools, 4,000 nodes; quiet, and while somebody edits 20 pools a second.
- **flood**: one tenant makes 1,000 pools that want more than there is; what another tenant sees meanwhile.
- **lanes**: the decision alone on simulated fleets (M: 10 factories, 2,000 racks, 1,000 pools; L: 40, 40,000,
  10,000): what is done before the better plan is there, and how much of what that plan serves is ordered, in
  the band where it is least.
- **storm**: 200 changes a second for a minute on 1,000 pools, and how long after the last every pool is
  Ready under its last spec.

| scenario | metric | median | least to most | runs | commit |
|---|---|--:|--:|--:|---|
{table}
"""


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
