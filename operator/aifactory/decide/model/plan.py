"""The plan of one cycle: what is placed where, what is done now, and what is said about it."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from aifactory.decide.model.world import Node, NodeSpec, Pod, PoolKey

SLOW_START = timedelta(minutes=15)  # after that a node that is not ready is reported


@dataclass(frozen=True)
class Placing:
    """So many units of one system in one rack group, for one pool."""

    factory: str
    domain: str  # as people read it
    fabric: str
    system: str
    units: int
    nodes: int
    gpus: int
    watts: int
    standing: int  # units of it that exist or are on their way up
    missing: int  # nodes of these that do not exist
    planned_nodes: int  # nodes of the units that are not standing
    planned_watts: int
    ready_gpus: int


@dataclass(frozen=True)
class Order:
    """Provision a node."""

    spec: NodeSpec
    pool: PoolKey
    growth: bool = False  # what the pool has above its minimum


@dataclass(frozen=True)
class Complete(Order):
    """Provision a node again that a standing unit has lost."""


@dataclass(frozen=True)
class Relabel:
    """Bring a standing node up to date in place: what it says of itself, its pool's labels and taints."""

    node: Node
    spec: NodeSpec


class Cause(StrEnum):
    """Why a unit is released."""

    OUT_OF_SERVICE = "OutOfService"
    POWER_LIMIT = "PowerLimit"
    PREEMPTION = "Preemption"
    SPEC = "Spec"


@dataclass(frozen=True)
class Drain:
    """Begin to release a node: cordon it and note when, and why."""

    node: Node
    since: datetime
    cause: Cause


@dataclass(frozen=True)
class CallOff:
    """Keep a node that was being drained: take our notes and our cordon back."""

    node: Node


@dataclass(frozen=True)
class Evict:
    """Ask a pod to leave a node that is being drained."""

    pod: Pod


@dataclass(frozen=True)
class Hold:
    """A drained node that is out of service belongs to nobody from now on, and keeps its slot shut."""

    node: Node


@dataclass(frozen=True)
class Delete:
    """Release a drained node, and with it the pods that did not leave before its drain timeout."""

    node: Node
    pods: tuple[Pod, ...] = ()

    @property
    def forced(self) -> bool:
        """Whether pods go with it."""
        return bool(self.pods)


@dataclass(frozen=True)
class Finalizer:
    """Hold an object back from deletion, or let it go."""

    kind: str
    namespace: str
    name: str
    add: bool


Release = CallOff | Drain | Evict | Hold | Delete
Action = Order | Relabel | Release | Finalizer


@dataclass(frozen=True)
class StatusWrite:
    """The status that an object should have; written only where it differs."""

    kind: str
    namespace: str
    name: str
    status: Mapping[str, Any]
    first: bool = False  # before any order: a new generation's limits come into force, or orders are claimed
    # By condition: what events say instead of its message, which names what not all who read them may know.
    told: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """A transition worth telling, with a stable reason."""

    kind: str
    namespace: str
    name: str
    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class FactoryPrices:
    """What more room in one factory would be worth, dearest first; what is worth nothing is left out."""

    highest: int  # the first priority that waits for such room
    lowest: int  # the last one that is counted with it
    domains: tuple[tuple[str, str], ...]  # (domain instance, GPUs for a MW more); "" is the quota
    systems: tuple[tuple[str, str], ...]  # (system, GPUs for a unit more)


class Place(NamedTuple):
    """A cell by name: the same in all cycles."""

    factory: str
    path: str  # of the domain instance
    fabric: str
    system: str
    gpus: int  # of a unit
    described: bool  # by the factory's spec


@dataclass(frozen=True)
class Adopted:
    """How many units each pool is meant to hold in each place, and the question that this answers."""

    question: Hashable
    units: Mapping[tuple[PoolKey, Place], int]
    specs: Mapping[PoolKey, Hashable] = field(default_factory=dict)  # what each pool asked for
    waiting: frozenset[PoolKey] = frozenset()  # pools that wait for a better plan and were left out of this
    proposal: Hashable = None  # the question of the last proposal of a solver that was looked at for it
    followed: bool = False  # it is what that proposal says


@dataclass(frozen=True)
class Plan:
    """What one cycle decided.

    Actions are in the order in which they keep the promises: finalizers, then what frees power, then
    what uses it. Every order's power is free as observed, so they may be carried out without a further look.
    """

    placings: Mapping[PoolKey, tuple[Placing, ...]] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    statuses: tuple[StatusWrite, ...] = ()
    events: tuple[Event, ...] = ()
    prices: Mapping[str, FactoryPrices] = field(default_factory=dict)  # by factory, where there are any
    adopted: Adopted | None = None  # what the plan means for the cycles to come
    log: tuple[str, ...] = ()  # for operators only: may name pools of several tenants
    again_after: float | None = None  # seconds until something is due that no watch tells
