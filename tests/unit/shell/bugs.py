"""The bugs that `seeded` sows between the loop and the solver's process."""

from typing import Any

from unit.bug import Bug, instead

PLANNER = "aifactory.shell.planner"


async def leave(worker: Any) -> None:
    """Leave a process to itself."""


def told(planner: Any, question: Any, placed: Any) -> None:
    """Note an answer, and wake nobody."""
    question.placed = placed
    planner._last = question


def kill(planner: Any, asked: Any, key: Any) -> None:
    """End the work on a question as soon as another one is asked."""
    planner._next = type(planner._now or planner._next)(asked, 0.0) if planner._now else None
    if planner._work is not None:
        planner._work.cancel()


def silent(planner: Any, question: Any, trouble: Any, trace: str = "") -> None:
    """Give up without a word."""
    planner._tell(question, question.placed)


BUGS = (
    Bug(
        "level-triggered",
        "a new question ends the work on the one before",
        PLANNER,
        "Planner._put_next",
        lambda sound: lambda planner, *what: (kill if planner._now else sound)(planner, *what),
    ),
    Bug("truth", "anything is a plan", PLANNER, "_is_solution", instead(lambda given: True)),
    Bug("truth", "a solver that was cut off is not reported", PLANNER, "Planner._give_up", instead(silent)),
    Bug("level-triggered", "a plan that comes wakes nobody", PLANNER, "Planner._tell", instead(told)),
    Bug(
        "level-triggered",
        "a better plan may always come soon",
        PLANNER,
        "Planner._soon",
        instead(lambda planner, asked: True),
    ),
    Bug("calm", "a process that hangs is left", "aifactory.shell.process", "Worker.end", instead(leave)),
)
