"""The benchmark of array work, with NumPy in the GPU's place, and with kernels that g++ compiles."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aifactory_solver import improve
from aifactory_solver.check import validate, violations
from aifactory_solver.problem import Topology
from aifactory_solver.relax.pdhg import Pdhg
from aifactory_solver.strict.plain import solve
from bench.arrays import SCALES, instance
from bench.device import checks, jobs, kernels, main
from bench.device.absent import Nothing, Standard
from bench.device.place import Asked, Place
from unit.solver.cuda import COMPILER, Cupy

ROOT = Path(__file__).parents[3]
WORDS = ("--on", "numpy", "--scale", "S", "--worlds", "1", "--batches", "1,2")
LACKING = ("highspy", "array_api_compat", "kubernetes", "kopf", "pydantic", "yaml", "rich", "aifactory")
needs_gxx = pytest.mark.skipif(COMPILER is None, reason="NEEDS g++ to compile the kernels for the CPU")

# Instances of plain arrays


@pytest.mark.parametrize(("scale", "seed"), [("S", 1), ("S", 2), ("S", 3), ("M", 1)])
def test_instances_of_arrays_are_well_formed_and_hard(scale: str, seed: int) -> None:
    problem = instance(scale, seed)
    validate(problem)
    factories, _, pools = SCALES[scale]
    assert (problem.allowed.shape, int((problem.parent < 0).sum())) == ((pools, factories), factories)
    assert set(problem.topology.tolist()) == {int(kind) for kind in Topology}
    again = instance(scale, seed)
    assert again.systems == problem.systems
    assert all(np.array_equal(a, vars(again)[name]) for name, a in vars(problem).items() if name != "systems")
    plan = solve(problem)
    assert violations(problem, plan) == []
    watts = int((plan.new_units * problem.cell_watts[plan.new_cell]).sum())
    assert watts > 0.75 * problem.limit[problem.parent < 0].sum()
    waits = pools - np.unique(plan.new_pool).size
    assert 0.1 * pools < waits < 0.7 * pools


# The program


def test_the_command_checks_and_measures_and_writes_nothing_unasked() -> None:
    written = main.FILE.exists() and main.FILE.stat().st_mtime
    done = subprocess.run(
        [sys.executable, "bench/gpu.py", *WORDS, "--worlds", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert "| m(v) and the inversion test are those of NumPy | 2 of 2 |" in done.stdout
    assert "| NumPy | plain | 2 |" in done.stdout
    assert "| a bound within 0.05% | PDHG, NumPy |" in done.stdout
    assert (main.FILE.exists() and main.FILE.stat().st_mtime) == written


def test_the_command_needs_nothing_but_numpy() -> None:
    """With no highspy, array_api_compat, kubernetes, pydantic or the like: no package but NumPy is found."""
    lone = f"""
import importlib.abc, runpy, sys
LACKING = {LACKING!r}
class OnlyNumPy(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in LACKING:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, OnlyNumPy())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name in LACKING else found(name)
sys.argv = ["bench/gpu.py", *{WORDS!r}]
sys.path[0] = "bench"
runpy.run_path("bench/gpu.py", run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", lone], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "| a bound within 0.05% | PDHG, NumPy |" in done.stdout
    assert "HiGHS" not in done.stdout


def test_what_is_asked_for_and_missing_is_said() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['cupy'] = None; import bench.device.main as m; m.main()",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1
    assert "AIFACTORY_ARRAY: found 'cupy', but" in done.stderr


@needs_gxx
def test_on_a_device_all_versions_are_checked_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = Place(np, "a card", Cupy(tmp_path))
    monkeypatch.setattr(main, "place", lambda name: where)
    monkeypatch.setattr(main, "FILE", tmp_path / "gpu.json")
    monkeypatch.setattr(kernels, "_ENOUGH", 0.01)
    monkeypatch.setattr(kernels, "_STEP", 2)
    monkeypatch.setattr(checks, "_ITERATIONS", 80)
    monkeypatch.setattr(jobs, "_LOSSES", 80)
    monkeypatch.setattr(jobs, "_MOST", 120)
    monkeypatch.setattr(sys, "argv", ["gpu", "--scale", "S", "--worlds", "1", "--batches", "1,9", "--write"])
    main.main()
    said = capsys.readouterr().out
    for version in ("plain", "fused", "graph"):
        assert f"| no bound of PDHG ({version}) is below what a plan serves | 1 of 1 |" in said
        assert f"| CuPy | {version} | 9 |" in said
        assert f"| PDHG, CuPy, {version} |" in said
    assert "| NumPy | plain | 1 |" in said
    assert "| NumPy | plain | 9 |" not in said
    content = json.loads(main.FILE.read_text(encoding="utf-8"))
    assert set(content) == {"device", "cpu", "scale", "checks", "kernels", "jobs"}


def test_a_device_without_enough_memory_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Pdhg, *given: object, **named: object) -> None:
        raise MemoryError

    asked = Asked.of(instance("S", 1))
    monkeypatch.setattr(Pdhg, "solve", full)
    lines = kernels.measured(Place(np, ""), asked, [2])
    assert [(line.microseconds, line.share) for line in lines] == [(None, None)]


# Stand-ins


def test_a_stand_in_for_the_standard_gives_what_numpy_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(improve, "SMALL", 0)  # an exact answer may be cut off by the clock
    problem, xp = instance("S", 1), Standard(np)
    asked = Asked.of(problem)
    assert checks._same(solve(problem), solve(problem, xp))
    assert checks._same(improve.solve(problem), improve.solve(problem, xp))
    mine, other = (
        Pdhg(asked.relaxation, it).solve(asked.scenarios(2), tolerance=-1.0, iterations=50) for it in (np, xp)
    )
    assert np.array_equal(mine.targets, other.targets)
    assert checks._same_fits(Place(xp, ""), problem, 1)


def test_nothing_has_every_name_and_can_do_nothing() -> None:
    highspy = Nothing("highspy")
    assert highspy.HighsModelStatus.kOptimal is highspy
    with pytest.raises(ModuleNotFoundError, match="No module named 'highspy'"):
        highspy.Highs()
