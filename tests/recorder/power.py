"""Committed watts of one factory, instant by instant, against the limits in force."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from .objects import NodeSeen, Resource
from .tree import Tree, above, read_tree
from .verdict import Peak, Shed


@dataclass
class Unit:
    """What counts as a whole, from its first node's creation to its last node's end."""

    path: str
    system: str
    nodes: dict[str, int] = field(default_factory=dict)  # name -> stamped watts of the whole unit
    booked: int = 0

    def watts(self, tree: Tree | None) -> int:
        """As stamped or as rated now, whichever is more; nothing once the last node is gone."""
        if not self.nodes:
            return 0
        return max(*self.nodes.values(), tree.rated_watts(self.system) if tree else 0)


class Book:
    """The power of one factory."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.committed: defaultdict[str, int] = defaultdict(int)  # domain path -> watts
        self.force: Tree | None = None  # the limits in force
        self.peak: Peak | None = None
        self.watched: set[str] = set()
        self.sheds: dict[str, Shed] = {}  # under way, by domain path
        self.past_sheds: list[Shed] = []
        self.unseen: set[int] = set()  # generations that were in force before the recording began
        self._generations: dict[int, Tree | None] = {}
        self._observed = 0
        self._units: dict[tuple[str, ...], Unit] = {}

    def see_factory(self, seen: Resource, now: float) -> None:
        """Take a new version of the factory object: its spec is kept, its status names the one in force."""
        if seen.generation not in self._generations:
            self._generations[seen.generation] = read_tree(seen)
        if seen.observed == self._observed:
            return
        self._observed = seen.observed
        self.force = self._generations.get(seen.observed)
        if self.force is None and seen.observed not in self._generations:
            self.unseen.add(seen.observed)
        for unit in self._units.values():
            self._book(unit)
        self._judge(now, lowered=True)

    def end_factory(self) -> None:
        """Take the end of the factory object; another one of its name begins anew."""
        self._generations.clear()
        self._observed, self.force = 0, None

    def see_node(self, node: NodeSeen, now: float, *, gone: bool) -> Iterator[str]:
        """Take a new version of a node; yields what it makes rise above a limit."""
        unit = self._units.setdefault(node.unit, Unit(node.path, node.system))
        if gone:
            unit.nodes.pop(node.name, None)
        else:
            unit.nodes[node.name] = node.unit_watts
        more = self._book(unit)
        if not unit.nodes:
            del self._units[node.unit]
        if more > 0:
            yield from self._exceeded(unit)
        self._judge(now)

    def _book(self, unit: Unit) -> int:
        """Bring the books up to date with a unit; returns the watts that were added."""
        watts = unit.watts(self.force)
        more, unit.booked = watts - unit.booked, watts
        if more:
            for path in above(unit.path):
                self.committed[path] += more
        return more

    def _exceeded(self, unit: Unit) -> Iterator[str]:
        if self.force is None:
            if self._observed not in self.unseen:
                yield f"{self.name}: a node was ordered before any limit was in force"
            return
        for path in above(unit.path):
            limit = self.force.limits.get(path)
            if limit is not None and self.committed[path] > limit:
                where = self.force.shown[path] or "the quota"
                yield f"{self.name}, {where}: {self.committed[path]} W, the limit is {limit} W"

    def _judge(self, now: float, *, lowered: bool = False) -> None:
        """Note the fullest domain, and the limits that were put below what is committed."""
        if self.force is None:
            return
        for path, limit in self.force.limits.items():
            committed, name = self.committed[path], f"{self.name}/{self.force.shown[path]}".rstrip("/")
            self.watched.add(path)
            shed = self.sheds.get(path)
            if committed > limit:
                if lowered and (shed is None or committed - limit > shed.excess):
                    began = now if shed is None else shed.began
                    self.sheds[path] = Shed(name, limit, committed - limit, began, None)
                continue
            if shed is not None:
                self.past_sheds.append(replace(self.sheds.pop(path), met=now))
            if limit and (self.peak is None or committed * self.peak.limit > self.peak.committed * limit):
                self.peak = Peak(name, committed, limit)
