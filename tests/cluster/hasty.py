"""`aifactory` that tries again after hundredths of a second what it would try again after seconds."""

from aifactory import watches
from aifactory.cli import app

PAUSE = 0.05

if __name__ == "__main__":
    vars(watches).update(FIRST=(), THEN=PAUSE, LONGEST=PAUSE)
    app()
