"""`aifactory run` as far as it comes without a cluster."""

import os
import subprocess
import sys

import pytest


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
