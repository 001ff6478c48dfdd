"""`aifactory` with a solver that takes more and more memory until a file says that it has been enough."""

from functools import partial

from aifactory.cli import app
from aifactory.shell import service
from aifactory.shell.planner import Planner
from unit.shell.solvers import hoard_at_first

if __name__ == "__main__":
    vars(service)["Planner"] = partial(Planner, solver=hoard_at_first)
    app()
