"""Polish, anytime: parts of a plan are answered exactly, and taken where the whole plan is better by value.

A part is one factory or a pair: the pools that stand nowhere else, and the first of those that wait for room
there. Parts are answered in processes of their own, with the best plan so far in hand; every plan that is
taken went through the engine of strict priority, so it keeps all rules.
"""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from itertools import combinations

import numpy as np

from aifactory_solver.exact import Budget, answer
from aifactory_solver.improve import better_of
from aifactory_solver.problem import Array, Problem, Solution
from aifactory_solver.question import Plan, Question, ask, held
from aifactory_solver.strict.guide import Guide
from aifactory_solver.strict.layout import Layout
from aifactory_solver.strict.plain import follow

_WAITING = 40  # pools that wait and are asked along, the highest priority first
_SECONDS = 4.0  # for one part


def polish(
    problem: Problem, solution: Solution, seconds: float, workers: int = 2, xp: Array = np
) -> Solution:
    """The best plan found in ``seconds``; never worse than ``solution``."""
    deadline = time.monotonic() + seconds
    layout, best = Layout(problem, xp), solution
    parts, pending = _parts(layout), set[Future[Plan]]()
    # Spawned: a fork would copy the locks of other threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        while True:
            question = ask(problem, best)
            plan = held(question, best)
            while len(pending) < workers and time.monotonic() < deadline - 0.5:
                factories = next(parts, None)
                if factories is None:
                    break
                part, start = _part(layout, question, plan, factories)
                rest = min(_SECONDS, deadline - time.monotonic())
                pending.add(pool.submit(_answered, part, rest, start))
            if not pending:
                return best
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                found = follow(Guide(layout, cells={**plan, **future.result()}))
                best = better_of(problem, best, found)


def _answered(part: Question, seconds: float, start: Plan) -> Plan:
    return answer(part, Budget(seconds=seconds), start).plan


def _parts(layout: Layout) -> Iterator[tuple[int, ...]]:
    """Every factory, then every pair."""
    for size in (1, 2):
        yield from combinations(range(layout.factories), size)


def _part(
    layout: Layout, question: Question, plan: Plan, factories: tuple[int, ...]
) -> tuple[Question, Plan]:
    """The question about some factories, and what its pools have now."""
    problem, here = question.problem, set(factories)
    left, free = question.left.copy(), question.free.copy()
    mine: Plan = {}
    for p, units in plan.items():
        if all(layout.cell_factory[c] in here for c in units):
            mine[p] = units
            continue
        for c, n in units.items():
            free[c] -= n
            for d in layout.chains[c]:
                left[d] -= n * layout.cell_watts[c]
    free[~np.isin(layout.factory_of_cell, factories)] = 0
    waiting = [p for p in question.pools.tolist() if p not in plan and problem.allowed[p, list(here)].any()]
    waiting.sort(key=lambda p: (-layout.priority[p], layout.age[p]))
    pools = np.asarray(sorted([*mine, *waiting[:_WAITING]]), dtype=np.int64)
    return replace(question, left=left, free=free, pools=pools), mine
