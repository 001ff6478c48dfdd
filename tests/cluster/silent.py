"""`aifactory` that is killed when it has ordered or drained something, before it says the rest."""

import os
import signal

from aifactory.cli import app
from aifactory.decide.model.plan import Drain, Order, Plan
from aifactory.shell.apply import Round

_tell = Round.tell


async def tell(work: Round, plan: Plan) -> None:
    if any(isinstance(action, Order | Drain) for action in plan.actions):
        os.kill(os.getpid(), signal.SIGKILL)
    await _tell(work, plan)


if __name__ == "__main__":
    setattr(Round, "tell", tell)  # noqa: B010 - a method is no variable
    app()
