"""Python's cycle collector, which a solve does better without."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """No cycles are looked for within it, or in a function below it.

    A solve makes millions of small objects and few cycles, and does not last. Looking through all of them
    time and again takes a tenth of its seconds; what it leaves is collected afterwards.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
