"""One instance and one method in a process of its own: `python -m bench.solver.child`.

``build FILE SCALE PROFILE SEED EVENT`` writes the instance's arrays; ``solve FILE METHOD BUDGET`` measures a
method on them and prints one JSON object. The arrays come from a file, so that the memory that a method takes
is not hidden below what it took to make the instance.
"""

import json
import pickle
import resource
import sys
import time
from pathlib import Path
from typing import Any

from aifactory_solver.bands import BANDS
from aifactory_solver.certificate import Certifier
from aifactory_solver.moves import forced_moves
from aifactory_solver.problem import Solution
from aifactory_solver.relax.simplex import simplex
from bench.solver.cases import Case, Named, case
from bench.solver.measure import Measure, measure, weighted
from bench.solver.peers import METHODS

LISTED = 2  # bands of which the pools that wait are listed, in first plans of
MANY = 5_000  # pools and more
WARM_UP_TO = 60  # seconds: what takes longer is run only once, and counts as warm


def main() -> None:
    """Do what the command line says."""
    verb, path, *words = sys.argv[1:]
    if verb == "build":
        scale, profile, seed, event = words
        Path(path).write_bytes(pickle.dumps(case(Named(scale, profile, int(seed), event))))
    else:
        method, budget = words
        print(json.dumps(run(pickle.loads(Path(path).read_bytes()), method, float(budget))))


def run(instance: Case, method: str, budget: float) -> dict[str, Any]:
    """What a method is worth on an instance: a row's fields, and ``absolute_mb`` and ``broken``."""
    solve = METHODS[method]
    before = _memory_mb("VmRSS")
    cold, plan = _seconds(solve, instance, budget)
    peak = _memory_mb("VmHWM") + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    warm = cold if cold > WARM_UP_TO else _seconds(solve, instance, budget)[0]
    found = measure(instance.problem, plan)
    return {
        "seconds": round(warm, 4),
        "cold_seconds": round(cold, 4),
        **(_worth(instance, plan, found, proved=method.startswith("aifactory")) if found.sound else {}),
        "peak_mb": round(peak - before, 1),
        "absolute_mb": round(peak, 1),
        "broken": found.broken,
    }


def _worth(instance: Case, plan: Solution, found: Measure, *, proved: bool) -> dict[str, Any]:
    bound, most, missing = instance.bound_by_band, None, None
    if bound is not None:
        most = float(weighted(bound))
    elif proved:
        certifier = Certifier(instance.problem, plan, simplex)
        proven = [band.bound for band in certifier.certificate().bands]
        bound = tuple(proven + [0] * (BANDS - len(proven)))  # fewer priorities than bands
        most = certifier.weighted()
        if not instance.problem.rows and len(instance.pools) >= MANY:
            missing = [(instance.pools[it.pool], it.gpus, it.proved) for it in certifier.missing(LISTED)]
    return {
        "served_by_band": found.minima_by_band,
        "bound_by_band": bound,
        "gap": None if most is None else round(1 - found.weighted / max(1.0, most), 6),
        "inversions": found.inversions + found.free_room_misses,
        "moved": found.moved,
        "forced": forced_moves(instance.problem, plan) if instance.problem.rows else None,
        "evicted": found.evicted,
        "missing": missing,
    }


def _seconds(solve: Any, instance: Case, budget: float) -> tuple[float, Any]:
    began = time.perf_counter()
    plan = solve(instance.problem, budget)
    return time.perf_counter() - began, plan


def _memory_mb(field: str) -> float:
    """Resident memory now (VmRSS) or at its highest (VmHWM).

    That is what ru_maxrss says, without what a process inherits there from the one that started it. The
    largest process that a method starts is added to it.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1]) / 1024


if __name__ == "__main__":
    main()
