"""Python's cycle collector, which a solve or a decision does better without."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """No cycles are looked for within it, or in a function below it.

    A solve makes millions of small objects and few cycles, and does not last; a decision about many pools
    likewise. Looking through all of them time and again takes up to a tenth of the seconds; what they leave
    is collected afterwards.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
