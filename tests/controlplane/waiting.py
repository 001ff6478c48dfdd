"""Waiting on a condition, with a deadline."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

PATIENCE: Final = 120.0
"""Seconds for what takes a few: the machine may have much else to do. Only what fails waits so long."""


def wait_until(condition: Callable[[], T], what: str, seconds: float = PATIENCE, poll: float = 0.05) -> T:
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
