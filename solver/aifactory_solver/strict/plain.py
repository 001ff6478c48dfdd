"""The plain solver: strict priority, best fit.

It goes through the rules in their order: empty what must be empty, keep under the lowered limits whatever
still fits (the highest first), give minima their places priority by priority, then let pools grow into
free room.
"""

from dataclasses import replace

import numpy as np

from aifactory_solver.problem import Array, Problem, Solution
from aifactory_solver.strict.giving import give_up, settle_spread, trim
from aifactory_solver.strict.guide import Guide
from aifactory_solver.strict.layout import Layout, Units
from aifactory_solver.strict.minima import Minima
from aifactory_solver.strict.room import Room
from aifactory_solver.strict.run import Run
from aifactory_solver.strict.search import find, most


def solve(problem: Problem, xp: Array = np, *, meant: dict[int, Units] | None = None) -> Solution:
    """Place every pool. The same problem gives the same solution, on every array namespace.

    ``meant`` says in which cells pools that hold nothing should stand: {pool: {cell: units}}. That is where
    they are placed when their turn comes, if it serves them and fits.
    """
    return follow(Guide(Layout(problem, xp), cells=meant))


def follow(guide: Guide) -> Solution:
    """Place every pool, and follow a guide where there is a choice."""
    run = begin(guide)
    for r, units in guide.released.items():
        run.room.keep(r, min(run.room.stays(r), units))
    Minima(run).place()
    run.all_stay()  # what was taken from a pool and is free again is its own before anybody grows
    grow(run)
    reclaim(run)
    new = sorted((p, c, n) for p, units in run.room.new.items() for c, n in units.items() if n)
    columns = np.asarray(new, dtype=np.int64).reshape(-1, 3)
    return Solution(run.room.kept.copy(), columns[:, 0], columns[:, 1], columns[:, 2])


def begin(guide: Guide) -> Run:
    """What stands, without what has to leave whatever is decided."""
    run = Run(Room(guide.layout, guide))
    empty(run)
    shrink(run)
    shed(run)
    return run


def empty(run: Run) -> None:
    """Nothing stays in what drains or is out of service."""
    problem = run.problem
    for r in np.flatnonzero(problem.row_leave & ~problem.row_locked).tolist():
        run.room.keep(r, 0)
        run.displaced.add(run.layout.row_pool[r])
    _settle(run)


def shrink(run: Run) -> None:
    """A pool gives up what it no longer wishes for."""
    room, layout = run.room, run.layout
    for p in np.flatnonzero((np.asarray(room.kept_of) > 0) & ~run.problem.frozen).tolist():
        system = room.system(p)
        if system is not None:
            wish = layout.wish(p, system)
            if 0 < wish < layout.spread[p]:
                continue  # it can never stand so: the old place is kept
            if room.held(p) > wish:
                trim(room, p, wish)


def shed(run: Run) -> None:
    """Under limits that are exceeded, keep what fits, the highest priority first.

    So the lowest gives way first. What is cut finds a new place, shrinks or goes when its turn comes.
    """
    room, problem, layout = run.room, run.problem, run.layout
    over = {d for d, left in enumerate(room.space.left) if left < 0}
    touched = [
        r
        for r in (np.flatnonzero((room.kept > 0) & ~problem.row_locked).tolist() if over else [])
        if not over.isdisjoint(layout.chains[layout.row_cell[r]])
    ]
    stands = {r: room.stays(r) for r in touched}
    for r in touched:
        room.keep(r, 0)

    def last_to_give_way(pool: int) -> tuple[int, int, int]:
        return (-layout.priority[pool], -int(problem.purpose[pool]), layout.age[pool])

    for p in sorted({layout.row_pool[r] for r in touched}, key=last_to_give_way):
        for r in [r for r in room.rows_of[p] if r in stands]:
            stays = room.space.fitting(layout.row_cell[r], layout.row_watts[r], stands[r])
            room.keep(r, stays)
            if stays < stands[r]:
                run.displaced.add(p)
    _settle(run)
    for p in sorted(run.displaced):
        system = room.system(p)
        if system is None or not layout.spread[p]:
            continue
        wish = layout.wish(p, system)
        if 0 < wish < layout.spread[p] or (room.held(p) > wish and not layout.frozen[p]):
            give_up(room, p)  # it can never stand again, or what is left has no split up to its wish


def _settle(run: Run) -> None:
    """What was cut of a spread pool waits until its turn makes it whole again, unless nothing can."""
    for p in sorted(run.displaced):
        if run.layout.frozen[p] or run.layout.changed[p]:
            settle_spread(run.room, p)


def grow(run: Run) -> None:
    """Let pools grow into free room, the highest priority first; nothing standing is displaced."""
    room, layout = run.room, run.layout
    lacks = np.asarray(room.gpus_of) < run.problem.need
    for p in np.asarray(run.order)[lacks[run.order]].tolist():
        if layout.frozen[p] or run.below_minimum(p) or (run.misfits(p) and p not in run.settled):
            continue
        asks = [ask for ask in run.asks(p, room.places(p), grow=True) if ask.units > 0]
        more = {ask.system: most(run.finder(), ask) for ask in asks}
        need = layout.need[p]
        gain = {s: min(n * layout.gpus[s], need) for s, n in more.items()}
        # The most GPUs; among equals the better-listed system.
        best = max(asks, key=lambda ask: gain[ask.system], default=None)
        if best is not None and more[best.system] > 0:
            found = find(run.finder(), replace(best, units=more[best.system], hoped=0))
            if found is not None:
                room.add(p, found)


def reclaim(run: Run) -> None:
    """What a pool gets anew in a cell where it gave something up is simply kept."""
    room, layout = run.room, run.layout
    for p in [p for p in run.order if room.new_of[p]]:
        for r in sorted(room.rows_of[p], key=layout.row_watts.__getitem__):
            cell = layout.row_cell[r]
            again = min(layout.row_units[r] - room.stays(r), room.new[p].get(cell, 0))
            if layout.row_leave[r] or again <= 0:
                continue
            heavier = layout.row_watts[r] - layout.cell_watts[cell]
            if heavier > 0:
                again = room.space.fitting(cell, heavier, again)
            room.add(p, {cell: -again})
            room.keep(r, room.stays(r) + again)
