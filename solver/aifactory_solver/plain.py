"""The plain solver: strict priority, best fit.

It goes through the rules in their order: empty what must be empty, keep under the lowered limits whatever
still fits (the highest first), give minima their places priority by priority, then let pools grow into
free room.
"""

import numpy as np

from aifactory_solver.minima import Minima
from aifactory_solver.places import Ask
from aifactory_solver.preempt import give_up, settle_spread, trim
from aifactory_solver.problem import Array, Problem, Solution
from aifactory_solver.room import Room
from aifactory_solver.run import Run
from aifactory_solver.search import find, most


def solve(problem: Problem, xp: Array = np) -> Solution:
    """Place every pool. The same problem gives the same solution, on every array namespace."""
    run = Run(Room(problem, xp))
    empty(run)
    shrink(run)
    shed(run)
    Minima(run).place()
    for p in run.order:  # what was taken from a pool and is free again is its own before anybody grows
        run.stay(p)
    grow(run)
    reclaim(run)
    new = sorted((p, c, n) for p, units in run.room.new.items() for c, n in units.items() if n)
    columns = np.asarray(new, dtype=np.int64).reshape(-1, 3)
    return Solution(run.room.kept, columns[:, 0], columns[:, 1], columns[:, 2])


def empty(run: Run) -> None:
    """Nothing stays in what drains or is out of service."""
    problem = run.problem
    for r in np.flatnonzero(problem.row_leave & ~problem.row_locked).tolist():
        run.room.keep(r, 0)
        run.displaced.add(int(problem.row_pool[r]))
    for p in sorted(run.displaced):
        settle_spread(run.room, p)


def shrink(run: Run) -> None:
    """A pool gives up what it no longer wishes for."""
    for p in range(run.problem.pools):
        system = run.room.system(p)
        if system is not None and not run.problem.frozen[p]:
            wish = run.wish(p, system)
            if 0 < wish < run.problem.spread[p]:
                continue  # it can never stand so: the old place is kept
            if run.room.held(p) > wish:
                trim(run.room, p, wish)


def shed(run: Run) -> None:
    """Under limits that are exceeded, keep what fits, the highest priority first.

    So the lowest gives way first. What is cut finds a new place, shrinks or goes when its turn comes.
    """
    room, problem = run.room, run.problem
    over = {d for d in range(problem.domains) if room.left[d] < 0}
    touched = [
        r
        for r in np.flatnonzero((room.kept > 0) & ~problem.row_locked).tolist()
        if not over.isdisjoint(room.forest.ancestors[int(problem.cell_domain[problem.row_cell[r]])])
    ]
    stands = {r: int(room.kept[r]) for r in touched}
    free = room.free.copy()
    for r in touched:
        room.keep(r, 0)
    room.free = free  # slots stay taken until their holder was asked

    def last_to_give_way(pool: int) -> tuple[int, int, int]:
        return (-int(problem.priority[pool]), -int(problem.purpose[pool]), int(problem.age[pool]))

    for p in sorted({int(problem.row_pool[r]) for r in touched}, key=last_to_give_way):
        for r in [r for r in room.rows_of[p] if r in stands]:
            cell, watts = int(problem.row_cell[r]), int(problem.row_watts[r])
            stays = room.fitting(cell, watts, stands[r])
            if problem.cell_open[cell]:
                room.free[cell] += stands[r]
            room.keep(r, stays)
            if stays < stands[r]:
                run.displaced.add(p)
        if p in run.displaced:
            settle_spread(room, p)
    for p in sorted(run.displaced):
        system = room.system(p)
        if system is not None and 0 < run.wish(p, system) < problem.spread[p]:
            give_up(room, p)  # it can never stand again


def grow(run: Run) -> None:
    """Let pools grow into free room, the highest priority first; nothing standing is displaced."""
    room, problem = run.room, run.problem
    for p in run.order:
        idle = problem.frozen[p] or problem.need[p] == 0 or run.below_minimum(p)
        if idle or (run.misfits(p) and p not in run.settled):
            continue
        asks = [ask for ask in run.asks(p, room.places(p), grow=True) if ask.units > 0]
        more = {ask.system: most(run.finder(), ask) for ask in asks}
        need = int(problem.need[p])
        gain = {s: min(n * int(problem.system_gpus[s]), need) for s, n in more.items()}
        # The most GPUs; among equals the better-listed system.
        best = max(asks, key=lambda ask: gain[ask.system], default=None)
        if best is not None and more[best.system] > 0:
            ask = Ask(p, best.system, more[best.system], best.beside, best.former)
            found = find(run.finder(), ask)
            if found is not None:
                room.add(p, found)


def reclaim(run: Run) -> None:
    """What a pool gets anew in a cell where it gave something up is simply kept."""
    room, problem = run.room, run.problem
    for p in sorted(room.new, key=run.turn):
        for r in sorted(room.rows_of[p], key=lambda r: int(problem.row_watts[r])):
            cell = int(problem.row_cell[r])
            again = min(int(problem.row_units[r] - room.kept[r]), room.new[p].get(cell, 0))
            if problem.row_leave[r] or again <= 0:
                continue
            heavier = int(problem.row_watts[r] - problem.cell_watts[cell])
            if heavier > 0:
                again = room.fitting(cell, heavier, again)
            room.new[p][cell] -= again
            room.release(cell, again)
            room.keep(r, int(room.kept[r]) + again)
