"""What a decision is asked, apart from how far the answer has been carried out."""

from collections.abc import Hashable
from hashlib import blake2b
from typing import Final

import numpy as np

from aifactory.api.pool import GPUPool
from aifactory.decide.model.fleet import Fleet, State
from aifactory.decide.model.world import World
from aifactory_solver import Problem

# The parts of a problem that specs alone say. Rows, what is leaving, and what was touched say how far it is.
_LIMITS: Final = ("parent", "limit", "level", "factory", "fixed_watts")
_CELLS: Final = ("cell_domain", "cell_fabric", "cell_system", "cell_units", "cell_watts", "cell_open")
_TIES: Final = ("cell_cost", "cell_carbon")
_POOLS: Final = ("need", "minimum", "priority", "purpose", "age", "preemptible", "frozen")
_PLACES: Final = ("topology", "topology_level", "spread", "allowed")


def question(
    world: World, fleet: Fleet, pools: tuple[GPUPool, ...], problem: Problem, *, described: int
) -> Hashable:
    """What people, backends and failures ask, without how far the answer has come.

    ``described`` are the cells that specs describe; they come first. An edit of what decides nothing, such
    as a label of a factory that no pool selects by, asks nothing new.
    """
    units = fleet.units
    return (
        _digest(problem, described),
        problem.systems,
        tuple(pool.metadata.uid for pool in pools),
        frozenset((r.kind, r.namespace, r.name, r.metadata.generation, r.going) for r in world.refused),
        world.unknown,
        world.closed,
        world.backends,
        world.resources_going,
        frozenset(stray.name for stray in fleet.strays),
        frozenset(unit.slot for unit in units if unit.out_of_service or unit.state is State.HELD),
        frozenset(failure.slot for failure in world.failures if failure.slot),
        frozenset(unit.slot for unit in units if unit.nodes and any(node.spared for node in unit.nodes)),
    )


def _digest(problem: Problem, described: int) -> bytes:
    """The arrays of limits, described cells and wishes."""
    found = blake2b()
    for name in (*_LIMITS, *_CELLS, *_TIES, *_POOLS, *_PLACES):
        values = getattr(problem, name)
        values = values[:described] if name in (*_CELLS, *_TIES) else values
        found.update(f"{name} {values.shape} ".encode())
        found.update(np.ascontiguousarray(values).data)
    return found.digest()
