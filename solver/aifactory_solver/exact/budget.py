"""What an exact answer may cost: work that is counted alike everywhere, or time."""

import time
from math import inf


class Budget:
    """Iterations of the simplex method, or seconds from now on.

    HiGHS makes the same iterations wherever it runs: an answer within a budget of iterations is the same
    under any load, on any machine. A clock is read only where seconds are given.
    """

    def __init__(self, *, iterations: float = inf, seconds: float = inf) -> None:
        self.iterations = iterations  # left
        self._end = inf if seconds == inf else time.monotonic() + seconds

    @property
    def timed(self) -> bool:
        """Whether it is of time."""
        return self._end != inf

    @property
    def seconds(self) -> float:
        """Seconds left."""
        return self._end - time.monotonic() if self.timed else inf

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self.iterations <= 0 or self.seconds <= 0
