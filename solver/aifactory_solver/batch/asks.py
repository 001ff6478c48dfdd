"""What lists of pools ask for, as arrays on the namespace."""

from dataclasses import dataclass

import numpy as np

from aifactory_solver.batch.rooms import NEVER, Fleet
from aifactory_solver.problem import Ints, Topology
from aifactory_solver.strict.layout import FACTORIES


@dataclass(frozen=True, eq=False)
class Beside:
    """Asks beside units that stay, instead of for whole minima; on the host.

    A packed pool of which something stays asks on one system. Of a pool that spreads over the domains of a
    level nothing may stay.
    """

    units: Ints  # (N, Q, J) units to add on each of the pool's systems, best first; NEVER for none
    held: Ints  # (N, Q, F) units that stay in each factory
    group: Ints  # (N, Q) the domain in which those of a packed pool stay, -1 where nothing does


class Asks:
    """Each pool of the lists (N, Q) is known once, as one of U; one more asks for nothing."""

    def __init__(self, fleet: Fleet, pools: Ints, beside: Beside | None) -> None:
        ints, layout, problem = fleet.ints, fleet.layout, fleet.problem
        known = np.unique(pools[pools >= 0])
        nobody = self.nobody = len(known)
        who = np.where(pools >= 0, np.searchsorted(known, pools), nobody)
        systems = [len(problem.systems[p]) for p in known.tolist()]
        widest = max([1, *systems]) if beside is None else beside.units.shape[-1]
        least = np.full((nobody + 1, widest), NEVER)
        offer = np.full((nobody + 1, widest), -1)
        places, level = np.zeros(nobody + 1, np.int64), np.full(nobody + 1, -1)
        packed = np.zeros(nobody + 1, np.int64)
        offers: dict[tuple[int, int], int] = {}
        over: set[tuple[int, int]] = set()
        for i, p in enumerate(known.tolist()):
            level[i] = fleet.level(p)
            packed[i] = layout.topology[p] != Topology.NONE and not layout.spread[p]
            for s, n in fleet.asks(p):
                j = problem.systems[p].index(s)
                places[i] = layout.spread[p] if n or beside else 0
                least[i, j] = n
                offer[i, j] = offers.setdefault((s, fleet.kind(p)), len(offers))
                if level[i] >= 0:
                    over.add((s, int(level[i])))
        offer[offer < 0] = len(offers)
        self.offers = list(offers)  # systems and kinds of groups
        self.over = sorted(over)  # systems and levels of pools that spread over domains
        self.who = ints(who)
        self.offer = ints(offer)  # (U + 1, J)
        self.places, self.level, self.packed = ints(places), ints(level), ints(packed)  # (U + 1,)
        nowhere = np.zeros((1, fleet.factories), np.int64)
        self.may = ints(np.concatenate((fleet.allowed[known], nowhere)))  # (U + 1, F)
        self.beside = beside is not None
        if beside is None:
            self.units = ints(least[who])  # (N, Q, J)
            return
        self.units = ints(np.where((pools >= 0)[:, :, None], beside.units, NEVER))
        self.held = ints(beside.held[:, :, fleet.by_rank])
        self.column = ints(self._columns(fleet, pools, beside))  # (N, Q)

    def _columns(self, fleet: Fleet, pools: Ints, beside: Beside) -> Ints:
        """(N, Q) which of the groups of its factory a packed pool has to stay in, -1 for any."""
        columns = np.full(pools.shape, -1)
        for n, q in np.argwhere(beside.group >= 0).tolist():
            pool = int(pools[n, q])
            j = int(np.argmin(beside.units[n, q]))
            if fleet.kind(pool) != FACTORIES:
                table = fleet.columns(fleet.problem.systems[pool][j], fleet.kind(pool))
                # Where the group has no cell of the system: one past the last, in which nothing fits.
                columns[n, q] = table.get(int(beside.group[n, q]), table[-1])
        return columns
