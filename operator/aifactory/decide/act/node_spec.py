"""What a node has to be like, from its unit, its pool and its factory."""

from collections.abc import Callable
from dataclasses import replace

from aifactory.api.catalogue import System
from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.decide.act.granted import granted_labels, granted_taints
from aifactory.decide.model.case import Case, Cell
from aifactory.decide.model.fleet import Unit
from aifactory.decide.model.world import Node, NodeSpec, PoolKey, Slot, Stamp, Taint


def slots_of(cell: Cell, path: str, rack: int, slot: int) -> tuple[Slot, ...]:
    """The slots of all nodes of a unit; slot 0 is a whole rack."""
    assert cell.group is not None
    if slot:
        return (Slot(cell.factory, path, cell.system, rack, slot),)
    size = cell.group.system.nodes_per_rack
    return tuple(Slot(cell.factory, path, cell.system, rack, s + 1) for s in range(size))


def new_stamp(case: Case, pool: PoolKey, cell: Cell, slot: Slot) -> Stamp:
    """The stamp of a node that is ordered now. Raises ValueError where no unit can be so: a node that would
    not be known again would be ordered over and over.
    """
    assert cell.group is not None
    assert cell.group.unit_watts is not None
    stamp = Stamp(
        slot=slot,
        pool=pool,
        fabric=case.layouts[cell.factory].instances[cell.fabric].path,
        unit_watts=cell.group.unit_watts,
        unit_gpus=cell.group.system.gpus_per_unit,
        unit_nodes=cell.group.system.nodes_per_unit,
        placed_under=case.stamps[pool][0],
    )
    if not stamp.sane:
        raise ValueError(f"node {slot.node_name} would not be known again by {stamp}")
    return stamp


def node_specs(factory: AIFactory, system: System | None, pool: GPUPool) -> Callable[[Stamp], NodeSpec]:
    """The wishes for nodes of a pool in a factory, by their stamps: what they share is worked out once."""
    labels, taints = granted_labels(factory, system, pool), granted_taints(pool)
    first_taints = tuple(Taint(t.key, t.value, t.effect) for t in pool.spec.startup_taints)
    drain_seconds = min(pool.spec.drain_timeout_seconds, factory.spec.longest_drain_seconds)

    def wish(stamp: Stamp) -> NodeSpec:
        return NodeSpec(
            stamp=stamp,
            labels=labels,
            taints=taints,
            region=factory.spec.region or "",
            shared=factory.spec.shared_nodes,
            resource=system.resource_name if system else "",
            devices=system.devices_per_node if system else 0,
            first_labels=system.node_labels if system else {},
            first_taints=first_taints,
            backend=factory.spec.backend,
            drain_seconds=drain_seconds,
        )

    return wish


def standing_stamp(case: Case, unit: Unit, node: Node, *, restamp: bool) -> Stamp:
    """The stamp that a standing node should carry: its own, under the pool's present spec where that fits."""
    stamp = node.stamp
    assert stamp is not None
    known = case.stamps[unit.pool] if restamp and unit.pool is not None else (stamp.placed_under,)
    under = stamp.placed_under if stamp.placed_under in known else known[0]
    return replace(stamp, pool=unit.pool, placed_under=under)
