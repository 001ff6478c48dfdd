"""How a node says what it is: a stamp, and what its pool wishes for, as labels and annotations, and back.

Pure. A Kubernetes Node bears them, or whatever object a provisioner makes one from.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from aifactory.api import names
from aifactory.decide.model.world import MOST_WATTS, NodeSpec, PoolKey, Slot, Stamp, Taint

_YEARS: Final = (1970, 9000)


def labels_of(wish: NodeSpec) -> dict[str, str]:
    """All labels of a simulated node but those that are set with its order and never again."""
    slot = wish.slot
    return {
        **own_labels_of(wish),
        **({"topology.kubernetes.io/region": wish.region} if wish.region else {}),
        "topology.kubernetes.io/zone": slot.factory,
        "kubernetes.io/hostname": slot.node_name,
    }


def own_labels_of(wish: NodeSpec) -> dict[str, str]:
    """Those among them that are nobody else's to set, where a machine stands behind the node.

    By some of them tenants choose nodes; by these and the annotations `read_stamp` knows them again.
    """
    stamp, slot = wish.stamp, wish.slot
    return {
        **wish.labels,
        names.LABEL_MANAGED: names.FIELD_MANAGER,
        **(owner_labels(stamp.pool) if stamp.pool else {}),
        names.LABEL_FACTORY: slot.factory,
        names.LABEL_DOMAIN: names.label_value(slot.path),
        names.LABEL_FABRIC: names.label_value(stamp.fabric),
        names.LABEL_SYSTEM: slot.system,
        names.LABEL_RACK: str(slot.rack),
        names.LABEL_SLOT: str(slot.slot),
    }


def owner_labels(pool: PoolKey) -> dict[str, str]:
    """The two labels that say whose a node is."""
    return {names.LABEL_POOL: pool.name, names.LABEL_POOL_NAMESPACE: pool.namespace}


def annotations_of(wish: NodeSpec) -> dict[str, str]:
    """All annotations of a node but those that tell of its drain.

    Among them is which of its pool's labels and taints were set, so that what is taken off can be told from
    what never was there.
    """
    stamp = wish.stamp
    return {
        names.ANNOTATION_PATH: stamp.slot.path,
        names.ANNOTATION_FABRIC: stamp.fabric,
        names.ANNOTATION_WATTS: str(stamp.unit_watts),
        names.ANNOTATION_GPUS: str(stamp.unit_gpus),
        names.ANNOTATION_NODES: str(stamp.unit_nodes),
        names.ANNOTATION_PLACED_UNDER: stamp.placed_under,
        names.ANNOTATION_LABEL_KEYS: ",".join(sorted(wish.labels)),
        names.ANNOTATION_TAINT_KEYS: ",".join(sorted(map(spelled, wish.taints))),
    }


def taints_of(wish: NodeSpec) -> tuple[Taint, ...]:
    """The taints of a node that are kept as wished: first the one that keeps other tenants away."""
    pool = wish.stamp.pool
    if wish.shared or pool is None:
        return wish.taints
    return (Taint(names.TAINT_TENANT, pool.namespace, "NoSchedule"), *wish.taints)


def spelled(taint: Taint) -> str:
    """A taint as kubectl writes it."""
    return f"{taint.key}={taint.value}:{taint.effect}"


def listed_in(annotations: Mapping[str, str], key: str) -> tuple[str, ...]:
    """The entries of an annotation that is a list."""
    return tuple(entry for entry in annotations.get(key, "").split(",") if entry)


def read_stamp(labels: Mapping[str, str], annotations: Mapping[str, str]) -> Stamp | None:
    """A node's stamp; None where it cannot be one of ours."""
    try:
        since = annotations.get(names.ANNOTATION_DRAINING_SINCE)
        stamp = Stamp(
            slot=Slot(
                factory=labels[names.LABEL_FACTORY],
                path=names.canonical(annotations[names.ANNOTATION_PATH]),
                system=labels[names.LABEL_SYSTEM],
                rack=int(labels[names.LABEL_RACK]),
                slot=int(labels[names.LABEL_SLOT]),
            ),
            pool=_owner(labels),
            fabric=names.canonical(annotations[names.ANNOTATION_FABRIC]),
            unit_watts=int(annotations[names.ANNOTATION_WATTS]),
            unit_gpus=int(annotations[names.ANNOTATION_GPUS]),
            unit_nodes=int(annotations[names.ANNOTATION_NODES]),
            placed_under=annotations.get(names.ANNOTATION_PLACED_UNDER, ""),
            draining_since=_moment(since) if since else None,
            draining_for=annotations.get(names.ANNOTATION_DRAINING_FOR, ""),
            cordoned_before=names.ANNOTATION_CORDONED_BEFORE in annotations,
        )
    except (KeyError, ValueError):
        return None
    return stamp if stamp.sane else None


def read_watts(annotations: Mapping[str, str]) -> int:
    """The watts that a node says its unit draws, as far as that is a number of watts; else 0."""
    text = annotations.get(names.ANNOTATION_WATTS, "")
    plain = text.isascii() and text.isdigit() and len(text) <= len(str(MOST_WATTS))
    return min(int(text), MOST_WATTS) if plain else 0


def _moment(text: str) -> datetime:
    """A time as somebody may have written it by hand: without a zone it is UTC.

    Raises ValueError also for times that nothing can be added to.
    """
    moment = datetime.fromisoformat(text)
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise ValueError(f"{text} is no time of ours")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _owner(labels: Mapping[str, str]) -> PoolKey | None:
    if names.LABEL_POOL not in labels:
        return None
    return PoolKey(labels[names.LABEL_POOL_NAMESPACE], labels[names.LABEL_POOL])
