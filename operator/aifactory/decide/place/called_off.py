"""Drains that are called off: what drains and would only be ordered again for the same pool is kept."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aifactory.decide.model.build import build
from aifactory.decide.model.case import Case
from aifactory.decide.model.fleet import Unit
from aifactory.decide.model.standing import allows
from aifactory.decide.model.world import key_of
from aifactory_solver import Solution
from aifactory_solver.problem import Ints

Solve = Callable[[Case], tuple[Solution, tuple[str, ...]]]


@dataclass(frozen=True)
class Kept:
    """A case in which units stand whose drain is called off, its plan, and what is to be logged."""

    case: Case
    solution: Solution
    log: tuple[str, ...]


def called_off(case: Case, solution: Solution, solve: Solve) -> Kept | None:
    """What becomes of a plan that gives new units to pools some of whose units drain; None if nothing does.

    The drains of these pools are called off wherever a plan with all of them standing keeps them, and serves
    everybody at least as well. Else only as many as are planned anew in the very same cell. ``solve`` gives
    the plan of another case.
    """
    gains: Counter[int] = Counter()
    for pool, units in zip(solution.new_pool.tolist(), solution.new_units.tolist(), strict=True):
        gains[pool] += units
    could = [unit for pool in sorted(gains) for unit in _could_stay(case, pool)]
    if not could:
        return None
    kept = _standing(case, could, solve)
    if kept is not None and (_served(kept.case, kept.solution) >= _served(case, solution)).all():
        return kept
    same: list[Unit] = []
    for pool, cell, n in zip(solution.new_pool, solution.new_cell, solution.new_units, strict=True):
        there = [unit for unit in _could_stay(case, int(pool)) if case.home[unit.slot] == int(cell)]
        same += there[: int(n)]
    return _standing(case, same, solve) if same else None


def _could_stay(case: Case, pool: int) -> list[Unit]:
    """Units of a pool that drain, and that it might just as well be given now."""
    it = case.pools[pool]
    factories = {factory.metadata.name: factory for factory in case.world.factories}
    found = []
    for unit in case.fleet.of_pool.get(key_of(it), ()):
        cell = case.home.get(unit.slot)
        if (
            cell is not None
            and case.problem.cell_open[cell]
            and not unit.out_of_service
            and not any(node.deleting for node in unit.nodes)
            and unit.slot.system in it.spec.systems
            and allows(it, factories[unit.slot.factory])
        ):
            found.append(unit)
    return found


def _standing(case: Case, units: list[Unit], solve: Solve) -> Kept | None:
    """The case in which these units stand, if its plan keeps any of them."""
    slots = frozenset(unit.slot for unit in units)
    other = build(case.world, called_off=slots)
    solution, log = solve(other)
    rows = [r for r, of_it in enumerate(other.rows) if any(unit.slot in slots for unit in of_it)]
    return Kept(other, solution, log) if solution.kept[rows].any() else None


def _served(case: Case, solution: Solution) -> Ints:
    """(P,) GPUs of each pool, what is above its wish left aside."""
    problem = case.problem
    gpus = problem.system_gpus[problem.cell_system]
    total = np.zeros(problem.pools, np.int64)
    np.add.at(total, problem.row_pool, solution.kept * gpus[problem.row_cell])
    np.add.at(total, solution.new_pool, solution.new_units * gpus[solution.new_cell])
    return np.minimum(total, problem.need)
