"""`aifactory` whose decision fails in every cycle, until a file says that it works again."""

import os
from pathlib import Path
from typing import Any

from aifactory.cli import app
from aifactory.shell import loop

WORKS = "DECISION_WORKS"
_begin = vars(loop)["begin"]


def begin(*arguments: Any) -> Any:
    if not Path(os.environ[WORKS]).exists():
        raise OverflowError("no number is that large")
    return _begin(*arguments)


if __name__ == "__main__":
    vars(loop)["begin"] = begin
    app()
