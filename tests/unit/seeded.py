"""Bugs sown on purpose, and whether the tests of their folder notice them.

``python -m unit.seeded decide|solver|shell [WORD ...]`` prints a table, with words only of the bugs whose
name has one of them, and exits with 1 if a bug goes unnoticed.
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

from unit.bug import Bug

# The quick files first: the first failure is enough.
ORDER = {
    "decide": (
        "power minima_and_growth calm shedding draining paused topology ownership deletion stamps status "
        "called_off what_goes_first adopted waiting crashes histories"
    ),
    "solver": (
        "targets spread giving_way moving serving what_is_best moves regroup explain prices lose_one space "
        "improve certificate relax exact batch always metamorphic"
    ),
    "shell": "planner",
}


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


def failures(folder: str, *options: str) -> list[str]:
    """The tests of a folder that fail."""
    found = Failures()
    files = [str(Path(__file__).parent / folder / f"test_{name}.py") for name in ORDER[folder].split()]
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", *options, *files], plugins=[found])
    return found.names


def main(folder: str, *wanted: str) -> int:
    """Sow and test, one bug after the other."""
    bugs: tuple[Bug, ...] = import_module(f"unit.{folder}.bugs").BUGS
    anyway = failures(folder)
    skipped = [f"--deselect={name}" for name in anyway]
    print(f"{len(anyway)} tests fail without any of these bugs and are left out.")
    missed = 0
    for bug in bugs:
        if wanted and not any(word in bug.name for word in wanted):
            continue
        began = time.monotonic()
        with sown(bug):
            found = failures(folder, "-x", *skipped)
        test = found[0].rsplit("/", 1)[-1] if found else ""
        missed += not found
        took = time.monotonic() - began
        print(f"{bug.promise:18} {bug.name:52} {test or 'NOT NOTICED':95} {took:5.1f} s", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
