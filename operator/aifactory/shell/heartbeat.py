"""Whether the loop still turns and gets anywhere. Nothing else watches its task, so the probes ask it."""

import math
from collections.abc import Callable

from aifactory.shell.lease import monotonic
from aifactory.shell.settings import DEFAULTS, Settings


class Heartbeat:
    """The loop says by when it will be heard of again, and which cycles failed; late is dead."""

    def __init__(self, settings: Settings = DEFAULTS, clock: Callable[[], float] = monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._due = math.inf
        self._failed = 0

    def expect(self, seconds: float) -> None:
        """Say that the next sign of life comes within so many seconds; infinity: nobody knows when."""
        self._due = self._clock() + seconds

    def cycle(self, *, failed: bool) -> None:
        """Say how a cycle has ended. One that waits to lead has none, so nothing fails."""
        self._failed = self._failed + 1 if failed else 0

    @property
    def late(self) -> float:
        """Seconds by which the loop is late; 0 while it is in time."""
        return max(0.0, self._clock() - self._due)

    @property
    def failing(self) -> int:
        """Cycles in a row that have failed; 0 until they are so many that it is not by chance."""
        return self._failed if self._failed >= self._settings.failed_cycles else 0
