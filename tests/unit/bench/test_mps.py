"""The relaxation as an MPS file, read back by HiGHS."""

import subprocess
import sys
from pathlib import Path

import highspy
import pytest

from aifactory.decide.model.build import build
from bench.solver import mps
from unit.bench.made import first_plan, running_fleet

ROOT = Path(__file__).parents[3]


def read_back(file: Path) -> highspy.Highs:
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(str(file)) == highspy.HighsStatus.kOk
    highs.run()
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return highs


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("standing", [False, True])
def test_highs_reads_the_file_back_and_finds_the_optimum_of_simplex(
    seed: int, standing: bool, tmp_path: Path
) -> None:
    fleet = running_fleet if standing else first_plan
    relaxation = mps.relaxed(build(fleet("S", "many", seed)).problem)
    file = tmp_path / "program.mps"
    mps.write(relaxation, file)
    best, _ = mps.proved(relaxation)
    highs = read_back(file)
    assert highs.getInfo().objective_function_value == pytest.approx(-best, rel=1e-9)
    assert highs.getLp().sense_ == highspy.ObjSense.kMinimize
    demands, offers, classes = relaxation.demands, relaxation.offers, relaxation.classes
    assert highs.getNumCol() == demands.may_use.sum() + offers.pair_cell.size
    assert highs.getNumRow() == demands.count + offers.count + classes.cells + classes.domains


def test_the_command_writes_the_file_and_says_what_is_proved(tmp_path: Path) -> None:
    file = tmp_path / "s.mps"
    words = ("--scale", "S", "--profile", "many", "--seed", "1")
    done = subprocess.run(
        [sys.executable, "-m", "bench.solver.mps", str(file), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    best, bound = mps.proved(mps.relaxed(build(first_plan("S", "many", 1)).problem))
    assert f"its optimum by our simplex: {-best:.10g}" in done.stdout
    assert f"no plan is below: {-bound:.10g}" in done.stdout
    assert read_back(file).getInfo().objective_function_value == pytest.approx(-best)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    relaxation = mps.relaxed(build(first_plan("S", "many", 1)).problem)
    with pytest.raises(OSError, match="cannot write"):
        mps.write(relaxation, tmp_path / "no" / "folder.mps")
