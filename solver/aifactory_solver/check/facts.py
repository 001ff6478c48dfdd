"""What a problem and a plan amount to, counted once for all rules.

Sizes as in ``problem``: D domains, C cells, R rows, P pools, N new placements.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from aifactory_solver.problem import Bools, Ints, Problem, Solution, Topology

PACKED = (Topology.FACTORY, Topology.FABRIC, Topology.DOMAIN)
SPREAD = (Topology.SPREAD_FACTORY, Topology.SPREAD_DOMAIN)


class Tree:
    """The forest of domains, walked a layer at a time."""

    def __init__(self, parent: Ints) -> None:
        self.parent = parent
        self.depth = np.zeros_like(parent)
        for domain, above in enumerate(parent.tolist()):
            if above >= 0:
                self.depth[domain] = self.depth[above] + 1
        deepest = int(self.depth.max(initial=-1))
        self.layers = [np.flatnonzero(self.depth == depth) for depth in range(deepest + 1)]
        self.roots = self.layers[0] if self.layers else np.zeros(0, np.int64)

    def sums(self, own: Ints) -> Ints:
        """(D,) what hangs on each domain and on every domain below it, from what hangs on exactly it."""
        total = own.copy()
        for layer in reversed(self.layers[1:]):
            np.add.at(total, self.parent[layer], total[layer])
        return total

    def chain(self, domain: int) -> Iterator[int]:
        """The domain and every domain above it, upwards."""
        while domain >= 0:
            yield domain
            domain = int(self.parent[domain])

    def nearest(self, marked: Bools) -> Ints:
        """(D,) the lowest marked domain that each domain is or lies under; -1 if there is none."""
        found = np.full_like(self.parent, -1)
        for layer in self.layers:
            above = self.parent[layer]
            found[layer] = np.where(above >= 0, found[above], -1)
            found[layer] = np.where(marked[layer], layer, found[layer])
        return found


@dataclass(frozen=True)
class Items:
    """Units that stand or are planned: (I,) arrays of the pool, the cell, how many, and watts of each."""

    pool: Ints
    cell: Ints
    units: Ints
    watts: Ints

    def where(self, chosen: Bools) -> "Items":
        """Only the chosen ones."""
        return Items(self.pool[chosen], self.cell[chosen], self.units[chosen], self.watts[chosen])


class Facts:
    """Everything that more than one rule wants to know. Nothing here is a judgement."""

    def __init__(self, problem: Problem, solution: Solution) -> None:
        self.problem = problem
        self.solution = solution
        self.tree = Tree(problem.parent)
        self.kept = Items(problem.row_pool, problem.row_cell, solution.kept, problem.row_watts)
        self.new = Items(
            solution.new_pool, solution.new_cell, solution.new_units, problem.cell_watts[solution.new_cell]
        )
        self._groups: dict[tuple[int, int], Ints] = {}

    # Units and GPUs of pools

    def by_pool(self, pool: Ints, amount: Ints) -> Ints:
        """(P,) the amounts summed by pool."""
        total = np.zeros(self.problem.pools, np.int64)
        np.add.at(total, pool, amount)
        return total

    @cached_property
    def row_gpus(self) -> Ints:
        """(R,) GPUs of a unit."""
        return self.problem.system_gpus[self.problem.cell_system[self.problem.row_cell]]

    @cached_property
    def stood_units(self) -> Ints:
        """(P,) units that stand."""
        return self.by_pool(self.problem.row_pool, self.problem.row_units)

    @cached_property
    def stood_gpus(self) -> Ints:
        """(P,) GPUs that stand."""
        return self.by_pool(self.problem.row_pool, self.problem.row_units * self.row_gpus)

    @cached_property
    def kept_units(self) -> Ints:
        """(P,) standing units that stay."""
        return self.by_pool(self.kept.pool, self.kept.units)

    @cached_property
    def kept_gpus(self) -> Ints:
        """(P,) standing GPUs that stay."""
        return self.by_pool(self.kept.pool, self.kept.units * self.row_gpus)

    @cached_property
    def locked_units(self) -> Ints:
        """(P,) units that nothing may change."""
        return self.by_pool(self.problem.row_pool, self.problem.row_units * self.problem.row_locked)

    @cached_property
    def new_units(self) -> Ints:
        """(P,) planned units."""
        return self.by_pool(self.new.pool, self.new.units)

    @cached_property
    def new_gpus(self) -> Ints:
        """(P,) planned GPUs."""
        gpus = self.problem.system_gpus[self.problem.cell_system[self.new.cell]]
        return self.by_pool(self.new.pool, self.new.units * gpus)

    @cached_property
    def end_units(self) -> Ints:
        """(P,) units in the end."""
        return self.kept_units + self.new_units

    @cached_property
    def end_gpus(self) -> Ints:
        """(P,) GPUs in the end."""
        return self.kept_gpus + self.new_gpus

    @cached_property
    def unit_gpus(self) -> Ints:
        """(P,) GPUs of a unit of what the pool holds in the end, else of what it held; 1 if neither.

        The largest, where units of several systems are mixed (which is wrong by itself).
        """
        problem = self.problem
        gpus = np.zeros(problem.pools, np.int64)
        held = self.kept.units > 0
        np.maximum.at(gpus, self.kept.pool[held], self.row_gpus[held])
        np.maximum.at(gpus, self.new.pool, problem.system_gpus[problem.cell_system[self.new.cell]])
        return np.where(gpus > 0, gpus, self._unit_gpus_before)

    @cached_property
    def _unit_gpus_before(self) -> Ints:
        """(P,) GPUs of a unit of what the pool held; 1 if nothing."""
        before = np.ones(self.problem.pools, np.int64)
        np.maximum.at(before, self.problem.row_pool, self.row_gpus)
        return before

    @cached_property
    def wish_units(self) -> Ints:
        """(P,) units that cover the wish, ceil(need / GPUs of a unit), on the system of ``unit_gpus``."""
        return -(-self.problem.need // self.unit_gpus)

    def least_units(self, pool: int, gpus: int) -> int:
        """Units of so many GPUs each that make the pool's minimum; a spread pool needs one in every place."""
        return max(-(-int(self.problem.minimum[pool]) // gpus), int(self.problem.spread[pool]))

    @cached_property
    def minimum(self) -> Ints:
        """(P,) GPUs of the minimum; a spread pool that has one needs a unit in every place."""
        least = self.problem.minimum
        return np.where(least > 0, np.maximum(least, self.problem.spread * self.unit_gpus), 0)

    @cached_property
    def stood_below_minimum(self) -> Bools:
        """(P,) has a minimum and stood below it; a spread pool also with fewer units than places."""
        least = np.maximum(self.problem.minimum, self.problem.spread * self._unit_gpus_before)
        return np.asarray((self.problem.minimum > 0) & (self.stood_gpus < least))

    @cached_property
    def below_minimum(self) -> Bools:
        """(P,) has a minimum, and ends below it."""
        return self.end_gpus < self.minimum

    # Rows and placements of one pool

    @cached_property
    def _row_order(self) -> tuple[Ints, Ints]:
        return _grouped(self.problem.row_pool, self.problem.pools)

    @cached_property
    def _new_order(self) -> tuple[Ints, Ints]:
        return _grouped(self.new.pool, self.problem.pools)

    def rows_of(self, pool: int) -> Ints:
        """Indices of the pool's rows."""
        order, start = self._row_order
        return order[start[pool] : start[pool + 1]]

    def new_of(self, pool: int) -> Ints:
        """Indices of the pool's new placements."""
        order, start = self._new_order
        return order[start[pool] : start[pool + 1]]

    # Slots and watts

    def by_cell(self, items: Items) -> Ints:
        """(C,) units summed by cell."""
        total = np.zeros(self.problem.cells, np.int64)
        np.add.at(total, items.cell, items.units)
        return total

    def watts(self, items: Items) -> Ints:
        """(D,) watts of the items in each domain, with everything below."""
        own = np.zeros(self.problem.domains, np.int64)
        np.add.at(own, self.problem.cell_domain[items.cell], items.units * items.watts)
        return self.tree.sums(own)

    @cached_property
    def fixed(self) -> Ints:
        """(D,) untouchable watts in each domain, with everything below."""
        return self.tree.sums(self.problem.fixed_watts)

    @cached_property
    def used(self) -> Ints:
        """(C,) slots taken in the end."""
        return self.by_cell(self.kept) + self.by_cell(self.new)

    @cached_property
    def load(self) -> Ints:
        """(D,) watts in the end."""
        return self.fixed + self.watts(self.kept) + self.watts(self.new)

    # What was wrong before

    @cached_property
    def must_leave(self) -> Bools:
        """(R,) has to be emptied, and may be."""
        return self.problem.row_leave & ~self.problem.row_locked

    @cached_property
    def exceeded(self) -> Bools:
        """(D,) what stands and is not told to leave is already above the limit."""
        problem = self.problem
        stands = Items(problem.row_pool, problem.row_cell, problem.row_units, problem.row_watts)
        return self.fixed + self.watts(stands.where(~self.must_leave)) > problem.limit

    @cached_property
    def cell_exceeded(self) -> Bools:
        """(C,) lies under a domain that was above its limit."""
        return (self.tree.nearest(self.exceeded) >= 0)[self.problem.cell_domain]

    # Groups and places

    def groups(self, pool: int) -> Ints:
        """(C,) the domain that is each cell's group or place under the pool's topology; -1 for none.

        A factory is its root domain. A pool without topology has one group for all, 0.
        """
        problem = self.problem
        kind, level = int(problem.topology[pool]), int(problem.topology_level[pool])
        if (kind, level) not in self._groups:
            self._groups[kind, level] = self._group(kind, level)
        return self._groups[kind, level]

    def _group(self, kind: int, level: int) -> Ints:
        problem = self.problem
        if kind == Topology.NONE:
            return np.zeros(problem.cells, np.int64)
        if kind == Topology.FABRIC:
            return problem.cell_fabric
        over_factories = kind in (Topology.FACTORY, Topology.SPREAD_FACTORY)
        marked = problem.parent < 0 if over_factories else problem.level == level
        return self.tree.nearest(marked)[problem.cell_domain]

    def name(self, pool: int) -> str:
        """How messages call a pool."""
        return f"pool {pool} (priority {int(self.problem.priority[pool])})"


def count(places: Ints, units: Ints) -> dict[int, int]:
    """Units by place, places without units left out."""
    held: dict[int, int] = {}
    for place, number in zip(places.tolist(), units.tolist(), strict=True):
        if number:
            held[place] = held.get(place, 0) + number
    return held


def _grouped(key: Ints, groups: int) -> tuple[Ints, Ints]:
    """Indices in order of their key, and where each key's begin: (I,) and (groups + 1,)."""
    order = np.argsort(key, kind="stable")
    return order, np.searchsorted(key[order], np.arange(groups + 1))
