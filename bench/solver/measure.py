"""What a plan is worth: served GPUs by band, broken rules, moves and evictions.

Minima come before all growth, so plans are compared by what they serve to minima. A better plan may well
serve fewer GPUs in all in a high band: its lower bands' minima left less free for growth.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from aifactory_solver.bands import BANDS, bands
from aifactory_solver.check import violations
from aifactory_solver.problem import Ints, Problem, Solution

# Rules on what may be moved and who gives way; a peer without memory of what stands does not know them.
MANNERS = ("calm", "in vain", "shed order")


@dataclass(frozen=True)
class Measure:
    """One plan. GPUs count up to the wish: what whole units add earns nothing."""

    minima_by_band: tuple[int, ...]  # GPUs served to minima
    served_by_band: tuple[int, ...]  # GPUs served, growth included
    weighted: int  # sum of 4^(4-band) times the GPUs served to minima there: one number, secondary
    inversions: int  # pools that a lower one keeps out which may be taken from
    free_room_misses: int  # pools that wait beside room that is free
    moved: int  # GPUs
    evicted: int  # GPUs of pools that go from their minimum or more to nothing, and still wish for some
    broken: dict[str, int]  # other rules that the plan breaks, with how often

    @property
    def sound(self) -> bool:
        """Whether the plan may be compared: nothing impossible in it."""
        return not set(self.broken) - set(MANNERS)


def demand_by_band(problem: Problem) -> tuple[int, ...]:
    """GPUs of all minima of each band: no plan serves more."""
    return _by_band(problem, problem.minimum)


def measure(problem: Problem, solution: Solution) -> Measure:
    """Judge a plan; a plan that is not even well formed has no worth, and raises ValueError."""
    broken = Counter(line.split(":")[0] for line in violations(problem, solution))
    if "form" in broken:
        raise ValueError("the plan is malformed")
    gpus = problem.system_gpus[problem.cell_system]  # (C,) of a unit
    now = _pairs((problem.row_pool, problem.row_cell, problem.row_units))
    new = _pairs(
        (problem.row_pool, problem.row_cell, solution.kept),
        (solution.new_pool, solution.new_cell, solution.new_units),
    )
    had, has, kept = (np.zeros(problem.pools, np.int64) for _ in range(3))
    for (pool, cell), units in now.items():
        had[pool] += units * gpus[cell]
        kept[pool] += min(units, new.get((pool, cell), 0)) * gpus[cell]
    for (pool, cell), units in new.items():
        has[pool] += units * gpus[cell]
    minima = _by_band(problem, np.minimum(has, problem.minimum))
    evicted = had[(has == 0) & (had >= problem.minimum) & (problem.need > 0)]
    return Measure(
        minima_by_band=minima,
        served_by_band=_by_band(problem, np.minimum(has, problem.need)),
        weighted=weighted(minima),
        inversions=broken.pop("inversion", 0),
        free_room_misses=broken.pop("free room", 0),
        moved=int((np.minimum(had, has) - kept).sum()),
        evicted=int(evicted.sum()),
        broken=dict(broken),
    )


def weighted(by_band: tuple[int, ...]) -> int:
    """One number for five: each band counts four times the one below it."""
    return sum(4 ** (BANDS - 1 - band) * gpus for band, gpus in enumerate(by_band))


def _by_band(problem: Problem, gpus: Ints) -> tuple[int, ...]:
    sums = np.bincount(bands(problem), weights=gpus, minlength=BANDS)
    return tuple(int(value) for value in sums)


def _pairs(*columns: tuple[Ints, Ints, Ints]) -> dict[tuple[int, int], int]:
    """Units by pool and cell."""
    found = Counter[tuple[int, int]]()
    for pools, cells, units in columns:
        for pool, cell, count in zip(pools.tolist(), cells.tolist(), units.tolist(), strict=True):
            found[pool, cell] += count
    return found
