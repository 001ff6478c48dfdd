"""The other end of `shell/process.py`: one call after another, until nobody holds the other end any more.

A call and its answer are frames: eight bytes with the length, then a pickle.
"""

import os
import pickle
import queue
import resource
import signal
import struct
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

LENGTH: Final = struct.Struct(">Q")
OUT_OF_MEMORY: Final = 77  # the exit code where it is all used up: nothing is left to say more with

_NICENESS = 5  # watches, the Lease and the greedy engine come first
_FIRST_TO_GO = "1000"  # where memory runs out all the same, the kernel takes this process before any other


def main() -> None:
    """Answer what comes on standard input on standard output. The argument is how many bytes it may use."""
    _stay_below(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the operator, which ends this one
    os.nice(_NICENESS)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, calls), daemon=True).start()
    while True:
        answer = _answer(calls.get())
        try:
            answers.write(LENGTH.pack(len(answer)) + answer)
            answers.flush()
        except BrokenPipeError:
            os._exit(0)  # the operator ended at this very moment


def _stay_below(memory: int) -> None:
    """Have what would take more memory fail in this process alone, which the operator outlives.

    It is data that is limited and not the address space: threads and libraries reserve much of that and use
    little of it.
    """
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = memory if most == resource.RLIM_INFINITY else min(memory, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
    with suppress(OSError):  # no Linux
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)


def _listen(stream: IO[bytes], calls: queue.SimpleQueue[bytes]) -> None:
    """Take calls in a thread of its own, so that the end of the operator is also seen within a call."""
    try:
        while len(head := stream.read(LENGTH.size)) == LENGTH.size:
            calls.put(stream.read(LENGTH.unpack(head)[0]))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    os._exit(0)


def _answer(call: bytes) -> bytes:
    """The result and nothing, or nothing and what went wrong: in a line, and for the log."""
    try:
        function, arguments = pickle.loads(call)
        return pickle.dumps((function(*arguments), None))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception as error:
        return pickle.dumps((None, (f"{type(error).__name__}: {error}", traceback.format_exc())))


if __name__ == "__main__":
    main()
