"""The fused iteration against the plain one: by g++ everywhere, on CUDA where CuPy has a device."""

from functools import cache

import numpy as np
import pytest

from aifactory_solver.array import namespace
from aifactory_solver.bands import bands
from aifactory_solver.problem import Array
from aifactory_solver.question import ask
from aifactory_solver.relax.bound import Scenarios
from aifactory_solver.relax.engine import aim_at, aim_at_all
from aifactory_solver.relax.fused import Fused, Kernels
from aifactory_solver.relax.pdhg import Outcome, Pdhg
from aifactory_solver.relax.relaxation import Relaxation, relax
from aifactory_solver.strict.forest import Forest
from aifactory_solver.strict.plain import solve
from bench.arrays import instance
from unit.solver.cuda import COMPILER, Cupy

XP, LINE = namespace()
needs_gxx = pytest.mark.skipif(COMPILER is None, reason="NEEDS g++ to compile the kernels for the CPU")
needs_cupy = pytest.mark.skipif(XP is np, reason=f"NEEDS CuPy AND A CUDA DEVICE: {LINE}")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Cupy:
    return Cupy(tmp_path_factory.mktemp("kernels"))


@cache
def relaxation(scale: str, seed: int) -> Relaxation:
    problem = instance(scale, seed)
    question = ask(problem, solve(problem))
    return relax(question, bands(problem)[question.pools], Forest(problem, np))


def scenarios(of: Relaxation) -> Scenarios:
    """All there is and half of it for all bands, and the last band under floors of the others."""
    need = np.bincount(of.demands.band, of.demands.need, of.bands).astype(np.float64)
    every, last = aim_at_all(of.bands), aim_at(of.bands - 1, 0.2 * need)
    return Scenarios(
        np.tile(of.slots, (3, 1)),
        np.asarray([1.0, 0.5, 1.0])[:, None] * of.limit,
        np.stack((every.weight, every.weight, last.weight)),
        np.stack((every.floor, every.floor, last.floor)),
    )


def alike(plain: Outcome, fused: Outcome, *, rel: float) -> None:
    def host(array: Array) -> Array:
        return array.get() if hasattr(array, "get") else array

    assert host(fused.bound) == pytest.approx(plain.bound, rel=rel, abs=1e-3)
    assert host(fused.targets) == pytest.approx(plain.targets, rel=1e-2, abs=1e-2)
    assert fused.iterations == plain.iterations


@needs_gxx
@pytest.mark.parametrize(
    ("scale", "seed", "iterations"),
    [("S", 1, 1), ("S", 1, 7), ("S", 2, 125), ("S", 3, 200), ("M", 1, 20)],
)
def test_kernels_by_gxx_iterate_as_the_plain_method_does(
    played: Cupy, scale: str, seed: int, iterations: int
) -> None:
    of = relaxation(scale, seed)
    plain, fused = (
        solver.solve(scenarios(of), tolerance=-1.0, iterations=iterations)
        for solver in (Pdhg(of, np), Fused(of, np, Kernels(played, graph=False)))
    )
    alike(plain, fused, rel=1e-5)
    assert not played.graphs_launched


@needs_gxx
def test_a_graph_of_kernels_by_gxx_goes_on_from_a_warm_start(played: Cupy) -> None:
    of = relaxation("S", 1)
    warm = Pdhg(of, np).solve(scenarios(of), tolerance=-1.0, iterations=40).state
    plain, fused = (
        solver.solve(scenarios(of), tolerance=-1.0, iterations=130, warm=warm)
        for solver in (Pdhg(of, np), Fused(of, np, Kernels(played, graph=True)))
    )
    alike(plain, fused, rel=1e-4)
    assert played.graphs_launched == 2  # of the first forty and the last ten the kernels were launched


@needs_gxx
def test_kernels_by_gxx_stop_at_the_tolerance(played: Cupy) -> None:
    of = relaxation("S", 1)
    solver = Fused(of, np, Kernels(played, graph=False))
    assert solver.solve(scenarios(of), tolerance=10.0, iterations=200).iterations == 40


@needs_cupy
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(("scale", "seed", "iterations"), [("S", 1, 7), ("S", 2, 200), ("M", 1, 200)])
def test_needs_cupy_kernels_on_a_device_iterate_as_the_plain_method_does(
    scale: str, seed: int, iterations: int, graph: bool
) -> None:
    of = relaxation(scale, seed)
    kernels = Kernels(pytest.importorskip("cupy"), graph=graph)
    plain, fused = (
        solver.solve(scenarios(of), tolerance=-1.0, iterations=iterations)
        for solver in (Pdhg(of, np), Fused(of, XP, kernels))
    )
    alike(plain, fused, rel=1e-4)
