"""A decision half-way: what is done is settled, what is said about it is not."""

from dataclasses import dataclass
from datetime import datetime

from aifactory.decide.assign import Assignment
from aifactory.decide.case import Case
from aifactory.decide.explained import Reasons
from aifactory.decide.placed import Placed
from aifactory.decide.plan import Plan
from aifactory_solver import Solution


@dataclass(frozen=True)
class Decision:
    """What is done now, and all that it takes to say the rest afterwards.

    The plan lacks the statuses of pools that wait for a reason that nobody knows yet.
    """

    plan: Plan
    case: Case
    unpaused: Case | None  # the same as if nothing were paused, where anything is
    solution: Solution
    answer: Placed
    assignment: Assignment
    reasons: Reasons  # known before
    now: datetime
    waits: bool = False  # pools wait for a better plan that may come soon: nobody asks why yet
