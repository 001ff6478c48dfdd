"""The bugs that `seeded` sows between the loop and the solver's process."""

from typing import Any

from unit.bug import Bug, Function, instead

PLANNER = "aifactory.shell.planner"


async def leave(worker: Any) -> None:
    """Leave a process to itself."""


def told(question: Any, placed: Any) -> None:
    """Tell whoever waits now, and nobody else."""
    question.placed = placed
    question.answered.set()


def always_wake(sound: Function) -> Function:
    """Wake the loop though the cycle is still there."""

    def broken(planner: Any, question: Any, placed: Any) -> None:
        sound(planner, question, placed)
        if question.waiting:
            planner._wake()

    return broken


def silent(planner: Any, question: Any, trouble: Any, trace: str = "") -> None:
    """Give up without a word."""
    planner._tell(question, question.placed)


BUGS = (
    Bug("level-triggered", "all problems are the same", PLANNER, "digest", instead(lambda problems: b"")),
    Bug("truth", "anything is a plan", PLANNER, "_is_solution", instead(lambda given: True)),
    Bug("truth", "a solver that was cut off is not reported", PLANNER, "Planner._give_up", instead(silent)),
    Bug("calm", "a plan wakes the cycle that waits for it", PLANNER, "Planner._tell", always_wake),
    Bug(
        "level-triggered",
        "a plan that comes late wakes nobody",
        PLANNER,
        "Planner._tell",
        instead(lambda planner, *answer: told(*answer)),
    ),
    Bug("calm", "a process that hangs is left", "aifactory.shell.process", "Worker.end", instead(leave)),
)
