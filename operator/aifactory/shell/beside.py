"""Work beside the event loop, which has the Lease to renew meanwhile; and its end, where it comes to none.

Not `asyncio.to_thread`: the process would not end before its executor's threads have. Nobody can stop a
thread from outside, but one that runs Python can be made to raise, as debuggers do it. So work is cut off. It
has to bear that wherever it is: a decision does, which shares nothing and changes nothing. What hangs in a
library below Python goes on, and only the end of the process ends it.
"""

import asyncio
import ctypes
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

T = TypeVar("T")

_DYING: Final = 10.0  # seconds in which what was cut off has ended, unless it hangs below Python


class TooLong(Exception):  # noqa: N818 - as it reads in `except TooLong`
    """The work was cut off: it took longer than it may."""


class Hangs(Exception):  # noqa: N818 - as it reads in `except Hangs`
    """The work took longer than it may, and cannot be cut off."""


class _CutOff(SystemExit):
    """Raised within what is cut off: no handler there takes it for an error, and no thread reports it."""


async def beside(work: Callable[[], T], seconds: float | None = None) -> T:
    """Run `work` in a thread and return its result. Raises TooLong after so many seconds, if any, or Hangs.

    Where this is cancelled the thread goes on, and ends with the process.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if result.cancelled():
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        value, error = None, None
        try:
            value = work()
        except BaseException as raised:
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, error)

    thread = threading.Thread(target=run, name="decide", daemon=True)
    thread.start()
    try:
        await asyncio.wait((result,), timeout=seconds)
        if not result.done():
            _raise_in(thread)
            await asyncio.wait((result,), timeout=_DYING)
        if not result.done() and thread.is_alive():
            raise Hangs(f"it took longer than {seconds:g} s, and could not be cut off")
        with suppress(_CutOff):
            return result.result()
        raise TooLong(f"it took longer than {seconds:g} s, and was cut off")
    finally:
        result.cancel()


def _raise_in(thread: threading.Thread) -> None:
    """Have a thread raise as soon as it runs Python."""
    assert thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_CutOff))
