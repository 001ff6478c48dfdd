"""`aifactory` that tries again after hundredths of a second what it would try again after seconds."""

from aifactory import watches
from aifactory.cli import app
from cluster.prompt import hurry

PAUSE = 0.05

if __name__ == "__main__":
    hurry()
    vars(watches).update(FIRST=(), THEN=PAUSE, LONGEST=PAUSE)
    app()
