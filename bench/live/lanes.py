"""What is ordered, beside what the better plan serves: of a first plan, and after a fallen quota.

The simulated fleets of `bench.fleets`, without a cluster: the decision is given the solver's answer when it
is there, and nothing before.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import numpy as np

from aifactory.decide import World, decide
from aifactory.decide.model.build import build
from aifactory.decide.model.case import Case
from aifactory.decide.model.plan import Adopted
from aifactory.decide.place.lanes import choose
from aifactory.decide.place.placed import Asked, Placed
from aifactory_solver import Problem, Solution, gpus_by_pool, solve
from aifactory_solver.bands import bands
from aifactory_solver.problem import Ints
from bench.fleets import fleet, standing
from bench.live.asking import Sample

SCALES: Final = {"M": (10, 2_000, 1_000), "L": (40, 40_000, 10_000)}
SEEDS: Final = (1, 2, 3)


def measure() -> list[Sample]:
    """All scales, seeds and events."""
    return [sample for scale in SCALES for seed in SEEDS for sample in _fleet(scale, seed)]


def _fleet(scale: str, seed: int) -> Iterator[Sample]:
    world = fleet(*SCALES[scale], seed)
    yield from _event(f"{scale}, first plan", world)
    plan = decide(world, datetime.now(UTC), acting=False)
    yield from _event(f"{scale}, quota -20 %", standing(world, plan, quota_percent=80))


def _event(name: str, world: World) -> Iterator[Sample]:
    """One question: what is done before the better plan is there, and with it."""
    began = time.process_time()
    case = build(world)
    asked = Asked(case)
    at_once = choose(asked, Placed(soon=True), None)
    yield f"{name}: until what cannot wait is decided, processor", "s", time.process_time() - began
    began = time.process_time()
    better = solve(case.problem)
    yield f"{name}: the better plan, processor", "s", time.process_time() - began
    adopted = at_once.adopted(case, at_once.solution)
    with_it = _chosen(build(world), Placed((better,), asked=asked), adopted)
    best = _served(case.problem, better)
    # Of nothing, everything is served.
    share = np.where(best > 0, _served(case.problem, with_it) / np.maximum(1, best), 1.0)
    yield f"{name}: ordered of what the better plan serves, least band", "%", 100 * float(share.min())


def _chosen(case: Case, answer: Placed, adopted: Adopted) -> Solution:
    return choose(Asked(case), answer, adopted).solution


def _served(problem: Problem, solution: Solution) -> Ints:
    """(B,) GPUs that a plan serves in each band."""
    _, kept, new = gpus_by_pool(problem, solution)
    which = bands(problem)
    return np.bincount(which, weights=np.minimum(kept + new, problem.need), minlength=int(which.max()) + 1)
