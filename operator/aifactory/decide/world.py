"""The world of one cycle: everything that a decision may depend on, frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from aifactory.api import names
from aifactory.api.factory import AIFactory
from aifactory.api.meta import ObjectMeta
from aifactory.api.pool import GPUPool


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
    draining_since: datetime | None
    draining_for: str = ""  # a plan.Cause
    label_keys: tuple[str, ...] = ()  # keys of the pool's own labels that we set
    taints: tuple[str, ...] = ()  # the pool's own taints that we set, `key=value:effect`; once only keys
    cordoned_before: bool = False  # somebody had cordoned it before its drain began


@dataclass(frozen=True)
class Node:
    """A backend's node as it was seen. A node whose stamp cannot be read is a stray."""

    name: str
    uid: str
    stamp: Stamp | None
    factory: str  # as labelled; counts there even without a stamp
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    ready: bool
    unschedulable: bool
    deleting: bool
    created: datetime
    annotations: Mapping[str, str] = field(default_factory=dict)
    unit_watts: int = 0  # as annotated, where the rest of the stamp is unreadable

    @property
    def out_of_service(self) -> bool:
        """Whether somebody marked it as broken: with the label, whatever it says but `false`."""
        return self.labels.get(names.LABEL_OUT_OF_SERVICE, "false") != "false"

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
    unknown: frozenset[str] = frozenset()  # factories whose backend could not be listed
    refusals: Mapping[str, Refusal] = field(default_factory=dict)  # by node: of the last eviction there
    # Pools with factories in which nothing new of them is to be placed, whatever their specs say.
    closed: frozenset[tuple[PoolKey, str]] = frozenset()
    failures: tuple[Failure, ...] = ()  # writes of ours that failed again
    resources_going: bool = False  # one of our CRDs is being deleted
    pools_since: datetime | None = None  # when the CRD of pools was made


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
