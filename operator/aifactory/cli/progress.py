"""Says on standard error what takes long."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

from aifactory.cli.tables import open_console

FIRST: Final = 2.0  # seconds; what is done by then needs no word
NEXT: Final = 10.0


@contextmanager
def telling(what: str) -> Iterator[None]:
    """Tell what is being done once it takes longer than 2 s: on a terminal in place, else line by line."""
    console = open_console(stderr=True)
    done, began = Event(), time.monotonic()

    def tell() -> None:
        if done.wait(FIRST):
            return
        if console.is_terminal:
            with console.status(f"{what} ..."):
                done.wait()
            return
        while True:
            console.print(f"{what}: {time.monotonic() - began:.0f} s", highlight=False, markup=False)
            if done.wait(NEXT):
                return

    teller = Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
