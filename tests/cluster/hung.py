"""`aifactory` whose decisions hang where nothing can cut them off."""

import threading
from importlib import import_module
from typing import Any

from aifactory.cli import app


def choose(*_: Any, **__: Any) -> None:
    threading.Event().wait()


if __name__ == "__main__":
    vars(import_module("aifactory.decide.decide"))["choose"] = choose
    app()
