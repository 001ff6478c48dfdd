"""Pools of the generated instances: what tenants ask for, more than the quotas carry.

Sizes are heavy-tailed (Pareto, exponent 1.15), and some pools are *rocks* that take 10 to 50 % of a hall or
of a factory. All seven topologies occur, a quarter is elastic, one pool in twenty accepts only the scarce
system. Each pool could stand with its whole wish if it were alone: what could not is made smaller, or freed
of its topology and its factories where nothing of it could stand.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from aifactory.api.catalogue import catalogue
from aifactory.api.pool import GPUPool
from aifactory.api.reading import parse_factory, parse_pool
from aifactory.decide.model.build import build
from aifactory.decide.model.world import PoolKey, World
from bench.solver.greedy import most_units
from bench.solver.sites import SCARCE, Site, manifest, unit_watts
from bench.solver.space import Space

CLASSES = (0, 250, 500, 750, 1000)
TOPOLOGIES = {
    "none": 0.20,
    "factory": 0.15,
    "fabric": 0.20,
    "row": 0.12,
    "hall": 0.13,
    "spread factory": 0.10,
    "spread hall": 0.10,
}
PURPOSES = ("DataProcessing", "Training", "Training", "Inference")
ROCKS = {"S": 0.2, "M": 0.05, "L": 0.04}
MOST_ROCKS = 0.4  # of all demand
LARGEST = 60  # times the smallest, for those that are no rocks


@dataclass
class Draft:
    """One pool before its size is settled."""

    name: str
    systems: tuple[str, ...]
    topology: dict[str, Any]
    factories: dict[str, Any]
    priority: int
    purpose: str
    preemptible: bool
    elastic: float  # minimum as a share of the wish, 1 for all or nothing
    weight: float  # size against the others
    rock: float  # size as a share of the largest place that it could have, 0 for no rock
    gpus: int = 1
    tenant: int = 0

    @property
    def key(self) -> PoolKey:
        """Name of the pool."""
        return PoolKey(f"tenant-{self.tenant:02d}", self.name)

    def manifest(self) -> dict[str, Any]:
        """The resource as YAML has it."""
        spec: dict[str, Any] = {
            "gpus": self.gpus,
            "systems": list(self.systems),
            "purpose": self.purpose,
            "priority": self.priority,
            "preemptible": self.preemptible,
        }
        if self.elastic < 1:
            spec["minGpus"] = int(self.gpus * self.elastic)
        if self.topology:
            spec["topology"] = self.topology
        if self.factories:
            spec["factories"] = self.factories
        return {
            "apiVersion": "aifactory.dev/v1alpha1",
            "kind": "GPUPool",
            "metadata": {"name": self.name, "namespace": self.key.namespace},
            "spec": spec,
        }

    def pool(self) -> GPUPool:
        """The resource."""
        return parse_pool(self.manifest())


def gpus_of(system: str) -> int:
    """GPUs of one unit."""
    return catalogue()[system].gpus_per_unit


def tenants(scale: str, sites: Sequence[Site], pools: int, profile: str, random: Random) -> list[Draft]:
    """Pools that ask for 115 to 135 % of the quotas, in watts of the system that each likes best."""
    tastes = _Tastes(scale, sites, pools, profile, random)
    drafts = [tastes.draft(i) for i in range(pools)]
    # However few pools there are, each topology occurs, and somebody wants the scarce system alone.
    for draft, kind in zip(drafts, TOPOLOGIES, strict=False):
        draft.topology, draft.factories, draft.rock = tastes.topology(kind), {}, 0.0
    drafts[0].systems, drafts[0].elastic = (SCARCE,), 0.5
    alone = _Alone(sites, drafts)
    nowhere = [draft for draft in drafts if not alone.prefer_what_fits(draft)]
    for draft in nowhere:
        draft.topology, draft.factories = {}, {}
    alone = _Alone(sites, drafts) if nowhere else alone
    for draft in nowhere:
        alone.prefer_what_fits(draft)
    _settle(drafts, alone, sum(site.quota for site in sites) * random.uniform(1.15, 1.35), random)
    return drafts


class _Tastes:
    """What the tenants of one instance draw from."""

    def __init__(self, scale: str, sites: Sequence[Site], pools: int, profile: str, random: Random) -> None:
        self.scale, self.sites, self.random = scale, sites, random
        self.regions = sorted({site.region for site in sites})
        many = range(10 * pools) if pools < 1000 else range(0, 10_000, 10_000 // min(pools, 1000))
        self.priorities: Sequence[int] = CLASSES if profile == "classes" else many
        self.supply: Counter[str] = Counter()  # rated watts
        for site in sites:
            for system, racks, nodes in site.row:
                self.supply[system] += racks * max(1, nodes) * site.rows * unit_watts(system)
            for system, racks, nodes in site.annex:
                self.supply[system] += racks * nodes * unit_watts(system)
        del self.supply[SCARCE]

    def draft(self, number: int) -> Draft:
        """One pool."""
        random = self.random
        kind = random.choices(list(TOPOLOGIES), list(TOPOLOGIES.values()))[0]
        rock = random.random() < ROCKS[self.scale]
        if rock and kind in ("row", "spread factory", "spread hall"):
            kind = random.choice(("factory", "fabric", "hall"))
        return Draft(
            name=f"pool-{number:05d}",
            systems=self._systems(),
            topology=self.topology(kind),
            factories=self._factories(),
            priority=random.choice(self.priorities),
            purpose=random.choice(PURPOSES),
            preemptible=random.random() < 0.5,
            elastic=random.uniform(0.2, 0.8) if random.random() < 0.25 else 1.0,
            weight=min(LARGEST, random.paretovariate(1.15)),
            rock=random.uniform(0.1, 0.5) if rock else 0.0,
            tenant=random.randrange(50),
        )

    def _systems(self) -> tuple[str, ...]:
        random, systems = self.random, list[str]()
        if random.random() < 0.05:
            return (SCARCE,)
        wanted = random.choices((1, 2, 3, 4), (35, 30, 25, 10))[0]
        while len(systems) < min(wanted, len(self.supply)):
            system = random.choices(list(self.supply), list(self.supply.values()))[0]
            systems += [system] if system not in systems else []
        if wanted > 1 and random.random() < 0.1:
            systems[-1] = SCARCE
        return tuple(systems)

    def topology(self, kind: str) -> dict[str, Any]:
        """A topology; the paths are those of some factory, a large one the likelier."""
        random = self.random
        tree = random.choices(self.sites, [site.quota for site in self.sites])[0].tree
        over_halls = {"over": "Domain", "domain": tree.hall, "atLeast": random.choice((2, 2, 3, 4))}
        topologies: dict[str, dict[str, Any]] = {
            "none": {},
            "factory": {"pack": "Factory"},
            "fabric": {"pack": "Fabric"},
            "row": {"pack": "Domain", "domain": tree.row},
            "hall": {"pack": "Domain", "domain": tree.hall},
            "spread factory": {"spread": {"over": "Factory", "atLeast": random.choice((2, 2, 3))}},
            "spread hall": {"spread": over_halls},
        }
        return topologies[kind]

    def _factories(self) -> dict[str, Any]:
        random, drawn = self.random, self.random.random()
        if drawn < 0.15 and len(self.regions) > 1:
            return {"selector": {"matchLabels": {"region": random.choice(self.regions)}}}
        if drawn < 0.25:
            some = random.sample(self.sites, min(len(self.sites) - 1, 3))
            return {"names": sorted(site.name for site in some)}
        if drawn < 0.35:
            return {"exclude": [random.choice(self.sites).name]}
        return {}


class _Alone:
    """What each pool could have if it were alone."""

    def __init__(self, sites: Sequence[Site], drafts: Sequence[Draft]) -> None:
        factories = tuple(parse_factory(manifest(site)) for site in sites)
        case = build(World(factories=factories, pools=tuple(draft.pool() for draft in drafts)))
        self.space, self.index = Space(case.problem), case.index
        self.systems = {name: s for s, (name, _) in enumerate(case.systems)}

    def units(self, draft: Draft, name: str, wish: int | None = None) -> int:
        """Units of a system, at most the wish."""
        pool, system = self.index[draft.key], self.systems[name]
        if wish is None:
            wish = int(self.space.fits(pool, system, self.space.groups(pool, system)).sum())
        return most_units(self.space, pool, system, wish, {})

    def place(self, draft: Draft) -> int:
        """Units of the system that it likes best in the largest place that it may have."""
        pool, system = self.index[draft.key], self.systems[draft.systems[0]]
        return int(self.space.fits(pool, system, self.space.groups(pool, system)).max(initial=0))

    def prefer_what_fits(self, draft: Draft) -> bool:
        """List first a system on which the pool could stand; False if there is none."""
        able = [s for s in draft.systems if s in self.systems and self.units(draft, s)]
        if not able:
            return False
        draft.systems = (able[0], *(s for s in draft.systems if s != able[0]))
        return True


def _settle(drafts: list[Draft], alone: _Alone, watts: float, random: Random) -> None:
    """Give every pool its GPUs, so that all together ask for so many watts."""
    odd = [random.random() < 0.2 for _ in drafts]
    most = [alone.units(draft, draft.systems[0]) for draft in drafts]
    place = [alone.place(draft) for draft in drafts]
    rocks = watts * MOST_ROCKS
    for draft, largest in zip(drafts, place, strict=True):
        asked = draft.rock * largest * unit_watts(draft.systems[0])
        if asked > rocks:
            draft.rock = 0.0
        else:
            rocks -= asked
    low, high = 0.0, 1e5
    for _ in range(40):
        middle = (low + high) / 2
        for draft, is_odd, units, largest in zip(drafts, odd, most, place, strict=True):
            draft.gpus = _size(draft, middle, units, largest, odd=is_odd)
        low, high = (middle, high) if sum(map(demand, drafts)) < watts else (low, middle)
    for draft in drafts:  # a spread cannot have every number up to its most
        unit = gpus_of(draft.systems[0])
        draft.gpus = min(draft.gpus, unit * alone.units(draft, draft.systems[0], -(-draft.gpus // unit)))


def _size(draft: Draft, scale: float, most: int, place: int, *, odd: bool) -> int:
    unit = gpus_of(draft.systems[0])
    units: int = round(draft.rock * place if draft.rock else draft.weight * scale / unit)
    units = min(most, max(1, units, draft.topology.get("spread", {}).get("atLeast", 0)))
    # Some ask for what is no whole number of units.
    return units * unit - (unit // 4 if odd and units > 4 else 0)


def demand(draft: Draft) -> int:
    """IT watts of the whole wish on the system that the pool likes best."""
    units: int = -(-draft.gpus // gpus_of(draft.systems[0]))
    return units * unit_watts(draft.systems[0])
