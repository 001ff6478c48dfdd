"""`aifactory` whose decision fails in every cycle, until a file says that it works again."""

import os
from pathlib import Path
from typing import Any

from aifactory.cli import app
from aifactory.shell import loop

WORKS = "DECISION_WORKS"
_decide = vars(loop)["decide"]


def decide(*arguments: Any) -> Any:
    if not Path(os.environ[WORKS]).exists():
        raise OverflowError("no number is that large")
    return _decide(*arguments)


if __name__ == "__main__":
    vars(loop)["decide"] = decide
    vars(loop)["backoff"] = lambda failures: 0.05
    app()
