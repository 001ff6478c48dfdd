"""What a decision is made from; and a decision half-way, settled in what is released, not in all else."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from aifactory.decide.model.case import Case
from aifactory.decide.model.plan import Action, Adopted, Plan
from aifactory.decide.model.world import PoolKey, World
from aifactory.decide.place.assign import Assignment
from aifactory.decide.place.placed import Placed, Placer, nothing_yet
from aifactory.decide.report.explained import Reasons
from aifactory_solver import Solution

Look = Callable[[World, frozenset[str]], World]
"""The same world with the pods of some nodes more, as far as they can be read."""


@dataclass(frozen=True)
class Given:
    """All that a decision is made from."""

    world: World
    now: datetime
    placer: Placer = nothing_yet  # has better plans than the greedy ones, or not
    look: Look | None = None  # asked at most once: where it matters which nodes are idle
    adopted: Adopted | None = None  # what the plan before meant: carried on with while nothing else is asked
    reasons: Reasons = field(default_factory=Reasons)  # why pools wait, as far as it is known
    done: tuple[Action, ...] | None = None  # what is done in place of what this would decide
    brief: bool = False  # only what is forced is done, and what a better plan or the adopted one says


@dataclass(frozen=True)
class Decision:
    """What is released now, and all that it takes to decide the rest afterwards.

    The plan has only its releases until it is `told`. Then it lacks the statuses of pools that wait for a
    reason that nobody knows yet.
    """

    plan: Plan
    case: Case
    unpaused: Case | None  # the same as if nothing were paused, where anything is
    solution: Solution
    answer: Placed
    assignment: Assignment
    given: Given
    told: bool = False
    waiting: frozenset[PoolKey] = frozenset()  # for a better plan that may come soon: nobody asks why yet
