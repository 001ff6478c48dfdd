"""Where each pool stands and is going to stand, as people and statuses have it."""

from collections import defaultdict

from aifactory.decide.model.case import Case
from aifactory.decide.model.fleet import Unit
from aifactory.decide.model.plan import Placing
from aifactory.decide.model.world import PoolKey
from aifactory.decide.place.assign import Assignment

_Place = tuple[str, str, str, str]


def placings(case: Case, assignment: Assignment, pool: PoolKey) -> tuple[Placing, ...]:
    """The placings of one pool, ordered by factory, domain and system."""
    held: dict[_Place, list[Unit]] = defaultdict(list)
    standing = assignment.held(pool)
    if pool not in case.index:  # it is being deleted: whatever is left of it
        standing = case.fleet.of_pool.get(pool, ())
    for unit in standing:
        held[unit.slot.factory, unit.slot.path, unit.fabric, unit.slot.system].append(unit)
    added: dict[_Place, list[int]] = defaultdict(list)
    for cell_index, units in assignment.new.get(pool, ()):
        cell = case.cells[cell_index]
        instances = case.layouts[cell.factory].instances
        place = (cell.factory, instances[cell.instance].path, instances[cell.fabric].path, cell.system)
        added[place] += [cell_index] * units
    return tuple(
        _placing(case, place, held.get(place, []), added.get(place, [])) for place in sorted({*held, *added})
    )


def _placing(case: Case, place: _Place, held: list[Unit], added: list[int]) -> Placing:
    factory, path, fabric, system = place
    groups = [group for group in (case.cells[cell].group for cell in added) if group is not None]
    return Placing(
        factory=factory,
        domain=_read(case, factory, path),
        fabric=_read(case, factory, fabric),
        system=system,
        units=len(held) + len(added),
        nodes=sum(unit.size for unit in held) + sum(g.system.nodes_per_unit for g in groups),
        gpus=sum(unit.gpus for unit in held) + sum(g.system.gpus_per_unit for g in groups),
        watts=sum(unit.watts for unit in held) + sum(g.unit_watts or 0 for g in groups),
        standing=len(held),
        missing=sum(len(unit.missing) for unit in held),
        planned_nodes=sum(g.system.nodes_per_unit for g in groups),
        planned_watts=sum(g.unit_watts or 0 for g in groups),
        ready_gpus=sum(unit.ready_gpus for unit in held),
    )


def _read(case: Case, factory: str, path: str) -> str:
    """A path as people read it now; as it was stamped where the spec dropped it."""
    layout = case.layouts[factory]
    return layout.instances[layout.by_path[path]].name if path in layout.by_path else path
