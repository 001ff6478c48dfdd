"""Two lanes: limits are enforced at once, and who waits for a place waits for a plan worth having.

A better plan takes the solver seconds. Limits, drains and losses never wait for it: the greedy engine answers
them in the same cycle, and the adopted plan goes on. Pools that ask for more than they hold wait for the
better plan as long as it may come in time: what they are given first decides what is left for others, and
nothing is moved afterwards to mend it. A few GPUs that fit free room anyway are given at once.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from aifactory.decide.model.case import Case
from aifactory.decide.model.plan import Adopted
from aifactory.decide.model.world import PoolKey, key_of
from aifactory.decide.place.adopted import Meant, adopt, holding, meant, resumed
from aifactory.decide.place.checked import Solver, checked, passes
from aifactory.decide.place.placed import Asked, Placed, Stopped, Trouble
from aifactory_solver import Problem, Solution, digest, gpus_by_pool, solve_plainly
from aifactory_solver.problem import Bools, Ints
from aifactory_solver.value import value

SMALL: Final = 100  # pools are given something at once while it is at most this part of all GPUs
_NOBODY: Final = frozenset[PoolKey]()
_REFUSED: Final = Placed(trouble=Trouble(Stopped.FAILED, "the checker refused a better one"))


@dataclass(frozen=True)
class Choice:
    """The plan that is used."""

    solution: Solution
    answer: Placed  # what the solver says of this plan
    log: tuple[str, ...] = ()
    waiting: frozenset[PoolKey] = _NOBODY  # pools that wait for a better plan: they keep what they hold
    meant: Meant = field(default_factory=dict)  # what the greedy engine was led by
    proposal: Hashable = None  # the question of the proposal that was looked at
    followed: bool = False  # it is the proposal's plan

    def again(self, case: Case) -> tuple[Solution, tuple[str, ...]]:
        """The greedy engine's answer to another case of the same world, with the same pools waiting."""
        return checked(holding(case, case.problem, self.waiting), greedy=_led(self.meant))

    def adopted(self, case: Case, solution: Solution) -> Adopted:
        """The plan for the cycles to come."""
        return replace(
            adopt(case, solution), waiting=self.waiting, proposal=self.proposal, followed=self.followed
        )


def choose(asked: Asked, answer: Placed, adopted: Adopted | None, *, brief: bool = False) -> Choice:
    """The plan for a case: the solver's, the adopted one where that serves as much, or the greedy engine's.

    The greedy engine is led by what the other two mean for pools that hold nothing yet. In a ``brief``
    decision it places nobody by itself, however long they have waited.
    """
    case = asked.case
    if brief:
        return _brief(asked, answer, adopted)
    before = resumed(case, adopted)
    waiting = adopted.waiting if adopted is not None and before is not None else _NOBODY
    if waiting and not answer.soon:
        before, waiting = None, _NOBODY  # they have waited long enough
    proposal = answer.means[0] if answer.means else None
    news = proposal.question if proposal is not None else None
    mine = _transferred(asked, answer)
    if before is not None and adopted is not None and not _is_news(answer, news, adopted):
        where = meant(case, adopted, proposal)
        solution, log = checked(holding(case, case.problem, waiting), adopted=before, greedy=_led(where))
        # What is proved is proved of the proposal, and not of what takes its place where it can be no more.
        followed = adopted.followed and solution is before
        said = mine if followed or not mine.solutions else _REFUSED
        return Choice(solution, said, log, waiting, where, adopted.proposal, followed)
    if mine.solutions:
        choice = _better(asked, mine, None if waiting else before, meant(case, proposal, adopted))
    elif mine.soon:
        choice = _enforced(case, mine, meant(case, adopted, proposal))
    else:
        where = meant(case, adopted, proposal)
        solution, log = checked(case.problem, greedy=_led(where))
        choice = Choice(solution, mine, log, meant=where)
    return replace(choice, proposal=news)


def _brief(asked: Asked, answer: Placed, adopted: Adopted | None) -> Choice:
    """The better plan where it can be used as it is; else what is forced, and what was meant before."""
    case, mine = asked.case, _transferred(asked, answer)
    where = meant(case, *answer.means, adopted)
    if mine.solutions and passes(case.problem, mine.solutions[0]):
        return Choice(mine.solutions[0], mine, meant=where, followed=True)
    return _enforced(case, _REFUSED if mine.solutions else mine, where, at_once=False)


def _is_news(answer: Placed, news: Hashable, adopted: Adopted) -> bool:
    """Whether the solver says something that the adopted plan does not know of and may gain by."""
    if answer.asked is None:
        return bool(answer.solutions)  # it has answered this very case
    if news is None or news == adopted.proposal:
        return False
    return news == adopted.question or bool(adopted.waiting)


def _transferred(asked: Asked, answer: Placed) -> Placed:
    """What the solver says of the same question, in terms of the present cases; nothing if it was another."""
    if answer.asked is None or not answer.solutions:
        return answer
    if answer.asked.question != asked.question:
        return Placed(soon=answer.soon, within=answer.within)
    found = []
    for case, meaning in zip(asked.cases, answer.means, strict=False):
        if (solution := resumed(case, meaning)) is None:
            break
        found.append(solution)
    return replace(answer, solutions=tuple(found))


def _led(where: Meant) -> Solver:
    """The greedy engine, led by where pools that hold nothing are meant to stand."""

    def solve(problem: Problem) -> Solution:
        return solve_plainly(problem, meant=where)

    return solve


def _better(asked: Asked, answer: Placed, before: Solution | None, where: Meant) -> Choice:
    """The better plan, or the adopted one where it serves as much.

    Where it cannot be carried out any more, since others were served meanwhile, what is left of it leads the
    greedy engine.
    """
    problem, then = asked.case.problem, answer.asked
    solution, log = checked(problem, answer.solutions[0], before, greedy=_led(where))
    if not log:
        return Choice(solution, answer, meant=where, followed=True)
    if then is None or digest(problem) == digest(then.case.problem):
        return Choice(solution, _REFUSED, log, meant=where)
    led, log = checked(problem, greedy=_led(where))
    if before is None or value(problem, led).serves_more_than(value(problem, solution)):
        solution = led
    return Choice(solution, _REFUSED, log, meant=where)


def _enforced(case: Case, answer: Placed, where: Meant, *, at_once: bool = True) -> Choice:
    """The greedy engine's plan for what cannot wait, and ``at_once`` for what is small and fits anyway."""
    problem, held = case.problem, _standing(case.problem)
    touched, promised = _touched(case), _promised(problem, where)
    served = promised >= np.maximum(problem.minimum, 1)
    lacks = ~problem.frozen & ~touched & ~served & (held < problem.need)
    small = _small(problem, lacks, held) if at_once else np.zeros_like(lacks)
    # Nobody grows ahead of the better plan.
    wish = np.maximum(problem.minimum, np.minimum(problem.need, np.maximum(held, promised)))
    while True:
        waiting = frozenset(key_of(case.pools[p]) for p in np.flatnonzero(lacks & ~small).tolist())
        asked = replace(problem, need=np.where(small | touched, problem.need, wish))
        solution, log = checked(holding(case, asked, waiting), greedy=_led(where))
        left = small & ~_fits(problem, solution, touched | small)
        if not left.any():
            return Choice(solution, answer, log, waiting, where)
        # Who does not fit waits, and so does everybody below.
        small = small & (problem.priority > problem.priority[left].max())


def _standing(problem: Problem) -> Ints:
    """(P,) GPUs of each pool that stand."""
    held = np.zeros(problem.pools, np.int64)
    np.add.at(
        held, problem.row_pool, problem.row_units * problem.system_gpus[problem.cell_system[problem.row_cell]]
    )
    return held


def _touched(case: Case) -> Bools:
    """(P,) pools that a limit or a drain forces, now or since it began."""
    touched = case.problem.uprooted.copy()
    touched[[case.index[key] for key in case.forced if key in case.index]] = True
    return touched


def _promised(problem: Problem, where: Meant) -> Ints:
    """(P,) GPUs that plans of before mean for each pool."""
    promised = np.zeros(problem.pools, np.int64)
    for pool, cells in where.items():
        promised[pool] = sum(n * int(problem.system_gpus[problem.cell_system[c]]) for c, n in cells.items())
    return promised


def _small(problem: Problem, lacks: Bools, held: Ints) -> Bools:
    """(P,) those that lack something, from the highest priority on, as long as all of it is little."""
    little = int((problem.cell_units * problem.system_gpus[problem.cell_system]).sum()) // SMALL
    spent = Counter[int]()
    for pool in np.flatnonzero(lacks).tolist():
        spent[int(problem.priority[pool])] += int(problem.need[pool] - held[pool])
    total, small = 0, np.zeros_like(lacks)
    for priority in sorted(spent, reverse=True):
        total += spent[priority]
        if total > little:
            break
        small |= lacks & (problem.priority == priority)
    return small


def _fits(problem: Problem, solution: Solution, some: Bools) -> Bools:
    """(P,) pools that have all that they wish for; nobody, where another pool than ``some`` gives up any."""
    had, kept, new = gpus_by_pool(problem, solution)
    robbed = (kept + new < np.minimum(had, problem.need)) & ~some
    return (kept + new >= problem.need) & ~robbed.any()
