"""Bugs sown on purpose, and whether the tests of this folder notice them.

``python -m unit.decide.seeded [WORD ...]`` prints a table, with words only of the bugs whose name has one of
them, and exits with 1 if a bug goes unnoticed.
"""

import contextlib
import io
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from unit.decide.bugs import BUGS, Bug

HERE = Path(__file__).parent
ORDER = ["test_power", "test_minima_and_growth", "test_calm", "test_shedding", "test_draining", "test_paused"]
ORDER += ["test_topology", "test_ownership", "test_deletion", "test_stamps", "test_status", "test_waiting"]
ORDER += ["test_crashes", "test_histories"]


@contextlib.contextmanager
def sown(bug: Bug) -> Iterator[None]:
    """The bug is in the code."""
    owner: Any = import_module(bug.module)
    *outer, name = bug.attribute.split(".")
    for part in outer:
        owner = getattr(owner, part)
    with patch.object(owner, name, bug.breaks(getattr(owner, name))):
        yield


class Failures:
    """Remembers which tests failed."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names.append(report.nodeid)


def failures(*options: str) -> list[str]:
    """The tests of this folder that fail."""
    found = Failures()
    files = [str(HERE / f"{name}.py") for name in ORDER]
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", *options, *files], plugins=[found])
    return found.names


def main(wanted: list[str]) -> int:
    """Sow and test, one bug after the other."""
    anyway = failures()
    skipped = [f"--deselect={name}" for name in anyway]
    print(f"{len(anyway)} tests fail without any of these bugs and are left out.")
    missed = 0
    for bug in BUGS:
        if wanted and not any(word in bug.name for word in wanted):
            continue
        began = time.monotonic()
        with sown(bug):
            found = failures("-x", *skipped)
        test = found[0].rsplit("/", 1)[-1] if found else ""
        missed += not found
        took = time.monotonic() - began
        print(f"{bug.promise:18} {bug.name:52} {test or 'NOT NOTICED':95} {took:5.1f} s", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
