"""The best answer to a tiny question by trying everything, and what a plan amounts to: shares no code."""

from functools import cache

import numpy as np

from aifactory_solver.problem import Problem
from aifactory_solver.question import Plan, Question
from unit.solver.brute import Brute

Vector = tuple[int, ...]


def order_of(question: Question) -> list[int]:
    """The priorities of the free pools, the highest first."""
    return sorted({int(question.problem.priority[p]) for p in question.pools.tolist()}, reverse=True)


def worth(question: Question, plan: Plan) -> Vector:
    """Minima by priority, growth by priority, list positions, money, carbon: the larger the better."""
    total = (0,) * (2 * len(order_of(question)) + 3)
    for pool, units in plan.items():
        total = plus(total, worth_of(question, pool, units))
    return total


def worth_of(question: Question, pool: int, units: dict[int, int]) -> Vector:
    problem, priorities = question.problem, order_of(question)
    minima, growth = [0] * len(priorities), [0] * len(priorities)
    at = priorities.index(int(problem.priority[pool]))
    system = int(problem.cell_system[next(iter(units))])
    minima[at] = int(problem.minimum[pool])
    gpus = min(sum(units.values()) * int(problem.system_gpus[system]), int(problem.need[pool]))
    growth[at] = gpus - minima[at]
    money = sum(n * int(problem.cell_cost[c]) for c, n in units.items())
    carbon = sum(n * int(problem.cell_carbon[c]) for c, n in units.items())
    return (*minima, *growth, -problem.systems[pool].index(system), -money, -carbon)


def plus(one: Vector, other: Vector) -> Vector:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def brute_of(question: Question) -> Brute:
    """Everything that can be tried in the question's room."""
    free = np.where(question.problem.cell_open, question.free, 0)
    return Brute(question.problem, free.tolist(), question.left.tolist())


def ways_of(question: Question, pool: int) -> list[dict[int, int]]:
    """Every way that the pool may stand if it were alone."""
    problem, brute, found = question.problem, brute_of(question), list[dict[int, int]]()
    for system in problem.systems[pool]:
        gpus = int(problem.system_gpus[system])
        least = max(-(-int(problem.minimum[pool]) // gpus), int(problem.spread[pool]), 1)
        for units in range(least, -(-int(problem.need[pool]) // gpus) + 1):
            for way in brute.ways(brute.usable(pool, system), units, brute.left):
                placed = {cell: n for cell, n in way.items() if n}
                if brute.well_placed(pool, placed) and brute.share_kept(pool, {}, placed):
                    found.append(placed)
    return found


def best(question: Question) -> Vector:
    """The worth of the best plan. Adding the same to both keeps their order, so pools come one by one."""
    problem, brute = question.problem, brute_of(question)
    pools = question.pools.tolist()
    ways = [[(w, worth_of(question, p, w)) for w in ways_of(question, p)] for p in pools]

    @cache
    def rest(at: int, used: Vector) -> Vector:
        if at == len(pools):
            return worth(question, {})
        found = rest(at + 1, used)
        for way, value in ways[at]:
            after = tuple(n + way.get(cell, 0) for cell, n in enumerate(used))
            if holds(problem, brute, after):
                found = max(found, plus(value, rest(at + 1, after)))
        return found

    return rest(0, (0,) * problem.cells)


def holds(problem: Problem, brute: Brute, used: Vector) -> bool:
    """Whether so many units in each cell are within all slots and limits."""
    left = list(brute.left)
    for cell, units in enumerate(used):
        if units > max(brute.free[cell], 0):
            return False
        for domain in brute.above(cell) if units else ():
            left[domain] -= units * int(problem.cell_watts[cell])
            if left[domain] < 0:
                return False
    return True


def faults(question: Question, plan: Plan) -> list[str]:
    """What is wrong with a plan for the free pools."""
    problem, brute, found = question.problem, brute_of(question), list[str]()
    used = [0] * problem.cells
    for pool, units in plan.items():
        systems = {int(problem.cell_system[cell]) for cell in units}
        if pool not in question.pools or len(systems) != 1 or min(units.values()) < 1:
            return [f"pool {pool} has {units}"]
        system, total = systems.pop(), sum(units.values())
        gpus = int(problem.system_gpus[system])
        least = max(-(-int(problem.minimum[pool]) // gpus), int(problem.spread[pool]))
        if not least <= total <= -(-int(problem.need[pool]) // gpus):
            found.append(f"pool {pool} has {total} units")
        if system not in problem.systems[pool] or not set(units) <= set(brute.usable(pool, system)):
            found.append(f"pool {pool} may not stand in {sorted(units)}")
        if not brute.well_placed(pool, units) or not brute.share_kept(pool, {}, units):
            found.append(f"pool {pool} stands against its topology in {units}")
        for cell, n in units.items():
            used[cell] += n
    if not holds(problem, brute, tuple(used)):
        found.append(f"limits or slots do not carry {used}")
    return found
