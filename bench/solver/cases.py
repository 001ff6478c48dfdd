"""Every instance that the benchmark can measure, by name; with the best answer where it is known."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import product

from aifactory.decide.model.build import build
from aifactory.decide.model.world import World
from aifactory_solver.problem import Problem
from bench.solver import helios, knapsack, openb
from bench.solver.events import EVENTS
from bench.solver.instances import PROFILES, first_plan, running_fleet
from bench.solver.measure import demand_by_band
from bench.solver.planted import planted

FIRST = "first"  # the event of a first plan: nothing stands
REAL_SCALE = "real"  # real data have the size that they have
GENERATED: dict[str, Callable[[str, int], World]] = {
    "planted": lambda scale, seed: planted(scale, seed).world,
    **{
        f"knapsack-{family}": partial(knapsack.knapsack, family) for family in ("planted", *knapsack.FAMILIES)
    },
}
REAL: dict[str, Callable[[int], World]] = {
    "helios": helios.event,  # the seed is the number of the event
    "openb": lambda seed: openb.world(),
}
FULL = frozenset({"planted", "knapsack-planted"})  # all of their pools can be served


@dataclass(frozen=True)
class Named:
    """Names one instance."""

    scale: str
    profile: str
    seed: int
    event: str = FIRST

    def __str__(self) -> str:
        return f"{self.scale} {self.profile} seed {self.seed} {self.event}"


@dataclass(frozen=True, eq=False)
class Case:
    """One instance as arrays. The bound is on GPUs served to minima by band, where it is known beforehand."""

    problem: Problem
    pools: tuple[str, ...]  # their names
    bound_by_band: tuple[int, ...] | None = None


def named(
    scales: Iterable[str], profiles: Iterable[str], seeds: Iterable[int], events: Iterable[str]
) -> list[Named]:
    """All instances of some lists: events for fleets that can run, and real data once at their own scale."""
    found = [
        Named(REAL_SCALE if profile in REAL else scale, profile, 1 if profile == "openb" else seed, event)
        for scale, profile, seed, event in product(scales, profiles, seeds, events)
        if event == FIRST or profile in PROFILES
    ]
    return list(dict.fromkeys(found))


def world(named: Named) -> World:
    """The instance as resources. Raises KeyError for a name that none has."""
    if named.profile in REAL:
        return REAL[named.profile](named.seed)
    if named.profile in GENERATED:
        return GENERATED[named.profile](named.scale, named.seed)
    if named.event == FIRST:
        return first_plan(named.scale, named.profile, named.seed)
    fleet = running_fleet(named.scale, named.profile, named.seed)
    return EVENTS[named.event](fleet, named.seed)


def case(named: Named) -> Case:
    """The instance as arrays."""
    built = build(world(named))
    problem, names = built.problem, tuple(pool.metadata.name for pool in built.pools)
    return Case(problem, names, demand_by_band(problem) if named.profile in FULL else None)
