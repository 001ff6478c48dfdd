"""Whether the loop still turns. Nothing else watches its task, so a liveness probe has to ask it."""

import math
from collections.abc import Callable

from aifactory.shell.lease import monotonic


class Heartbeat:
    """The loop says by when it will be heard of again; late is dead."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._due = math.inf

    def expect(self, seconds: float) -> None:
        """Say that the next sign of life comes within so many seconds; infinity: nobody knows when."""
        self._due = self._clock() + seconds

    @property
    def late(self) -> float:
        """Seconds by which the loop is late; 0 while it is in time."""
        return max(0.0, self._clock() - self._due)
