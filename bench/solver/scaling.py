"""How time and memory of a first plan grow with racks and pools: `python -m bench.solver.scaling`.

Each point is made in one process and solved in another, as `bench.solver.child` does it. Instances are those
of `bench.solver.instances`, drawn once and not chosen by their claims: a fleet of 40,000 racks and 100 pools
could not keep them all.
"""

import argparse
import json
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from math import log
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from rich.console import Console

from aifactory.api.reading import Invalid
from aifactory.decide.model.build import build
from aifactory.decide.model.world import World
from aifactory_solver import solve
from aifactory_solver.problem import Problem
from bench.solver.instances import ATTEMPTS
from bench.solver.mps import relaxed
from bench.solver.scaling_page import page, write
from bench.solver.sites import Site, factory, sites
from bench.solver.tenants import tenants

RACKS = (1_000, 2_500, 6_300, 16_000, 40_000)
POOLS = (100, 375, 1_400, 5_300, 20_000)
POINTS = {
    "diagonal": tuple(zip(RACKS, POOLS, strict=True)),
    "racks": tuple((racks, 500) for racks in RACKS),
    "pools": tuple((40_000, pools) for pools in POOLS),
    "own lists": ((2_000, 1_000), (10_000, 3_000), (40_000, 10_000)),
}
PATIENCE = 300  # seconds until a plan is given up
SEED = 1


def main() -> None:
    """Measure all points, and print the page; with --write, write scaling.json, the page and the picture."""
    parser = argparse.ArgumentParser(prog="python -m bench.solver.scaling", description=main.__doc__)
    parser.add_argument("--most", type=int, default=max(RACKS), help="racks of the largest point")
    parser.add_argument("--patience", type=float, default=PATIENCE, help=f"seconds; default: {PATIENCE}")
    parser.add_argument("--write", action="store_true", help="write into docs/benchmarks")
    options = parser.parse_args()
    console, rows = Console(stderr=True), []
    with tempfile.TemporaryDirectory() as folder:
        for line, points in POINTS.items():
            for racks, pools in points:
                if racks <= options.most:
                    rows.append(_point(line, racks, pools, Path(folder) / "problem", options.patience))
                    console.print(", ".join(f"{k} {v}" for k, v in rows[-1].items()), style="dim")
    print(page(rows))
    if options.write:
        write(rows)


def factories(racks: int) -> int:
    """As many for as many racks as M and L have: 10 for 2,000 and 40 for 40,000."""
    power = log(4) / log(20)
    return max(3, round(10 * float((racks / 2_000) ** power)))


def made(racks: int, pools: int, *, own_lists: bool) -> Problem:
    """A first plan's problem. With own lists each pool may use its own half, about, of all factories."""
    scale = "L" if racks > 2_000 else "M"  # of rows and rocks
    drawn = _drawn(scale, racks)
    drafts = tenants(scale, drawn, pools, "many", Random(f"scaling {racks} {pools} {SEED}"))
    problem = build(
        World(factories=tuple(map(factory, drawn)), pools=tuple(draft.pool() for draft in drafts))
    ).problem
    if not own_lists:
        return problem
    return replace(problem, allowed=np.random.default_rng(SEED).random(problem.allowed.shape) < 0.5)


def _drawn(scale: str, racks: int) -> list[Site]:
    """Factories, the same ones for any number of pools. Some are too small for their tree: drawn anew."""
    for attempt in range(ATTEMPTS):
        try:
            return sites(scale, racks, factories(racks), Random(f"scaling {racks} {SEED} {attempt}"))
        except Invalid:
            continue
    raise ValueError(f"no factories of {racks} racks can be drawn")


def measured(problem: Problem) -> dict[str, Any]:
    """Seconds of a warm solver, and its peak memory beyond what the process had before, in MB.

    ``demands`` are what pools are merged to for the relaxation.
    """
    solve(_few(problem))
    before = _memory_mb("VmRSS")
    began = time.perf_counter()
    solve(problem)
    seconds = time.perf_counter() - began
    peak = _memory_mb("VmHWM") + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    demands = relaxed(problem).demands.count
    return {"seconds": round(seconds, 4), "peak_mb": round(peak - before, 1), "demands": demands}


def _few(problem: Problem) -> Problem:
    """The same with a pool in a hundred that asks for something: it warms up what loads when it is used."""
    some = np.arange(problem.pools) % 100 == 0
    return replace(problem, need=np.where(some, problem.need, 0), minimum=np.where(some, problem.minimum, 0))


def _memory_mb(field: str) -> float:
    """Resident memory now (VmRSS) or at its highest (VmHWM)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1]) / 1024


def _point(line: str, racks: int, pools: int, path: Path, patience: float) -> dict[str, Any]:
    """One row; without numbers where patience ended."""
    row = {"line": line, "racks": racks, "pools": pools, "factories": factories(racks)}
    _child("make", path, racks, pools, int(line == "own lists"))
    try:
        found = _child("solve", path, seconds=patience)
    except subprocess.TimeoutExpired:
        found = dict.fromkeys(("seconds", "peak_mb", "demands"))
    return row | found


def _child(*words: Any, seconds: float | None = None) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.solver.scaling", "--child", *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=seconds)
    lines = done.stdout.decode().strip().splitlines()
    found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return found


def child(verb: str, path: Path, *words: str) -> None:
    """The other processes: ``make FILE RACKS POOLS OWN`` and ``solve FILE``."""
    if verb == "make":
        racks, pools, own = map(int, words)
        path.write_bytes(pickle.dumps(made(racks, pools, own_lists=bool(own))))
    else:
        print(json.dumps(measured(pickle.loads(path.read_bytes()))))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
    else:
        main()
