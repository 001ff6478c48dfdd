"""Where arrays lie, and questions about instances that are asked there."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from aifactory_solver import array
from aifactory_solver.bands import bands
from aifactory_solver.problem import Array, Problem, Solution
from aifactory_solver.question import ask
from aifactory_solver.relax.bound import Scenarios
from aifactory_solver.relax.engine import Aim, aim_at_all
from aifactory_solver.relax.fused import Fused, Kernels
from aifactory_solver.relax.pdhg import Pdhg
from aifactory_solver.relax.relaxation import Relaxation, relax
from aifactory_solver.strict.forest import Forest
from aifactory_solver.strict.plain import solve

VERSIONS = ("plain", "fused", "graph")  # of PDHG; the last two need CUDA


@dataclass(frozen=True)
class Place:
    """A namespace and its device."""

    xp: Array
    line: str  # that says what it is
    cupy: Any = None  # the module, None on NumPy

    def synchronise(self) -> None:
        """Wait until everything that was asked for is done."""
        if self.cupy is not None:
            self.cupy.cuda.Device().synchronize()

    def free(self) -> None:
        """Give memory back that nothing uses."""
        if self.cupy is not None:
            self.cupy.get_default_memory_pool().free_all_blocks()

    @property
    def versions(self) -> tuple[str, ...]:
        """Those of `VERSIONS` that run here."""
        return VERSIONS if self.cupy is not None else VERSIONS[:1]

    @property
    def out_of_memory(self) -> tuple[type[Exception], ...]:
        """What is raised when the device is full."""
        return (MemoryError,) if self.cupy is None else (self.cupy.cuda.memory.OutOfMemoryError, MemoryError)

    def solver(
        self,
        version: str,
        relaxation: Relaxation,
        plain: type[Pdhg] = Pdhg,
        fused: type[Fused] = Fused,
    ) -> Pdhg:
        """A version of PDHG for a relaxation."""
        if version == "plain":
            return plain(relaxation, self.xp)
        return fused(relaxation, self.xp, Kernels(self.cupy, graph=version == "graph"))


def numpy_place() -> Place:
    """NumPy, on the CPUs."""
    return Place(np, f"NumPy {np.__version__}, {len(os.sched_getaffinity(0))} CPU cores")


def place(name: str) -> Place:
    """The place that is asked for. Raises ValueError where it cannot be had."""
    os.environ[array.VARIABLE] = name
    xp, line = array.namespace()
    if name == "numpy":
        return numpy_place()
    import cupy  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415

    return Place(xp, line.removeprefix("arrays on "), cupy)


def seconds(where: Place, work: Callable[[], Any]) -> tuple[float, Any]:
    """How long some work takes until the device has done it, and what it gives."""
    where.synchronise()
    began = time.perf_counter()
    result = work()
    where.synchronise()
    return time.perf_counter() - began, result


@dataclass(frozen=True, eq=False)
class Asked:
    """An instance, the plain plan, and the relaxation of what that leaves open, which is everything."""

    problem: Problem
    plan: Solution
    relaxation: Relaxation
    aim: Aim

    @classmethod
    def of(cls, problem: Problem) -> "Asked":
        """With everything on the host."""
        plan = solve(problem)
        question = ask(problem, plan)
        relaxation = relax(question, bands(problem)[question.pools], Forest(problem, np))
        return cls(problem, plan, relaxation, aim_at_all(relaxation.bands))

    def scenarios(self, count: int) -> Scenarios:
        """So many scenarios, each with a little less power than the one before."""
        relaxation, aim = self.relaxation, self.aim
        shares = np.linspace(1.0, 0.9, count)[:, None]
        return Scenarios(
            np.tile(relaxation.slots, (count, 1)),
            np.floor(shares * relaxation.limit),
            np.tile(aim.weight, (count, 1)),
            np.tile(aim.floor, (count, 1)),
        )
