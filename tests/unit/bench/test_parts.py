"""Shares of time by part."""

import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import aifactory_solver
from aifactory_solver.relax.engine import aim_at_all
from aifactory_solver.relax.simplex import simplex
from bench.solver import parts
from bench.solver.cases import Named, case
from bench.solver.mps import relaxed
from bench.solver.parts import Spent, measured, page, spent
from bench.solver.runs import ROCKS, STRICT

LOOPS = "def work(numbers):\n    for number in numbers:\n        last = number\n    return last\n"
CALLS = "def work(numbers):\n    return sum(numbers)\n"
SHARES = {"checker": 0.25, "bounds from prices": 0.75}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_ENOUGH", 0.5)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(parts, "_HOME", f"{tmp_path}/")
    return tmp_path


def module(home: Path, path: str, text: str) -> Callable[[range], int]:
    """A function of a module of the solver, which is made for it."""
    made = ModuleType(path)
    exec(compile(text, str(home / path), "exec"), vars(made))
    work: Callable[[range], int] = made.work
    return work


def test_a_long_compiled_call_takes_no_time_from_short_steps_before_it(home: Path) -> None:
    steps, call = module(home, "check/steps.py", LOOPS), module(home, "exact/call.py", CALLS)
    passed = {"steps": 0.0, "call": 0.0}

    def work() -> None:
        began = time.perf_counter()
        steps(range(20_000))  # shorter than a tick
        between = time.perf_counter()
        call(range(200_000))  # several ticks
        passed["steps"] += between - began
        passed["call"] += time.perf_counter() - between

    shares = spent(work).shares
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["checker"] == pytest.approx(passed["steps"] / sum(passed.values()), abs=0.08)
    assert shares["integer programs (HiGHS)"] > 0.5


def test_time_goes_to_the_part_that_spends_it() -> None:
    relaxation = relaxed(case(Named("S", "many", 1)).problem)
    shares = spent(lambda: simplex(relaxation, aim_at_all(relaxation.bands))).shares
    assert shares["linear program (HiGHS' simplex)"] > 0.8


def test_runs_of_the_engine_are_told_apart() -> None:
    found = dict(measured("S"))
    solving = found["solve, a first plan"]
    assert {parts._ENGINE[role] for role in (ROCKS, STRICT)} <= set(solving.shares)
    assert "integer programs (HiGHS)" in solving.shares
    assert "changes that would let a pool in" in found["explain, every pool that waits"].shares


def test_every_module_has_a_part_and_every_folder_its_own() -> None:
    home = Path(aifactory_solver.__file__).parent
    folders = {f"{path.name}/" for path in home.iterdir() if (path / "__init__.py").exists()}
    assert folders <= {path for path, _ in parts._PARTS}
    for path, _ in parts._PARTS:
        assert (home / path).exists() or (home / f"{path}.py").exists(), path


def test_the_page_lists_host_and_xp_from_the_largest_and_adds_up() -> None:
    text = page({"certify": {"S": Spent(0.5, SHARES), "M": Spent(2.0, {"checker": 1.0})}})
    assert "- **S**: 3 factories, 60 racks, 40 pools\n- **M**: 10 factories" in text
    assert "| checker | host | 25.0% | 100.0% |\n| **together** | host | 25.0% | 100.0% |" in text
    assert "| bounds from prices | xp | 75.0% | - |\n| **together** | xp | 75.0% | - |" in text
    assert "| process time | | 0.5 s | 2 s |" in text
