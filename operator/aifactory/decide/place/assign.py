"""From counts to names: which unit of which pool stays, which goes, and how many are still to come."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import chain

from aifactory.decide.model.case import Case
from aifactory.decide.model.draining import overdue
from aifactory.decide.model.fleet import State, Unit
from aifactory.decide.model.world import PoolKey, Slot, key_of
from aifactory.decide.place.goes_first import by_worth
from aifactory_solver import Solution


@dataclass(frozen=True)
class Assignment:
    """What becomes of each pool's units."""

    stay: dict[PoolKey, tuple[Unit, ...]]
    last: dict[PoolKey, tuple[Unit, ...]]  # have to go, but not before others have left
    go: dict[PoolKey, tuple[Unit, ...]]
    new: dict[PoolKey, tuple[tuple[int, int], ...]]  # (cell, units)

    @cached_property
    def placed(self) -> frozenset[Slot]:
        """The slots of all units that pools have for now."""
        some = chain(self.stay.values(), self.last.values())
        return frozenset(unit.slot for units in some for unit in units)

    def held(self, pool: PoolKey) -> tuple[Unit, ...]:
        """What the pool has for now: what stays, and what leaves last."""
        return (*self.stay.get(pool, ()), *self.last.get(pool, ()))


def minimum_units(case: Case, pool: PoolKey, gpus_per_unit: int) -> int:
    """Units of a system that carry a pool's minimum."""
    spec = case.pools[case.index[pool]]
    units = -(-spec.spec.minimum // gpus_per_unit)
    spread = spec.spec.topology.spread
    return max(units, spread.at_least) if spread and units else units


def assign(case: Case, solution: Solution, now: datetime) -> Assignment:
    """Name the units of a solution."""
    stay: dict[PoolKey, list[Unit]] = defaultdict(list)
    go: dict[PoolKey, list[Unit]] = defaultdict(list)
    for r, units in enumerate(case.rows):
        pool = key_of(case.pools[int(case.problem.row_pool[r])])
        gone = len(units) - int(solution.kept[r])
        ordered = by_worth(units) if gone else units
        go[pool] += ordered[:gone]
        stay[pool] += ordered[gone:]
    new: dict[PoolKey, list[tuple[int, int]]] = defaultdict(list)
    for p, c, n in zip(solution.new_pool, solution.new_cell, solution.new_units, strict=True):
        new[key_of(case.pools[int(p)])].append((int(c), int(n)))
    last = _leave_last(case, stay, go, new, now=now)
    return Assignment(
        stay={p: tuple(units) for p, units in stay.items() if units},
        last=last,
        go={p: tuple(units) for p, units in go.items() if units and p not in last},
        new={p: tuple(cells) for p, cells in new.items()},
    )


def _leave_last(
    case: Case,
    stay: dict[PoolKey, list[Unit]],
    go: dict[PoolKey, list[Unit]],
    new: dict[PoolKey, list[tuple[int, int]]],
    *,
    now: datetime,
) -> dict[PoolKey, tuple[Unit, ...]]:
    """Pools that a drain leaves without a place: after the others have left, lowest priority first.

    Nobody waits for what should be gone long since.
    """
    leaving_rows = {
        key_of(case.pools[int(p)])
        for p, leave in zip(case.problem.row_pool, case.problem.row_leave, strict=True)
        if leave
    }
    homeless = [p for p in leaving_rows if go.get(p) and not stay.get(p) and not new.get(p)]
    homeless = [p for p in homeless if case.pools[case.index[p]].spec.gpus]
    if not homeless:
        return {}
    homeless = [p for p in homeless if not any(case.is_exceeded(unit.slot) for unit in go[p])]
    from_where = {unit.slot.factory for p in homeless for unit in go[p]}
    others = [unit for p in leaving_rows - set(homeless) for unit in go.get(p, ())]
    leaving = [u for u in case.fleet.units if u.state is State.LEAVING and u.slot.factory not in case.locked]
    others += [unit for unit in leaving if not overdue(case, unit, now)]
    moving = any(unit.slot.factory in from_where for unit in others)
    homeless.sort(key=lambda p: (case.pools[case.index[p]].spec.priority, -_age(case, p)))
    return {p: tuple(go[p]) for p in (homeless if moving else homeless[1:])}


def _age(case: Case, pool: PoolKey) -> int:
    return int(case.problem.age[case.index[pool]])
