"""Which watch events tell something new: not the echo of our own status, and no heartbeat."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from aifactory.backends.nodes import is_ready
from aifactory.backends.port import NODE


def fingerprint(obj: Mapping[str, Any]) -> int:
    """What a decision may depend on in one object, as a number.

    For our own resources that is everything but the status; for a node also whether it is ready, its
    taints, and what it says of itself. A change of anything else is seen at the next resync.
    """
    meta = obj["metadata"]
    seen = [
        meta["uid"],
        meta.get("generation"),
        meta.get("deletionTimestamp"),
        sorted(meta.get("labels", {}).items()),
        sorted(meta.get("finalizers", ())),
    ]
    if obj["kind"] == NODE.name:
        spec = obj.get("spec", {})
        taints = sorted((t["key"], t.get("value", ""), t["effect"]) for t in spec.get("taints", ()))
        seen += [is_ready(obj), bool(spec.get("unschedulable")), taints]
        seen += sorted(meta.get("annotations", {}).items())
    return hash(repr(seen))


class Change(IntEnum):
    """What a watch event tells."""

    NOTHING = 0
    NEWS = 1  # something that a decision may depend on
    WISH = 2  # a user wants something else: a spec was changed, or a resource made or deleted


class News:
    """Remembers what was seen last of each object, to tell news from echoes."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, str], tuple[int, int]] = {}

    def judge(self, obj: Mapping[str, Any], *, gone: bool) -> Change:
        """Say what a watch event tells; `gone` is whether the object is there no more."""
        meta = obj["metadata"]
        key = (obj["kind"], meta.get("namespace", ""), meta["name"])
        if gone:
            return Change.NOTHING if self._last.pop(key, None) is None else Change.NEWS
        wish = hash((meta["uid"], meta.get("generation"), meta.get("deletionTimestamp")))
        before, self._last[key] = self._last.get(key), (wish, fingerprint(obj))
        if before == self._last[key]:
            return Change.NOTHING
        # A node has no user's wish in it.
        ours = obj["kind"] != NODE.name
        return Change.WISH if ours and (before is None or before[0] != wish) else Change.NEWS
