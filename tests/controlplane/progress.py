"""How far a download or a build is, and how long it still takes."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

KNOWN_AFTER = 20.0
"""Seconds of expected work after which the observed speed is trusted."""


@dataclass(frozen=True)
class Progress:
    """The stage, the part of the whole that is done (0 to 1), the seconds left if known, and a detail."""

    stage: str
    done: float
    left: float | None = None
    detail: str = ""

    def __str__(self) -> str:
        left = (
            "" if self.left is None or self.done >= 1 else f", about {max(1, round(self.left / 60))} min left"
        )
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.stage}: {self.done:.0%}{left}{detail}"


OnProgress = Callable[[Progress], None]


def ignore(_: Progress) -> None:
    """Report nothing."""


class Lines:
    """Write progress as few lines: one per new stage and per tenth of the whole."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._last: tuple[str, int] | None = None

    def __call__(self, progress: Progress) -> None:
        """Take one event."""
        now = (progress.stage, int(progress.done * 10))
        if now != self._last:
            self._last = now
            self._write(str(progress))


class Estimate:
    """Progress over stages whose durations on two cores are known, scaled by the speed seen so far."""

    def __init__(self, seconds: Mapping[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = dict(seconds)
        self._total = sum(self._seconds.values())
        self._clock = clock
        self._started = clock()

    def at(self, stage: str, fraction: float, detail: str = "") -> Progress:
        """Return the progress with all stages before `stage` done, and `fraction` (0 to 1) of it."""
        names = list(self._seconds)
        before = sum(self._seconds[name] for name in names[: names.index(stage)])
        done = before + fraction * self._seconds[stage]
        pace = 2 / (os.cpu_count() or 2)
        if done > KNOWN_AFTER:
            pace = (self._clock() - self._started) / done
        return Progress(stage, done / self._total, (self._total - done) * pace, detail)
