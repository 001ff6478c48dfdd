"""Our words in a cluster, scribbled over one at a time: deleted, one character flipped, or a neighbour's."""

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aifactory.api import names
from cluster.operating import FACTORIES, POOLS, Object, refusal
from cluster.reading import read
from controlplane import Kubectl

FINALIZERS = ("metadata", "finalizers")
_TIME = "lastTransitionTime"
_ABSENT: Any = object()
_OTHER = {"": "x", "1": "2", "x": "y"}  # characters that do not become the common other one
_KINDS = {"Node": "nodes", "GPUPool": POOLS, "AIFactory": FACTORIES}


class How(StrEnum):
    """What is done to a word."""

    DELETED = "deleted"
    FLIPPED = "flipped"
    SWAPPED = "swapped"


@dataclass(frozen=True)
class Word:
    """One word of ours: a label, an annotation, the finalizers, or a field of a status."""

    kind: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        *where, last = self.path
        parts = {"labels": "label", "annotations": "annotation"}
        if self.path == FINALIZERS:
            return f"{self.kind} finalizer `{names.FINALIZER}`"
        return f"{self.kind} {parts.get(where[-1], where[-1])} `{last}`"

    def of(self, obj: Object) -> Any:
        """What it is in an object."""
        at: Any = obj
        for part in self.path:
            at = at.get(part, _ABSENT) if isinstance(at, dict) else _ABSENT
        if self.path == FINALIZERS:
            return [it for it in at if it == names.FINALIZER] if isinstance(at, list) else []
        return at

    def patch(self, value: Any) -> Object:
        """A merge patch that makes it so."""
        patch: Any = None if value is _ABSENT else value
        for part in reversed(self.path):
            patch = {part: patch}
        found: Object = patch
        return found


def words(obj: Object) -> Iterator[Word]:
    """All words of ours in an object."""
    kind, meta = obj["kind"], obj["metadata"]
    if kind == "Node":
        for part in ("labels", "annotations"):
            for key in sorted(meta.get(part, {})):
                if key.startswith(names.GROUP) or key == names.LABEL_MANAGED:
                    yield Word(kind, ("metadata", part, key))
        return
    if names.FINALIZER in meta.get("finalizers", ()):
        yield Word(kind, FINALIZERS)
    for field in sorted(obj.get("status", {})):
        yield Word(kind, ("status", field))


def scribbled(word: Word, how: How, obj: Object, neighbours: Sequence[Object]) -> Any:
    """What a word becomes; what it is already where there is nothing to do.

    Of neighbours the first counts that says something else.
    """
    if how is How.DELETED:
        return [] if word.path == FINALIZERS else _ABSENT
    if how is How.SWAPPED:
        others = [value for it in neighbours if (value := word.of(it)) not in (word.of(obj), _ABSENT)]
        return deepcopy(others[0] if others else word.of(obj))
    return _flipped(word.of(obj))


def _flipped(value: Any) -> Any:
    """The same with one character of its first text, or its lowest digit, another."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value - 1 if value % 10 else value + 1
    if isinstance(value, str):
        last = value[-1:]
        return value[:-1] + (
            "0" if last == "1" else "1" if last.isdigit() or not last else "x" * (last != "x") or "y"
        )
    if isinstance(value, list) and value:
        return [_flipped(value[0]), *value[1:]]
    if isinstance(value, dict) and value:
        first = min(value.keys() - {_TIME} or value)
        return {**value, first: _flipped(value[first])}
    return value


def alike(one: Any, other: Any) -> bool:
    """Whether two values of a word say the same: times aside, and what is left out is empty or 0."""
    return bool(_plain(one) == _plain(other))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _plain(it) for key, it in value.items() if key != _TIME}
        return {key: it for key, it in kept.items() if it is not None} or None
    if isinstance(value, list):
        return [_plain(it) for it in value] or None
    return None if value is _ABSENT or value in (0, "") else value


def scribble(kubectl: Kubectl, obj: Object, word: Word, value: Any) -> str:
    """Write it; returns what the API server says against it."""
    kind, meta = _KINDS[obj["kind"]], obj["metadata"]
    where = [f"--namespace={meta['namespace']}"] if "namespace" in meta else []
    status = ["--subresource=status"] if word.path[0] == "status" else []
    patch = f"--patch={json.dumps(word.patch(value))}"
    return refusal(lambda: kubectl("patch", kind, meta["name"], *where, *status, "--type=merge", patch))


def now(kubectl: Kubectl, obj: Object) -> Object:
    """The object as it is now; empty where it is gone, or another of its name is there."""
    meta = obj["metadata"]
    found: list[Object] = []
    gone = refusal(
        lambda: found.append(read(kubectl, _KINDS[obj["kind"]], meta["name"], meta.get("namespace", "")))
    )
    same = not gone and found[0]["metadata"]["uid"] == meta["uid"]
    return found[0] if same else {}
