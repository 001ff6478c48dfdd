"""What is proved about a plan: how much more anybody could have served, priority by priority.

Each bound is over all plans that serve every priority above at least as well as this one, of the pools that
a decision may touch at all. Pools that nobody may touch serve what they serve in every plan.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from aifactory_solver.array import namespace
from aifactory_solver.bands import BANDS, bands
from aifactory_solver.exact import SMALL, Budget, answer
from aifactory_solver.problem import Array, Bools, Ints, Problem, Solution, Topology
from aifactory_solver.question import Question, ask, held
from aifactory_solver.relax.bound import Bound, Scenarios
from aifactory_solver.relax.engine import Aim, Engine, aim_at_all
from aifactory_solver.relax.relaxation import Relaxation, relax
from aifactory_solver.relax.shadow import ShadowPrices, shadow_prices
from aifactory_solver.relax.simplex import simplex
from aifactory_solver.relax.worth import tried
from aifactory_solver.strict.forest import Forest

_EXACT = 50_000  # iterations for an exact answer: about five seconds
_HAIR = 1e-6  # of a bound, for the rounding of its sum


@dataclass(frozen=True)
class Band:
    """Whole priorities, and what is known of them."""

    highest: int
    lowest: int
    wished: int  # GPUs of all minima
    served: int  # GPUs of minima that this plan serves
    bound: int  # that any plan could serve which serves the bands above as well


@dataclass(frozen=True)
class Missing:
    """A pool whose minimum is not served."""

    pool: int
    gpus: int  # that it lacks
    proved: bool  # that it has to wait


@dataclass(frozen=True)
class Certificate:
    """What is proved about the service of minima."""

    bands: tuple[Band, ...]
    proved_through: int | None  # the lowest priority down to which nothing can be better; None for none
    proved: int  # wished GPUs down to there
    wished: int  # GPUs of all minima
    next_more: int  # GPUs that the rest of the next band could have more, at most
    prices: ShadowPrices | None = None  # what more room is worth to the first that wait; None for nothing

    def __str__(self) -> str:
        """One line for people."""
        if self.proved_through is None:
            return f"nothing is proved yet; in the first band at most {self.next_more} GPUs more"
        share = (
            f"{self.proved / self.wished:.0%} of all wished GPUs" if self.wished else "no pool has a minimum"
        )
        if self.next_more or self.proved < self.wished:
            more = f"; in the next band at most {self.next_more} GPUs more"
            return f"proved through priority {self.proved_through} ({share}){more}"
        return f"proved through priority {self.proved_through} ({share})"


def certify(
    problem: Problem, solution: Solution, xp: Array | None = None, engine: Engine = simplex
) -> Certificate:
    """What is proved about a plan; takes a linear program for each band and a few more.

    On the array namespace that the environment asks for, if none is given.
    """
    return Certifier(problem, solution, engine, namespace()[0] if xp is None else xp).certificate()


class Certifier:
    """Bounds for one plan."""

    def __init__(self, problem: Problem, solution: Solution, engine: Engine, xp: Array = np) -> None:
        self.problem, self.solution, self.engine, self.xp = problem, solution, engine, xp
        self.forest = Forest(problem, xp)
        self.band = bands(problem)
        priorities, self.at = np.unique(-problem.priority, return_inverse=True)
        self.values = -priorities  # (V,) every priority, from the highest; `at` (P,) says which a pool has
        gpus = problem.system_gpus[problem.cell_system]
        has = np.zeros(problem.pools, dtype=np.int64)
        np.add.at(has, problem.row_pool, solution.kept * gpus[problem.row_cell])
        np.add.at(has, solution.new_pool, solution.new_units * gpus[solution.new_cell])
        self.served = np.minimum(has, problem.minimum)  # (P,)
        self.open, self.free = _pools_in_play(problem, self.forest)
        self.left, self.slots = _room_in_play(problem, self.open | self.free, self.forest)
        alone = self._relaxation(self.open, np.zeros(problem.pools, dtype=np.int64))
        self.able = np.zeros(problem.pools, dtype=np.bool_)
        self.able[np.flatnonzero(self.open)] = alone.demands.of_pool >= 0

    def certificate(self) -> Certificate:
        """All of it."""
        problem, exact = self.problem, self._exactly()
        found = []
        for k in range(int(self.band.max(initial=-1)) + 1):
            mine = self.band == k
            served = int(self.served[mine].sum())
            proved = exact is not None and int(problem.priority[mine].min()) >= exact
            found.append(
                Band(
                    highest=int(problem.priority[mine].max()),
                    lowest=int(problem.priority[mine].min()),
                    wished=int(problem.minimum[mine].sum()),
                    served=served,
                    bound=served if proved else max(served, self.bound(self.band < k, mine)),
                )
            )
        through, stopped = self._proved(exact)
        wished = problem.minimum[problem.priority >= through] if through is not None else problem.minimum[:0]
        more = 0
        if stopped is not None:
            rest = (problem.priority <= stopped) & (self.band == self.band[problem.priority == stopped][0])
            more = self.bound(problem.priority > stopped, rest) - int(self.served[rest].sum())
        movable = Question(problem, self.left, self.slots, np.flatnonzero(self.open))
        prices = shadow_prices(movable, self.forest, self.solution, self.served, self.band)
        if prices is not None:
            prices = tried(prices, problem, self.solution, self.xp)
        return Certificate(
            bands=tuple(found),
            proved_through=through,
            proved=int(wished.sum()),
            wished=int(problem.minimum.sum()),
            next_more=max(0, more),
            prices=prices,
        )

    def bound(self, above: Bools, target: Bools) -> int:
        """GPUs of minima that ``target`` (P,) could have while ``above`` (P,) are served as they are."""
        most = self._most
        given = int(np.where(target & ~(self.open & self.able), most, 0).sum())
        if not (target & self.able).any() or int(self.served[target].sum()) == int(most[target].sum()):
            return int(most[target].sum())
        served, others = self._by_priority(self.served), self._by_priority(np.where(self.able, 0, most))
        full = served == self._by_priority(most)
        whole = above & full[self.at]
        partly = np.unique(self.at[above & ~whole])
        floor = int(np.maximum(0, served - others)[partly].sum())
        group = np.where(whole, 0, np.where(above, 1, 2))
        chosen = self.open & self.able & (above | target)
        relaxation = self._relaxation(chosen, group)
        need = int(self.problem.minimum[chosen & whole].sum())
        aim = Aim(np.asarray([0.0, 0.0, 1.0]), np.asarray([need, floor, 0.0]))
        prices = self.engine(relaxation, aim).prices
        scenario = Scenarios(relaxation.slots, relaxation.limit, aim.weight, aim.floor)
        found = float(Bound(relaxation, self.xp)(prices, scenario, whole=(0,)))
        alone = int(most[target & self.able].sum())
        return given + min(alone, int(np.floor(found * (1 + _HAIR) + _HAIR)))

    def missing(self, bands: int) -> list[Missing]:
        """The pools of the first bands that wait, highest priority first.

        Each is proved to wait if no plan serves it beside all that this one serves: every higher priority as
        well, and as many GPUs of its equals.
        """
        problem, found = self.problem, []
        waiting = np.flatnonzero((self.band < bands) & (self.served < problem.minimum))
        for p in waiting[np.lexsort((waiting, -problem.priority[waiting]))].tolist():
            target = np.arange(problem.pools) == p
            most = self.bound((problem.priority >= problem.priority[p]) & ~target, target)
            lacks = int(problem.minimum[p] - self.served[p])
            found.append(Missing(p, lacks, most < int(problem.minimum[p])))
        return found

    def weighted(self) -> float:
        """A bound on the sum of 4^(4 - band) times the GPUs of minima: one number to compare solvers by."""
        chosen = self.open & self.able
        relaxation = self._relaxation(chosen, self.band)
        aim = aim_at_all(BANDS)
        scenario = Scenarios(
            relaxation.slots, relaxation.limit, *(s[: relaxation.bands] for s in vars(aim).values())
        )
        prices = self.engine(relaxation, aim).prices
        found = float(Bound(relaxation, self.xp)(prices, scenario))
        return found * (1 + _HAIR) + float((aim.weight[self.band] * np.where(chosen, 0, self._most)).sum())

    @cached_property
    def _most(self) -> Ints:
        """(P,) GPUs of its minimum that each pool could have at best, whatever became of the others."""
        problem = self.problem
        stands = np.zeros(problem.pools, dtype=np.bool_)
        stands[problem.row_pool] = True
        stuck = np.where(self.open, ~self.able & ~stands, ~self.free & problem.frozen)
        return np.where(stuck, self.served, problem.minimum)

    def _exactly(self) -> int | None:
        """The lowest priority through which an exact answer of a small question proves the plan."""
        problem, question = self.problem, ask(self.problem, self.solution)
        in_play = self.open | self.free
        if question.pools.size * problem.cells > SMALL or in_play[problem.row_pool].any():
            return None
        plan = held(question, self.solution)
        found = answer(question, Budget(iterations=_EXACT), plan)
        asked, through = np.isin(np.arange(problem.pools), question.pools), None
        for v in sorted(found.served, reverse=True):
            served = int(self.served[(problem.priority == v) & asked].sum())
            if found.proved_through is None or v < found.proved_through or found.served[v] > served:
                break
            through = v
        return through

    def _proved(self, exact: int | None) -> tuple[int | None, int | None]:
        """The lowest priority that is proved, and the first that is not.

        A run of priorities of which nothing is served is proved at once if none of it could be, even where
        those between that are served in full gave way.
        """
        values, served = self.values, self._by_priority(self.served)
        known = served == self._by_priority(self._most)
        if exact is not None:
            known |= values >= exact
        through, i, length = None, 0, 1
        while i < values.size:
            if known[i]:
                through, i = int(values[i]), i + 1
                continue
            run = i + np.flatnonzero(~known[i : i + length])
            waits = np.flatnonzero(served[run])
            if length > 1 and waits.size:
                run = run[: max(1, int(waits[0]))]
            above, target = self.at < i, np.isin(self.at, run)
            if self.bound(above, target) <= int(served[run].sum()):
                through, i, length = int(values[run[-1]]), int(run[-1]) + 1, 2 * length
            elif run.size > 1:
                length = max(1, int(run[-1] - i) // 4)
            else:
                return through, int(values[i])
        return through, None

    def _by_priority(self, amounts: Ints) -> Ints:
        """(V,) sums of ``amounts`` (P,) over the pools of each priority, from the highest."""
        total = np.zeros(self.values.size, dtype=np.int64)
        np.add.at(total, self.at, amounts)
        return total

    def _relaxation(self, chosen: Bools, group: Ints) -> Relaxation:
        pools = np.flatnonzero(chosen)
        question = Question(self.problem, self.left, self.slots, pools)
        return relax(question, group[pools], self.forest, self.solution)


def _pools_in_play(problem: Problem, forest: Forest) -> tuple[Bools, Bools]:
    """(P,) pools that may be placed anywhere, and (P,) those that may lose what they hold but are odd.

    Odd ones are counted as served for nothing, their room given to the others, so that the bound stays true.
    """
    stands = np.zeros(problem.pools, dtype=np.bool_)
    stands[problem.row_pool] = True
    load = problem.fixed_watts.copy()
    np.add.at(load, problem.cell_domain[problem.row_cell], problem.row_units * problem.row_watts)
    for d in forest.order[::-1].tolist():
        if problem.parent[d] >= 0:
            load[problem.parent[d]] += load[d]
    over = load > problem.limit
    hit = np.asarray(
        [over[list(forest.ancestors[d])].any() for d in problem.cell_domain.tolist()], dtype=np.bool_
    )
    touched = problem.row_leave | (hit[problem.row_cell] if problem.cells else problem.row_leave)
    loose = problem.preemptible | problem.changed | problem.uprooted | (problem.displaced > 0)
    loose[problem.row_pool[touched]] = True
    gpus = problem.system_gpus[problem.cell_system[problem.row_cell]]
    stood = np.zeros(problem.pools, dtype=np.int64)
    np.add.at(stood, problem.row_pool, problem.row_units * gpus)
    largest = np.zeros(problem.pools, dtype=np.int64)
    np.maximum.at(largest, problem.row_pool, gpus)
    loose |= stood >= problem.need + np.maximum(largest, 1)
    odd = problem.frozen.copy()
    odd[problem.row_pool[problem.row_locked | ~problem.cell_open[problem.row_cell] | ~problem.row_fits]] = (
        True
    )
    odd |= stands & (stood < problem.minimum)
    odd |= _torn(problem, forest)
    asks = ~problem.frozen & (problem.need > 0)
    free = stands & loose & (odd | ~asks)
    return asks & ~free & (~stands | loose), free


def _torn(problem: Problem, forest: Forest) -> Bools:
    """(P,) does not stand as its topology has it: a loss or a change of the factory does not move a pool."""
    places: dict[int, set[int]] = {}
    for p, c in zip(problem.row_pool.tolist(), problem.row_cell.tolist(), strict=True):
        kind, chain = problem.topology[p], forest.ancestors[int(problem.cell_domain[c])]
        if kind == Topology.FABRIC:
            place = int(problem.cell_fabric[c])
        elif kind in (Topology.FACTORY, Topology.SPREAD_FACTORY):
            place = chain[-1]
        else:
            place = next((d for d in chain if problem.level[d] == problem.topology_level[p]), -1)
        places.setdefault(p, set()).add(place)
    torn = np.zeros(problem.pools, dtype=np.bool_)
    for p, found in places.items():
        if problem.topology[p] != Topology.NONE:
            spread = int(problem.spread[p])
            torn[p] = -1 in found or (len(found) < spread if spread else len(found) > 1)
    return torn


def _room_in_play(problem: Problem, pools: Bools, forest: Forest) -> tuple[Ints, Ints]:
    """Watts (D,) and slots (C,) that are free once these pools (P,) are gone."""
    gone = pools[problem.row_pool] & ~problem.row_locked
    units = np.where(gone, 0, problem.row_units)
    load, used = problem.fixed_watts.copy(), np.zeros(problem.cells, dtype=np.int64)
    np.add.at(load, problem.cell_domain[problem.row_cell], units * problem.row_watts)
    np.add.at(used, problem.row_cell, units)
    for d in forest.order[::-1].tolist():
        if problem.parent[d] >= 0:
            load[problem.parent[d]] += load[d]
    return problem.limit - load, np.maximum(problem.cell_units - used, 0)
