"""Solvers and certifiers that are called in the planner's process, most of them none."""

import os
import time
from pathlib import Path

import numpy as np

from aifactory.shell.worker import LENGTH
from aifactory_solver import Certificate, Problem, Solution, certify, solve

GATE = "GATE"  # environment variable with the path of a FIFO, or of a file that is not there yet


def hang(*_: object) -> Solution:
    time.sleep(3600)
    raise AssertionError


def hang_with_one_pool(problem: Problem) -> Solution:
    return hang() if problem.pools == 1 else solve(problem)


def hang_certifying_one_pool(problem: Problem, solution: Solution) -> Certificate:
    if problem.pools == 1:
        hang()
    return certify(problem, solution)


def hang_certifying_once(problem: Problem, solution: Solution) -> Certificate:
    """Hangs at the first call, which leaves a file."""
    marker = Path(os.environ[GATE])
    if not marker.exists():
        marker.touch()
        hang()
    return certify(problem, solution)


def hoard_at_first(problem: Problem) -> Solution:
    """Takes more and more memory, in small pieces, while a file is not there."""
    hoard = []
    while not Path(os.environ[GATE]).exists():
        hoard.append(bytes(2**14))
    return solve(problem)


def seize_at_first(problem: Problem) -> Solution:
    """Takes more memory at once than any machine has, while a file is not there."""
    if not Path(os.environ[GATE]).exists():
        np.ones(2**40)
    return solve(problem)


def gated(problem: Problem) -> Solution:
    """Waits until somebody writes into the FIFO; who writes waits until this is called."""
    Path(os.environ[GATE]).read_bytes()
    return solve(problem)


def gated_with_one_pool(problem: Problem) -> Solution:
    """Waits at the gate only with one pool."""
    return gated(problem) if problem.pools == 1 else solve(problem)


def chatty(problem: Problem) -> Solution:
    """Prints, from Python and from below."""
    print("a library says hello", flush=True)
    os.write(1, b"and so does its native part\n")
    return solve(problem)


def die(*_: object) -> Solution:
    os._exit(7)


def die_and_leave_a_mark(*_: object) -> Solution:
    """Dies, and a file has one letter more."""
    with Path(os.environ[GATE]).open("a") as marks:
        marks.write("x")
    os._exit(7)


def abort(*_: object) -> Solution:
    """Ends as what is no Python does that gets no memory."""
    os.abort()


def die_within_an_answer(*_: object) -> Solution:
    _write(LENGTH.pack(1000) + b"half")
    os._exit(7)


def hang_within_an_answer(*_: object) -> Solution:
    _write(LENGTH.pack(1000) + b"half")
    return hang()


def babble(*_: object) -> Solution:
    _write(LENGTH.pack(8) + b"nonsense" * 10)
    return hang()


def babble_without_end(*_: object) -> Solution:
    _write(b"\xff" * 4096)
    return hang()


def fail(*_: object) -> Solution:
    raise ArithmeticError("no way")


def nothing(*_: object) -> None:
    return None


def floats(problem: Problem) -> Solution:
    plan = solve(problem)
    return Solution(plan.kept.astype(float), plan.new_pool, plan.new_cell, plan.new_units)


def _write(garbage: bytes) -> None:
    """Write where the answers go: the only other pipe than those that every process has."""
    for path in Path("/proc/self/fd").iterdir():
        if int(path.name) > 2 and path.is_fifo():
            os.write(int(path.name), garbage)
