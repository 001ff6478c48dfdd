"""What a decision is asked, apart from how far the answer has been carried out."""

from collections.abc import Hashable

from aifactory.api.meta import ObjectMeta
from aifactory.api.pool import GPUPool
from aifactory.decide.fleet import Fleet, State
from aifactory.decide.world import World, key_of


def question(world: World, fleet: Fleet) -> Hashable:
    """What people, backends and failures ask, without how far the answer has come."""
    units = fleet.units
    return (
        tuple(sorted((f.metadata.name, *_said(f.metadata)) for f in world.factories)),
        tuple(sorted((*key_of(p), *_said(p.metadata)) for p in world.pools)),
        frozenset((r.kind, r.namespace, r.name, r.metadata.generation, r.going) for r in world.refused),
        world.unknown,
        world.closed,
        world.backends,
        world.resources_going,
        frozenset(stray.name for stray in fleet.strays),
        frozenset(unit.slot for unit in units if unit.out_of_service or unit.state is State.HELD),
        frozenset(failure.slot for failure in world.failures if failure.slot),
        frozenset(unit.slot for unit in units if any(node.spared for node in unit.nodes)),
    )


def spec_of(pool: GPUPool) -> tuple[str, int]:
    """What tells one spec of a pool from all others: uid and generation."""
    return pool.metadata.uid, pool.metadata.generation


def _said(meta: ObjectMeta) -> tuple[Hashable, ...]:
    deleted = meta.deletion_timestamp is not None
    return (meta.uid, meta.generation, deleted, tuple(sorted(meta.labels.items())))
