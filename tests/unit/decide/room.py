"""Whether a waiting pool would fit, counted on a simulated cluster by code of its own.

Identical units on a tree of limits fill greedily: a place takes the least of what its own limit carries and
what its slots and the places in it take.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from aifactory.api.catalogue import System
from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.api.systems import systems_of
from unit.decide.count import (
    Standing,
    committed,
    free_slots,
    levels,
    limits,
    locked,
    out_of_service,
    parents,
    shut,
    slots_of,
    standing,
    unit_watts,
    units,
)
from unit.decide.state import Labelled, State

Place = tuple[str, str]  # factory, path


def allows(pool: GPUPool, factory: AIFactory) -> bool:
    """Whether the pool may stand in the factory."""
    where, name = pool.spec.factories, factory.metadata.name
    labels = where.selector.match_labels if where.selector else {}
    return (
        (not where.names or name in where.names)
        and name not in where.exclude
        and all(factory.metadata.labels.get(k) == v for k, v in labels.items())
    )


def least_units(pool: GPUPool, gpus: int) -> int:
    """Units of so many GPUs that make the pool's minimum."""
    spread = pool.spec.topology.spread
    least = -(-pool.spec.minimum // gpus)
    return max(least, spread.at_least if spread else 0) if least else 0


def below_minimum(pool: GPUPool, mine: list[Standing]) -> bool:
    """Whether what a pool has is less than its minimum; spread, it needs a unit in every place too."""
    if sum(unit.gpus for unit in mine) < pool.spec.minimum:
        return True
    return bool(mine) and len(mine) < least_units(pool, mine[0].gpus)


@dataclass(frozen=True)
class Leaf:
    """Free slots of one system at one place."""

    factory: str
    path: str
    fabric: str
    slots: int


class Room:
    """What one system of one shape could still take in all factories that a pool may use."""

    def __init__(self, state: State, pool: GPUPool, name: str, gpus: int, gone: list[Standing]) -> None:
        self.pool = pool
        self.state = state
        removed = {n.name for unit in gone for n in unit.nodes}
        nodes = [n for n in state.nodes.values() if n.name not in removed]
        self.left: dict[Place, int] = {}  # units that each place's own limit still carries
        self.leaves: list[Leaf] = []
        for factory in state.factories.values():
            system = systems_of(factory.spec.systems).get(name)
            watts = unit_watts(factory, name)
            if system is None or not watts or system.gpus_per_unit != gpus:
                continue
            if shut(state, factory.metadata.name) or not allows(pool, factory):
                continue
            self._add(factory, system, watts, nodes)

    def _add(self, factory: AIFactory, system: System, watts: int, nodes: Sequence[Labelled]) -> None:
        name, load = factory.metadata.name, committed(factory, nodes)
        for path, limit in limits(factory).items():
            self.left[name, path] = max(0, limit - load[path]) // watts
            if slots_of(factory, system, path) and not out_of_service(factory, path):
                its = levels(factory)
                fabric = next(
                    p
                    for group in factory.spec.racks
                    if (group.domain, group.system) == (its[path], system.name)
                    for p in parents(path)
                    if its[p] == group.fabric_path
                )
                self.leaves.append(Leaf(name, path, fabric, free_slots(factory, system, path, nodes)))

    def takes(self, place: Place, leaves: list[Leaf]) -> int:
        """How many units fit below a place, its own limit included, those above it not."""
        factory, path = place
        below = [leaf for leaf in leaves if leaf.factory == factory and path in parents(leaf.path)]
        own = sum(leaf.slots for leaf in below if leaf.path == path)
        children = {
            next(p for p in parents(leaf.path) if p.rpartition("/")[0] == path and p)
            for leaf in below
            if leaf.path != path
        }
        return min(self.left[place], own + sum(self.takes((factory, c), below) for c in children))

    def places(self) -> dict[Place, list[Leaf]]:
        """What the pool's topology packs into or spreads over, with the leaves in each."""
        found: dict[Place, list[Leaf]] = defaultdict(list)
        for leaf in self.leaves:
            place = place_of(self.state, self.pool, leaf.factory, leaf.path, leaf.fabric)
            if place is not None:
                found[place].append(leaf)
        return found

    def fits(self, missing: int, beside: dict[Place | None, int]) -> bool:
        """Whether so many units fit beside what the pool has in each place."""
        if missing <= 0:
            return True
        topology = self.pool.spec.topology
        if topology.spread is not None:
            return None not in beside and self._fits_spread(missing, beside)
        places = self.places()
        if topology.pack == "None":
            return (
                sum(self.takes((f, ""), self.leaves) for f in {leaf.factory for leaf in self.leaves})
                >= missing
            )
        homes = [place for place, n in beside.items() if n]
        if len(homes) > 1 or None in homes:
            return False
        return any(
            self._under_all(place, self.takes(place, leaves)) >= missing
            for place, leaves in places.items()
            if not homes or place in homes
        )

    def _under_all(self, place: Place, count: int) -> int:
        return min(count, *(self.left[place[0], p] for p in parents(place[1])))

    def _fits_spread(self, missing: int, beside: dict[Place | None, int]) -> bool:
        spread = self.pool.spec.topology.spread
        assert spread is not None
        held = {place: n for place, n in beside.items() if n and place is not None}
        total = missing + sum(held.values())
        share = -(-total // spread.at_least)
        places = self.places()
        most = {
            place: min(self.takes(place, leaves), share - held.get(place, 0), missing)
            for place, leaves in places.items()
        }
        for counts in product(*(range(max(0, n) + 1) for n in most.values())):
            if sum(counts) == missing:
                split = dict(zip(most, counts, strict=True))
                used = {p for p, n in split.items() if n} | set(held)
                if len(used) >= spread.at_least and self._carried(split):
                    return True
        return False

    def _carried(self, split: dict[Place, int]) -> bool:
        sums: dict[Place, int] = defaultdict(int)
        for (factory, path), n in split.items():
            for above in parents(path):
                sums[factory, above] += n
        return all(n <= self.left[place] for place, n in sums.items())


def place_of(state: State, pool: GPUPool, factory: str, path: str, fabric: str) -> Place | None:
    """The place of the pool's topology that a unit is in; None: in none."""
    topology = pool.spec.topology
    over, domain = topology.pack, topology.domain
    if topology.spread is not None:
        over, domain = topology.spread.over, topology.spread.domain
    if over == "Domain":
        its = levels(state.factories[factory]) if factory in state.factories else {}
        return next(((factory, p) for p in parents(path) if p and its.get(p) == domain), None)
    return (factory, fabric) if over == "Fabric" else (factory, "")


def shapes(state: State, pool: GPUPool) -> Iterator[tuple[str, int]]:
    """(system, GPUs of a unit) of all that the pool accepts."""
    found = {
        (name, systems_of(f.spec.systems)[name].gpus_per_unit)
        for f in state.factories.values()
        for name in pool.spec.systems
        if name in systems_of(f.spec.systems)
    }
    yield from sorted(found)


def takable(state: State, pool: GPUPool) -> list[Standing]:
    """Units of pools of strictly lower priority that may be taken."""
    found = []
    for unit in units(state.nodes.values()):
        owner = state.pools.get(unit.pool)
        if owner is None or unit.leaving or locked(state, unit.factory):
            continue
        if owner.spec.preemptible and owner.spec.priority < pool.spec.priority:
            found.append(unit)
    return found


def would_fit(state: State, path: str, gone: list[Standing]) -> bool:
    """Whether a pool's minimum would fit on some system once these units are gone, all else in place."""
    pool = state.pools[path]
    mine = standing(state, path)
    for name, gpus in shapes(state, pool):
        spread = pool.spec.topology.spread
        if spread and -(-pool.spec.gpus // gpus) < spread.at_least:
            continue
        missing = least_units(pool, gpus) - len(mine)
        if missing > 0 and beside(state, pool, (name, gpus), gone=gone, missing=missing):
            return True
    return False


def could_grow(state: State, path: str) -> bool:
    """Whether one unit more would fit into free room. Spread pools skip numbers, and are not asked."""
    pool = state.pools[path]
    if pool.spec.topology.spread is not None:
        return False
    return any(beside(state, pool, shape, gone=[], missing=1) for shape in shapes(state, pool))


def beside(
    state: State, pool: GPUPool, shape: tuple[str, int], *, gone: list[Standing], missing: int
) -> bool:
    """Whether so many units of a shape fit beside what the pool has."""
    mine = standing(state, f"{pool.metadata.namespace}/{pool.metadata.name}")
    if any((unit.system, unit.gpus) != shape for unit in mine):
        return False
    held: dict[Place | None, int] = defaultdict(int)
    for unit in mine:
        stamp = unit.nodes[0].stamp
        held[place_of(state, pool, unit.factory, unit.path, stamp.fabric if stamp else "")] += 1
    return Room(state, pool, *shape, gone).fits(missing, held)
