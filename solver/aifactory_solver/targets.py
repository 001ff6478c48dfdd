"""A guide that follows what the relaxation would do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aifactory_solver.problem import Ints
from aifactory_solver.relax.demand import Floats, minimum_units
from aifactory_solver.relax.relaxation import Relaxation
from aifactory_solver.strict.guide import Choices, Guide
from aifactory_solver.strict.layout import Layout, Units

_SOME = 0.5  # units of a target that count


@dataclass(frozen=True, eq=False)
class Advice:
    """What the relaxation says."""

    pools: Ints  # (Q,) that it knows
    relaxation: Relaxation
    targets: Floats  # (D, U) units
    offer_price: Floats  # (U,) of a unit


class Targets(Guide):
    """Follows the targets: a demand's pools share out what is meant for it.

    What has no target goes where it is worth least to others.
    """

    def __init__(
        self,
        layout: Layout,
        advice: Advice,
        first: frozenset[int] = frozenset(),
        cells: dict[int, Units] | None = None,
    ):
        super().__init__(layout, first, cells)
        relaxation, pools, targets = advice.relaxation, advice.pools, advice.targets
        demands, self._offers = relaxation.demands, relaxation.offers
        self._demand = dict(zip(pools.tolist(), demands.of_pool.tolist(), strict=True))
        self._units = dict(zip(pools.tolist(), minimum_units(layout.problem, pools).tolist(), strict=True))
        self._price: list[float] = advice.offer_price.tolist()
        # For each demand and system the factories that have a target, with what is left of it.
        self._left: list[dict[int, dict[int, float]]] = [{} for _ in range(demands.count)]
        for d, u in zip(*np.nonzero(targets > _SOME), strict=True):
            system, factory = int(self._offers.system[u]), int(self._offers.factory[u])
            self._left[d].setdefault(system, {})[factory] = float(targets[d, u])
        self._of = {kind: table.tolist() for kind, table in self._offers.of.items()}
        self._ranked: dict[tuple[int, int, int, int], list[tuple[float, list[int]]]] = {}

    def turns(self, order: list[int]) -> list[int]:
        """Equals in their usual order: the cells come from a plan that is no better for them."""
        return self.early(order)

    def systems(self, pool: int) -> Sequence[int]:
        """First those that have most of what the pool needs, then the cheapest way to serve it."""
        demand = self._demand.get(pool, -1)
        listed = self.layout.problem.systems[pool]
        if demand < 0 or len(listed) < 2:
            return listed
        left, units, keys = self._left[demand], self._units[pool], []
        for place, s in enumerate(listed):
            n = max(1, units[s])
            meant = min(1.0, max(left[s].values()) / n) if left.get(s) else 0.0
            ranked = self._rank(pool, s)
            keys.append(
                (-meant if meant > _SOME / n else 0.0, n * ranked[0][0] if ranked else np.inf, place, s)
            )
        return [key[-1] for key in sorted(keys)]

    def factories(self, pool: int, system: int, units: int) -> Choices:
        """Those meant for all the units, then those meant for some, then the cheapest."""
        ranked = self._rank(pool, system)
        left = self._left[self._demand[pool]].get(system) if self._demand.get(pool, -1) >= 0 else None
        if not left:
            return [factories for _, factories in ranked]
        allowed = self.layout.problem.allowed[pool]
        some = [(t, f) for f, t in left.items() if t > _SOME and allowed[f]]
        whole = [f for t, f in some if t >= units - _SOME]
        parts = [[f] for t, f in sorted(some, reverse=True) if t < units - _SOME]
        meant = {f for _, f in some}
        others = [[f for f in factories if f not in meant] for _, factories in ranked]
        return [choice for choice in [whole, *parts, *others] if choice]

    def took(self, pool: int, cell: int, units: int) -> None:
        """So much less is left of the target, if there was one."""
        demand = self._demand.get(pool, -1)
        if demand >= 0:
            left = self._left[demand].get(self.layout.cell_system[cell])
            factory = self.layout.cell_factory[cell]
            if left is not None and factory in left:
                left[factory] -= units

    def _rank(self, pool: int, system: int) -> list[tuple[float, list[int]]]:
        """The factories that may serve a pool with a system by what a unit costs there; none is left out."""
        layout = self.layout
        key = (layout.signature[pool], layout.topology[pool], layout.level[pool], system)
        if key not in self._ranked:
            table = self._of.get((layout.topology[pool], layout.level[pool]))
            by_price: dict[tuple[float, int], list[int]] = {}
            for place, factories in enumerate(layout.classes(pool, system)):
                for f in factories:
                    offer = table[f][system] if table is not None else -1
                    price = self._price[offer] if offer >= 0 else float("inf")
                    by_price.setdefault((price, place), []).append(f)
            self._ranked[key] = [(price, by_price[price, place]) for price, place in sorted(by_price)]
        return self._ranked[key]
