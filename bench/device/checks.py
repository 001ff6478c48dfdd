"""Whether a device computes what NumPy does: integers exactly, bounds truly, plans by all rules."""

from functools import partial

import numpy as np

from aifactory_solver import improve
from aifactory_solver.bands import bands
from aifactory_solver.batch import Fleet, Rooms, would_fit
from aifactory_solver.check import violations
from aifactory_solver.exact import SMALL
from aifactory_solver.problem import Array, Problem, Solution
from aifactory_solver.relax.bound import Bound, Prices
from aifactory_solver.relax.pdhg import pdhg
from aifactory_solver.strict import plain
from aifactory_solver.strict.forest import to_numpy
from bench.arrays import instance
from bench.device.absent import has_highs
from bench.device.place import Asked, Place

_ROOMS = 16  # in which kernels are asked what fits
_ITERATIONS = 400
_HAIR = 1e-9  # of a bound, for the order in which its parts are added

Checks = dict[str, list[bool]]  # by what is checked, one for each world


def worlds(count: int) -> list[tuple[str, int]]:
    """Scales and seeds, S and M in turn."""
    return [("SM"[i % 2], 1 + i // 2) for i in range(count)]


def checked(where: Place, count: int) -> Checks:
    """What holds in each of so many worlds."""
    found: Checks = {}
    for scale, seed in worlds(count):
        problem = instance(scale, seed)
        asked = Asked.of(problem)
        results = {"m(v) and the inversion test are those of NumPy": _same_fits(where, problem, seed)}
        for version in where.versions:
            what = f"no bound of PDHG ({version}) is below what a plan serves"
            results[what] = _bound_holds(where, version, asked)
        results["the plain plan is that of NumPy"] = _same(asked.plan, plain.solve(problem, where.xp))
        if has_highs() or problem.pools * problem.cells > SMALL:  # a small one is solved by HiGHS
            plan = improve.solve(problem, where.xp, partial(pdhg, xp=where.xp))
            results["the plan led by PDHG passes the checker"] = not violations(problem, plan)
        for what, holds in results.items():
            found.setdefault(what, []).append(holds)
    return found


def _same_fits(where: Place, problem: Problem, seed: int) -> bool:
    random = np.random.default_rng(seed)
    left = (problem.limit * random.uniform(-0.1, 1.0, (_ROOMS, problem.domains))).astype(np.int64)
    free = (problem.cell_units * random.uniform(0.0, 1.2, (_ROOMS, problem.cells))).astype(np.int64)
    here, there = _fits(np, problem, left, free), _fits(where.xp, problem, left, free)
    return all(np.array_equal(a, b) for a, b in zip(here, there, strict=True))


def _fits(xp: Array, problem: Problem, left: Array, free: Array) -> list[Array]:
    rooms = Rooms(Fleet(problem, xp), xp.asarray(left), xp.asarray(free))
    most = [to_numpy(rooms.capacity(s)) for s in range(problem.system_gpus.size)]
    return [*most, to_numpy(would_fit(rooms, np.arange(problem.pools)))]


def _bound_holds(where: Place, version: str, asked: Asked) -> bool:
    """Recomputed in float64 on the host, from the device's prices, it is the device's own, and true."""
    relaxation, problem = asked.relaxation, asked.problem
    solver = where.solver(version, relaxation)
    one = asked.scenarios(1)
    found = solver.solve(one, tolerance=1e-3, iterations=_ITERATIONS)
    prices = Prices(*(host(price) for price in vars(found.prices).values()))
    bound = float(Bound(relaxation, np)(prices, one)[0])
    gpus = np.zeros(problem.pools, dtype=np.int64)
    of_unit = problem.system_gpus[problem.cell_system[asked.plan.new_cell]]
    np.add.at(gpus, asked.plan.new_pool, asked.plan.new_units * of_unit)
    weight = asked.aim.weight[bands(problem)]
    served = float((weight * np.minimum(gpus, problem.minimum)).sum())
    return bool(bound >= served and abs(float(host(found.bound)[0]) - bound) <= _HAIR * bound)


def host(array: Array) -> Array:
    """An array on the host."""
    return np.asarray(array.get() if hasattr(array, "get") else array)


def _same(one: Solution, other: Solution) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))
