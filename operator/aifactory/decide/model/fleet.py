"""What stands: the nodes that were seen, gathered into units."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import Enum
from functools import cached_property
from itertools import chain, count, islice
from operator import attrgetter

from aifactory.api import names
from aifactory.decide.model.layout import Layout
from aifactory.decide.model.named import slot_named
from aifactory.decide.model.plan import Cause
from aifactory.decide.model.world import Claim, Node, PoolKey, Slot, World, key_of

_AS_TUPLE = attrgetter(*(field.name for field in fields(Claim)))  # compared many times faster


class State(Enum):
    """What is happening to a unit."""

    STANDING = "Standing"  # exists or is on its way up, for a pool
    LEAVING = "Leaving"  # is being drained, or has to be
    HELD = (
        "Held"  # nobody's for now, and its slot stays shut: out of service and drained, or without its pool
    )


@dataclass(frozen=True)
class Unit:
    """Whole nodes or whole racks: what is ordered, counted and released together."""

    slot: Slot  # slot 0 where the unit is a rack
    pool: PoolKey | None
    state: State
    nodes: tuple[Node, ...]  # those of its nodes that exist
    size: int  # nodes of the whole unit
    gpus: int
    watts: int  # as stamped or as its factory's spec has it now, whichever is more
    fabric: str
    placed_under: str
    out_of_service: bool
    claimed_ready: int | None = None  # its ready GPUs, where it is known from a status alone
    idle: bool | None = None  # no pod would have to leave; None: nobody has looked

    @property
    def ready_gpus(self) -> int:
        """GPUs on its nodes that are ready for new pods."""
        if self.claimed_ready is not None:
            return self.claimed_ready
        return sum(node.serves for node in self.nodes) * self.gpus // self.size

    @cached_property
    def worth(self) -> tuple[bool, int, int, bool]:
        """Sort key of what a pool gives up: what should go first comes first.

        What is broken or shut to new pods, then what nobody uses. One that somebody has uncordoned while it
        drained goes last.
        """
        sound = [node for node in self.nodes if node.ready and not node.cordoned and not node.out_of_service]
        good = self.claimed_ready if self.claimed_ready is not None else len(sound) * self.gpus // self.size
        return (any(node.spared for node in self.nodes), good, len(self.nodes), not self.idle)

    @property
    def released(self) -> bool:
        """Whether we are releasing it, and not because it is broken."""
        stamps = (node.stamp for node in self.nodes)
        return not self.out_of_service and any(stamp and stamp.draining_since for stamp in stamps)

    @property
    def cause(self) -> Cause | None:
        """Why it is being released, as noted on its nodes."""
        noted = (node.stamp.draining_for for node in self.nodes if node.stamp)
        return next((Cause(it) for it in noted if it in set(Cause)), None)

    @cached_property
    def names(self) -> dict[str, Slot]:
        """Name and slot of every node that the whole unit has."""
        slots = [self.slot] if self.slot.slot else [self.slot._replace(slot=s + 1) for s in range(self.size)]
        return {slot.node_name: slot for slot in slots}

    @cached_property
    def missing(self) -> tuple[Slot, ...]:
        """Slots of its nodes that do not exist."""
        if self.claimed_ready is not None:
            return ()
        present = {node.name for node in self.nodes}
        return tuple(slot for name, slot in self.names.items() if name not in present)


@dataclass(frozen=True)
class Stray:
    """A node that is no unit's, and has our labels or a slot's name.

    It counts where its name says that it stands, whatever its labels say; else where they say.
    """

    name: str
    factory: str
    slots: tuple[Slot, ...]  # that it keeps shut: the one that its name says, the one that it claims
    path: str
    watts: int  # as annotated or as its factory's spec has its system now, whichever is more
    stranger: bool = False  # none of ours: it has only the name of a slot


@dataclass(frozen=True)
class Fleet:
    """All units, and what is not one."""

    units: tuple[Unit, ...]
    strays: tuple[Stray, ...]

    @cached_property
    def of_pool(self) -> Mapping[PoolKey | None, tuple[Unit, ...]]:
        """The units of each pool, ordered by slot."""
        found: dict[PoolKey | None, list[Unit]] = defaultdict(list)
        for unit in self.units:
            found[unit.pool].append(unit)
        return {pool: tuple(units) for pool, units in found.items()}

    @cached_property
    def of_factory(self) -> Mapping[str, tuple[Unit, ...]]:
        """The units in each factory, ordered by slot."""
        found: dict[str, list[Unit]] = defaultdict(list)
        for unit in self.units:
            found[unit.slot.factory].append(unit)
        return {factory: tuple(units) for factory, units in found.items()}


def out_of_use(units: Iterable[Unit]) -> dict[str, int]:
    """How many nodes of some units are not ready for new pods, each for the first of the reasons."""
    found = {"notReadyNodes": 0, "cordonedNodes": 0, "outOfServiceNodes": 0}
    for node in chain.from_iterable(unit.nodes for unit in units):
        if node.out_of_service:
            found["outOfServiceNodes"] += 1
        elif node.cordoned:
            found["cordonedNodes"] += 1
        elif not node.ready:
            found["notReadyNodes"] += 1
    return found


def units_of(
    world: World, layouts: Mapping[str, Layout], locked: frozenset[str], called_off: frozenset[Slot]
) -> Fleet:
    """Gather the nodes of all factories that exist into units, ordered by slot.

    A unit that is out of service is lost to its pool, and leaves; but not in a factory that is ``locked``,
    nor while its pool makes no sense. One whose drain is ``called_off``, or that somebody has uncordoned
    meanwhile, stands.
    """
    odd: list[Node] = []
    together: dict[Slot, list[Node]] = defaultdict(list)
    for node in world.nodes:
        if node.stamp is None or node.stamp.slot.node_name != node.name:
            odd.append(node)
        elif node.factory in layouts:  # else its factory is gone: kept, and nobody's business
            slot = node.stamp.slot
            together[slot._replace(slot=0) if node.stamp.unit_nodes > 1 else slot].append(node)

    pools = {key_of(pool): pool for pool in world.pools}
    refused = {PoolKey(r.namespace, r.name): r for r in world.refused if r.kind == "GPUPool"}
    known = {*pools, *refused}
    going = {key for key, pool in pools.items() if pool.metadata.deletion_timestamp is not None}
    going |= {key for key, pool in refused.items() if pool.going}
    units = []
    busy = {pod.node for pod in world.pods}
    for slot, nodes in sorted(together.items()):
        nodes.sort(key=lambda node: node.name)
        unit = _unit(
            slot,
            tuple(nodes),
            layouts[slot.factory],
            (known, going, set(refused)),
            locked,
            called_off=slot in called_off,
        )
        if all(node.name in world.looked_at for node in nodes):
            unit = replace(unit, idle=not any(node.name in busy for node in nodes))
        if _outlived(unit, known, world.pools_since):
            unit = replace(unit, state=State.HELD)
        units.append(unit)
    units += _claimed(world, layouts, {unit.slot for unit in units}, going)
    units.sort(key=lambda unit: unit.slot)
    return Fleet(tuple(units), _strays(odd, layouts, {unit.slot: unit.watts for unit in units}))


def _outlived(unit: Unit, known: set[PoolKey], since: datetime | None) -> bool:
    """Whether its pool may have gone with the definition of all pools, which was made again since.

    Nobody has said that it should go: it waits for its pool to come back.
    """
    if since is None or unit.pool is None or unit.pool in known:
        return False
    return all(node.created < since and not node.deleting for node in unit.nodes)


def _strays(odd: list[Node], layouts: Mapping[str, Layout], counted: dict[Slot, int]) -> tuple[Stray, ...]:
    """The nodes that are no unit's. A rack counts once, however many nodes on its names are none of it."""
    strays = []
    for node in sorted(odd, key=lambda node: node.name):
        named = slot_named(node, layouts)
        stray = _by_name(node, named, layouts[named.factory]) if named else _by_label(node, layouts)
        if stray is None:
            continue
        if named:
            unit = _unit_of(named, layouts[named.factory])
            watts = max(0, stray.watts - counted.get(unit, 0))
            counted[unit] = counted.get(unit, 0) + watts
            stray = replace(stray, watts=watts)
        strays.append(stray)
    return tuple(strays)


def _by_name(node: Node, named: Slot, layout: Layout) -> Stray:
    current = layout.unit_watts.get(named.system) or 0
    claimed = node.stamp.slot if node.stamp and node.stamp.slot.factory == named.factory else named
    return Stray(
        name=node.name,
        factory=named.factory,
        slots=(named, claimed),
        path=named.path,
        watts=max(node.unit_watts, current),
        stranger=not node.ours,
    )


def _by_label(node: Node, layouts: Mapping[str, Layout]) -> Stray | None:
    layout = layouts.get(node.factory)
    if layout is None or not node.ours:
        return None
    by_label = {names.label_value(path): path for path in layout.by_path}
    slot = node.stamp.slot if node.stamp else None
    path = (slot and slot.path) or by_label.get(node.says_domain, "")
    current = layout.unit_watts.get(node.says_system) or 0
    return Stray(node.name, node.factory, (slot,) if slot else (), path, max(node.unit_watts, current))


def _unit_of(slot: Slot, layout: Layout) -> Slot:
    """The unit that a node's slot is in, as the spec has it now."""
    group = layout.by_slot.get((slot.path, slot.system))
    rack = group is not None and layout.groups[group].system.unit == "Rack"
    return slot._replace(slot=0) if rack else slot


def _unit(
    slot: Slot,
    nodes: tuple[Node, ...],
    layout: Layout,
    pools: tuple[set[PoolKey], set[PoolKey], set[PoolKey]],
    locked: frozenset[str],
    *,
    called_off: bool,
) -> Unit:
    known, going, refused = pools
    stamps = [node.stamp for node in nodes if node.stamp is not None]
    first = stamps[0]
    owners = Counter(stamp.pool for stamp in stamps if stamp.pool is not None)
    # Where somebody relabelled one node of a rack, the others still tell whose it is.
    pool = min(owners, key=lambda owner: (owner not in known, -owners[owner], owner), default=None)
    out_of_service = any(node.out_of_service for node in nodes)
    draining = any(node.drains for node in nodes) and not any(node.spared for node in nodes)
    if pool is None and all(node.out_of_service for node in nodes):
        state = State.HELD
    elif (
        pool not in known
        or pool in going
        or (draining and not called_off)
        or all(node.deleting for node in nodes)
        or (out_of_service and slot.factory not in locked and pool not in refused)
    ):
        state = State.LEAVING
    else:
        state = State.STANDING
    return Unit(
        slot=slot,
        pool=pool,
        state=state,
        nodes=nodes,
        size=first.unit_nodes,
        gpus=first.unit_gpus,
        watts=max(*(stamp.unit_watts for stamp in stamps), 1, _current_watts(layout, slot.path, slot.system)),
        fabric=first.fabric,
        placed_under=min(stamp.placed_under for stamp in stamps),
        out_of_service=out_of_service,
    )


def _claimed(
    world: World, layouts: Mapping[str, Layout], taken: set[Slot], going: set[PoolKey]
) -> list[Unit]:
    """Units of which only a status tells, in the lowest slots that are free."""
    units = []
    places: dict[tuple[str, str, str, bool], Iterator[Slot]] = {}
    owned = sorted((claim for claim in world.claims if claim.pool is not None), key=_AS_TUPLE)
    for claim in (*owned, *(claim for claim in world.claims if claim.pool is None)):
        layout = layouts.get(claim.factory)
        if layout is None or not claim.units:
            continue
        path, fabric = names.canonical(claim.domain), names.canonical(claim.fabric)
        size, gpus = claim.nodes // claim.units, claim.gpus // claim.units
        watts = max(-(-claim.watts // claim.units), 1, _current_watts(layout, path, claim.system))
        leaves = claim.leaving or claim.pool in going
        stands = State.HELD if claim.pool is None else State.STANDING
        state = State.LEAVING if leaves else stands
        place = (claim.factory, path, claim.system, size == 1)
        if place not in places:
            group = layout.by_slot.get((path, claim.system))
            offered = layout.groups[group].slots if group is not None else ()
            beyond = ((rack, int(size == 1)) for rack in count(1_000_000))  # racks that the spec has not
            every = (Slot(*place[:3], *rack_and_slot) for rack_and_slot in chain(offered, beyond))
            places[place] = (slot for slot in every if slot not in taken)
        ready = claim.ready_gpus
        for slot in islice(places[place], claim.units):
            taken.add(slot)
            ready_here = gpus if ready > gpus else ready
            units.append(
                Unit(
                    slot=slot,
                    pool=claim.pool,
                    state=state,
                    nodes=(),
                    size=size,
                    gpus=gpus,
                    watts=watts,
                    fabric=fabric,
                    placed_under=claim.placed_under,
                    out_of_service=False,
                    claimed_ready=ready_here,
                )
            )
            ready -= ready_here
    return units


def _current_watts(layout: Layout, path: str, system: str) -> int:
    """What the spec says now of a unit in this place; 0 where its system or domain is gone."""
    if path not in layout.by_path:
        return 0
    return layout.unit_watts.get(system) or 0
