"""Node objects: how they are read, and the patches that change them. All pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from aifactory.api import names
from aifactory.backends.looks import NodeLook, read_taint
from aifactory.backends.marks import annotations_of, read_stamp, read_watts
from aifactory.backends.port import Object
from aifactory.decide.model.plan import Drain
from aifactory.decide.model.world import Node, NodeSpec, Pod

_FINISHED = ("Succeeded", "Failed")
_MIRROR = "kubernetes.io/config.mirror"
_KARPENTER = "karpenter.sh/"
NOTES: Final = (
    names.ANNOTATION_DRAINING_SINCE,
    names.ANNOTATION_DRAINING_FOR,
    names.ANNOTATION_CORDONED_BEFORE,
)
"""Annotations that tell of a drain."""


class Seen(NamedTuple):
    """A Node object, and what tells which backend it is of."""

    node: Node
    provider_id: str
    by_karpenter: bool


def read_seen(obj: Object) -> Seen:
    """Read a node with our label. All drivers read with this, for what was read is kept between cycles."""
    return Seen(read_node(obj), obj.get("spec", {}).get("providerID", ""), is_karpenters(obj["metadata"]))


def is_karpenters(meta: Mapping[str, Any]) -> bool:
    """Whether Karpenter made a node: it labels each from its first moment."""
    return any(key.startswith(_KARPENTER) for key in meta.get("labels", ()))


def read_node(obj: Object) -> Node:
    """Read a node of ours."""
    meta, spec = obj["metadata"], obj.get("spec", {})
    return node_of(
        name=meta["name"],
        uid=meta["uid"],
        look=read_look(obj),
        ready=is_ready(obj),
        unschedulable=bool(spec.get("unschedulable")),
        deleting="deletionTimestamp" in meta,
        created=datetime.fromisoformat(meta["creationTimestamp"]),
    )


def node_of(
    *,
    name: str,
    uid: str,
    look: NodeLook,
    ready: bool,
    unschedulable: bool,
    deleting: bool,
    created: datetime,
) -> Node:
    """A node by its look. Without its factory label, its name still says where it stands."""
    return Node(
        name=name,
        uid=uid,
        stamp=read_stamp(look.labels, look.annotations),
        factory=look.labels.get(names.LABEL_FACTORY) or name.partition(".")[0],
        ready=ready,
        unschedulable=unschedulable,
        deleting=deleting,
        created=created,
        look=look,
        ours=look.ours,
        out_of_service=look.out_of_service,
        unit_watts=read_watts(look.annotations),
        says_domain=look.labels.get(names.LABEL_DOMAIN, ""),
        says_system=look.labels.get(names.LABEL_SYSTEM, ""),
    )


def read_look(obj: Object) -> NodeLook:
    """What it looks like."""
    meta, taints = obj["metadata"], obj.get("spec", {}).get("taints", ())
    return NodeLook(meta.get("labels", {}), meta.get("annotations", {}), tuple(map(read_taint, taints)))


def read_other(obj: Object) -> Node | None:
    """Read a node without our factory label; None where nothing of it can concern us.

    What Karpenter made is told by its NodeClaim.
    """
    meta = obj["metadata"]
    if is_karpenters(meta):
        return None
    ours = meta.get("labels", {}).get(names.LABEL_MANAGED) == names.FIELD_MANAGER
    return read_node(obj) if ours or names.may_name_a_slot(meta["name"]) else None


def is_ready(obj: Mapping[str, Any]) -> bool:
    """Say whether a node's Ready condition is true."""
    conditions = obj.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def read_pod(obj: Object) -> Pod | None:
    """Read a pod that has to leave before its node goes; None for one that need not.

    As `kubectl drain` sees it: a DaemonSet would put its pod back at once, a mirror pod is the kubelet's
    own, and a finished pod runs nothing. A bare pod, which nothing brings back, has to leave too.
    """
    meta = obj["metadata"]
    daemon = any(o["kind"] == "DaemonSet" and o.get("controller") for o in meta.get("ownerReferences", ()))
    finished = obj.get("status", {}).get("phase") in _FINISHED
    if daemon or finished or _MIRROR in meta.get("annotations", {}):
        return None
    evicted = "deletionTimestamp" in meta
    return Pod(meta["namespace"], meta["name"], obj["spec"]["nodeName"], evicted, meta.get("uid", ""))


def drain_patch(drain: Drain) -> Object:
    """Cordon a node and note since when it drains, in RFC 3339 (UTC), why, and whether it was cordoned."""
    notes: Object = {
        names.ANNOTATION_DRAINING_SINCE: drain.since.astimezone(UTC).isoformat(),
        names.ANNOTATION_DRAINING_FOR: str(drain.cause),
        names.ANNOTATION_CORDONED_BEFORE: "true" if drain.node.cordoned else None,
    }
    return {
        "metadata": {"annotations": notes},
        "spec": {"unschedulable": True},
    }


def call_off_patch(node: Node) -> Object:
    """Take back what `drain_patch` did; a cordon that was there before stays."""
    return {
        "metadata": {"annotations": dict.fromkeys(NOTES)},
        **({} if node.cordoned else {"spec": {"unschedulable": None}}),
    }


def hold_patch() -> Object:
    """Take a node from its pool."""
    return {"metadata": {"labels": {names.LABEL_POOL: None, names.LABEL_POOL_NAMESPACE: None}}}


def relabel_patch(obj: Object, wish: NodeSpec, labels: Mapping[str, str]) -> Object:
    """What brings the node `obj`, as it is now, up to date; `labels` are those that it should have."""
    look, present = read_look(obj), obj.get("spec", {}).get("taints", [])
    patch: Object = {
        "metadata": {"labels": look.labels_for(wish, labels), "annotations": annotations_of(wish)}
    }
    taints = look.taints_for(wish, present)
    if taints != present:
        patch["spec"] = {"taints": taints}
    return patch
