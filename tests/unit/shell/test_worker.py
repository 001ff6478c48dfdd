"""The solver's process, when whoever asked it is gone at the very moment of its answer."""

import os
import pickle
import subprocess
import sys

from aifactory.shell.worker import LENGTH

MEMORY = 512 * 2**20  # bytes
LONG = 60.0  # seconds that it never takes


def test_an_answer_that_nobody_hears_any_more_ends_it_without_a_word() -> None:
    call = pickle.dumps((len, ("nobody",)))
    calls, asks = os.pipe()  # which stays open: what ends it is its answer
    hears, answers = os.pipe()
    os.close(hears)
    try:
        os.write(asks, LENGTH.pack(len(call)) + call)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "aifactory.shell.worker", str(MEMORY)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=calls,
            stdout=answers,
            stderr=subprocess.PIPE,
            timeout=LONG,
            check=False,
        )
    finally:
        for end in (calls, asks, answers):
            os.close(end)
    assert (done.returncode, done.stderr) == (0, b"")
