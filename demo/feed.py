"""What the operator did, told from one version of an object to the next."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from recorder import History, NodeSeen, Resource
from recorder.tree import read_tree

Key = tuple[str, str, str]
Moves = defaultdict[str, Counter[str]]  # namespace -> domain -> nodes


class Feed:
    """Tells what is new since it was asked last."""

    def __init__(self, history: History, tenants: Mapping[str, str]) -> None:
        self._history = history
        self._tenants = tenants
        self._told = 0
        self._before: dict[Key, Resource | NodeSeen] = {}
        self._shown: Mapping[str, str] = {}  # paths as people read them
        self._left: Moves = defaultdict(Counter)
        self._entered: Moves = defaultdict(Counter)

    def news(self) -> Iterator[str]:
        """What happened since, a line each."""
        events = self._history.since(self._told)
        self._told += len(events)
        for event in events:
            before = self._before.pop(event.key, None)
            if event.seen is not None and not event.gone:
                self._before[event.key] = event.seen
            if isinstance(event.seen, Resource) and event.seen.kind == "AIFactory":
                tree = read_tree(event.seen)
                self._shown = tree.shown if tree else self._shown
            if isinstance(event.seen, NodeSeen):
                self._count(event.seen, is_new=before is None, gone=event.gone)
            elif isinstance(event.seen, Resource) and isinstance(before, Resource):
                if event.seen.kind == "GPUPool":
                    yield from _of_pool(self._name(event.seen.namespace), before, event.seen)
                else:
                    yield from _of_factory(before, event.seen)

    def moves(self) -> Iterator[str]:
        """Whose nodes went from where to where since this was asked last, a line each."""
        for namespace in sorted(self._left.keys() & self._entered.keys()):
            leaves, enters = _places(self._left[namespace]), _places(self._entered[namespace])
            yield f"{self._name(namespace)} moves: nodes {leaves} -> {enters}"
        self._left.clear()
        self._entered.clear()

    def _count(self, node: NodeSeen, *, is_new: bool, gone: bool) -> None:
        if node.pool is not None and (is_new or gone):
            (self._left if gone else self._entered)[node.pool[0]][self._shown.get(node.path, node.path)] += 1

    def _name(self, namespace: str) -> str:
        return self._tenants.get(namespace, namespace)


def _places(nodes: Counter[str]) -> str:
    return ", ".join(f"{count} in {path}" for path, count in sorted(nodes.items()))


def _of_pool(name: str, before: Resource, now: Resource) -> Iterator[str]:
    had, has = before.status.get("gpus", 0), now.status.get("gpus", 0)
    asked = now.spec.get("gpus", 0)
    if has < had and has < asked:
        yield f"{name} gives way: {had} -> {has} of {asked} GPUs"
    elif has > had and now.observed == before.observed:
        yield f"{name} gets more: {had} -> {has} of {asked} GPUs"
    waited, waits = before.status.get("waiting"), now.status.get("waiting")
    if waits and not waited and has <= had:
        yield f"{name} waits for {asked - has} GPUs: {now.status['printed']['waits']}"
    elif waited and not waits and asked:
        yield f"{name} has all it wants: {has} GPUs"


def _of_factory(before: Resource, now: Resource) -> Iterator[str]:
    if before.observed != now.observed:
        yield f"the limits of generation {now.observed} are in force"
    was, is_ = (r.conditions.get("WithinLimits", {}) for r in (before, now))
    if was.get("status") == "True" and is_.get("status") == "False":
        yield f"above a limit: {is_['message']}"
    elif was.get("status") == "False" and is_.get("status") == "True":
        yield "within all limits again"
