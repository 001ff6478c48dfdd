"""A lower bound on the GPUs that an event moves at all, by a linear program over what may be touched.

The rules say beforehand who may be touched: pools that a limit or a drain cuts, those whose own spec wants
something else, and those below the highest pool that gains by it. All else stays. They are to keep as much as
possible, while everybody ends with as many GPUs as in the plan.
"""

from dataclasses import dataclass, field

import highspy
import numpy as np

from aifactory_solver.problem import Bools, Ints, Problem, Solution
from aifactory_solver.question import Question
from aifactory_solver.relax.classes import Classes, classify
from aifactory_solver.relax.demand import PACKED, Floats, Offers, find_offers, kinds_of, most_alone
from aifactory_solver.relax.tighten import tighten
from aifactory_solver.strict.guide import Guide
from aifactory_solver.strict.layout import Layout
from aifactory_solver.strict.plain import begin
from aifactory_solver.strict.run import Run
from aifactory_solver.value import gpus_by_pool

_MEGA = 1e-6  # limits are in megawatts here, so that the numbers of the program are alike


def forced_moves(problem: Problem, solution: Solution) -> int:
    """GPUs that any plan moves in which each pool is served as in this one."""
    run = begin(Guide(Layout(problem, np)))
    had, kept, new = gpus_by_pool(problem, solution)
    served = np.minimum(kept + new, problem.need)
    loose = _loose(run, served)
    if not (loose & (had > 0)).any():
        return 0
    return _Program(run, loose, np.minimum(had, served), served).least()


def _loose(run: Run, served: Ints) -> Bools:
    """(P,) pools that may be touched, or are given something, where each is ``served`` (P,) so many GPUs."""
    problem, room = run.problem, run.room
    below = np.asarray([run.below_minimum(p) for p in range(problem.pools)], dtype=np.bool_)
    cut = np.zeros(problem.pools, dtype=np.bool_)
    cut[list(run.displaced)] = True
    cut |= np.asarray(room.kept_of) < room.stood_of
    gains = (below | problem.changed) & (problem.minimum > 0) & (served >= problem.minimum)
    top = problem.priority[gains].max(initial=np.iinfo(np.int64).min)
    return np.asarray(cut | below | problem.changed | (problem.preemptible & (problem.priority < top)))


@dataclass
class _Columns:
    """Columns of a linear program, each with its entries."""

    cost: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)
    start: list[int] = field(default_factory=list)
    row: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def add(self, cost: float, most: float, entries: dict[int, float]) -> None:
        """One more column, from 0 to ``most``."""
        self.cost.append(cost)
        self.most.append(most)
        self.start.append(len(self.row))
        self.row += entries
        self.value += entries.values()


class _Program:
    """Columns: what loose pools keep of each row, GPUs that a pool moves, and what is new.

    Pools that may stand in the same places share what is new. Rows, in this order: watts of domain classes,
    slots of cell classes, offers, the GPUs of each loose pool, and those of pools that share.
    """

    def __init__(self, run: Run, loose: Bools, stays: Ints, served: Ints) -> None:
        """``stays`` (P,): GPUs that each pool would keep if nothing moved; ``served`` (P,): in the end."""
        self.problem, self.layout = run.problem, run.layout
        self.stays, self.served, self.pools = stays, served, np.flatnonzero(loose)
        leaves = self.problem.row_leave & ~self.problem.row_locked
        self.standing = np.flatnonzero(loose[self.problem.row_pool] & ~leaves)
        for r in np.flatnonzero(loose[self.problem.row_pool] & ~self.problem.row_locked).tolist():
            run.room.keep(r, 0)
        question = Question(self.problem, run.room.left, run.room.free, self.pools)
        self.classes: Classes = classify(self.problem)
        self.offers: Offers = find_offers(
            self.problem, self.classes, kinds_of(self.problem, self.pools), self.layout.forest
        )
        watts, slots = tighten(self.problem, question.left, question.free)
        self.watts, self.slots = self.classes.per_domain(watts), self.classes.per_cell(slots)
        self.shares, self.may_use = self._sharing(question)

    def _sharing(self, question: Question) -> tuple[Ints, Bools]:
        """(Q,) which pools share, and (G, U) the offers that those who share may use."""
        problem, offers, pools = self.problem, self.offers, self.pools
        accepts = np.zeros((pools.size, problem.system_gpus.size), dtype=np.bool_)
        for i, p in enumerate(pools.tolist()):
            accepts[i, list(problem.systems[p])] = not problem.frozen[p]
        closed = np.zeros(problem.pools, dtype=np.bool_)
        closed[problem.row_pool[~problem.cell_open[problem.row_cell]]] = True
        units = -(-self.served[pools][:, None] // problem.system_gpus)
        units[closed[pools] | ~np.isin(problem.topology[pools], PACKED)] = 1
        may = np.zeros((pools.size, offers.count), dtype=np.bool_)
        for kind in kinds_of(problem, pools):
            alone = most_alone(question, kind, self.layout.forest)
            mine = (problem.topology[pools] == kind[0]) & (problem.topology_level[pools] == kind[1])
            members = np.flatnonzero(mine)
            for f, s in zip(*np.nonzero(offers.of[kind] >= 0), strict=True):
                fits = accepts[members, s] & problem.allowed[pools[members], f]
                may[members, offers.of[kind][f, s]] = fits & (alone[f, s] >= units[members, s])
        may_use, shares = np.unique(may, axis=0, return_inverse=True)
        return shares.reshape(-1), may_use

    def least(self) -> int:
        """GPUs that move at least."""
        problem, classes, offers = self.problem, self.classes, self.offers
        slot, offer = classes.domains, classes.domains + classes.cells
        pool = offer + offers.count
        share = pool + self.pools.size
        at = np.full(problem.pools, -1, dtype=np.int64)
        at[self.pools] = np.arange(self.pools.size)
        largest = int(problem.system_gpus.max())
        columns = _Columns()
        for r in self.standing.tolist():
            p, cell = self.layout.row_pool[r], self.layout.row_cell[r]
            gpus, units = self.layout.gpus[self.layout.cell_system[cell]], self.layout.row_units[r]
            entries = {pool + int(at[p]): float(gpus), share + int(self.shares[at[p]]): float(gpus)}
            if self.layout.cell_open[cell] and not self.layout.row_locked[r]:
                entries |= self._draws(int(classes.of_cell[cell]), slot)
            columns.add(0.0, units, entries)
        for i in range(self.pools.size):
            columns.add(1.0, np.inf, {pool + i: 1.0})  # moves
            columns.add(0.0, largest - 1, {pool + i: -1.0})  # keeps more, for units are whole
        for group, u in zip(*np.nonzero(self.may_use), strict=True):
            gpus = int(problem.system_gpus[offers.system[u]])
            columns.add(0.0, np.inf, {share + int(group): float(gpus), offer + int(u): 1.0})
        for u, b in zip(offers.pair_offer.tolist(), offers.pair_cell.tolist(), strict=True):
            columns.add(0.0, np.inf, {offer + u: -1.0} | self._draws(b, slot))
        shared = np.bincount(self.shares, weights=self.served[self.pools])
        stays, free = self.stays[self.pools].astype(float), np.full(share, -np.inf)
        free[pool:] = stays
        upper = np.concatenate((self.watts * _MEGA, self.slots, np.zeros(offers.count), stays))
        lower = np.concatenate((free, shared))
        return _optimum(columns, lower, np.concatenate((upper, np.full(shared.size, np.inf))))

    def _draws(self, cell: int, slot: int) -> dict[int, float]:
        """What a unit in a cell class takes: its slot, and watts of all domains above."""
        classes, found = self.classes, {slot + cell: 1.0}
        domain = int(classes.hangs_on[cell])
        while domain >= 0:
            found[domain] = float(classes.watts[cell]) * _MEGA
            domain = int(classes.parent[domain])
        return found


def _optimum(columns: _Columns, lower: Floats, upper: Floats) -> int:
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(columns.cost), lower.size
    lp.col_cost_, lp.col_upper_ = np.asarray(columns.cost), np.asarray(columns.most)
    lp.col_lower_ = np.zeros(len(columns.cost))
    lp.row_lower_, lp.row_upper_ = lower, upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.asarray([*columns.start, len(columns.row)])
    lp.a_matrix_.index_, lp.a_matrix_.value_ = np.asarray(columns.row), np.asarray(columns.value)
    highs.passModel(lp)
    highs.run()
    optimal = highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return int(np.ceil(highs.getInfo().objective_function_value - 1e-3)) if optimal else 0
