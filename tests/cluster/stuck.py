"""`aifactory` with a solver that never comes to an end."""

from functools import partial

from aifactory.cli import app
from aifactory.shell import service
from aifactory.shell.planner import Planner
from unit.shell.solvers import hang

if __name__ == "__main__":
    vars(service)["Planner"] = partial(Planner, solver=hang)
    app()
