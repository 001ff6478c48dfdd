"""Node objects: how they are read, and the patches that change them. All pure."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from aifactory.api import names
from aifactory.backends.port import Object
from aifactory.decide.plan import Drain, Relabel
from aifactory.decide.wish import MOST_WATTS, read_stamp
from aifactory.decide.world import Node, Pod, Taint

_FINISHED = ("Succeeded", "Failed")
_MIRROR = "kubernetes.io/config.mirror"


def read_node(obj: Object) -> Node:
    """Read a node of ours. Without its factory label, its name still says where it stands."""
    meta, spec = obj["metadata"], obj.get("spec", {})
    labels, annotations = meta.get("labels", {}), meta.get("annotations", {})
    watts = annotations.get(names.ANNOTATION_WATTS, "")
    return Node(
        name=meta["name"],
        uid=meta["uid"],
        stamp=read_stamp(labels, annotations),
        factory=labels.get(names.LABEL_FACTORY) or meta["name"].partition(".")[0],
        labels=labels,
        taints=tuple(Taint(t["key"], t.get("value", ""), t["effect"]) for t in spec.get("taints", ())),
        ready=is_ready(obj),
        unschedulable=bool(spec.get("unschedulable")),
        deleting="deletionTimestamp" in meta,
        created=datetime.fromisoformat(meta["creationTimestamp"]),
        annotations=annotations,
        # A stray counts with what it says of itself, as far as that is a number of watts.
        unit_watts=_watts(watts),
    )


def read_other(obj: Object) -> Node | None:
    """Read a node without our factory label; None where nothing of it can concern us."""
    meta = obj["metadata"]
    ours = meta.get("labels", {}).get(names.LABEL_MANAGED) == names.FIELD_MANAGER
    return read_node(obj) if ours or names.may_name_a_slot(meta["name"]) else None


def _watts(text: str) -> int:
    plain = text.isascii() and text.isdigit() and len(text) <= len(str(MOST_WATTS))
    return min(int(text), MOST_WATTS) if plain else 0


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
    notes = (
        names.ANNOTATION_DRAINING_SINCE,
        names.ANNOTATION_DRAINING_FOR,
        names.ANNOTATION_CORDONED_BEFORE,
    )
    return {
        "metadata": {"annotations": dict.fromkeys(notes)},
        **({} if node.cordoned else {"spec": {"unschedulable": None}}),
    }


def hold_patch() -> Object:
    """Take a node from its pool."""
    return {"metadata": {"labels": {names.LABEL_POOL: None, names.LABEL_POOL_NAMESPACE: None}}}


def relabel_patch(obj: Object, change: Relabel) -> Object:
    """What brings the node `obj`, as it is now, up to date."""
    # What a pool had set in place of its site is the site's again.
    labels = {key: change.wish.first_labels.get(key) for key in change.stale_labels}
    patch: Object = {
        "metadata": {
            "labels": labels | dict(change.wish.labels),
            "annotations": dict(change.wish.annotations),
        }
    }
    present = obj.get("spec", {}).get("taints", [])
    taints = merged_taints(present, change.wish.taints, change.stale_taints, change.new_taints)
    if taints != present:
        patch["spec"] = {"taints": taints}
    return patch


def merged_taints(
    present: list[Object],
    wanted: Iterable[Taint],
    stale: Collection[str],
    new: Collection[Taint] | None = None,
) -> list[Object]:
    """The whole taint list with our own keys as wanted, and everybody else's taints as they are.

    Of the wanted ones that are not there only the new ones are added, where these are told apart: the others
    were taken off.

    Admission and the node lifecycle controller write to the same list, and theirs carry `timeAdded`, from
    which evictions are timed: their entries are kept unread.
    """
    ours = {(taint.key, taint.effect): taint for taint in wanted}
    keys = {taint.key for taint in ours.values()} | set(stale)
    kept = [
        entry
        for entry in present
        if entry["key"] not in keys
        or (
            (entry["key"], entry["effect"]) in ours
            and entry.get("value", "") == ours[entry["key"], entry["effect"]].value
        )
    ]
    before, there = ({(entry["key"], entry["effect"]) for entry in some} for some in (present, kept))
    return kept + [
        taint_body(taint)
        for place, taint in ours.items()
        if place not in there and (new is None or place in before or taint in new)
    ]


def taint_body(taint: Taint) -> Object:
    """A taint as JSON has it."""
    return {k: v for k, v in taint._asdict().items() if v}
