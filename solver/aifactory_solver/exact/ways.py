"""The ways in which free pools may stand, and the cells and limits that they share.

Cells that nothing tells apart are one class: of one system, cost and watts, below the same limits that can
bind, and open to the same pools. So packed pools never lose sight of where one row ends.
"""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from aifactory_solver.problem import Topology
from aifactory_solver.question import Question
from aifactory_solver.strict.layout import Layout
from aifactory_solver.strict.places import Ask, Finder
from aifactory_solver.strict.room import Room
from aifactory_solver.strict.search import SPREADS, most


@dataclass
class Spot:
    """A place that a spread pool may use."""

    domain: int
    node: int
    fits: int  # units that would fit there alone
    used: int = -1  # columns
    units: int = -1


@dataclass
class Option:
    """A pool on one system; for packed pools in one domain or fabric."""

    pool: int
    system: int
    rank: int  # of the system in the pool's list, 0 is the best
    least: int  # units that make the minimum
    most: int  # units that the wish asks for and that would fit alone
    least_served: int  # GPUs that ``least`` units serve
    pieces: list[tuple[int, int]]  # beyond the least: (units, GPUs that each of them serves)
    node: int = -1  # where its units go, unless spread
    places: int = 0  # over how many places it is spread, with these to choose from
    spots: list[Spot] = field(default_factory=list)
    taken: int = -1  # columns
    share: int = -1  # the most units of one place, where that depends on how many units there are
    more: list[tuple[int, int, int]] = field(default_factory=list)  # (column, units, GPUs of each)

    @property
    def most_share(self) -> int:
        """The most units in one place, however many units there are."""
        return -(-self.most // self.places)

    @property
    def shares(self) -> bool:
        """Whether the most units of one place depends on how many units there are."""
        return bool(self.places) and self.most_share > -(-self.least // self.places)


@dataclass
class Node:
    """Cells that some pools may use, given as nodes of one factory each, or as classes."""

    cells: tuple[int, ...]
    below: tuple[int, ...]  # other nodes; empty where the node leads to classes
    classes: list[int] = field(default_factory=list)
    arcs: list[int] = field(default_factory=list)  # columns, one for each node below or class


@dataclass
class Class:
    """Cells that nothing tells apart."""

    cells: list[int]
    watts: int
    units: int  # slots
    mixed: bool = False  # shares a limit with units of other watts
    total: int = -1  # column: units of all pools


@dataclass(frozen=True)
class Limit:
    """A domain whose limit can bind."""

    domain: int
    left: int
    classes: list[int]


class Ways:
    """Options of every free pool that can stand at all, by pool; nodes, classes and limits."""

    def __init__(self, question: Question) -> None:
        self.problem = problem = question.problem
        self.free = np.where(problem.cell_open, np.maximum(question.free, 0), 0)
        self.left = np.maximum(question.left, 0)
        self.room = Room(Layout(problem, np))
        self.finder = Finder(self.room, self.left, self.free)
        self.nodes: list[Node] = []
        self._known: dict[tuple[object, ...], int] = {}
        self._under: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._on_fabric: dict[tuple[int, int], list[int]] = defaultdict(list)
        for c in np.flatnonzero(self.free > 0).tolist():
            system = int(problem.cell_system[c])
            self._on_fabric[int(problem.cell_fabric[c]), system].append(c)
            for domain in self.above(c):
                self._under[domain, system].append(c)
        found = {p: self._options(p) for p in question.pools.tolist()}
        self.options = {p: options for p, options in found.items() if options}
        self.alike = self._alike()
        self.classes: list[Class] = []
        self.limits: list[Limit] = []
        self._merge()
        # Nodes that lead to other nodes come first.
        self.downwards = sorted(range(len(self.nodes)), key=lambda n: not self.nodes[n].below)

    def above(self, cell: int) -> tuple[int, ...]:
        """The cell's domain and every domain above it."""
        return self.room.forest.ancestors[int(self.problem.cell_domain[cell])]

    def minimum(self, pool: int) -> int:
        """GPUs that the pool's minimum serves, on whatever system: rounding up earns nothing."""
        return int(self.problem.minimum[pool])

    def place(self, pool: int, cell: int) -> int:
        """The domain that the pool is packed in or counts as a place; 0 where it has no topology."""
        kind = int(self.problem.topology[pool])
        if kind == Topology.NONE:
            return 0
        return self.room.group(kind, int(self.problem.topology_level[pool]), cell)

    # Options

    def _options(self, p: int) -> list[Option]:
        problem, options = self.problem, list[Option]()
        kind = int(problem.topology[p])
        for rank, system in enumerate(problem.systems[p]):
            gpus = int(problem.system_gpus[system])
            wish = -(-int(problem.need[p]) // gpus)
            least = max(-(-int(problem.minimum[p]) // gpus), int(problem.spread[p]))
            if least > wish:
                continue
            asked = Ask(p, system, wish, {}, {})
            if kind in SPREADS:
                option = self._option(p, rank, least, most(self.finder, asked))
                if option:
                    option.places = int(problem.spread[p])
                    option.spots = self._spots(asked)
                    options.append(option)
                continue
            groups = self.finder.groups(asked)
            fits = dict(zip(groups.domains.tolist(), groups.fits.tolist(), strict=True))
            if kind == Topology.NONE:
                option = self._option(p, rank, least, min(wish, sum(fits.values())))
                if option:
                    option.node = self._any(sorted(fits), system)
                    options.append(option)
                continue
            for domain, units in fits.items():
                option = self._option(p, rank, least, min(wish, units))
                if option:
                    cells = self._on_fabric if kind == Topology.FABRIC else self._under
                    option.node = self._node(cells[domain, system])
                    options.append(option)
        return options

    def _option(self, p: int, rank: int, least: int, units: int) -> Option | None:
        if units < max(least, 1):
            return None
        system, need = self.problem.systems[p][rank], int(self.problem.need[p])
        gpus = int(self.problem.system_gpus[system])
        last = need - (units - 1) * gpus  # what the last unit serves, where the wish is reached
        pieces = [(units - least, gpus)] if last >= gpus else [(units - 1 - least, gpus), (1, last)]
        pieces = [(n, earns) for n, earns in pieces if n > 0] if units > least else []
        return Option(p, system, rank, least, units, min(least * gpus, need), pieces)

    def _spots(self, ask: Ask) -> list[Spot]:
        problem, room, forest = self.problem, self.room, self.room.forest
        watts = room.unit_watts[ask.system]
        fits = forest.capacity(self.left, self.finder.usable(ask), watts)
        fits = np.minimum(fits, forest.room_above(self.left, watts))
        by_factory = problem.topology[ask.pool] == Topology.SPREAD_FACTORY
        level = int(problem.topology_level[ask.pool])
        places = forest.roots if by_factory else np.flatnonzero(problem.level == level).tolist()
        return [Spot(d, self._node(self._under[d, ask.system]), int(fits[d])) for d in places if fits[d] > 0]

    def _any(self, roots: list[int], system: int) -> int:
        below = tuple(self._node(self._under[root, system]) for root in roots)
        if len(below) == 1:
            return below[0]
        if below not in self._known:
            self._known[below] = len(self.nodes)
            cells = tuple(c for n in below for c in self.nodes[n].cells)
            self.nodes.append(Node(cells, below))
        return self._known[below]

    def _node(self, cells: list[int]) -> int:
        key = ("cells", *cells)
        if key not in self._known:
            self._known[key] = len(self.nodes)
            self.nodes.append(Node(tuple(cells), ()))
        return self._known[key]

    def _alike(self) -> list[list[int]]:
        """Groups of pools that ask for the same, the oldest first."""
        problem, groups = self.problem, defaultdict(list)
        stood = set(problem.row_pool.tolist())
        for p in sorted(self.options, key=lambda p: int(problem.age[p])):
            numbers = ("priority", "need", "minimum", "topology", "topology_level", "spread")
            key = (
                *(int(getattr(problem, name)[p]) for name in numbers),
                problem.systems[p],
                int(self.room.signature[p]),
                p in stood,
            )
            groups[key].append(p)
        return [group for group in groups.values() if len(group) > 1]

    # Classes and limits

    def _merge(self) -> None:
        problem, inside = self.problem, defaultdict[int, list[int]](list)
        for number, node in enumerate(self.nodes):
            for c in () if node.below else node.cells:
                inside[c].append(number)
        load: dict[int, int] = defaultdict(int)
        for c in inside:
            for domain in self.above(c):
                load[domain] += int(self.free[c] * problem.cell_watts[c])
        binding = {d for d in load if load[d] > self.left[d] and not self._implied(d)}
        known: dict[tuple[object, ...], int] = {}
        under: dict[int, list[int]] = defaultdict(list)
        class_of: dict[int, int] = {}
        for c in sorted(inside):
            limits = tuple(d for d in self.above(c) if d in binding)
            fields = (problem.cell_system, problem.cell_watts, problem.cell_cost, problem.cell_carbon)
            key = (*(int(array[c]) for array in fields), limits, tuple(inside[c]))
            if key not in known:
                known[key] = len(self.classes)
                self.classes.append(Class([], int(problem.cell_watts[c]), 0))
                for d in limits:
                    under[d].append(known[key])
            class_of[c] = known[key]
            merged = self.classes[known[key]]
            merged.cells.append(c)
            merged.units += int(self.free[c])
        for d, classes in sorted(under.items()):
            self.limits.append(Limit(d, int(self.left[d]), classes))
            mixed = len({self.classes[k].watts for k in classes}) > 1
            for k in classes:
                merged = self.classes[k]
                merged.mixed = merged.mixed or mixed
                merged.units = min(merged.units, int(self.left[d]) // merged.watts)
        for node in self.nodes:
            node.classes = sorted({class_of[c] for c in node.cells if c in class_of})

    def _implied(self, domain: int) -> bool:
        """Whether a domain above has no more left."""
        chain = self.room.forest.ancestors[domain][1:]
        return any(self.left[d] <= self.left[domain] for d in chain)
