"""`aifactory` on a machine whose clock is an hour and a minute ahead of all others."""

import sys
from datetime import datetime, timedelta, tzinfo
from typing import Self

from aifactory.cli import app

AHEAD = timedelta(minutes=61)


class Ahead(datetime):
    """The time of this machine."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + AHEAD


if __name__ == "__main__":
    import aifactory.handlers  # noqa: F401 - with it all of the shell is there

    for name, module in list(sys.modules.items()):
        if name.startswith("aifactory.") and vars(module).get("datetime") is datetime:
            vars(module)["datetime"] = Ahead
    app()
