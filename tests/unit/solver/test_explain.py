"""The change that is named frees the pool, and no slot is said to be missing while one is free."""

import numpy as np
from hypothesis import HealthCheck, given, settings

from aifactory_solver import Explainer, solve
from aifactory_solver.layout import Layout
from aifactory_solver.places import Ask, Finder
from aifactory_solver.problem import Problem, Topology
from aifactory_solver.room import Room
from aifactory_solver.search import fits
from unit.solver.draft import CHANGES
from unit.solver.worlds import worlds

changes = tuple(change for change in CHANGES if change != "cut off")
some = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def explained(problem: Problem) -> tuple[Room, Explainer, list[int]]:
    """The room after a plan, what explains it, and the pools that wait with nothing."""
    plan = solve(problem)
    room = Room(Layout(problem, np))
    for row, units in enumerate(plan.kept.tolist()):
        room.keep(row, units)
    for pool, cell, units in zip(
        plan.new_pool.tolist(), plan.new_cell.tolist(), plan.new_units.tolist(), strict=True
    ):
        room.add(pool, {cell: units})
    waiting = [p for p in range(problem.pools) if not room.held(p) and problem.minimum[p] > 0]
    return room, Explainer(problem, plan), waiting


@some
@given(worlds(changes=changes))
def test_with_the_limits_raised_the_pool_fits(problem: Problem) -> None:
    room, explainer, waiting = explained(problem)
    for pool in waiting:
        short = explainer.explain(pool)
        if short.system < 0 or short.units_short or short.most < short.units:
            continue
        left = room.left.copy()
        for domain, watts in short.raises:
            assert short.left[domain] == left[domain]
            left[domain] += watts
        ask = Ask(pool, short.system, short.units, {}, {})
        assert fits(Finder(room, left, room.free.copy()), ask)
        assert (
            short.raises or short.fits == short.units or np.any(problem.cell_leaving) or problem.frozen[pool]
        )


@some
@given(worlds(changes=changes))
def test_slots_are_short_only_where_none_is_free(problem: Problem) -> None:
    room, explainer, waiting = explained(problem)
    for pool in waiting:
        short = explainer.explain(pool)
        if short.system < 0 or problem.topology[pool] != Topology.NONE:
            continue
        usable = problem.cell_open & (problem.cell_units > 0) & (problem.cell_system == short.system)
        usable &= problem.allowed[pool][problem.factory[problem.cell_domain]]
        free = int(np.maximum(room.free, 0)[usable].sum())
        assert short.units_short == max(0, short.units - free)
