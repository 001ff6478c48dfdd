"""A guide that follows what the relaxation would do."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from aifactory_solver.problem import Ints
from aifactory_solver.relax.bound import Bound
from aifactory_solver.relax.demand import Floats, minimum_units
from aifactory_solver.relax.engine import Engine, aim_at_all
from aifactory_solver.relax.relaxation import Relaxation
from aifactory_solver.strict.guide import Choices, Guide
from aifactory_solver.strict.layout import Layout, Units

_SOME = 0.5  # units of a target that count


class Ranked(NamedTuple):
    """Factories by what a unit costs there."""

    least: float  # the price where it costs least
    choices: Choices  # factories of equal price together, the cheapest first
    at: dict[int, int]  # factory -> its place in choices


class Advice:
    """What the relaxation says: units of each demand by system and factory, and where a unit costs least.

    ``pools`` (Q,) are those that it knows, ``served`` (D,) the GPUs that it serves of each demand.
    """

    def __init__(self, layout: Layout, pools: Ints, relaxation: Relaxation, engine: Engine) -> None:
        demands, offers = relaxation.demands, relaxation.offers
        optimum = engine(relaxation, aim_at_all(relaxation.bands))
        targets = optimum.targets
        # (U,) what a unit of an offer is worth to others
        offer_price = Bound(relaxation, np).offer_prices(optimum.prices)
        self.served: Floats = (relaxation.gain * targets).sum(axis=1)
        self.demand = dict(zip(pools.tolist(), demands.of_pool.tolist(), strict=True))
        self.units = dict(zip(pools.tolist(), minimum_units(layout.problem, pools).tolist(), strict=True))
        # For each demand and system the factories that have a target.
        self.targets: list[dict[int, dict[int, float]]] = [{} for _ in range(demands.count)]
        for d, u in zip(*np.nonzero(targets > _SOME), strict=True):
            system, factory = int(offers.system[u]), int(offers.factory[u])
            self.targets[d].setdefault(system, {})[factory] = float(targets[d, u])
        self._layout = layout
        self._price: list[float] = offer_price.tolist()
        self._of = {kind: table.tolist() for kind, table in offers.of.items()}
        kinds: dict[tuple[int, int, int], int] = {}
        self._kind = [
            kinds.setdefault(key, len(kinds))
            for key in zip(layout.signature, layout.topology, layout.level, strict=True)
        ]
        self._ranked: list[list[Ranked | None]] = [[None] * layout.systems for _ in kinds]

    def rank(self, pool: int, system: int) -> Ranked:
        """The factories that may serve a pool with a system; none is left out."""
        ranked = self._ranked[self._kind[pool]]
        known = ranked[system]
        if known is None:
            layout = self._layout
            table = self._of.get((layout.topology[pool], layout.level[pool]))
            by_price: dict[tuple[float, int], list[int]] = {}
            for place, factories in enumerate(layout.classes(pool, system)):
                for f in factories:
                    offer = table[f][system] if table is not None else -1
                    price = self._price[offer] if offer >= 0 else float("inf")
                    by_price.setdefault((price, place), []).append(f)
            order = sorted(by_price)
            choices = [by_price[key] for key in order]
            at = {f: i for i, factories in enumerate(choices) for f in factories}
            known = ranked[system] = Ranked(order[0][0] if order else np.inf, choices, at)
        return known


class Targets(Guide):
    """Follows the targets: a demand's pools share out what is meant for it.

    What has no target goes where it is worth least to others.
    """

    def __init__(
        self,
        layout: Layout,
        advice: Advice,
        first: frozenset[int] = frozenset(),
        tried: frozenset[tuple[int, int]] = frozenset(),
        cells: dict[int, Units] | None = None,
        *,
        released: Mapping[int, int] = MappingProxyType({}),
    ):
        """``tried``: pools and factories that they go to only if there is no other."""
        super().__init__(layout, first, cells, released=released)
        self._tried: dict[int, set[int]] = {}
        for pool, factory in tried:
            self._tried.setdefault(pool, set()).add(factory)
        self._advice, self._demand, self._rank = advice, advice.demand, advice.rank
        # For each demand and system what is left of the targets.
        self._left = [{s: units.copy() for s, units in by.items()} for by in advice.targets]

    def turns(self, order: list[int]) -> list[int]:
        """Equals in their usual order: the cells come from a plan that is no better for them."""
        return self.early(order)

    def systems(self, pool: int) -> Sequence[int]:
        """First those that have most of what the pool needs, then the cheapest way to serve it."""
        demand = self._demand.get(pool, -1)
        listed = self.layout.problem.systems[pool]
        if demand < 0 or len(listed) < 2:
            return listed
        left, units, keys = self._left[demand], self._advice.units[pool], []
        for place, s in enumerate(listed):
            n = max(1, units[s])
            meant = min(1.0, max(left[s].values()) / n) if left.get(s) else 0.0
            price = n * self._rank(pool, s).least
            keys.append((-meant if meant > _SOME / n else 0.0, price, place, s))
        return [key[-1] for key in sorted(keys)]

    def factories(self, pool: int, system: int, units: int) -> Choices:
        """Those meant for all the units, then those meant for some, then the cheapest; those tried last."""
        choices, tried = self._untried(pool, system, units), self._tried.get(pool)
        if not tried:
            return choices
        others = [[f for f in factories if f not in tried] for factories in choices]
        return [*others, *([f for f in factories if f in tried] for factories in choices)]

    def _untried(self, pool: int, system: int, units: int) -> Choices:
        ranked = self._rank(pool, system)
        demand = self._demand.get(pool, -1)
        left = self._left[demand].get(system) if demand >= 0 else None
        if not left:
            return ranked.choices
        at = ranked.at
        some = [(t, f) for f, t in left.items() if t > _SOME and f in at]
        whole = [f for t, f in some if t >= units - _SOME]
        parts = [[f] for t, f in sorted(some, reverse=True) if t < units - _SOME]
        others = ranked.choices.copy()
        for _, meant in some:
            others[at[meant]] = [f for f in others[at[meant]] if f != meant]
        return [whole, *parts, *others]

    def took(self, pool: int, cell: int, units: int) -> None:
        """So much less is left of the target, if there was one."""
        demand = self._demand.get(pool, -1)
        if demand >= 0:
            left = self._left[demand].get(self.layout.cell_system[cell])
            factory = self.layout.cell_factory[cell]
            if left is not None and factory in left:
                left[factory] -= units
