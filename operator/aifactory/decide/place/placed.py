"""What the decision asks of a solver, how far that has come, and what the factories say of it."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from aifactory.decide.conditions import Verdict
from aifactory.decide.model.case import Case
from aifactory.decide.model.plan import Adopted
from aifactory.decide.place.adopted import adopt
from aifactory_solver import Certificate, Problem, Solution


class Stopped(StrEnum):
    """Why a solver comes to nothing more."""

    TIMED_OUT = "SolverTimedOut"
    FAILED = "SolverFailed"


@dataclass(frozen=True)
class Trouble:
    """What became of a solver that was cut off."""

    reason: Stopped
    message: str  # ends a sentence


@dataclass(frozen=True)
class Asked:
    """What a solver is asked: things as they are, and as they would be if nothing were paused."""

    case: Case
    unpaused: Case | None = None  # where anything is paused

    @property
    def question(self) -> Hashable:
        """See `Case.question`."""
        return self.case.question

    @property
    def cases(self) -> tuple[Case, ...]:
        """All cases."""
        return (self.case,) if self.unpaused is None else (self.case, self.unpaused)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The arrays of each case."""
        return tuple(case.problem for case in self.cases)


@dataclass(frozen=True)
class Placed:
    """How far a solver has come. Without solutions the greedy engine decides."""

    solutions: tuple[Solution, ...] = ()  # one for each problem that was asked, in their order
    certificate: Certificate | None = None  # of the first of them
    trouble: Trouble | None = None  # more will not come
    asked: Asked | None = None  # what the solutions answer; None: the very cases that were asked now
    soon: bool = False  # a better plan may still come in time, so whoever waits for a place can wait for it
    within: int = 0  # seconds, about, that it may take where that is long enough to be told

    @cached_property
    def means(self) -> tuple[Adopted, ...]:
        """The solutions by names, where they answer an earlier case."""
        if self.asked is None:
            return ()
        both = zip(self.asked.cases, self.solutions, strict=False)
        return tuple(adopt(case, solution) for case, solution in both)

    def earlier(self, *, soon: bool, within: int = 0) -> "Placed":
        """What is left of it for another question."""
        found = Placed(self.solutions, asked=self.asked, soon=soon, within=within)
        vars(found)["means"] = self.means
        return found


# Says how far it has come, at once.
Placer = Callable[[Asked], Placed]


def nothing_yet(asked: Asked) -> Placed:
    """The placer that has nothing to offer."""
    return Placed()


def certified(placed: Placed) -> Verdict:
    """What is proved about the plan in use, or why nothing is (yet)."""
    found = placed.certificate
    if found is not None:
        everything = not found.next_more and found.proved == found.wished
        said = str(found) if found.proved_through is not None or found.next_more else "no pool asks for GPUs"
        return Verdict("Certified", True, "Optimal" if everything else "Bounded", said)
    if placed.trouble is not None:
        plan = (
            "A better plan is in use, nothing is proved" if placed.solutions else "The adopted plan is in use"
        )
        return Verdict("Certified", False, placed.trouble.reason, f"{plan}: {placed.trouble.message}.")
    if placed.solutions:
        said = "A better plan is in use; what is proved about it is being computed."
    else:
        said = "The adopted plan is in use; a better one is being computed."
    return Verdict("Certified", False, "Solving", said)
