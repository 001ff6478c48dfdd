"""Waiting on a condition, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, seconds: float = 30, poll: float = 0.05) -> T:
    """Call `condition` every `poll` seconds until its result is true, and return that result.

    Raises TimeoutError naming `what` after `seconds`. What the condition raises goes through.
    """
    deadline = time.monotonic() + seconds
    while True:
        if result := condition():
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(poll)
