"""The proof: one pass over the history, with every promise looked at after every change."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from aifactory.api import names

from .history import KINDS, Event, History
from .nodes import Slots
from .objects import NodeSeen, Resource
from .power import Book
from .rest import disagreements
from .series import Series
from .verdict import Verdict, Violation


def prove(
    history: History,
    *,
    excused: Collection[str] = (),
    operator: Collection[str] = (names.FIELD_MANAGER,),
    at_rest: bool = True,
) -> tuple[Verdict, Series]:
    """Judge a history.

    `excused` are the names of nodes that somebody else deletes on purpose. `operator` are the field managers
    that must never own a field of a spec. `at_rest` says that nothing should be under way at its end.
    """
    return _Proof(history, excused, operator).verdict(at_rest=at_rest)


class _Proof:
    def __init__(self, history: History, excused: Collection[str], operator: Collection[str]) -> None:
        self._history = history
        self._operator = frozenset(operator)
        self._slots = Slots(excused)
        self._books: dict[str, Book] = {}
        self._nodes: dict[str, NodeSeen] = {}
        self._factories: dict[str, Resource] = {}
        self._pools: dict[tuple[str, str], Resource] = {}
        self._spec_managers: set[str] = set()
        self._violations: list[Violation] = []
        self._series = Series()
        self._version = 0
        self._now = 0.0

    def verdict(self, *, at_rest: bool) -> tuple[Verdict, Series]:
        events = self._history.events()
        start = min((event.arrived for event in events), default=0.0)
        time = start
        for event in sorted(events, key=_turn):
            # Kinds arrive on several ways; their versions alone say what came first.
            time = max(time, event.arrived)
            self._version, self._now = event.version, time - start
            known = len(self._violations)
            if isinstance(event.seen, NodeSeen):
                self._see_node(event.seen, gone=event.gone)
            elif isinstance(event.seen, Resource):
                self._see_resource(event.seen, gone=event.gone)
            if event.initial and event.key[0] == "Node":
                del self._violations[known:]  # how it came to be was not seen
            self._series.sample(time, self._books, self._pools, self._nodes)
        self._at_the_end(at_rest=at_rest)
        peaks = [book.peak for book in self._books.values() if book.peak is not None]
        sheds = [s for book in self._books.values() for s in (*book.past_sheds, *book.sheds.values())]
        verdict = Verdict(
            instants=len(events),
            domains=sum(len(book.watched) for book in self._books.values()),
            nodes=len(self._slots.ever),
            peak=max(peaks, key=lambda peak: peak.share, default=None),
            sheds=tuple(sorted(sheds, key=lambda shed: (shed.began, shed.domain))),
            spec_managers=frozenset(self._spec_managers),
            violations=tuple(self._violations),
            gaps=(*self._history.gaps(), *self._unseen()),
        )
        return verdict, self._series

    def _see_node(self, node: NodeSeen, *, gone: bool) -> None:
        before = self._nodes.pop(node.name, None)
        if before is not None and before.uid != node.uid:
            # Its successor has its name: the end of it was not seen, so neither was how it ended.
            self._wrong("Nodes", [f"node {node.name} was replaced unseen"])
            self._slots_of(before, before, gone=True)
            before = None
        if before is not None:
            node = _in_its_place(before, node)
        self._slots_of(before, node, gone=gone)
        if not gone:
            self._nodes[node.name] = node

    def _slots_of(self, before: NodeSeen | None, node: NodeSeen, *, gone: bool) -> None:
        self._wrong("Nodes", self._slots.see(before, node, gone=gone))
        book = self._books.setdefault(node.factory, Book(node.factory))
        self._wrong("Power", book.see_node(node, self._now, gone=gone))

    def _see_resource(self, seen: Resource, *, gone: bool) -> None:
        self._spec_managers |= seen.spec_managers
        if wrote := seen.spec_managers & self._operator:
            what = f"{seen.kind} {seen.namespace}/{seen.name}".replace(" /", " ")
            self._wrong("Spec", [f"{', '.join(sorted(wrote))} wrote the spec of {what}"])
        if seen.kind == "GPUPool":
            self._pools[seen.namespace, seen.name] = seen
            if gone:
                del self._pools[seen.namespace, seen.name]
            return
        self._factories[seen.name] = seen
        book = self._books.setdefault(seen.name, Book(seen.name))
        if gone:
            del self._factories[seen.name]
            book.end_factory()
        else:
            book.see_factory(seen, self._now)

    def _at_the_end(self, *, at_rest: bool) -> None:
        for book in self._books.values():
            paused = book.force is not None and book.force.paused
            if not paused:
                self._wrong(
                    "Power",
                    [
                        f"{s.domain}: {s.excess} W above {s.limit} W were never shed"
                        for s in book.sheds.values()
                    ],
                )
        if at_rest:
            found = disagreements(
                [*self._factories.values()], [*self._pools.values()], [*self._nodes.values()], self._books
            )
            self._wrong("Status", found)

    def _unseen(self) -> list[str]:
        return [
            f"{book.name}: the limits of generation {number}, which was in force when the recording began"
            for book in self._books.values()
            for number in sorted(book.unseen)
        ]

    def _wrong(self, promise: str, messages: Iterable[str]) -> None:
        self._violations += [Violation(promise, self._version, self._now, text) for text in messages]


def _in_its_place(before: NodeSeen, node: NodeSeen) -> NodeSeen:
    """A node where it was created: whoever changes its labels moves no machine, nor makes it draw less."""
    place = ("factory", "path", "system", "rack", "slot", "unit_nodes", "gpus")
    kept = {name: getattr(before, name) for name in place}
    return replace(node, **kept, unit_watts=max(before.unit_watts, node.unit_watts))


def _turn(event: Event) -> tuple[int, int]:
    """Sort key: what was there before comes first, the limits before the nodes; then as it happened."""
    return (0, KINDS.index(event.key[0])) if event.initial else (1, event.version)
