"""Leads a running fleet by a plan at hand: who has to move goes where that plan makes room.

In strict order a pool that has to move takes the room of the lowest it can reach. Where that one finds a
place elsewhere it moves too, and perhaps a third after it. But which units are lost in the end is known from
a plan at hand. So they are gone from the start, and the relaxation shares out that room among those that look
for a place.
"""

from dataclasses import replace

import numpy as np

from aifactory_solver.problem import Solution
from aifactory_solver.question import Question
from aifactory_solver.relax.engine import Engine
from aifactory_solver.relax.relaxation import relax
from aifactory_solver.strict.guide import Guide
from aifactory_solver.strict.layout import Layout
from aifactory_solver.strict.plain import begin
from aifactory_solver.targets import Advice, Targets
from aifactory_solver.value import gpus_by_pool


def regroup(layout: Layout, plan: Solution, engine: Engine) -> Targets | None:
    """A guide to fewer moves than the plan's, None where nobody looks for a place in it."""
    problem, run = layout.problem, begin(Guide(layout))
    had, kept, new = gpus_by_pool(problem, plan)
    displaced = np.zeros(problem.pools, dtype=np.bool_)
    displaced[list(run.displaced)] = True
    gains = displaced | ((had < problem.minimum) & (kept + new >= problem.minimum))
    pools = np.flatnonzero((new > 0) & gains)
    if not pools.size:
        return None
    released, lost = dict[int, int](), (had - kept - new).tolist()
    taken = (plan.kept < run.room.kept) & problem.preemptible[problem.row_pool] & ~displaced[problem.row_pool]
    for r in np.flatnonzero(taken).tolist():
        pool, each = layout.row_pool[r], layout.gpus[layout.cell_system[layout.row_cell[r]]]
        units = min(run.room.stays(r) - int(plan.kept[r]), lost[pool] // each)
        if units > 0:
            released[r] = run.room.stays(r) - units
            lost[pool] -= units * each
            run.room.keep(r, released[r])
    lacking = replace(problem, minimum=np.minimum(problem.minimum, new))
    question = Question(lacking, run.room.left, run.room.free, pools)
    relaxation = relax(question, np.zeros_like(pools), layout.forest)
    return Targets(layout, Advice(layout, pools, relaxation, engine), released=released)
