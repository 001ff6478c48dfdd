"""`aifactory` with a solver that never comes to an end, and little patience with it."""

from functools import partial

from aifactory.cli import app
from aifactory.shell import service
from aifactory.shell.planner import Planner
from cluster.prompt import hurry
from unit.shell.solvers import hang

LIMIT = 4.0

if __name__ == "__main__":
    hurry()
    vars(service)["Planner"] = partial(Planner, solver=hang, limit=LIMIT)
    app()
