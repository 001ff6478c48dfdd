"""Goal after goal, exactly: what was reached is fixed before the next goal is asked.

A plan that serves a goal in full proves that goal by itself, so a run of goals is first asked for as a whole
(and halved where that cannot be). For the first goal that cannot be had in full, the LP gives a bound, and
where the plan at hand is below it, one MILP decides.
"""

from dataclasses import dataclass

import numpy as np

from aifactory_solver.exact.budget import Budget
from aifactory_solver.exact.highs import Floats, Found, Solver
from aifactory_solver.exact.model import KINDS, ROUGH, SERVED, Builder, Goal
from aifactory_solver.exact.plans import Plans
from aifactory_solver.problem import Wrong
from aifactory_solver.question import Plan, Question

_ROUND = 1e-5  # what a bound may be above a whole number and still count as that number
_OF_A_RUN = 0.05  # of the budget that is left, for each goal of a run that may be halved
_OF_RUNS = 0.4  # of the budget that is left, for any run
_OF_A_GOAL = 0.3  # of the time that is left; of iterations a goal may have all, for those after it count less
_HINT = 0.4  # of one GPU: what all goals after the present one may add, to guide the search


@dataclass(frozen=True)
class Answer:
    """The best plan found for the free pools, and what is proved of it.

    Pools that cannot stand even alone are not counted in a bound. A bound holds given what is served to all
    that comes before.
    """

    plan: Plan
    proved_through: int | None  # the lowest priority down to which the most is served to minima, if any
    served: dict[int, int]  # priority -> GPUs served to minima
    bound: dict[int, int]  # priority -> the most that could be
    growth: dict[int, int]  # priority -> GPUs served beyond minima
    growth_bound: dict[int, int]
    minima_proved: bool  # no plan serves more to minima
    growth_proved: bool  # and none of those more to growth
    systems_proved: bool  # and none of those has a smaller sum of list positions over the pools that stand
    money_proved: bool  # and none of those costs less a day, to within a hundred-thousandth
    carbon_proved: bool  # and none of those emits less, likewise


def answer(question: Question, budget: Budget, start: Plan | None = None) -> Answer:
    """Place the free pools as well as can be, strictly in the order of the rules.

    ``budget`` is for all stages, beside what it takes to build the model, and is spent; ``start`` a plan for
    the free pools that holds, else ``Wrong`` is raised. The answer is never worse than ``start`` by that
    order. A question gives the same answer every time, unless the budget is of time, and that runs out.
    """
    return _Stages(question, budget, start or {}).answer()


class _Stages:
    def __init__(self, question: Question, budget: Budget, start: Plan) -> None:
        self.budget = budget
        self.pools = question.pools
        builder = Builder(question)
        self.ways, self.model = builder.ways, builder.model
        self.plans = Plans(self.ways, self.model)
        self.goals = self.model.goals
        faults = self.plans.faults(start)
        if faults:
            raise Wrong("\n".join(faults))
        self.start = self.plans.settled(start)
        self.bounds = [goal.top for goal in self.goals]
        self.proved: list[bool] = []  # of the goals that are settled, from the first
        self.early = True  # only minima are looked at
        self.run_end = 0  # a run of goals that ends here or beyond cannot be served in full
        self.rows: dict[int, tuple[float, float]] = {}
        self._lp: Solver | None = None
        self._mip: Solver | None = None
        self.plan = self.plans.trimmed(self.start)
        self.scores = self.plans.scores(self.plan)
        self._fill()  # so that nobody waits beside free room, however small the budget

    def answer(self) -> Answer:
        """Go through the goals until all are settled or the budget is spent."""
        while len(self.proved) < len(self.goals) and not self.budget.spent:
            if self.early and self.goals[len(self.proved)].kind != "minimum":
                self._open_growth()
            self._step(len(self.proved))
        self._open_growth()
        return self._report()

    def _open_growth(self) -> None:
        """From now on pools may hold more than their minimum."""
        self.early = False
        self._improve(self.start)
        self._fill()
        for solver in (self._lp, self._mip):
            if solver is not None:
                solver.bound_columns(np.zeros(len(self.model.upper)), self._uppers())

    def _fill(self) -> None:
        """Serve what else fits into the plan at hand."""
        self._improve(self.plans.filled(self.plan, grow=not self.early))

    def _improve(self, plan: Plan) -> None:
        before, scores = self.scores, self.plans.scores(plan)
        if scores <= before:
            return
        self.plan, self.scores = plan, scores
        settled = len(self.proved)
        changed = next((i for i in range(settled) if scores[i] != before[i]), settled)
        if changed < settled:  # a goal that was left unproved has more now: settle it and the rest again
            for i in range(changed, settled):
                self.bounds[i] = self.goals[i].top
                self._bound(self.goals[i], -np.inf, np.inf)
            del self.proved[changed:]
            self.run_end = 0

    # One goal, or a run of them

    def _step(self, i: int) -> None:
        """Settle goal ``i``, or serve it and the next few in full."""
        if self.scores[i] >= self.goals[i].top:
            self._settle(i, self.goals[i].top)
            return
        if self.run_end <= i and self.goals[i].kind in SERVED:
            self.run_end = self._reach(i)
        if self.run_end > i + 1:
            self._serve(i)
        else:
            self._maximise(i)

    def _settle(self, i: int, most: int) -> None:
        """Fix what goal ``i`` has, and that it cannot have more than ``most``."""
        goal, score = self.goals[i], self.scores[i]
        self.bounds[i] = most
        self.proved.append(goal.proves(score, most))
        lower, upper = score / goal.unit, max(most, score) / goal.unit
        # A little less than what was reached, so that rounding does not rule it out.
        slack = 0.5 if goal.kind in ("minimum", "systems") else 1e-6 + 1e-9 * abs(lower)
        whole = score in (goal.top, 0) and score >= most
        self._bound(goal, lower if whole else lower - slack, upper if whole else upper + slack)

    def _bound(self, goal: Goal, lower: float, upper: float) -> None:
        self.rows[goal.row] = (lower, upper)
        for solver in (self._lp, self._mip):
            if solver is not None:
                solver.bound_row(goal.row, lower, upper)

    def _reach(self, i: int) -> int:
        """The end of the longest run of goals from ``i`` that the LP can serve in full."""
        last = max(j for j, goal in enumerate(self.goals) if goal.kind == self.goals[i].kind) + 1
        good, bad, step = i, last + 1, 1
        while good + 1 < bad:
            end = min(good + step, last) if bad > last else (good + bad) // 2
            if self._run(self._relaxed(), i, end, self._cost(None, 0)).values is None:
                bad = end
            else:
                good = end
            step *= 2
        return good

    def _run(self, solver: Solver, i: int, end: int, cost: Floats) -> Found:
        """Ask for the goals from ``i`` to before ``end`` in full."""
        for goal in self.goals[i:end]:
            solver.bound_row(goal.row, goal.top / goal.unit, np.inf)
        found = solver.maximise(cost, np.inf, min(_OF_RUNS, _OF_A_RUN * (end - i)))
        for goal in self.goals[i:end]:
            solver.bound_row(goal.row, -np.inf, np.inf)
        return found

    def _serve(self, i: int) -> None:
        """Try to serve the run in full; halve it where that does not work out."""
        end = self.run_end
        self._take(self._run(self._exact(), i, end, self._cost(None, end)), i)
        if any(self.scores[j] < self.goals[j].top for j in range(i, end)):
            self.run_end = i + (end - i) // 2

    def _maximise(self, i: int) -> None:
        goal, score = self.goals[i], self.scores[i]
        most = self._most(self._relaxed().maximise(self._cost(i, 0), 0.0, 1.0), goal)
        if not goal.proves(score, most):
            most = self._decide(i, most)
        if len(self.proved) == i:  # else a goal before it is to be settled again
            self._settle(i, most)

    def _decide(self, i: int, most: int) -> int:
        """Improve goal ``i`` as far as can be; no plan has more than ``most``, nor more than is returned."""
        goal, solver = self.goals[i], self._exact()
        share = _OF_A_GOAL if self.budget.timed else 1.0
        if np.sum((goal.values > self.scores[i]) & (goal.values <= most)) == 1:  # all of it or nothing
            solver.bound_row(goal.row, most / goal.unit, np.inf)
            found = solver.maximise(self._cost(None, i + 1), np.inf, share)
            self._take(found, i)
            return self.scores[i] if found.status == "infeasible" else most
        solver.bound_row(goal.row, -np.inf, most / goal.unit)
        cost, gap = self._cost(i, i + 1), goal.gap(self.scores[i])
        found = solver.maximise(cost, gap, share, self.plans.write(self.plan))
        self._take(found, i)
        return min(most, self._most(found, goal))

    def _most(self, found: Found, goal: Goal) -> int:
        """The bound as a value that the goal can have."""
        if found.status == "infeasible" or not np.isfinite(found.bound):
            return goal.top  # the plan at hand is a solution, so this says nothing
        above = (_ROUND / 10 if goal.kind in ROUGH else _ROUND) * max(1.0, abs(found.bound))
        return goal.most((found.bound + above) / goal.weight * goal.unit)

    def _take(self, found: Found, i: int) -> None:
        """Use a solution for goal ``i`` where it is better than the plan at hand."""
        if found.values is None:
            return
        plan = self.plans.read(found.values)
        if plan is None:
            plan = self._vertex(found.values, i)
        if plan is not None:
            self._improve(plan)
            self._fill()

    def _vertex(self, values: Floats, i: int) -> Plan | None:
        """The plan after its integer columns are fixed: the rest is a network, whose vertices are whole."""
        whole = np.rint(values)
        lower = np.where(self.model.integer, whole, 0.0)
        upper = np.where(self.model.integer, whole, self._uppers())
        solver = self._new(relaxed=True)
        solver.bound_columns(lower, upper)
        found = solver.maximise(self._cost(i, 0), 0.0, 1.0)
        return None if found.values is None else self.plans.read(found.values)

    def _cost(self, i: int | None, hints: int) -> Floats:
        """Of goal ``i``, and a little of all goals like the present one from ``hints``, unless that is 0."""
        cost = np.zeros(len(self.model.upper))
        if i is not None:
            self._add(cost, self.goals[i], self.goals[i].weight)
        kind = self.goals[len(self.proved)].kind
        later = [g for g in self.goals[hints:] if g.kind == kind] if hints else []
        total = sum(g.top / g.unit for g in later)
        for rank, goal in enumerate(later):
            self._add(cost, goal, _HINT / total * (1 - rank / len(later)))
        return cost

    def _add(self, cost: Floats, goal: Goal, weight: float) -> None:
        terms = slice(int(self.model.start[goal.row]), int(self.model.start[goal.row + 1]))
        cost[self.model.index[terms]] += weight * self.model.value[terms]

    # Solvers, made when first needed

    def _uppers(self) -> Floats:
        return (self.model.early if self.early else self.model.upper).astype(np.float64)

    def _new(self, *, relaxed: bool) -> Solver:
        solver = Solver(self.model, relaxed=relaxed, budget=self.budget)
        solver.bound_columns(np.zeros(len(self.model.upper)), self._uppers())
        for row, (lower, upper) in self.rows.items():
            solver.bound_row(row, lower, upper)
        return solver

    def _relaxed(self) -> Solver:
        self._lp = self._lp or self._new(relaxed=True)
        return self._lp

    def _exact(self) -> Solver:
        self._mip = self._mip or self._new(relaxed=False)
        return self._mip

    # What to tell

    def _report(self) -> Answer:
        settled = self.proved if all(self.proved) else self.proved[: self.proved.index(False)]
        unproved = self.goals[len(settled) :]
        rest = min((KINDS.index(goal.kind) for goal in unproved), default=len(KINDS))
        problem, pools = self.ways.problem, self.pools[self.ways.problem.minimum[self.pools] > 0]
        priorities = sorted(set(problem.priority[pools].tolist()))
        below = max((goal.priority for goal in unproved if goal.kind == "minimum"), default=None)
        through = [p for p in priorities if below is None or p > below]
        served: dict[str, dict[int, int]] = {kind: {} for kind in KINDS}
        bounds: dict[str, dict[int, int]] = {kind: {} for kind in KINDS}
        served["minimum"], bounds["minimum"] = dict.fromkeys(priorities, 0), dict.fromkeys(priorities, 0)
        for goal, score, bound in zip(self.goals, self.scores, self.bounds, strict=True):
            served[goal.kind][goal.priority] = score
            bounds[goal.kind][goal.priority] = bound
        return Answer(
            plan=self.plan,
            proved_through=min(through, default=None),
            served=served["minimum"],
            bound=bounds["minimum"],
            growth=served["growth"],
            growth_bound=bounds["growth"],
            minima_proved=rest > 0,
            growth_proved=rest > 1,
            systems_proved=rest > 2,
            money_proved=rest > 3,
            carbon_proved=rest > 4,
        )
