"""Why pools wait, worked out as far as there is time for it, and remembered while the question is the same.

A reason takes a search, and thousands of pools may wait. So what is done never waits for reasons: they are
worked out afterwards, namespace by namespace in turns, those first that have none.
"""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from aifactory.decide.guard import Guard, Name
from aifactory.decide.model.case import Case
from aifactory.decide.model.world import PoolKey
from aifactory.decide.report.fair import in_turns
from aifactory.decide.report.reasons import Why, hidden, plain, searched, told
from aifactory_solver import Explainer, Solution, digest

More = Callable[[], bool]  # whether there is time for another reason


class Reason(NamedTuple):
    """A reason, and what it was said of."""

    why: Why
    spec: tuple[str, int]  # the pool's uid and generation
    turn: int


@dataclass(frozen=True)
class Reasons:
    """Why pools wait, as far as it was worked out. Turns count the questions."""

    asked: Hashable = None
    turn: int = 0
    said: Mapping[PoolKey, Reason] = field(default_factory=dict)
    open: int = 0  # pools whose reason is of an earlier question, or missing
    advice_asked: Hashable = None
    # What pools would have if nothing were paused.
    advice: Mapping[PoolKey, str] = field(default_factory=dict)

    def of(self, case: Case, key: PoolKey) -> Why | None:
        """The last reason that was worked out for a pool's present spec, if there is any."""
        said = self.said.get(key)
        return told(case, key, said.why) if said is not None and said.spec == _spec(case, key) else None


def always() -> bool:
    """There is time for everything."""
    return True


def explained(
    case: Case,
    solution: Solution,
    waiting: Iterable[PoolKey],
    fallen: Collection[PoolKey],
    *,
    before: Reasons,
    more: More,
    guard: Guard,
    hurry: bool = False,
) -> Reasons:
    """The reasons of the pools that wait: those known by now, and at least one more where any is missing.

    The ``fallen`` are told why at once: their statuses say that they have a place. In a ``hurry`` only they
    are: the question will be another one soon.
    """
    asked = (case.question, digest(case.problem, solution))
    turn = before.turn + (asked != before.asked)
    said: dict[PoolKey, Reason] = {}
    due: list[tuple[int, PoolKey]] = []
    for key in waiting:
        known = before.said.get(key)
        if known is not None and known.spec != _spec(case, key):
            known = None
        if known is not None:
            said[key] = known
        if known is None or known.turn != turn:
            due.append((known.turn if known else -1, key))
    explainer: Explainer | None = None
    due.sort(key=lambda it: (it[0], _rank(case, it[1])))
    had = Counter[Hashable](key.namespace for key, known in said.items() if known.turn == turn)
    order = in_turns([key for _, key in due], lambda key: key.namespace, had)
    at_once = {key for key in order if key in fallen and key not in said}
    order.sort(key=lambda key: key not in at_once)
    if hurry:
        order = [key for key in order if key in at_once]
    left = len(order)
    for key in order:
        with guard.about(Name("GPUPool", *key)):
            why = plain(case, key)
            if why is None:
                explainer = explainer or Explainer(case.problem, solution, hidden=hidden(case))
                why = searched(case, explainer, key)
            said[key] = Reason(why, _spec(case, key), turn)
        left -= 1
        if left <= len(order) - len(at_once) and not more():
            break
    return Reasons(asked, turn, said, left)


def _spec(case: Case, key: PoolKey) -> tuple[str, int]:
    meta = case.pools[case.index[key]].metadata
    return meta.uid, meta.generation


def _rank(case: Case, key: PoolKey) -> tuple[int, PoolKey]:
    return (-case.pools[case.index[key]].spec.priority, key)
