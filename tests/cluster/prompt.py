"""`aifactory` that takes a tenth of a second without a change for the end of a storm, not a whole one.

To drain a node and to release it takes some cycles, and what each of them writes is a storm of its own.
"""

from aifactory.cli import app
from aifactory.shell import wake

QUIET = 0.1


def hurry() -> None:
    """Have this process answer storms as promptly."""
    vars(wake).update(GRACE=QUIET / 2, QUIET=QUIET)


if __name__ == "__main__":
    hurry()
    app()
