"""Which watch events tell something new: not the echo of our own status, and no heartbeat."""

import json
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any

from aifactory.backends.nodes import is_ready
from aifactory.backends.port import NODE, NODE_CLAIM
from aifactory.shell.client import KINDS


def fingerprint(obj: Mapping[str, Any]) -> int:
    """What a decision may depend on in one object, as a number.

    For our own resources that is everything but the status, of which `News` judges; for a node also whether
    it is ready, its taints, and what it says of itself; for a NodeClaim which machine it has. A change of
    anything else is seen at the next resync.
    """
    meta = obj["metadata"]
    seen = [
        meta["uid"],
        meta.get("generation"),
        meta.get("deletionTimestamp"),
        sorted(meta.get("labels", {}).items()),
        sorted(meta.get("finalizers", ())),
    ]
    if obj["kind"] == NODE_CLAIM.name:
        status = obj.get("status", {})
        seen += [status.get("providerID"), status.get("nodeName")]
        seen += sorted(meta.get("annotations", {}).items())
    if obj["kind"] == NODE.name:
        spec = obj.get("spec", {})
        taints = sorted((t["key"], t.get("value", ""), t["effect"]) for t in spec.get("taints", ()))
        seen += [is_ready(obj), bool(spec.get("unschedulable")), taints]
        seen += sorted(meta.get("annotations", {}).items())
    return hash(repr(seen))


_Key = tuple[str, str, str]  # kind, namespace and name
_ON_THEIR_WAY = 8  # statuses of one object that are still to come back; with more, a cycle runs in vain


class Change(IntEnum):
    """What a watch event tells."""

    NOTHING = 0
    NEWS = 1  # something that a decision may depend on
    WISH = 2  # a user wants something else: a spec was changed, or a resource made or deleted


class News:
    """Remembers what was seen last of each object, and what was written, to tell news from echoes."""

    def __init__(self) -> None:
        self._last: dict[_Key, tuple[int, int, int]] = {}
        self._written: dict[_Key, list[int]] = {}  # statuses of ours, from the one that was seen last

    def writing(self, kind: str, namespace: str, name: str, status: Mapping[str, Any]) -> None:
        """Say that a status is about to be written, so that it is known when it comes back."""
        written = self._written.setdefault((kind, namespace, name), [])
        written.append(_canonical(status))
        del written[:-_ON_THEIR_WAY]

    def judge(self, obj: Mapping[str, Any], *, gone: bool) -> Change:
        """Say what a watch event tells; `gone` is whether the object is there no more."""
        meta = obj["metadata"]
        key = (obj["kind"], meta.get("namespace", ""), meta["name"])
        if gone:
            self._written.pop(key, None)
            return Change.NOTHING if self._last.pop(key, None) is None else Change.NEWS
        ours = obj["kind"] in KINDS
        wish = hash((meta["uid"], meta.get("generation"), meta.get("deletionTimestamp")))
        status = _canonical(obj.get("status") or {}) if ours else 0
        before, self._last[key] = self._last.get(key), (wish, fingerprint(obj), status)
        echo = before is None or status == before[2] or self._wrote(key, status)
        if before is not None and before[:2] == self._last[key][:2] and echo:
            return Change.NOTHING
        # A node has no user's wish in it.
        return Change.WISH if ours and (before is None or before[0] != wish) else Change.NEWS

    def _wrote(self, key: _Key, status: int) -> bool:
        """Whether a status is one that we have written since the one that was seen last."""
        written = self._written.get(key, [])
        if status not in written:
            return False
        del written[: written.index(status)]
        return True


def _canonical(status: Mapping[str, Any]) -> int:
    """The same for the same status, in whichever order the API server has put it."""
    return hash(json.dumps(_sorted(status), sort_keys=True))


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(part) for key, part in value.items() if part is not None}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return sorted(map(_sorted, value), key=lambda part: json.dumps(part, sort_keys=True))
    return value
