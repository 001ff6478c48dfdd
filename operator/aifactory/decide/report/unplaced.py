"""Units that draw power in a factory and that no pool's placements name: so statuses tell of all power."""

from collections import defaultdict
from typing import Any, Final

from aifactory.decide.model.case import Case
from aifactory.decide.model.fleet import State, Unit
from aifactory.decide.place.assign import Assignment

_MOST: Final = 64  # kinds of such units in one status

_Kind = tuple[str, str, int, int, int, bool]


def unplaced(case: Case, factory: str, assignment: Assignment) -> list[dict[str, Any]]:
    """What `status.unplaced` of a factory says, the most power first."""
    going = case.declared.keys() - case.index.keys()  # they name what is left of them
    kinds: dict[_Kind, int] = defaultdict(int)
    for unit in case.fleet.of_factory.get(factory, ()):
        if unit.slot not in assignment.placed and unit.pool not in going:
            place = _read(case, factory, unit.slot.path)
            leaves = _leaves(case, unit)
            kinds[place, unit.slot.system, unit.size, unit.gpus, unit.watts, leaves] += 1
    for stray in case.fleet.strays:
        if stray.factory == factory:
            system = stray.slots[0].system if stray.slots else ""
            kinds[_read(case, factory, stray.path), system, 1, 0, stray.watts, False] += 1
    most = sorted(kinds.items(), key=lambda it: (-it[1] * it[0][4], it[0]))[:_MOST]
    return [
        {
            "domain": domain,
            "system": system,
            "units": units,
            "nodes": units * size,
            "gpus": units * gpus,
            "watts": units * watts,
            "leaving": leaves,
        }
        for (domain, system, size, gpus, watts, leaves), units in sorted(most)
    ]


def _leaves(case: Case, unit: Unit) -> bool:
    """Whether the unit's room may be planned for."""
    if unit.state is State.HELD or unit.slot.factory in case.locked:
        return False
    return not (unit.out_of_service and unit.pool in case.index)


def _read(case: Case, factory: str, path: str) -> str:
    """A path as people read it; empty where the spec has no such place any more."""
    layout = case.layouts[factory]
    return layout.instances[layout.nearest(path)].name
