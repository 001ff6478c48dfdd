"""When Python looks for cycles among its objects: never for so long that the Lease cannot be renewed.

By itself it looks through all objects time and again, and nothing else of the process runs meanwhile. With
a hundred thousand nodes that takes seconds, several times in each cycle, and a leader on a busy machine loses
its Lease by it. Nearly all of them are what the cluster is kept as, which has no cycles and lives on.

So only what was made since the last look is looked through, and what is left then is set aside. What of that
becomes part of a cycle later is found once in an hour, when everything is looked through: just after the
Lease was renewed, which leaves the longest time until it has to be again.
"""

import gc
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final

YOUNG: Final = 50_000  # new objects that make it look; a look takes some hundredths of a second
EVERYTHING: Final = 3600.0  # seconds between two looks through everything


class Collector:
    """Python's, as this process has it from `begin` on."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._last = clock()

    def begin(self) -> None:
        """Have only what is new looked through."""
        gc.set_threshold(YOUNG)
        gc.callbacks.append(_set_aside)

    def look(self) -> None:
        """Look through everything, if it is time for that. The Lease was renewed just now."""
        if self._clock() - self._last >= EVERYTHING:
            gc.unfreeze()
            gc.collect()
            self._last = self._clock()


def _set_aside(phase: str, _: Mapping[str, Any]) -> None:
    if phase == "stop":
        gc.freeze()
