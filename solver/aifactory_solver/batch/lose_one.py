"""N-1: what would fall if one domain were lost, for each domain of the forest.

A domain that is lost is out of service with all that is below it: its cells take nothing, what stands or was
planned there is gone, locked or not. The pools that lost units look for room again by the rules.

There are two speeds. All losses at once are asked whether every pool that lost units finds free room, in
waves: then nobody has to fall. The others are decided one by one by the plain solver.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from aifactory_solver.batch.rooms import Fleet
from aifactory_solver.batch.safe import Losses
from aifactory_solver.batch.standing import Standing, carried_out
from aifactory_solver.problem import Array, Problem, Solution
from aifactory_solver.strict.plain import solve


@dataclass(frozen=True)
class Loss:
    """What the loss of one domain does."""

    domain: int
    gpus: int  # that stand or are planned below it
    pools: tuple[int, ...]  # that end below the minimum that they had, the highest priority first

    @property
    def protected(self) -> bool:
        """Whether no pool falls."""
        return not self.pools


def lose_one(problem: Problem, solution: Solution, xp: Array = np) -> list[Loss]:
    """The loss of each domain with cells below it, once a plan is carried out; in the order of the domains.

    Pools that the plan itself leaves below their minimum are nobody's loss.
    """
    fleet = Fleet(carried_out(problem, solution), xp)
    stands = Standing(fleet.problem, fleet.forest)
    alike: dict[object, list[int]] = defaultdict(list)
    for domain, signature in enumerate(stands.signatures()):
        if stands.cells[domain]:
            alike[signature].append(domain)
    asked = [domains[0] for domains in alike.values() if stands.lost[domains[0]]]
    safe = Losses(fleet, stands).safe(asked)
    falls = {domain: _falls(stands, domain) for domain in asked if domain not in safe}
    losses = (
        Loss(domain, stands.gpus_below(domain), falls.get(domains[0], ()))
        for domains in alike.values()
        for domain in domains
    )
    return sorted(losses, key=lambda loss: loss.domain)


def _falls(stands: Standing, domain: int) -> tuple[int, ...]:
    """The pools that fall below their minimum, the highest priority first."""
    problem = stands.problem
    after = solve(stands.without(domain))
    pool = np.concatenate((problem.row_pool, after.new_pool))
    cell = np.concatenate((problem.row_cell, after.new_cell))
    units = np.concatenate((after.kept, after.new_units))
    fell = np.flatnonzero(stands.below_minimum(pool, cell, units) & ~stands.waits)
    return tuple(fell[np.lexsort((problem.age[fell], -problem.priority[fell]))].tolist())
