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
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "aifactory.shell.worker", str(MEMORY)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        try:
            process.stdout.close()
            process.stdin.write(LENGTH.pack(len(call)) + call)
            process.stdin.flush()
            assert process.wait(LONG) == 0
            assert process.stderr.read() == b""
        finally:
            process.kill()
