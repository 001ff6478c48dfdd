"""The adopted plan: what was decided stays until it is done, is asked otherwise, or can be no more.

It outlives cycles. A plan is carried out over several of them, and one that is made anew half-way, around
what was ordered by then, may serve somebody else. After a restart the adopted plan is what stands.
"""

from collections import Counter
from collections.abc import Hashable

import numpy as np

from aifactory.api.meta import ObjectMeta
from aifactory.decide.case import Case
from aifactory.decide.fleet import State
from aifactory.decide.plan import Adopted, Place
from aifactory.decide.world import PoolKey, key_of
from aifactory_solver import Solution


def adopt(case: Case, solution: Solution) -> Adopted:
    """What a plan means for the cycles to come."""
    places, units = _places(case), Counter[tuple[PoolKey, Place]]()
    columns = (case.problem.row_pool, case.problem.row_cell, solution.kept)
    news = (solution.new_pool, solution.new_cell, solution.new_units)
    for pools, cells, counts in (columns, news):
        for pool, cell, count in zip(pools.tolist(), cells.tolist(), counts.tolist(), strict=True):
            units[key_of(case.pools[pool]), places[cell]] += count
    return Adopted(question(case), {where: count for where, count in units.items() if count})


def resumed(case: Case, adopted: Adopted | None) -> Solution | None:
    """The adopted plan as an answer to this case; None where something else is asked by now.

    The answer may be wrong: what it counts on may be gone.
    """
    if adopted is None or adopted.question != question(case):
        return None
    problem = case.problem
    cell_of = {place: cell for cell, place in enumerate(_places(case))}
    if not all(place in cell_of for _, place in adopted.units):
        return None
    left = Counter({(case.index[key], cell_of[place]): n for (key, place), n in adopted.units.items()})
    kept = np.zeros_like(problem.row_units)
    first = np.lexsort((problem.row_watts, ~problem.row_locked))  # what is locked, then what draws less
    for row in first.tolist():
        where = int(problem.row_pool[row]), int(problem.row_cell[row])
        kept[row] = min(int(problem.row_units[row]), left[where])
        left[where] -= int(kept[row])
    new = sorted((pool, cell, units) for (pool, cell), units in left.items() if units)
    columns = np.asarray(new, dtype=np.int64).reshape(-1, 3)
    return Solution(kept, columns[:, 0], columns[:, 1], columns[:, 2])


def question(case: Case) -> Hashable:
    """What people, backends and failures ask, without how far the answer has come."""
    world = case.world
    units = case.fleet.units
    return (
        tuple(sorted((f.metadata.name, *_said(f.metadata)) for f in world.factories)),
        tuple(sorted((*key_of(p), *_said(p.metadata)) for p in world.pools)),
        frozenset((r.kind, r.namespace, r.name, r.metadata.generation, r.going) for r in world.refused),
        world.unknown,
        world.backends,
        world.resources_going,
        frozenset(stray.name for stray in case.fleet.strays),
        frozenset(unit.slot for unit in units if unit.out_of_service or unit.state is State.HELD),
        frozenset(unit.slot for unit in units if any(node.spared for node in unit.nodes)),
    )


def _said(meta: ObjectMeta) -> tuple[Hashable, ...]:
    deleted = meta.deletion_timestamp is not None
    return (meta.uid, meta.generation, deleted, tuple(sorted(meta.labels.items())))


def _places(case: Case) -> list[Place]:
    """The place of each cell."""
    found = []
    for cell in case.cells:
        instances = case.layouts[cell.factory].instances
        fabric = instances[cell.fabric].path if cell.fabric >= 0 else ""
        path = instances[cell.instance].path
        found.append(
            Place(cell.factory, path, fabric, cell.system, cell.gpus, described=cell.group is not None)
        )
    return found
