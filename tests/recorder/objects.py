"""What is kept of an object: all that the proof and a viewer need, read by code of the recorder's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from aifactory.api import names

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Resource:
    """An AIFactory or a GPUPool."""

    kind: str
    namespace: str
    name: str
    generation: int
    spec: Object
    status: Object
    spec_managers: frozenset[str]  # who owns fields of spec, by field manager
    deleting: bool

    @cached_property
    def conditions(self) -> Mapping[str, Object]:
        """The conditions of the status by their type."""
        return {condition["type"]: condition for condition in self.status.get("conditions", ())}

    def is_true(self, condition: str) -> bool:
        """Whether a condition is there and true."""
        return bool(self.conditions.get(condition, {}).get("status") == "True")

    @property
    def observed(self) -> int:
        """The generation that the status speaks of."""
        return int(self.status.get("observedGeneration", 0))


@dataclass(frozen=True)
class NodeSeen:
    """A node of the operator's, as stamped."""

    name: str
    uid: str
    factory: str
    path: str
    system: str
    rack: str
    slot: str
    unit_watts: int
    unit_nodes: int
    gpus: int
    pool: tuple[str, str] | None
    draining: bool
    ready: bool

    @property
    def place(self) -> tuple[str, ...]:
        """The slot that the node stands in."""
        return (self.factory, self.path, self.system, self.rack, self.slot)

    @property
    def unit(self) -> tuple[str, ...]:
        """What is provisioned with it as a whole: its rack, or itself."""
        return self.place[:4] if self.unit_nodes > 1 else self.place


def read_resource(obj: Object) -> Resource:
    """Read an AIFactory or a GPUPool."""
    meta = obj["metadata"]
    managers = {
        entry.get("manager", "")
        for entry in meta.get("managedFields", ())
        if "f:spec" in entry.get("fieldsV1", {})
    }
    return Resource(
        kind=obj["kind"],
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        generation=meta.get("generation", 0),
        spec=obj.get("spec", {}),
        status=obj.get("status", {}),
        spec_managers=frozenset(managers),
        deleting="deletionTimestamp" in meta,
    )


def read_node(obj: Object) -> NodeSeen | None:
    """Read a node; None for one that is not the operator's."""
    meta = obj["metadata"]
    labels, notes = meta.get("labels", {}), meta.get("annotations", {})
    if names.LABEL_FACTORY not in labels:
        return None
    unit_nodes = max(1, _number(notes, names.ANNOTATION_NODES))
    pool = labels.get(names.LABEL_POOL)
    conditions = obj.get("status", {}).get("conditions", ())
    return NodeSeen(
        name=meta["name"],
        uid=meta["uid"],
        factory=labels[names.LABEL_FACTORY],
        path=notes.get(names.ANNOTATION_PATH, ""),
        system=labels.get(names.LABEL_SYSTEM, ""),
        rack=labels.get(names.LABEL_RACK, ""),
        slot=labels.get(names.LABEL_SLOT, ""),
        unit_watts=_number(notes, names.ANNOTATION_WATTS),
        unit_nodes=unit_nodes,
        gpus=_number(notes, names.ANNOTATION_GPUS) // unit_nodes,
        pool=None if pool is None else (labels.get(names.LABEL_POOL_NAMESPACE, ""), pool),
        draining=names.ANNOTATION_DRAINING_SINCE in notes,
        ready=any(c["type"] == "Ready" and c["status"] == "True" for c in conditions),
    )


def _number(notes: Mapping[str, str], key: str) -> int:
    text = notes.get(key, "")
    return int(text) if text.isascii() and text.isdigit() else 0
