"""What a node has to look like, from its unit, its pool and its factory."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from aifactory.api import names
from aifactory.api.catalogue import MOST_EACH, System
from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.decide.case import Case, Cell
from aifactory.decide.fleet import Unit
from aifactory.decide.granted import granted_labels, granted_taints
from aifactory.decide.plan import NodeWish, Relabel
from aifactory.decide.world import Node, PoolKey, Slot, Stamp, Taint, key_of

MOST_WATTS = 2 * 10**12  # of a unit: the most that maxWatts may say, with 100 % overhead
_YEARS = (1970, 9000)
_MOST = 10**6  # racks and slots: far above any, so that sums stay in 64 bits


def slots_of(cell: Cell, path: str, rack: int, slot: int) -> tuple[Slot, ...]:
    """The slots of all nodes of a unit; slot 0 is a whole rack."""
    assert cell.group is not None
    if slot:
        return (Slot(cell.factory, path, cell.system, rack, slot),)
    size = cell.group.system.nodes_per_rack
    return tuple(Slot(cell.factory, path, cell.system, rack, s + 1) for s in range(size))


def new_stamp(case: Case, pool: PoolKey, cell: Cell, slot: Slot) -> Stamp:
    """The stamp of a node that is ordered now."""
    assert cell.group is not None
    assert cell.group.unit_watts is not None
    return Stamp(
        slot=slot,
        pool=pool,
        fabric=case.layouts[cell.factory].instances[cell.fabric].path,
        unit_watts=cell.group.unit_watts,
        unit_gpus=cell.group.system.gpus_per_unit,
        unit_nodes=cell.group.system.nodes_per_unit,
        placed_under=case.stamps[pool][0],
        draining_since=None,
    )


def node_wish(factory: AIFactory, system: System | None, pool: GPUPool, stamp: Stamp) -> NodeWish:
    """Labels, annotations, taints and capacity of a node of a pool."""
    return node_wishes(factory, system, pool)(stamp)


def node_wishes(factory: AIFactory, system: System | None, pool: GPUPool) -> Callable[[Stamp], NodeWish]:
    """`node_wish` for many nodes of a pool in a factory: what they share is worked out once."""
    granted = granted_labels(factory, system, pool)
    shared = {
        **granted,
        names.LABEL_MANAGED: names.FIELD_MANAGER,
        names.LABEL_POOL: pool.metadata.name,
        names.LABEL_POOL_NAMESPACE: key_of(pool).namespace,
    }
    if factory.spec.region:
        shared["topology.kubernetes.io/region"] = factory.spec.region
    taints = granted_taints(pool)
    label_keys, spelled = tuple(sorted(granted)), tuple(sorted(map(_spelled, taints)))
    if not factory.spec.shared_nodes:
        taints = (Taint(names.TAINT_TENANT, key_of(pool).namespace, "NoSchedule"), *taints)
    first_taints = tuple(Taint(t.key, t.value, t.effect) for t in pool.spec.startup_taints)

    def wish(stamp: Stamp) -> NodeWish:
        slot = stamp.slot
        labels = {
            **shared,
            names.LABEL_FACTORY: slot.factory,
            names.LABEL_DOMAIN: names.label_value(slot.path),
            names.LABEL_FABRIC: names.label_value(stamp.fabric),
            names.LABEL_SYSTEM: slot.system,
            names.LABEL_RACK: str(slot.rack),
            names.LABEL_SLOT: str(slot.slot),
            "topology.kubernetes.io/zone": slot.factory,
            "kubernetes.io/hostname": slot.node_name,
        }
        return NodeWish(
            slot=slot,
            labels=labels,
            annotations=annotations_of(stamp, label_keys, spelled),
            taints=taints,
            resource=system.resource_name if system else "",
            devices=system.devices_per_node if system else 0,
            first_labels=system.node_labels if system else {},
            first_taints=first_taints,
        )

    return wish


def readable(wish: NodeWish) -> NodeWish:
    """The wish, if the node that it gives will be known again. Else it would be ordered over and over."""
    stamp = read_stamp(dict(wish.labels), dict(wish.annotations))
    if stamp is None or stamp.slot != wish.slot or annotations_of(stamp) != wish.annotations:
        raise ValueError(f"node {wish.slot.node_name} would not be read back from {dict(wish.annotations)}")
    return wish


def annotations_of(
    stamp: Stamp, label_keys: tuple[str, ...] | None = None, taints: tuple[str, ...] | None = None
) -> dict[str, str]:
    """A stamp as annotations; `read_stamp` reads it back. The pool's labels and taints may be others."""
    label_keys = stamp.label_keys if label_keys is None else label_keys
    taints = stamp.taints if taints is None else taints
    return {
        names.ANNOTATION_PATH: stamp.slot.path,
        names.ANNOTATION_FABRIC: stamp.fabric,
        names.ANNOTATION_WATTS: str(stamp.unit_watts),
        names.ANNOTATION_GPUS: str(stamp.unit_gpus),
        names.ANNOTATION_NODES: str(stamp.unit_nodes),
        names.ANNOTATION_PLACED_UNDER: stamp.placed_under,
        names.ANNOTATION_LABEL_KEYS: ",".join(label_keys),
        names.ANNOTATION_TAINT_KEYS: ",".join(taints),
    }


def read_stamp(labels: dict[str, str], annotations: dict[str, str]) -> Stamp | None:
    """Read a node's stamp; None where it cannot be one of ours."""
    try:
        slot = Slot(
            factory=labels[names.LABEL_FACTORY],
            path=names.canonical(annotations[names.ANNOTATION_PATH]),
            system=labels[names.LABEL_SYSTEM],
            rack=int(labels[names.LABEL_RACK]),
            slot=int(labels[names.LABEL_SLOT]),
        )
        since = annotations.get(names.ANNOTATION_DRAINING_SINCE)
        stamp = Stamp(
            slot=slot,
            pool=_owner(labels),
            fabric=names.canonical(annotations[names.ANNOTATION_FABRIC]),
            unit_watts=int(annotations[names.ANNOTATION_WATTS]),
            unit_gpus=int(annotations[names.ANNOTATION_GPUS]),
            unit_nodes=int(annotations[names.ANNOTATION_NODES]),
            placed_under=annotations.get(names.ANNOTATION_PLACED_UNDER, ""),
            draining_since=_moment(since) if since else None,
            draining_for=annotations.get(names.ANNOTATION_DRAINING_FOR, ""),
            cordoned_before=names.ANNOTATION_CORDONED_BEFORE in annotations,
            label_keys=_keys(annotations.get(names.ANNOTATION_LABEL_KEYS, "")),
            taints=_keys(annotations.get(names.ANNOTATION_TAINT_KEYS, "")),
        )
    except (KeyError, ValueError):
        return None
    sane = all(
        1 <= found <= most
        for found, most in (
            (slot.rack, _MOST),
            (slot.slot, _MOST),
            (stamp.unit_nodes, MOST_EACH),
            (stamp.unit_gpus, MOST_EACH**2),
            (stamp.unit_watts, MOST_WATTS),
        )
    )
    return stamp if sane and stamp.unit_gpus % stamp.unit_nodes == 0 else None


def _moment(text: str) -> datetime:
    """A time as somebody may have written it by hand: without a zone it is UTC.

    Raises ValueError also for times that nothing can be added to.
    """
    moment = datetime.fromisoformat(text)
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise ValueError(f"{text} is no time of ours")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _owner(labels: dict[str, str]) -> PoolKey | None:
    if names.LABEL_POOL not in labels:
        return None
    return PoolKey(labels[names.LABEL_POOL_NAMESPACE], labels[names.LABEL_POOL])


def _keys(text: str) -> tuple[str, ...]:
    return tuple(key for key in text.split(",") if key)


def _spelled(taint: Taint) -> str:
    return f"{taint.key}={taint.value}:{taint.effect}"


def relabel(wish: NodeWish, node: Node) -> Relabel | None:
    """What has to be changed on a standing node so that it looks as wished; None if nothing.

    A taint that was set and is not there was taken off by somebody, and stays off. What the spec has changed
    since is set. The tenant's own taint is always put right.
    """
    stamp = node.stamp
    if stamp is None:
        return None
    own = {t.key for t in wish.taints}
    set_keys = {names.TAINT_TENANT, *(text.partition("=")[0] for text in stamp.taints)}
    wanted = {(t.key, t.effect): t for t in wish.taints}
    present = {(t.key, t.effect): t for t in node.taints if t.key in own | set_keys}
    before = {names.TAINT_TENANT: False}  # whether a taint was set, by its key alone or as it is
    new = tuple(
        t for t in wish.taints if not before.get(t.key, _spelled(t) in stamp.taints or t.key in stamp.taints)
    )
    stale_labels = tuple(k for k in stamp.label_keys if k not in wish.labels and k in node.labels)
    same = (
        all(node.labels.get(k) == v for k, v in wish.labels.items())
        and all(node.annotations.get(k, "") == v for k, v in wish.annotations.items())
        and present.items() <= wanted.items()
        and all((t.key, t.effect) in present for t in new)
        and not stale_labels
    )
    return None if same else Relabel(node, wish, stale_labels, tuple(sorted(set_keys - own)), new)


def standing_stamp(case: Case, unit: Unit, node: Node, *, restamp: bool) -> Stamp:
    """The stamp that a standing node should carry: its own, under the pool's present spec where that fits."""
    stamp = node.stamp
    assert stamp is not None
    known = case.stamps[unit.pool] if restamp and unit.pool is not None else (stamp.placed_under,)
    return stamp if stamp.placed_under in known else replace(stamp, placed_under=known[0])
