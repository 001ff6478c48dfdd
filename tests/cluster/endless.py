"""`aifactory` whose decisions never come to an end, but for brief ones."""

import time
from importlib import import_module
from typing import Any

from aifactory.cli import app

_decide = vars(import_module("aifactory.decide.decide"))
_choose = _decide["choose"]


def choose(*what: Any, brief: bool) -> Any:
    while not brief:
        time.sleep(0.001)
    return _choose(*what, brief=brief)


if __name__ == "__main__":
    _decide["choose"] = choose
    app()
