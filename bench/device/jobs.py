"""How long whole jobs take, on the device and on the CPUs of the same machine."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from aifactory_solver.batch import Fleet, carried_out
from aifactory_solver.batch.safe import Safe
from aifactory_solver.batch.standing import Standing
from aifactory_solver.problem import Array
from aifactory_solver.relax.bound import Bound, Prices, Scenarios
from aifactory_solver.relax.fused import Fused
from aifactory_solver.relax.matrix import Dual
from aifactory_solver.relax.pdhg import Outcome, Pdhg, Point
from aifactory_solver.relax.simplex import linear_program, simplex
from bench.device.absent import has_highs
from bench.device.checks import host
from bench.device.place import Asked, Place, numpy_place, seconds

NEAR = (5e-4, 1e-4)  # how near a bound comes to the reference
_MOST = 20_000  # iterations
_REFERENCE = 5_000  # iterations, where there is no optimum
_LOSSES = 1_000  # iterations for the loss of each factory


@dataclass(frozen=True)
class Line:
    """One job by one means."""

    job: str
    means: str
    seconds: float | None  # None where patience ended
    note: str = ""


def measured(where: Place, asked: Asked, patience: float) -> list[Line]:
    """All jobs; a bound that is not there after ``patience`` seconds is given up."""
    places = [where] if where.cupy is None else [where, numpy_place()]
    reference, lines = _reference(where, asked)
    lines += _bounds(places, asked, reference, patience)
    return [*lines, *_losses(places, asked), *_lost_factories(places, asked, patience)]


# Bounds


class _Until(Pdhg):
    """Stops where a bound is near enough to a reference, or patience ends."""

    reference: float | None = None
    deadline = float("inf")

    def _look(
        self, best: tuple[Array, Prices] | None, at: Point, scenarios: Scenarios, rows: Dual, scale: Array
    ) -> tuple[tuple[Array, Prices], float]:
        found, _ = super()._look(best, at, scenarios, rows, scale)
        off = float("inf") if self.reference is None else float(host(found[0]).max()) / self.reference - 1.0
        return found, float("-inf") if time.monotonic() > self.deadline else off


class _FusedUntil(_Until, Fused):
    """The same with fused iterations."""


def _until(where: Place, version: str, asked: Asked, reference: float | None, patience: float) -> _Until:
    solver = where.solver(version, asked.relaxation, _Until, _FusedUntil)
    assert isinstance(solver, _Until)
    solver.solve(asked.scenarios(1), tolerance=-1.0, iterations=80)  # kernels are compiled
    solver.reference, solver.deadline = reference, time.monotonic() + patience
    return solver


def _timed(
    place: Place, solver: Pdhg, sides: Scenarios, tolerance: float, iterations: int
) -> tuple[float, Outcome]:
    return seconds(place, lambda: solver.solve(sides, tolerance=tolerance, iterations=iterations))


def _reference(where: Place, asked: Asked) -> tuple[float, list[Line]]:
    """The bound of an optimum's prices, and how long HiGHS takes to find one.

    Without HiGHS it is the least bound of many iterations.
    """
    one = asked.scenarios(1)
    if not has_highs():
        found = where.solver(where.versions[-1], asked.relaxation).solve(
            one, tolerance=-1.0, iterations=_REFERENCE
        )
        return float(host(found.bound)[0]), []
    first, optimum = _clock(lambda: simplex(asked.relaxation, asked.aim))
    prices = Prices(*(np.asarray(price)[None] for price in vars(optimum.prices).values()))
    bound = float(Bound(asked.relaxation, np)(prices, one)[0])
    cores = len(os.sched_getaffinity(0))
    second, status = _clock(lambda: _whole_program(asked, cores))
    return bound, [
        Line("the optimum's bound", "HiGHS with generated columns, 1 core", first),
        Line("the optimum's bound", f"HiGHS with all columns, {cores} cores", second, status),
    ]


def _whole_program(asked: Asked, cores: int) -> str:
    import highspy  # noqa: PLC0415 - an image need not have it

    highspy.Highs.resetGlobalScheduler(True)
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    for option, setting in (("output_flag", False), ("threads", cores), ("parallel", "on")):
        highs.setOptionValue(option, setting)
    highs.passModel(linear_program(asked.relaxation, asked.aim, asked.relaxation.demands.may_use))
    highs.run()
    status: str = highs.modelStatusToString(highs.getModelStatus())
    highspy.Highs.resetGlobalScheduler(True)
    return status.lower()


def _bounds(places: list[Place], asked: Asked, reference: float, patience: float) -> list[Line]:
    found = []
    for near in NEAR:
        for place in places:
            for version in place.versions:
                solver = _until(place, version, asked, reference, patience)
                took, outcome = _timed(place, solver, asked.scenarios(1), near, _MOST)
                off = float(host(outcome.bound)[0]) / reference - 1.0
                note = f"{outcome.iterations} iterations, {off:.4%} above"
                name = _name(place, version)
                found.append(Line(f"a bound within {near:.2%}", name, took if off <= near else None, note))
    return found


def _name(place: Place, version: str) -> str:
    return f"PDHG, {'NumPy' if place.cupy is None else f'CuPy, {version}'}"


# Losses


def _losses(places: list[Place], asked: Asked) -> list[Line]:
    """What of N-1 is array work: of the loss of each domain at once, whether surely nobody falls."""
    found, answers = [], []
    for place in places:
        fleet = Fleet(carried_out(asked.problem, asked.plan), place.xp)
        stands = Standing(fleet.problem)
        domains = [d for d in range(asked.problem.domains) if stands.lost[d]]
        if place.cupy is not None:
            Safe(fleet, stands).among(domains[-2:])  # kernels are compiled
        took, safe = _safe(place, Safe(fleet, stands), domains)
        answers.append(safe)
        same = "" if safe == answers[0] else "; NOT what the device says"
        name = "NumPy" if place.cupy is None else "CuPy"
        job = f"whether the loss of each of {len(domains)} domains is safe"
        found.append(Line(job, name, took, f"{len(safe)} are{same}"))
    return found


def _safe(place: Place, losses: Safe, domains: list[int]) -> tuple[float, set[int]]:
    return seconds(place, lambda: losses.among(domains))


def _lost_factories(places: list[Place], asked: Asked, patience: float) -> list[Line]:
    """A bound on what is served at best, for the loss of each factory."""
    sides, found = _without_each_factory(asked), []
    job = f"a bound for the loss of each of {sides.slots.shape[0]} factories"
    best = None
    if has_highs():
        took, best = _clock(lambda: np.asarray(_by_simplex(asked, sides)))
        found.append(Line(job, "HiGHS with generated columns, 1 core", took, "one after another"))
    for place in places:
        for version in place.versions:
            solver = _until(place, version, asked, None, patience)
            took, outcome = _timed(place, solver, sides, -1.0, _LOSSES)
            note = f"{outcome.iterations} iterations"
            if best is not None:
                note += f", at worst {float((host(outcome.bound) / best).max()) - 1:.4%} above HiGHS"
            done = outcome.iterations == _LOSSES
            found.append(Line(job, _name(place, version), took if done else None, note))
            place.free()
    return found


def _without_each_factory(asked: Asked) -> Scenarios:
    """Right-hand sides in which the slots of one factory are gone."""
    relaxation = asked.relaxation
    factories = np.unique(relaxation.classes.factory)
    gone = relaxation.classes.factory[None, :] == factories[:, None]
    return Scenarios(
        np.where(gone, 0, relaxation.slots),
        np.tile(relaxation.limit, (factories.size, 1)),
        np.tile(asked.aim.weight, (factories.size, 1)),
        np.tile(asked.aim.floor, (factories.size, 1)),
    )


def _by_simplex(asked: Asked, sides: Scenarios) -> list[float]:
    bounds = []
    for slots in sides.slots:
        one = replace(asked.relaxation, slots=slots)
        prices = simplex(one, asked.aim).prices
        scenario = Scenarios(slots, one.limit, asked.aim.weight, asked.aim.floor)
        bounds.append(float(Bound(one, np)(prices, scenario)))
    return bounds


def _clock(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result
