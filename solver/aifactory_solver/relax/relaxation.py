"""The merged linear program of one state of a fleet, as plain arrays."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from aifactory_solver.problem import Bools, Ints, Solution
from aifactory_solver.question import Question
from aifactory_solver.relax.classes import Classes, classify
from aifactory_solver.relax.demand import Demands, Floats, Offers, find_offers, gather_demands, kinds_of
from aifactory_solver.relax.tighten import tighten
from aifactory_solver.strict.forest import Forest


@dataclass(frozen=True, eq=False)
class Relaxation:
    """What may be served at best, fractionally. Sizes: D demands, U offers, L pairs, B cells, K domains.

    Columns: x[d, u], units that demand d has of offer u, where may_use[d, u]; and z[l], units that the offer
    of pair l takes from its cell class. A unit of x[d, u] serves gain[d, u] GPUs.

        max  sum weight[band(d)] * gain[d, u] * x[d, u]
        s.t. sum over u of gain[d, u] * x[d, u]                  <= need[d]        each demand d
             sum over d of x[d, u] - sum of z of u's pairs       <= 0              each offer u
             sum of z of the pairs on b                          <= slots[b]       each cell class b
             sum of watts * z of the pairs below k               <= limit[k]       each domain class k
             sum over the band's d, over u of gain[d, u] * x[d, u] >= floor[band]  each band that has one
             x, z >= 0
    """

    classes: Classes
    offers: Offers
    demands: Demands
    slots: Ints  # (B,)
    limit: Ints  # (K,) watts
    bands: int
    used: Bools | None = None  # (D, U) what the demands use in a plan at hand: a good place to begin

    @cached_property
    def gain(self) -> Floats:
        """(D, U) GPUs that a unit serves, 0 where the demand may not use the offer."""
        return np.where(self.demands.may_use, self.demands.gpus_per_unit[:, self.offers.system], 0.0)

    @cached_property
    def chain(self) -> Ints:
        """(B, depth) the domain class of each cell class and those above it; K stands for none."""
        k = self.classes.domains
        columns = [self.classes.hangs_on]
        above = np.append(np.where(self.classes.parent < 0, k, self.classes.parent), k)
        while columns[-1].size and columns[-1].min() < k:
            columns.append(above[columns[-1]])
        return np.stack(columns[:-1] or columns, axis=1)


def relax(question: Question, bands: Ints, forest: Forest, near: Solution | None = None) -> Relaxation:
    """The relaxation of serving the minima of the question's pools, each in one of the ``bands`` (Q,).

    A plan that is ``near`` changes no optimum, but the time that one takes.
    """
    problem = question.problem
    classes = classify(problem)
    usable, slots = tighten(problem, question.left, question.free)
    offers = find_offers(problem, classes, kinds_of(problem, question.pools), forest)
    demands = gather_demands(question, bands, offers, forest)
    count = int(bands.max(initial=0)) + 1
    used = None if near is None else in_use(question, offers, demands, near)
    return Relaxation(
        classes, offers, demands, classes.per_cell(slots), classes.per_domain(usable), count, used
    )


def in_use(question: Question, offers: Offers, demands: Demands, plan: Solution) -> Bools:
    """(D, U) offers that pools of each demand hold units of in a plan, be it kept or new."""
    problem, pools = question.problem, question.pools
    row = plan.kept > 0
    pool = np.concatenate((problem.row_pool[row], plan.new_pool))
    cell = np.concatenate((problem.row_cell[row], plan.new_cell))
    at = np.full(problem.pools, -1, dtype=np.int64)
    at[pools] = demands.of_pool
    used = np.zeros((demands.count, offers.count), dtype=np.bool_)
    for kind, table in offers.of.items():
        mine = (
            (at[pool] >= 0) & (problem.topology[pool] == kind[0]) & (problem.topology_level[pool] == kind[1])
        )
        offer = table[problem.factory[problem.cell_domain[cell[mine]]], problem.cell_system[cell[mine]]]
        used[at[pool[mine][offer >= 0]], offer[offer >= 0]] = True
    return used & demands.may_use
