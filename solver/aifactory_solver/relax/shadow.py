"""Shadow prices: how many more GPUs of the first minima that wait one more watt or one more unit would serve.

They are the dual values of a relaxation that differs from the bound's in what it is for:

- Limits are cut to whole units one by one, and slots not at all. So a price stands at the limit that binds,
  not at the slots that it leaves empty, and what is left below a limit for half a unit is not room.
- Every pool counts that could stand if nothing else did, without power limits and with a slot more in each
  cell. So what one more unit or limit would let in is seen, and what is hopeless is not.
- Where several dual values are optimal the prices are those of more room, not of less: limits and slots are
  raised by thousandths of a unit (positive shadow prices: Akgul, J. Oper. Res. Soc. 35, 1984).

By duality they hold for large changes too: `bound` and the price times the change is never below what can be
served. The other way they may be too high: a pool is divisible in the relaxation.
"""

from dataclasses import dataclass, replace

import numpy as np

from aifactory_solver.problem import Bools, Ints, Solution
from aifactory_solver.question import Question
from aifactory_solver.relax.bound import Bound, Scenarios
from aifactory_solver.relax.classes import classify
from aifactory_solver.relax.demand import Floats, find_offers, gather_demands, kinds_of
from aifactory_solver.relax.engine import MISSED, Aim
from aifactory_solver.relax.relaxation import Relaxation, in_use
from aifactory_solver.relax.simplex import simplex
from aifactory_solver.strict.forest import Forest

_FINE = 1000  # right-hand sides are multiplied by this, so that a thousandth of a unit is an integer
_WATTS, _SLOTS = 1, 2  # thousandths of a unit that are added; of two that bind together power has the price
_NOTHING = 1e-6  # GPUs for a whole unit: a rounding error
_ENDLESS = np.iinfo(np.int64).max // 4
_WHOLE, _PARTLY, _TARGET = range(3)  # groups of pools


@dataclass(frozen=True, eq=False)
class ShadowPrices:
    """What more room would be worth to minima of some priorities, those above being served as they are."""

    highest: int  # the first priority that waits and that some room would help
    lowest: int  # the last of its band
    watt: Floats  # (D,) GPUs for a watt more that a domain may carry
    unit: (
        Floats  # (F, S) GPUs for a unit more of a system in a factory, at the best place, limits as they are
    )
    bound: float  # GPUs of pools with these priorities that could be placed anew, at most
    serves_watt: Bools | None = None  # (D,) a MW more was tried, and lets one of them in
    serves_unit: Bools | None = None  # (F, S) so was a unit more; None where nothing was tried


def shadow_prices(
    question: Question, forest: Forest, plan: Solution, served: Ints, band: Ints
) -> ShadowPrices | None:
    """The prices of the first band that has any; None where no room would let any more of its pools in.

    ``served`` (P,) GPUs of minima in the plan; ``band`` (P,) of each pool, the highest priorities first.
    """
    problem = question.problem
    room = _Room(question, forest, plan)
    mine = np.zeros(problem.pools, dtype=np.bool_)
    mine[question.pools] = room.able(question.pools)
    short = np.where(mine, problem.minimum - served, 0)
    for k in np.unique(band[short > 0]).tolist():
        first = int(problem.priority[(band == k) & (short > 0)].max())
        above = mine & (problem.priority > first)
        target = mine & (band == k) & ~above
        partly = above & np.isin(problem.priority, problem.priority[above & (short > 0)])
        group = np.where(target, _TARGET, np.where(partly, _PARTLY, _WHOLE))
        whole = int(problem.minimum[above & ~partly].sum())
        floor = np.asarray([whole, int(served[partly].sum()), 0.0])
        chosen = np.flatnonzero(above | target)
        found = room.prices(chosen, group[chosen], Aim(np.asarray([0.0, 0.0, 1.0]), floor))
        if found is not None:
            watt, unit, bound = found
            return ShadowPrices(first, int(problem.priority[target].min()), watt, unit, bound)
    return None


class _Room:
    """The room that the pools share, as prices see it."""

    def __init__(self, question: Question, forest: Forest, plan: Solution) -> None:
        problem = question.problem
        self.problem, self.forest, self.plan = problem, forest, plan
        self.classes = classify(problem)
        slots = np.where(problem.cell_open, np.maximum(question.free, 0), 0)
        # In each domain: what divides the watts of all units, and the smallest of these.
        step, self.smallest = np.zeros_like(problem.limit), np.full_like(problem.limit, _ENDLESS)
        for c in np.flatnonzero(problem.cell_open).tolist():
            above = list(forest.ancestors[int(problem.cell_domain[c])])
            step[above] = np.gcd(step[above], problem.cell_watts[c])
            self.smallest[above] = np.minimum(self.smallest[above], problem.cell_watts[c])
        step = np.maximum(step, 1)
        self.smallest = np.where(self.smallest == _ENDLESS, 0, self.smallest)
        limit = np.maximum(question.left, 0) // step * step
        # However large a limit is that never binds, its thousandths are integers.
        limit = np.minimum(limit, 2 * forest.totals((slots + problem.cell_open) * problem.cell_watts))
        self.slots, self.limit = self.classes.per_cell(slots), self.classes.per_domain(limit)
        # The same in thousandths, and a little more.
        open_cells = problem.cell_open.astype(np.int64)
        self.more_slots = _FINE * self.slots + _SLOTS * self.classes.per_cell(open_cells)
        self.more_limit = _FINE * self.limit + _WATTS * self.classes.per_domain(self.smallest)

    def able(self, pools: Ints) -> Bools:
        """(Q,) could stand if nothing else did, without power limits and with a slot more in each cell."""
        demands = self._relaxation(pools, np.zeros_like(pools), 1).demands
        return np.asarray(demands.of_pool >= 0)

    def prices(self, pools: Ints, group: Ints, aim: Aim) -> tuple[Floats, Floats, float] | None:
        """By domain, by factory and system, and the bound that they give; None if all are 0 or none holds."""
        problem, classes = self.problem, self.classes
        relaxation = self._relaxation(pools, group, aim.weight.size)
        fine = replace(
            relaxation,
            slots=self.more_slots,
            limit=self.more_limit,
            demands=replace(relaxation.demands, need=_FINE * relaxation.demands.need),
        )
        found = simplex(fine, Aim(aim.weight, _FINE * aim.floor)).prices
        if float(np.max(found.floor, initial=0.0)) > MISSED / 2:
            return None  # what the plan serves above is not possible anew, so these are the prices of that
        watt = found.watt[classes.of_domain]
        watt = np.where(watt * self.smallest > _NOTHING, watt, 0.0)
        unit = np.zeros((problem.allowed.shape[1], problem.system_gpus.size))
        np.maximum.at(unit, (classes.factory, classes.system), found.slot)
        unit = np.where(unit > _NOTHING, unit, 0.0)
        if not watt.any() and not unit.any():
            return None
        scenario = Scenarios(relaxation.slots, relaxation.limit, aim.weight, aim.floor)
        return watt, unit, float(Bound(relaxation, np)(found, scenario, whole=(_WHOLE,)))

    def _relaxation(self, pools: Ints, group: Ints, groups: int) -> Relaxation:
        problem, classes = self.problem, self.classes
        vacant = Question(
            problem, np.full_like(problem.limit, _ENDLESS), problem.cell_units + problem.cell_open, pools
        )
        offers = find_offers(problem, classes, kinds_of(problem, pools), self.forest)
        demands = gather_demands(vacant, group, offers, self.forest)
        used = in_use(vacant, offers, demands, self.plan)
        return Relaxation(classes, offers, demands, self.slots, self.limit, groups, used)
