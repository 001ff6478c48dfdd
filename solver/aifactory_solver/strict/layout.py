"""The problem in plain integers, and what of it never changes while it is solved."""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from aifactory_solver.problem import Array, Bools, Ints, Problem, Topology
from aifactory_solver.strict.forest import Forest

Units = dict[int, int]  # cell -> units

FACTORIES, FABRICS = -2, -1  # kinds of groups; any other kind is the level of its domains
EVERY = -1  # as the depth of fabrics: cells of every fabric, and of none


class Anchors(NamedTuple):
    """Groups of one kind that hang on the same domain."""

    above: tuple[int, ...]  # the domains above them
    depth: int  # of their fabrics
    domains: list[int]


class Takeable:
    """The standing rows that higher pools may take from, the lowest priority first."""

    def __init__(self, problem: Problem) -> None:
        rows = np.flatnonzero(problem.preemptible[problem.row_pool] & ~problem.row_locked)
        priority = problem.priority[problem.row_pool[rows]]
        order = np.argsort(priority, kind="stable")
        self.rows: Ints = rows[order]
        self.priority: Ints = priority[order]
        self.pool: Ints = problem.row_pool[self.rows]
        self.cell: Ints = problem.row_cell[self.rows]
        self.watts: Ints = problem.row_watts[self.rows]
        self.open: Bools = problem.cell_open[self.cell]
        units = -(-problem.minimum[self.pool] // problem.system_gpus[problem.cell_system[self.cell]])
        self.least: Ints = np.where(
            units > 0, np.maximum(units, problem.spread[self.pool]), 0
        )  # see `Layout.least`


class Layout:
    """Fleet and pools as lists: one number out of a list is several times faster than out of an array."""

    def __init__(self, problem: Problem, xp: Array) -> None:
        self.problem = problem
        self.forest = Forest(problem, xp)
        self.factories = len(self.forest.roots)
        self.systems = int(problem.system_gpus.shape[0])
        self.factory: list[int] = problem.factory.tolist()
        self.roots = [0] * self.factories
        for root in self.forest.roots:
            self.roots[self.factory[root]] = root
        self.upwards: list[list[int]] = [[] for _ in self.roots]  # domains of each factory, children first
        for d in range(problem.domains - 1, -1, -1):
            self.upwards[self.factory[d]].append(d)

        self.cell_domain: list[int] = problem.cell_domain.tolist()
        self.cell_system: list[int] = problem.cell_system.tolist()
        self.cell_watts: list[int] = problem.cell_watts.tolist()
        self.cell_open: list[bool] = problem.cell_open.tolist()
        self.factory_of_cell = problem.factory[problem.cell_domain]
        self.cell_factory: list[int] = self.factory_of_cell.tolist()
        self.chains = [self.forest.ancestors[d] for d in self.cell_domain]

        self.row_pool: list[int] = problem.row_pool.tolist()
        self.row_cell: list[int] = problem.row_cell.tolist()
        self.factory_of_row = self.factory_of_cell[problem.row_cell]
        self.row_units: list[int] = problem.row_units.tolist()
        self.row_watts: list[int] = problem.row_watts.tolist()
        self.row_locked: list[bool] = problem.row_locked.tolist()
        self.row_leave: list[bool] = problem.row_leave.tolist()
        self.row_fits: list[bool] = problem.row_fits.tolist()

        self.gpus: list[int] = problem.system_gpus.tolist()
        self.need: list[int] = problem.need.tolist()
        self.minimum: list[int] = problem.minimum.tolist()
        self.priority: list[int] = problem.priority.tolist()
        self.age: list[int] = problem.age.tolist()
        self.frozen: list[bool] = problem.frozen.tolist()
        self.changed: list[bool] = problem.changed.tolist()
        self.topology: list[int] = problem.topology.tolist()
        self.level: list[int] = problem.topology_level.tolist()
        self.spread: list[int] = problem.spread.tolist()
        self.signature: list[int] = _numbered(problem.allowed)
        self._prices()
        self._classes: dict[tuple[int, int], list[list[int]]] = {}
        self._anchors: dict[tuple[int, int], list[list[Anchors]]] = {}
        self._cells: dict[tuple[int, int], list[list[int]]] = {}
        self._masks: dict[tuple[int, int], Bools] = {}
        self._groups: dict[int, list[int]] = {}
        self._above: dict[int, list[list[tuple[int, list[int], list[int]]]]] = {}

    def _prices(self) -> None:
        """By system and factory: watts of a new unit, 1 where there is none, and its price."""
        problem = self.problem
        opened = np.flatnonzero(problem.cell_open)
        where = problem.cell_system[opened], self.factory_of_cell[opened]
        tables = []
        for values, otherwise in ((problem.cell_watts, 1), (problem.cell_cost, 0), (problem.cell_carbon, 0)):
            table = np.full((self.systems, self.factories), otherwise, dtype=np.int64)
            table[where] = values[opened]
            tables.append(table)
        self.watts: list[list[int]] = tables[0].tolist()
        self.domain_watts: list[Ints] = [row[problem.factory] for row in tables[0]]
        costs, carbons = tables[1].tolist(), tables[2].tolist()
        self.price = [list(zip(costs[s], carbons[s], strict=True)) for s in range(self.systems)]

    @cached_property
    def takeable(self) -> Takeable:
        """What may be taken from."""
        return Takeable(self.problem)

    def least(self, pool: int, system: int) -> int:
        """Units of a system that carry the pool's minimum; a spread pool has at least one in each place."""
        units = -(-self.minimum[pool] // self.gpus[system])
        return max(units, self.spread[pool]) if units else 0

    def wish(self, pool: int, system: int) -> int:
        """Units that cover all that the pool wishes for."""
        return -(-self.need[pool] // self.gpus[system])

    def kind(self, pool: int) -> int:
        """The kind of groups that a pool packs into or spreads over, factories where it does neither."""
        return kind_of(self.topology[pool], self.level[pool])

    def group_of(self, kind: int) -> list[int]:
        """For each cell the group of that kind that it belongs to, -1 for none."""
        if kind not in self._groups:
            if kind == FABRICS:
                groups = self.problem.cell_fabric
            elif kind == FACTORIES:
                groups = np.asarray(self.roots, dtype=np.int64)[self.factory_of_cell]
            else:
                groups = self.forest.instance(kind)[self.problem.cell_domain]
            self._groups[kind] = groups.tolist()
        return self._groups[kind]

    def classes(self, pool: int, system: int) -> list[list[int]]:
        """The factories that may serve a pool with a system, those of one price together, cheapest first."""
        key = (self.signature[pool], system)
        if key not in self._classes:
            there = np.zeros(self.factories, dtype=np.bool_)
            there[self.factory_of_cell[self.problem.cell_system == system]] = True
            by_price: dict[tuple[int, int], list[int]] = {}
            price = self.price[system]
            for root in self.forest.roots:
                f = self.factory[root]
                if there[f] and self.problem.allowed[pool, f]:
                    by_price.setdefault(price[f], []).append(f)
            self._classes[key] = [by_price[price] for price in sorted(by_price)]
        return self._classes[key]

    def open_to(self, pool: int, system: int) -> Bools:
        """(C,) cells of a system in the factories that the pool may stand in."""
        key = (self.signature[pool], system)
        if key not in self._masks:
            allowed = self.problem.allowed[pool][self.factory_of_cell]
            self._masks[key] = allowed & (self.problem.cell_system == system)
        return self._masks[key]

    def mask(self, system: int, depth: int) -> Bools:
        """(C,) cells of a system, and of fabrics at one depth."""
        mask: Bools = self.problem.cell_system == system
        return mask if depth == EVERY else mask & (self.forest.fabric_depth == depth)

    def cells(self, system: int, depth: int) -> list[list[int]]:
        """For each domain the cells of `mask` that hang on it."""
        key = (system, depth)
        if key not in self._cells:
            found: list[list[int]] = [[] for _ in range(self.problem.domains)]
            for c in np.flatnonzero(self.mask(system, depth)).tolist():
                found[self.cell_domain[c]].append(c)
            self._cells[key] = found
        return self._cells[key]

    def anchors(self, system: int, kind: int) -> list[list[Anchors]]:
        """For each factory the groups of a kind that have cells of the system."""
        key = (system, kind)
        if key not in self._anchors:
            here = np.flatnonzero(self.problem.cell_system == system).tolist()
            group, ancestors = self.group_of(kind), self.forest.ancestors
            depths = (
                {int(k) for k in np.unique(self.forest.fabric_depth[here])} if kind == FABRICS else {EVERY}
            )
            hung: dict[tuple[int, tuple[int, ...]], list[int]] = {}
            for d in sorted({group[c] for c in here} - {-1}):
                hung.setdefault((self.factory[d], ancestors[d][1:]), []).append(d)
            found: list[list[Anchors]] = [[] for _ in range(self.factories)]
            for (factory, above), domains in hung.items():
                # Where all fabrics lie at one depth, the cells of that depth are simply all cells.
                depth = EVERY if len(depths) == 1 else len(above)
                found[factory].append(Anchors(above, depth, domains))
            self._anchors[key] = found
        return self._anchors[key]

    def depth(self, system: int, kind: int, group: int) -> int:
        """Which tree of the system says what fits in a group."""
        if kind != FABRICS:
            return EVERY
        anchors = self.anchors(system, kind)[self.factory[group]]
        return next((a.depth for a in anchors if group in a.domains), EVERY)

    def above(self, level: int, factory: int) -> list[tuple[int, list[int], list[int]]]:
        """Domains above the instances of a level, children first: (domain, instances, others)."""
        if level not in self._above:
            problem, forest = self.problem, self.forest
            over = {
                a for d in np.flatnonzero(problem.level == level).tolist() for a in forest.ancestors[d][1:]
            }
            self._above[level] = [
                [
                    (
                        d,
                        [c for c in forest.children[d] if problem.level[c] == level],
                        _in(over, forest.children[d]),
                    )
                    for d in domains
                    if d in over
                ]
                for domains in self.upwards
            ]
        return self._above[level][factory]


def kind_of(topology: int, level: int) -> int:
    """The kind of groups that a topology packs into or spreads over."""
    if topology == Topology.FABRIC:
        return FABRICS
    return level if topology in (Topology.DOMAIN, Topology.SPREAD_DOMAIN) else FACTORIES


def _in(wanted: set[int], domains: list[int]) -> list[int]:
    return [d for d in domains if d in wanted]


def _numbered(flags: Bools) -> list[int]:
    """(P,) a number for each row, the same for rows that are alike."""
    numbers: dict[bytes, int] = {}
    return [numbers.setdefault(row.tobytes(), len(numbers)) for row in flags]
