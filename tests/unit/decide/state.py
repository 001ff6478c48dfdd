"""What exists in a simulated cluster, and how the operator sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool, GPUPoolSpec
from aifactory.backends.looks import NodeLook
from aifactory.backends.nodes import node_of
from aifactory.decide import World
from aifactory.decide.model.plan import Adopted
from aifactory.decide.model.world import (
    Claim,
    Failure,
    Look,
    Node,
    Pod,
    PoolKey,
    Refusal,
    Refused,
    Stamp,
    Taint,
    claims_of,
)
from unit.decide.build import Thing

START = datetime(2026, 1, 1, tzinfo=UTC)
Object = AIFactory | GPUPool


class Fault(AssertionError):  # noqa: N818 - as it reads in `raise Fault`
    """The operator did something that must never happen."""


@dataclass(frozen=True)
class Labelled(Node):
    """A Kubernetes Node: what it bears, and all that a backend tells of it by that."""

    stamp: Stamp | None = field(init=False)
    factory: str = field(init=False)
    look: Look = field(init=False)
    ours: bool = field(init=False)
    out_of_service: bool = field(init=False)
    unit_watts: int = field(init=False)
    says_domain: str = field(init=False)
    says_system: str = field(init=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()

    def __post_init__(self) -> None:
        told = node_of(
            name=self.name,
            uid=self.uid,
            look=NodeLook(self.labels, self.annotations, self.taints),
            ready=self.ready,
            unschedulable=self.unschedulable,
            deleting=self.deleting,
            created=self.created,
        )
        for it in fields(self):
            if not it.init:
                object.__setattr__(self, it.name, getattr(told, it.name))


@dataclass
class State:
    """All that exists. Objects go by their path: `dfw` for a factory, `a/train` for a pool.

    Every value in it is frozen, so that a copy is cheap.
    """

    now: datetime = START
    objects: dict[str, Object] = field(default_factory=dict)
    words: dict[str, Thing] = field(default_factory=dict)
    history: dict[tuple[str, int], AIFactory] = field(default_factory=dict)  # by name and generation
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)  # as they were written
    refused: dict[str, Refused] = field(default_factory=dict)
    nodes: dict[str, Labelled] = field(default_factory=dict)
    placed_for: dict[str, GPUPoolSpec] = field(default_factory=dict)  # node -> spec that its place suits
    pods: dict[str, Pod] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)  # remembered by the operator's process alone
    adopted: Adopted | None = None  # likewise
    failures: tuple[Failure, ...] = ()  # writes that failed again, likewise
    last_seen: dict[str, tuple[Labelled, ...]] = field(default_factory=dict)  # of blind factories, likewise
    blind: frozenset[str] = frozenset()  # factories whose backend cannot be listed
    not_installed: Mapping[str, str] = field(default_factory=dict)  # kinds of backend, and what they lack
    resources_going: bool = False
    pools_since: datetime = START - timedelta(days=1)
    serial: int = 0
    backwards: bool = False  # lists come in another order
    # Knobs
    boot: float = 1  # seconds until a node is ready
    duds: frozenset[str] = frozenset()  # nodes that never become ready
    linger: int = 0  # cycles that a deleted node is still there
    denies: bool = False  # ... and says nothing of being deleted
    lingering: dict[str, int] = field(default_factory=dict)
    busy: bool = False  # a pod runs on every ready node of a pool
    budgets: frozenset[str] = frozenset()  # pools, and namespaces, whose pods may not be evicted

    def copy(self) -> Self:
        """The same cluster, to go another way from here."""
        changed: dict[str, Any] = {k: v.copy() for k, v in vars(self).items() if isinstance(v, dict)}
        return replace(self, **changed)

    @property
    def factories(self) -> dict[str, AIFactory]:
        """All factories that make sense."""
        return {path: it for path, it in self.objects.items() if isinstance(it, AIFactory)}

    @property
    def pools(self) -> dict[str, GPUPool]:
        """All pools that make sense."""
        return {path: it for path, it in self.objects.items() if isinstance(it, GPUPool)}

    def seen(self) -> list[Labelled]:
        """The nodes as the operator can know them: those of blind factories as they were last."""
        now = [
            n for n in self.nodes.values() if n.factory not in self.blind or n.factory not in self.last_seen
        ]
        return now + [n for factory in sorted(self.blind) for n in self.last_seen.get(factory, ())]

    def world(self, looked_at: frozenset[str] = frozenset()) -> World:
        """Everything as one LIST of all there is, and the pods on some nodes beside those that drain."""
        forgotten = self.blind - self.last_seen.keys()
        seen = [n for n in self.seen() if n.factory not in forgotten]
        draining = {n.name for n in seen if n.stamp and n.stamp.draining_since and n.unschedulable}
        step = -1 if self.backwards else 1
        return World(
            factories=tuple(self.factories.values())[::step],
            pools=tuple(self.pools.values())[::step],
            nodes=tuple(seen)[::step],
            pods=tuple(pod for pod in self.pods.values() if pod.node in draining | looked_at)[::step],
            looked_at=frozenset(draining | looked_at),
            claims=tuple(self._claims())[::step],
            refused=tuple(self.refused.values())[::step],
            unknown=self.blind,
            not_installed=self.not_installed,
            refusals=dict(self.refusals),
            failures=self.failures,
            resources_going=self.resources_going,
            pools_since=self.pools_since,
        )

    def _claims(self) -> list[Claim]:
        """What statuses say of factories that were not seen since the start."""
        unseen = self.blind - self.last_seen.keys()
        return [claim for it in self.pools.values() for claim in claims_of(it) if claim.factory in unseen]

    # Small steps

    def uid(self) -> str:
        """A uid that no object had before."""
        self.serial += 1
        return f"uid-{self.serial}"

    def change(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        **changes: Any,
    ) -> None:
        """Change a node: all its labels, some of its annotations, other fields."""
        node = self.nodes[name]
        marks = dict(node.labels if labels is None else labels)
        notes = {**node.annotations, **(annotations or {})}
        self.nodes[name] = replace(node, labels=marks, annotations=notes, **changes)

    def vanish(self, name: str) -> None:
        """A node is gone, with its pods."""
        for there in (self.nodes, self.lingering, self.refusals):
            there.pop(name, None)
        self.pods = {key: pod for key, pod in self.pods.items() if pod.node != name}

    def store(self, path: str, it: Object) -> None:
        """Put an object in."""
        self.objects[path] = it
        self.refused.pop(path, None)
        if isinstance(it, AIFactory):
            self.history[path, it.metadata.generation] = it

    def remove(self, path: str) -> None:
        """Take an object out for good."""
        for there in (self.objects, self.words, self.statuses, self.refused):
            there.pop(path, None)


def key(path: str) -> PoolKey:
    """The key of a pool by its path."""
    return PoolKey(*path.split("/"))
