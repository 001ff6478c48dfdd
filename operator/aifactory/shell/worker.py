"""The other end of `shell/process.py`: one call after another, until nobody holds the other end any more.

A call and its answer are frames: eight bytes with the length, then a pickle.
"""

import os
import pickle
import queue
import signal
import struct
import sys
import threading
import traceback
from typing import IO, Final

LENGTH: Final = struct.Struct(">Q")

_NICENESS = 5  # watches, the Lease and the greedy engine come first


def main() -> None:
    """Answer what comes on standard input on standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the operator, which ends this one
    os.nice(_NICENESS)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, calls), daemon=True).start()
    while True:
        answer = _answer(calls.get())
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


def _listen(stream: IO[bytes], calls: queue.SimpleQueue[bytes]) -> None:
    """Take calls in a thread of its own, so that the end of the operator is also seen within a call."""
    while len(head := stream.read(LENGTH.size)) == LENGTH.size:
        calls.put(stream.read(LENGTH.unpack(head)[0]))
    os._exit(0)


def _answer(call: bytes) -> bytes:
    """The result and nothing, or nothing and what went wrong: in a line, and for the log."""
    try:
        function, arguments = pickle.loads(call)
        return pickle.dumps((function(*arguments), None))
    except Exception as error:
        return pickle.dumps((None, (f"{type(error).__name__}: {error}", traceback.format_exc())))


if __name__ == "__main__":
    main()
