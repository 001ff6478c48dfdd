"""The solver: the engine of strict priority, led by the relaxation, tried in a few ways; exact where small.

Every candidate but the exact answer itself is a plan of the engine, so it keeps all rules; that one is used
where the checker lets it pass. The best by value is taken, the plain one among them. The number of candidates
is fixed, and an exact answer has a budget of iterations. No clock is read: the same problem gives the same
plan.
"""

import numpy as np

from aifactory_solver.array import namespace
from aifactory_solver.bands import bands
from aifactory_solver.check import violations
from aifactory_solver.collector import paused
from aifactory_solver.exact import SMALL, Budget, answer
from aifactory_solver.problem import Array, Ints, Problem, Solution
from aifactory_solver.question import Plan, Question, ask, held, replaced
from aifactory_solver.regroup import regroup
from aifactory_solver.relax.demand import PACKED
from aifactory_solver.relax.engine import Engine
from aifactory_solver.relax.relaxation import relax
from aifactory_solver.relax.simplex import simplex
from aifactory_solver.strict.guide import Guide
from aifactory_solver.strict.layout import Layout
from aifactory_solver.strict.plain import follow
from aifactory_solver.targets import Advice, Targets
from aifactory_solver.value import gpus_by_pool, value

_ROUNDS = 4  # of a first plan at most, in which pools that failed are asked first,
_ASKED = 25_000  # and fewer where they would ask more pools than this;
_AGAIN = 5_000  # one in a running fleet, up to so many pools: most stay where they are
_EXACT = 10_000  # iterations for an exact answer: about a second


@paused()
def solve(problem: Problem, xp: Array | None = None, engine: Engine = simplex) -> Solution:
    """Place every pool; on the array namespace that the environment asks for, if none is given."""
    xp = namespace()[0] if xp is None else xp
    layout = Layout(problem, xp)
    best = follow(Guide(layout))
    question = ask(problem, best)
    if served_less(problem, question, best).size:
        best = _Search(layout, best, question, engine).best
    again = regroup(layout, best, engine) if problem.rows else None
    if again is not None:
        best = better_of(problem, best, follow(again))
    question = ask(problem, best)
    # Where all minima are served, growth, systems and money may still be better.
    if not 0 < question.pools.size * problem.cells <= SMALL:
        return best
    exact = answer(question, Budget(iterations=_EXACT), held(question, best))
    itself = replaced(question, best, exact.plan)
    best = better_of(problem, best, follow(Guide(layout, cells=exact.plan)))
    # Pools without a minimum, and those that take from others, may not end where they were led.
    sound = value(problem, itself) > value(problem, best) and not _comes_back(problem, itself)
    return itself if sound and not violations(problem, itself) else best


def _comes_back(problem: Problem, solution: Solution) -> bool:
    """Whether a pool is given new units where it gives up some that stand."""
    given_up = solution.kept < problem.row_units
    gone = zip(problem.row_pool[given_up].tolist(), problem.row_cell[given_up].tolist(), strict=True)
    return not set(gone).isdisjoint(zip(solution.new_pool.tolist(), solution.new_cell.tolist(), strict=True))


def better_of(problem: Problem, first: Solution, second: Solution) -> Solution:
    """The second plan if it is better by value and the checker finds nothing in it, else the first.

    In a first plan there is nothing that a guide could lead the engine to touch; in a running fleet a pool
    that was led elsewhere may have been made room for in vain.
    """
    if not value(problem, second) > value(problem, first):
        return first
    return second if not problem.rows or not violations(problem, second) else first


def served_less(problem: Problem, question: Question, solution: Solution) -> Ints:
    """The free pools whose minimum a plan does not serve."""
    *_, new = gpus_by_pool(problem, solution)
    return question.pools[new[question.pools] < problem.minimum[question.pools]]


class _Search:
    def __init__(self, layout: Layout, plain: Solution, question: Question, engine: Engine) -> None:
        self.layout, self.question = layout, question
        self.problem = problem = layout.problem
        pools = question.pools
        relaxation = relax(question, bands(problem)[pools], layout.forest, plain)
        self.advice = Advice(layout, pools, relaxation, engine)
        self.meant = np.zeros(problem.pools, dtype=np.bool_)  # (P,) the relaxation serves their demand
        wanted = np.flatnonzero(self.advice.served > 0.5 * relaxation.demands.need)
        self.meant[pools] = np.isin(relaxation.demands.of_pool, wanted)
        self.best = plain
        self._follow_the_targets()

    def _follow_the_targets(self) -> None:
        plan = follow(self._guide())
        self._consider(plan)
        first, tried, pools = self._hard(plan), frozenset[tuple[int, int]](), self.problem.pools
        rounds = max(1, min(_ROUNDS, _ASKED // pools)) if not self.problem.rows else min(1, _AGAIN // pools)
        for _ in range(rounds):
            # What failed although the relaxation would serve it is hard to place: it comes first, and
            # where it then stands is kept free for it when all are asked in order of priority.
            out_of_turn = follow(self._guide(first, tried))
            cells = held(ask(self.problem, out_of_turn), out_of_turn)
            plan = follow(self._guide(cells=cells))
            self._consider(plan)
            lost = self._hard(plan)
            before = first, tried
            first, tried = first | self._hard(out_of_turn) | lost, tried | self._in_vain(lost, cells)
            if (first, tried) == before:
                return

    def _in_vain(self, lost: frozenset[int], cells: Plan) -> frozenset[tuple[int, int]]:
        """Lost pools that stand together, and the factories that pools above them need: others come next."""
        packed = [p for p in lost if p in cells and self.problem.topology[p] in PACKED]
        return frozenset((p, self.layout.cell_factory[next(iter(cells[p]))]) for p in packed)

    def _hard(self, plan: Solution) -> frozenset[int]:
        """Pools that a plan does not serve although the relaxation would."""
        lost = served_less(self.problem, self.question, plan)
        return frozenset(lost[self.meant[lost]].tolist())

    def _guide(
        self,
        first: frozenset[int] = frozenset(),
        tried: frozenset[tuple[int, int]] = frozenset(),
        cells: Plan | None = None,
    ) -> Targets:
        return Targets(self.layout, self.advice, first, tried, cells)

    def _consider(self, plan: Solution) -> None:
        self.best = better_of(self.problem, self.best, plan)
