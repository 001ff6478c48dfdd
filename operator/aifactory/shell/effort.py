"""How much a decision takes on: all, or for a while after one that took too long, only what is forced.

A brief decision enforces limits, drains and losses, and carries on what was adopted and what the solver says.
It asks neither what the greedy engine would give to whoever waits, nor why anybody does.
"""

from collections.abc import Callable
from time import monotonic
from typing import Final

_SHARE: Final = 10  # of the time, one part in so many at most goes into decisions of which nothing comes


class Effort:
    """Full, but for a while after a decision that was cut off after so many seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self.seconds = seconds
        """So long a decision may take, and each part of what is said of it."""
        self._clock = clock
        self._full_from = clock()

    def cut_off(self) -> float:
        """Note that a decision took too long; for how many seconds they are brief now."""
        self._full_from = self._clock() + self.seconds * _SHARE
        return self.seconds * _SHARE

    @property
    def brief(self) -> float:
        """For how many seconds more decisions are brief; 0 where they are full."""
        return max(0.0, self._full_from - self._clock())
