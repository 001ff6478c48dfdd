"""The world of one cycle: everything that a decision may depend on, frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from aifactory.api import names
from aifactory.api.backend import Backend
from aifactory.api.catalogue import MOST_EACH
from aifactory.api.factory import AIFactory
from aifactory.api.meta import ObjectMeta
from aifactory.api.pool import GPUPool
from aifactory.decide.once import once

MOST_WATTS: Final = 2 * 10**12  # of a unit: the most that maxWatts may say, with 100 % overhead
_MOST: Final = 10**6  # racks and slots: far above any


class PoolKey(NamedTuple):
    """Names one pool: the namespace is the tenant."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Slot(NamedTuple):
    """Where a node stands: a slot in a rack of a rack group. Racks and slots are numbered from 1."""

    factory: str
    path: str  # identity of the domain instance
    system: str
    rack: int
    slot: int

    @property
    def node_name(self) -> str:
        """Name of the node that stands here; no other slot gives the same."""
        return names.node_name(*self)


class Taint(NamedTuple):
    """A taint of a node."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True)
class Stamp:
    """What a node of ours says about itself. Everything else about it can change under it."""

    slot: Slot
    pool: PoolKey | None  # None: it belongs to nobody
    fabric: str  # identity of the fabric's domain instance
    unit_watts: int  # of its whole unit, with overhead
    unit_gpus: int
    unit_nodes: int
    placed_under: str  # stamp of the pool's spec that it was ordered under
    draining_since: datetime | None = None
    draining_for: str = ""  # a plan.Cause
    cordoned_before: bool = False  # somebody had cordoned it before its drain began

    @property
    def sane(self) -> bool:
        """Whether a unit can be so: sums of such numbers stay in 64 bits."""
        return (
            1 <= self.slot.rack <= _MOST
            and 1 <= self.slot.slot <= _MOST
            and 1 <= self.unit_nodes <= MOST_EACH
            and 1 <= self.unit_gpus <= MOST_EACH**2
            and 1 <= self.unit_watts <= MOST_WATTS
            and self.unit_gpus % self.unit_nodes == 0
        )


@dataclass(frozen=True)
class NodeSpec:
    """Everything that a backend has to know to provision a node, or to bring it up to date."""

    stamp: Stamp
    labels: Mapping[str, str]  # that the pool wishes for, as far as its site grants them
    taints: tuple[Taint, ...]  # likewise
    region: str  # of the site; empty: it names none
    shared: bool  # whether pods of other tenants may come
    resource: str  # by which pods ask for a device; empty: its system is not described any more
    devices: int
    first_labels: Mapping[str, str]  # set with the order and never again
    first_taints: tuple[Taint, ...]  # likewise
    backend: Backend  # as its factory describes it; nothing is decided by it
    drain_seconds: int  # that its pods get at most to leave, should somebody else end it

    @property
    def slot(self) -> Slot:
        """Where it stands."""
        return self.stamp.slot


class Look(Protocol):
    """How a node looks in its cluster. Only its backend can read that."""

    def suits(self, wish: NodeSpec) -> bool:
        """Whether nothing has to be changed about it."""


@dataclass(frozen=True)
class Node:
    """A node of a unit, as its backend tells of it; one whose stamp cannot be read is a stray.

    It counts from the order until its backend has confirmed that it is gone, whatever stands behind it.
    """

    name: str
    uid: str  # tells it from a later one of the same name
    stamp: Stamp | None
    factory: str  # as it says; it counts there even without a stamp
    ready: bool
    unschedulable: bool
    deleting: bool
    created: datetime
    look: Look
    ours: bool  # it bears some mark of ours; any other one has only the name of a slot
    out_of_service: bool  # somebody marked it as broken
    unit_watts: int = 0  # as it says, where the rest of the stamp is unreadable
    says_domain: str = ""  # likewise, as `names.label_value` gives a path
    says_system: str = ""

    @property
    def serves(self) -> bool:
        """Whether new pods may come: it is ready, and nobody keeps them away."""
        return self.ready and not self.unschedulable and not self.out_of_service

    @property
    def drains(self) -> bool:
        """Whether we are draining it, and nobody has said otherwise by uncordoning it."""
        return self.stamp is not None and self.stamp.draining_since is not None and self.unschedulable

    @property
    def spared(self) -> bool:
        """Whether somebody has uncordoned it while it drained."""
        return self.stamp is not None and self.stamp.draining_since is not None and not self.unschedulable

    @property
    def cordoned(self) -> bool:
        """Whether somebody else than us keeps new pods away."""
        before = self.stamp is not None and self.stamp.cordoned_before
        return self.unschedulable and (before or not self.drains)


@dataclass(frozen=True)
class Pod:
    """A pod that has to leave a node before the node goes."""

    namespace: str
    name: str
    node: str
    evicted: bool = False  # on its way out already
    uid: str = ""


@dataclass(frozen=True, order=True)
class Claim:
    """Units that are known from a status alone: of a manifest, or of a factory that cannot be seen.

    Paths are as people read them. Without a pool they are somebody's that no status names: they count, and
    their slots are taken.
    """

    pool: PoolKey | None
    factory: str
    domain: str
    fabric: str
    system: str
    units: int
    nodes: int
    gpus: int
    ready_gpus: int
    watts: int
    placed_under: str
    leaving: bool = False  # being released


@dataclass(frozen=True)
class Refused:
    """An object that no reading gives sense to; it is reported and its nodes stay as they are.

    It can be deleted like any other: that needs no sense of its spec.
    """

    kind: str
    metadata: ObjectMeta
    message: str
    status: Mapping[str, object] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """Its namespace, empty for a factory."""
        return self.metadata.namespace

    @property
    def name(self) -> str:
        """Its name."""
        return self.metadata.name

    @property
    def going(self) -> bool:
        """Whether it is being deleted."""
        return self.metadata.deletion_timestamp is not None


class Written(StrEnum):
    """What a write is for."""

    ORDER = "Order"  # to provision a node, or provision it again
    RELEASE = "Release"  # to drain, empty, hold or delete a node
    UPDATE = "Update"  # of a node's labels and taints
    STATUS = "Status"
    FINALIZER = "Finalizer"


@dataclass(frozen=True)
class Failure:
    """A write that failed, and did again, in the API server's words."""

    what: Written
    factory: str  # empty where it is about a pool's own object
    pool: PoolKey | None
    node: str  # empty for an order: all of a pool in a factory are refused
    tries: int
    message: str
    slot: Slot | None = None  # an order for this very slot is refused, while others are taken


class Refusal(NamedTuple):
    """Why a pod was not evicted: whose it is, and what the API server said, which may name its budget."""

    namespace: str
    message: str


@dataclass(frozen=True)
class World:
    """All that was seen at the start of a cycle."""

    factories: tuple[AIFactory, ...] = ()
    pools: tuple[GPUPool, ...] = ()
    nodes: tuple[Node, ...] = ()
    pods: tuple[Pod, ...] = ()  # on the nodes that were looked at
    looked_at: frozenset[str] = frozenset()  # nodes whose pods were read: all that drain, and those asked for
    claims: tuple[Claim, ...] = ()
    refused: tuple[Refused, ...] = ()
    backends: frozenset[str] = frozenset({"kwok"})  # the kinds of backend that can be driven
    not_installed: Mapping[str, str] = field(default_factory=dict)  # kinds of backend, and what they lack
    unknown: frozenset[str] = frozenset()  # factories whose backend could not be listed
    refusals: Mapping[str, Refusal] = field(default_factory=dict)  # by node: of the last eviction there
    # Pools with factories in which nothing new of them is to be placed, whatever their specs say.
    closed: frozenset[tuple[PoolKey, str]] = frozenset()
    failures: tuple[Failure, ...] = ()  # writes of ours that failed again
    resources_going: bool = False  # one of our CRDs is being deleted
    pools_since: datetime | None = None  # when the CRD of pools was made


@once
def key_of(pool: GPUPool) -> PoolKey:
    """The key of a pool object."""
    return PoolKey(pool.metadata.namespace or "default", pool.metadata.name)


def claims_of(pool: GPUPool) -> tuple[Claim, ...]:
    """What a pool's status says of its units."""
    return tuple(
        Claim(
            pool=key_of(pool),
            factory=p.factory,
            domain=p.domain,
            fabric=p.fabric,
            system=p.system,
            units=p.units,
            nodes=p.nodes,
            gpus=p.gpus,
            ready_gpus=p.ready_gpus,
            watts=p.watts,
            placed_under=pool.status.placed_under,
        )
        for p in pool.status.everywhere
    )
