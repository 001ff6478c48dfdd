"""All changes in the order in which the API server made them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Condition, RLock
from time import monotonic

from .objects import NodeSeen, Object, Resource, read_node, read_resource

KINDS = ("AIFactory", "GPUPool", "Node")

Key = tuple[str, str, str]  # kind, namespace, name


@dataclass(frozen=True)
class Event:
    """One change of one object, or its end. All kinds share one count of versions."""

    version: int
    arrived: float
    key: Key
    seen: Resource | NodeSeen | None  # None: a node that is not the operator's
    gone: bool = False
    initial: bool = False  # there before the recording began


class History:
    """The events so far, and what they leave. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._events: list[Event] = []
        self._latest: dict[Key, int] = {}  # version of the last event of each object
        self._there: dict[Key, Resource | NodeSeen | None] = {}
        self._gaps: list[str] = []
        self.changed = Condition(RLock())

    def add(self, obj: Object, *, gone: bool = False, initial: bool = False, version: int = 0) -> None:
        """Add an object as the API server sent it. `version` stands for its own where that is not known."""
        meta = obj["metadata"]
        key = (obj["kind"], meta.get("namespace", ""), meta["name"])
        version = version or int(meta["resourceVersion"])
        with self.changed:
            if version <= self._latest.get(key, 0):
                return  # it came before a reconnect already
            seen = read_node(obj) if obj["kind"] == "Node" else read_resource(obj)
            if seen is None:
                seen = self._still_ours(key, obj)
            self._latest[key] = version
            self._events.append(Event(version, self._clock(), key, seen, gone, initial))
            if gone:
                self._there.pop(key, None)
            else:
                self._there[key] = seen
            self.changed.notify_all()

    def add_end(self, key: Key, version: int) -> None:
        """Add that an object was gone at a version, where nobody sent it a last time."""
        with self.changed:
            seen = self._there.pop(key, None)
            self._latest[key] = version
            self._events.append(Event(version, self._clock(), key, seen, gone=True))
            self.changed.notify_all()

    def _still_ours(self, key: Key, obj: Object) -> NodeSeen | None:
        """A node that lost its labels while it stands draws power as before."""
        before = self._there.get(key)
        return before if isinstance(before, NodeSeen) and before.uid == obj["metadata"]["uid"] else None

    def add_gap(self, what: str) -> None:
        """Note that something may have happened that nobody saw."""
        with self.changed:
            self._gaps.append(what)
            self.changed.notify_all()

    def events(self) -> list[Event]:
        """All events in the order of their versions."""
        with self.changed:
            return sorted(self._events, key=lambda event: event.version)

    @property
    def count(self) -> int:
        """How many events there are."""
        with self.changed:
            return len(self._events)

    def since(self, count: int) -> list[Event]:
        """What came after the first `count` events, in the order of arrival."""
        with self.changed:
            return self._events[count:]

    def gaps(self) -> tuple[str, ...]:
        """What may have been missed."""
        with self.changed:
            return tuple(self._gaps)

    def versions(self, kind: str) -> dict[Key, int]:
        """The versions of all objects of a kind that are there."""
        with self.changed:
            return {key: self._latest[key] for key in self._there if key[0] == kind}

    def resources(self, kind: str) -> Mapping[tuple[str, str], Resource]:
        """The AIFactories or the GPUPools that are there, by namespace and name."""
        with self.changed:
            return {
                key[1:]: seen
                for key, seen in self._there.items()
                if key[0] == kind and isinstance(seen, Resource)
            }

    def nodes(self) -> list[NodeSeen]:
        """The operator's nodes that are there."""
        with self.changed:
            return [seen for seen in self._there.values() if isinstance(seen, NodeSeen)]
