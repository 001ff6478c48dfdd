"""`aifactory run` as far as it comes without a cluster."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from aifactory.cli.app import app


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("tpu", "AIFACTORY_ARRAY: found 'tpu', allowed are auto, numpy, cupy"),
        ("numpy", "arrays on NumPy"),  # in the log; then it finds no cluster
    ],
)
def test_what_arrays_run_on_is_logged_or_refused_at_the_start(value: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aifactory", "run", "--kubeconfig", "nowhere"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"AIFACTORY_ARRAY": value},
    )
    assert done.returncode == 1
    assert done.stderr.count(says) == 1
    assert ("no cluster is configured" in done.stderr) == (value == "numpy")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("solver_memory=70", "found 'solver_memory=70', allowed is SETTING=VALUE"),
        ("solver_memory_percent=700", "found 'solver_memory_percent=700'"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_at_the_start(setting: str, says: str) -> None:
    done = CliRunner().invoke(app, ["run", "--set", "patience=3", "--set", setting], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert says in done.output
