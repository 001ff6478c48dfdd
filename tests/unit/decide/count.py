"""Watts, units and room, counted from the manifests and the nodes with code of their own.

Nothing here comes from the code that decides: a place is a factory's name and the path of a domain instance,
'' for the factory itself, written as nodes carry it: the first of several without a number.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, floor

from aifactory.api import names
from aifactory.api.catalogue import System
from aifactory.api.factory import AIFactory
from aifactory.api.systems import systems_of
from aifactory.decide.model.world import Slot
from unit.decide.state import Labelled, State


@dataclass(frozen=True)
class Standing:
    """A unit that exists at least in part."""

    factory: str
    path: str
    system: str
    rack: int
    slot: int  # 0: a whole rack
    nodes: tuple[Labelled, ...]

    @property
    def pool(self) -> str:
        """Path of the pool that it belongs to; empty: nobody's."""
        return next((f"{n.stamp.pool}" for n in self.nodes if n.stamp and n.stamp.pool), "")

    @property
    def gpus(self) -> int:
        """GPUs of the whole unit."""
        stamp = self.nodes[0].stamp
        return stamp.unit_gpus if stamp else 0

    @property
    def ready_gpus(self) -> int:
        """GPUs of its nodes that are ready, and that nobody keeps new pods away from."""
        open_to_pods = [n for n in self.nodes if n.ready and not n.unschedulable]
        mark = names.LABEL_OUT_OF_SERVICE
        sound = [n for n in open_to_pods if n.labels.get(mark) in (None, "false")]
        return sum(n.stamp.unit_gpus // n.stamp.unit_nodes for n in sound if n.stamp)

    @property
    def leaving(self) -> bool:
        """Whether it is being released. A node that somebody else deletes costs its unit nothing else.

        Who uncordons a node that drains wants its unit to stay.
        """
        marked = [n for n in self.nodes if n.stamp is not None and n.stamp.draining_since]
        drained = bool(marked) and all(n.unschedulable for n in marked)
        return drained or all(n.deleting for n in self.nodes)


def parents(path: str) -> Iterator[str]:
    """A path and all above it, up to ''."""
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""


@cache
def identity(path: str) -> str:
    """A path as nodes carry it: the first of several has no number."""
    return re.sub(r"(?<=[^/])(-1)+(?=/|$)", "", path)


def levels(factory: AIFactory) -> Mapping[str, str]:
    """The path in the spec of every place."""
    return _levels(*((domain.path, domain.count) for domain in factory.spec.power.domains))


@cache
def _levels(*domains: tuple[str, int]) -> Mapping[str, str]:
    found = {"": ""}
    for path, count in sorted(domains, key=lambda domain: domain[0].count("/")):
        above, _, base = path.rpartition("/")
        for parent in [p for p, its in found.items() if its == above]:
            for number in range(1, count + 1):
                found[identity(f"{parent}/{base}-{number}".lstrip("/"))] = path
    return found


def limits(factory: AIFactory) -> dict[str, int]:
    """The limit of every place, in whole IT watts."""
    power = factory.spec.power
    it_power = power.quota / power.peak_pue if power.basis == "Gross" and power.peak_pue else power.quota
    of_level = {"": it_power} | {domain.path: domain.limit for domain in power.domains}
    found = {path: floor(of_level[its]) for path, its in levels(factory).items()}
    for entry in power.limits:
        path = identity(entry.domain)
        if path in found:
            found[path] = min(found[path], floor(entry.limit))
    return found


def unit_watts(factory: AIFactory, system: str) -> int | None:
    """Watts of a new unit with its overhead; None where no figure is known."""
    known = systems_of(factory.spec.systems).get(system)
    if known is None or known.max_watts is None:
        return None
    return ceil(known.max_watts * (100 + factory.spec.power.overhead_percent) / 100)


def out_of_service(factory: AIFactory, path: str) -> bool:
    """Whether a place, or one above it, is out of service."""
    listed = {identity(name) for name in (*factory.spec.out_of_service, *factory.spec.maintenance)}
    return not listed.isdisjoint(parents(path))


def strays(nodes: Iterable[Labelled]) -> list[Labelled]:
    """Nodes that are in no slot of ours."""
    return [n for n in nodes if n.stamp is None or n.stamp.slot.node_name != n.name]


def named_slot(node: Labelled) -> Slot | None:
    """The slot whose name a node seems to have; no name in these tests is long enough to be shortened."""
    factory, *path, system, rack, slot = node.name.split(".") if node.name.count(".") > 3 else [""] * 5
    if not (rack.isdigit() and slot.isdigit()):
        return None
    return Slot(factory, "/".join(path), system, int(rack), int(slot))


def is_ours(node: Labelled) -> bool:
    """Whether a node bears any label or annotation of the operator's."""
    return any(names.GROUP in key for key in (*node.labels, *node.annotations))


def stray_at(factory: AIFactory, node: Labelled) -> tuple[str, str] | None:
    """(path, system) of a stray that counts in a factory; a name says more than labels do."""
    named = named_slot(node)
    if named is None:
        labelled = node.labels.get(names.LABEL_DOMAIN, "").replace(".", "/")
        path = (node.stamp and node.stamp.slot.path) or labelled
        mine = node.factory == factory.metadata.name and is_ours(node)
        return (path, node.labels.get(names.LABEL_SYSTEM, "")) if mine else None
    if named.factory != factory.metadata.name:
        return None
    if not is_ours(node):
        known = systems_of(factory.spec.systems).get(named.system)
        place = (named.rack, 0 if known and known.unit == "Rack" else named.slot)
        if known is None or named.path not in levels(factory) or named.slot > _most(factory, known, named):
            return None
        if place not in slots_of(factory, known, named.path):
            return None
    return named.path, named.system


def _most(factory: AIFactory, system: System, named: Slot) -> int:
    if system.unit == "Rack":
        return system.nodes_per_rack
    slots = slots_of(factory, system, named.path)
    return max((slot for _, slot in slots), default=0)


def units(nodes: Iterable[Labelled]) -> list[Standing]:
    """All units, strays left aside."""
    together: dict[tuple[str, str, str, int, int], list[Labelled]] = defaultdict(list)
    for n in nodes:
        if n.stamp is not None and n.stamp.slot.node_name == n.name:
            factory, path, system, rack, slot = n.stamp.slot
            together[factory, path, system, rack, slot if n.stamp.unit_nodes == 1 else 0].append(n)
    return [Standing(*place, tuple(them)) for place, them in sorted(together.items())]


def draws(factory: AIFactory, unit: Standing) -> int:
    """What a unit counts: the larger of what it was stamped with and what its factory says now."""
    stamped = max(n.stamp.unit_watts for n in unit.nodes if n.stamp)
    current = unit_watts(factory, unit.system) if unit.path in levels(factory) else None
    return max(stamped, current or 0)


def committed(factory: AIFactory, nodes: Iterable[Labelled]) -> dict[str, int]:
    """Watts at every place of a factory, under this spec of it."""
    here = [n for n in nodes if n.factory == factory.metadata.name]
    total = dict.fromkeys(limits(factory), 0)

    def book(path: str, watts: int) -> None:
        nearest = next(p for p in parents(path) if p in total)
        for place in parents(nearest):
            total[place] += watts

    for unit in units(here):
        book(unit.path, draws(factory, unit))
    booked = {(u.path, u.system, u.rack): draws(factory, u) for u in units(here) if not u.slot}
    for n in sorted(strays(nodes), key=lambda n: n.name):
        if (at := stray_at(factory, n)) is None:
            continue
        path, system = at
        watts = max(n.unit_watts, unit_watts(factory, system) or 0)
        known, named = systems_of(factory.spec.systems).get(system), named_slot(n)
        if named and known and known.unit == "Rack":
            # Nodes of one rack draw what the rack does, whoever they belong to.
            already = booked.get((path, system, named.rack), 0)
            booked[path, system, named.rack] = max(already, watts)
            watts = max(0, watts - already)
        book(path, watts)
    return total


def over(factory: AIFactory, nodes: Iterable[Labelled]) -> dict[str, int]:
    """Watts above the limit, at each place where it is exceeded."""
    load = committed(factory, nodes)
    return {path: load[path] - limit for path, limit in limits(factory).items() if load[path] > limit}


def excess(state: State) -> dict[tuple[str, str], int]:
    """Watts above the limits in force: those of the generation that the factory's status has seen."""
    found = {}
    for name, factory in state.factories.items():
        seen = state.history.get((name, factory.status.observed_generation))
        if seen is not None:
            for path, watts in over(seen, state.nodes.values()).items():
                found[name, path] = watts
    return found


def standing(state: State, pool: str) -> list[Standing]:
    """The units that a pool has and keeps, in factories that exist."""
    known = {*state.factories, *state.refused}
    return [u for u in units(state.seen()) if u.pool == pool and not u.leaving and u.factory in known]


def locked(state: State, factory: str) -> bool:
    """Whether nothing may be changed in a factory."""
    it = state.factories.get(factory)
    return it is None or it.spec.paused or factory in state.blind or it.spec.backend.kwok is None


def shut(state: State, factory: str) -> bool:
    """Whether a factory takes nothing new."""
    it = state.factories.get(factory)
    return it is None or locked(state, factory) or it.spec.drain or it.metadata.deletion_timestamp is not None


def slots_of(factory: AIFactory, system: System, path: str) -> set[tuple[int, int]]:
    """(rack, slot) of every unit of a system that a place has room for; slot 0 is a whole rack."""
    found: set[tuple[int, int]] = set()
    domain = levels(factory).get(path)
    for group in factory.spec.racks:
        if (group.domain, group.system) == (domain, system.name):
            racks = range(1, group.count + 1)
            if system.unit == "Rack":
                found |= {(rack, 0) for rack in racks}
            else:
                slots = range(1, (group.nodes_per_rack or system.nodes_per_rack) + 1)
                found |= {(rack, slot) for rack in racks for slot in slots}
    return found


def free_slots(factory: AIFactory, system: System, path: str, nodes: Sequence[Labelled]) -> int:
    """Slots of a system in which no node is."""
    taken, whole_racks, touched = set(), set(), set()
    for n in nodes:
        if n.stamp and n.stamp.slot[:3] == (factory.metadata.name, path, system.name):
            taken.add(n.stamp.slot[3:])
            touched.add(n.stamp.slot.rack)
            if n.stamp.unit_nodes > 1:
                whole_racks.add(n.stamp.slot.rack)
    slots = slots_of(factory, system, path)
    # A node whose labels were scribbled over, or that is another's, still has the name of its slot.
    named = {n.name for n in nodes}
    for rack, slot in slots:
        each = [slot] if slot else range(1, system.nodes_per_rack + 1)
        where = (Slot(factory.metadata.name, path, system.name, rack, s) for s in each)
        if any(place.node_name in named for place in where):
            taken.add((rack, slot))
            touched.add(rack)
    if system.unit == "Rack":
        return sum(rack not in touched for rack, _ in slots)
    return sum(place not in taken and place[0] not in whole_racks for place in slots)
