"""That no node is lost or doubled."""

from collections.abc import Collection, Iterator

from .objects import NodeSeen


class Slots:
    """Who stands in which slot."""

    def __init__(self, excused: Collection[str] = ()) -> None:
        self._excused = excused
        self._in_slot: dict[tuple[str, ...], set[str]] = {}
        self.ever: set[str] = set()  # uids

    def see(self, before: NodeSeen | None, node: NodeSeen, *, gone: bool) -> Iterator[str]:
        """Take a new version of a node, or its end; yields what is wrong with it."""
        self.ever.add(node.uid)
        if before is not None and (gone or before.place != node.place):
            self._in_slot[before.place].discard(before.name)
        if gone:
            if not node.draining and node.name not in self._excused:
                yield f"node {node.name} went without having been drained"
            return
        here = self._in_slot.setdefault(node.place, set())
        if node.name not in here:
            here.add(node.name)
            if len(here) > 1:
                yield f"{' and '.join(sorted(here))} stand in one slot"
