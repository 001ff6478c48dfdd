"""A process of its own for work that must not hold up the loop, and that has to be cut off at times.

Not `multiprocessing` or `concurrent.futures`: a half-sent answer blocks its reader for ever, one process of
a pool cannot be ended, and each has threads and processes of its own. Here it is two pipes in the event
loop. However the operator ends, the process sees its pipe closed and ends too.
"""

import asyncio
import os
import pickle
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from aifactory.shell.worker import LENGTH, OUT_OF_MEMORY

T = TypeVar("T")

_LONGEST: Final = 2**32  # bytes of an answer; a longer one is none
_MOURNING: Final = 1.0  # seconds in which a process whose pipe is closed has ended
# By the kernel, and by what is no Python: it aborts where it gets no memory.
_AS_WITHOUT_MEMORY: Final = (signal.SIGKILL, signal.SIGABRT)


class NoAnswer(Exception):  # noqa: N818 - reads as it is used: "raise NoAnswer(...)"
    """The process could not be started, died, or said something else. The text is for people."""

    def __init__(self, message: str, trace: str = "") -> None:
        """The message, and the traceback of what was called, if that failed."""
        super().__init__(message)
        self.trace = trace


class Worker:
    """A process that the first call starts and that is kept warm. It takes one call at a time.

    It may use so many bytes of memory; a call that needs more fails, and nothing else does.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._process: Process | None = None
        self._dying: list[Process] = []

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function of some module over there. Raises NoAnswer.

        After any error, and where it was cancelled, the process has to be ended: it may still be at it.
        """
        try:
            if self._process is None:
                self._process = await _start(self._memory)
            result, error = await _call(self._process, pickle.dumps((function, arguments)))
        except (asyncio.IncompleteReadError, ConnectionError) as broken:
            raise NoAnswer(f"the solver's process {await self._fate()}") from broken
        except Exception as broken:  # whatever comes of reading what is no pickle
            raise NoAnswer(f"the solver's process gave no answer ({type(broken).__name__})") from broken
        if error is not None:
            raise NoAnswer(f"the solver failed ({error[0][:300]})", error[1])
        answer: T = result
        return answer

    async def end(self) -> None:
        """End the process, if there is one, and wait until it is gone with its pipes."""
        process, self._process = self._process, None
        if process is not None:
            self._dying.append(process)
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
            if process.stdin is not None:
                process.stdin.close()
        while self._dying:  # also what an earlier call, cut short, left
            await self._dying[-1].communicate()
            self._dying.pop()

    async def _fate(self) -> str:
        """What became of a process that closed its pipe."""
        if self._process is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_MOURNING):
                    return self._ended(await self._process.wait())
        return "closed its pipe"

    def _ended(self, code: int) -> str:
        """What a process came to, by its exit code."""
        if code == OUT_OF_MEMORY:
            return f"needs more than the {self._memory / 2**20:,.0f} MiB of memory that it may use"
        if -code in _AS_WITHOUT_MEMORY:
            return f"was ended by {signal.Signals(-code).name}, as where memory runs out"
        return f"ended with exit code {code}"


async def _start(memory: int) -> Process:
    """Start a fresh interpreter, which finds what this one finds and may use so many bytes."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "aifactory.shell.worker", str(memory)),
        stdin=PIPE,
        stdout=PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


async def _call(process: Process, call: bytes) -> tuple[Any, tuple[str, str] | None]:
    """The result and no error, or an error as a line and as a traceback."""
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None
    stdin.write(LENGTH.pack(len(call)) + call)
    await stdin.drain()
    (length,) = LENGTH.unpack(await stdout.readexactly(LENGTH.size))
    if length > _LONGEST:
        raise ValueError(length)
    result, error = pickle.loads(await stdout.readexactly(length))
    return result, error
