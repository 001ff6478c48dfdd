"""What a Kubernetes Node looks like beside what it should: whether anything differs, and the patch. Pure.

A taint that was set and is not there was taken off by somebody, and stays off. What the spec has changed
since is set. The tenant's own taint is always put right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aifactory.api import names
from aifactory.backends.marks import annotations_of, labels_of, listed_in, spelled, taints_of
from aifactory.backends.port import Object
from aifactory.decide.model.world import NodeSpec, Taint


@dataclass(frozen=True)
class NodeLook:
    """The labels, annotations and taints of a Node."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    taints: tuple[Taint, ...]

    @property
    def ours(self) -> bool:
        """Whether it bears any mark of ours."""
        marked = any(key.startswith(f"{names.GROUP}/") for key in (*self.labels, *self.annotations))
        return marked or self.labels.get(names.LABEL_MANAGED) == names.FIELD_MANAGER

    @property
    def out_of_service(self) -> bool:
        """Whether somebody marked it as broken: with the label, whatever it says but `false`."""
        return self.labels.get(names.LABEL_OUT_OF_SERVICE, "false") != "false"

    def suits(self, wish: NodeSpec) -> bool:
        """Whether nothing has to be changed about it."""
        return self.says(labels_of(wish), annotations_of(wish)) and self.is_tainted(wish)

    def says(self, labels: Mapping[str, str], annotations: Mapping[str, str]) -> bool:
        """Whether it bears these, and no label of a pool that nobody wishes for any more."""
        return (
            all(self.labels.get(key) == it for key, it in labels.items())
            and all(self.annotations.get(key, "") == it for key, it in annotations.items())
            and not self._stale_labels(labels)
        )

    def is_tainted(self, wish: NodeSpec) -> bool:
        """Whether its taints are as they should be."""
        wanted = {(t.key, t.effect): t for t in taints_of(wish)}
        keys = {key for key, _ in wanted} | self._set_taints
        present = {(t.key, t.effect): t for t in self.taints if t.key in keys}
        new = self._new(taints_of(wish))
        return present.items() <= wanted.items() and all((t.key, t.effect) in present for t in new)

    def labels_for(self, wish: NodeSpec, labels: Mapping[str, str]) -> dict[str, str | None]:
        """These, as a merge patch. What a pool had set in place of its site's is the site's again."""
        return {**{key: wish.first_labels.get(key) for key in self._stale_labels(labels)}, **labels}

    def taints_for(self, wish: NodeSpec, present: Sequence[Object]) -> list[Object]:
        """The whole taint list with our own keys as wanted, and everybody else's taints as they are.

        Admission and the node lifecycle controller write to the same list, and theirs carry `timeAdded`, from
        which evictions are timed: their entries are kept unread.
        """
        wanted = {(t.key, t.effect): t for t in taints_of(wish)}
        keys = {key for key, _ in wanted} | self._set_taints
        kept = [
            entry
            for entry in present
            if entry["key"] not in keys or wanted.get(_place(entry)) == read_taint(entry)
        ]
        before, there, new = set(map(_place, present)), set(map(_place, kept)), self._new(taints_of(wish))
        return kept + [
            taint_body(taint)
            for place, taint in wanted.items()
            if place not in there and (place in before or taint in new)
        ]

    @property
    def _set_taints(self) -> set[str]:
        """Keys of the taints that we have set."""
        return {names.TAINT_TENANT, *(text.partition("=")[0] for text in self._listed_taints)}

    @property
    def _listed_taints(self) -> tuple[str, ...]:
        """Each as `key=value:effect`; earlier versions noted the key alone."""
        return listed_in(self.annotations, names.ANNOTATION_TAINT_KEYS)

    def _new(self, wanted: Sequence[Taint]) -> list[Taint]:
        """Those that were not set before as they are wanted now."""
        before = self._listed_taints
        return [
            t
            for t in wanted
            if t.key == names.TAINT_TENANT or (spelled(t) not in before and t.key not in before)
        ]

    def _stale_labels(self, wanted: Mapping[str, str]) -> list[str]:
        """Keys of labels that we have set and that nobody wishes for any more."""
        set_by_us = listed_in(self.annotations, names.ANNOTATION_LABEL_KEYS)
        return [key for key in set_by_us if key not in wanted and key in self.labels]


def taint_body(taint: Taint) -> Object:
    """A taint as JSON has it."""
    return {key: it for key, it in taint._asdict().items() if it}


def read_taint(entry: Object) -> Taint:
    """A taint as a Node has it."""
    return Taint(entry["key"], entry.get("value", ""), entry["effect"])


def _place(entry: Object) -> tuple[str, str]:
    return entry["key"], entry["effect"]
