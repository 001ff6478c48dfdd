"""Times the operator as it runs, and writes the rows and the page that the documentation shows."""

import argparse
import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Final

from rich.console import Console

import controlplane
from bench.live import fleet, flood, lanes, storm
from bench.live.asking import Sample
from bench.live.rows import Row, rows_of, shown, write
from cluster.operating import install, operators
from controlplane import Lines, open_cluster

SCENARIOS: Final[dict[str, Callable[[Path | None], list[Sample]]]] = {
    "fleet": lambda keep: _on_a_cluster(fleet, keep),
    "flood": lambda keep: _on_a_cluster(flood, keep),
    "lanes": lambda _: lanes.measure(),
    "storm": lambda keep: _on_a_cluster(storm, keep),
}


def main() -> None:
    """Run the scenarios that are asked for, each on a cluster of its own where it needs one."""
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=main.__doc__)
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), action="append", help="default: all")
    parser.add_argument("--write", action="store_true", help="write operator.json and its page")
    parser.add_argument("--keep", type=Path, help="a folder for the operator's log")
    options = parser.parse_args()
    console = Console()
    rows: list[Row] = []
    for name in options.scenario or sorted(SCENARIOS):
        found = rows_of(name, SCENARIOS[name](options.keep))
        for row in found:
            console.print(shown(row), highlight=False)
        rows += found
        if options.write:
            write(rows)


def _on_a_cluster(scenario: ModuleType, keep: Path | None) -> list[Sample]:
    with tempfile.TemporaryDirectory() as made, open_cluster(on_progress=Lines(print)) as cluster:
        folder = keep or Path(made)
        kubectl = controlplane.Kubectl(cluster.kubeconfig)
        with operators(kubectl, install(cluster, kubectl, folder), folder) as start:
            for namespace in scenario.NAMESPACES:
                kubectl("create", "namespace", namespace)
            samples: list[Sample] = asyncio.run(scenario.measure(cluster.kubeconfig, start))
            return samples


if __name__ == "__main__":
    main()
