"""Many rooms of one fleet at once, on any array namespace.

Scenarios share the forest, cells, systems and pools; they differ in free watts and free slots.
Sizes: N scenarios, D domains, C cells, F factories. Inside, domains are in the breadth-first order of the
forest (factories first), cells in the order of their domains, so that sums are differences of running sums.
"""

from collections.abc import Callable
from functools import cached_property, wraps
from typing import TypeVar

import numpy as np

from aifactory_solver.problem import Array, Ints, Problem, Topology
from aifactory_solver.strict.forest import Forest
from aifactory_solver.strict.layout import EVERY, FACTORIES, Layout

NEVER = 1 << 62  # units that fit nowhere
Tree = tuple[int, int]  # system, depth of fabrics
_Method = TypeVar("_Method", bound=Callable[..., object])


def _remembered(method: _Method) -> _Method:
    """Ask a method once for the same arguments. What is known goes with the object, at once."""

    @wraps(method)
    def known(self: object, *args: object) -> object:
        answers = self.__dict__.setdefault("_known", {})
        key = method.__name__, args
        if key not in answers:
            answers[key] = method(self, *args)
        return answers[key]

    return known  # type: ignore[return-value]


class Fleet:
    """What all scenarios share, on a namespace and a device (None is its own choice)."""

    def __init__(self, problem: Problem, xp: Array, device: Array = None) -> None:
        self.problem, self.xp = problem, xp
        self.layout = Layout(problem, np)
        self.forest = forest = Forest(problem, xp, device)
        self.ints = forest.ints
        self.factories = len(forest.roots)
        cells, place = forest.cell_order, forest.place
        root = np.asarray([above[-1] for above in forest.ancestors], np.int64)
        rank = place[root]  # factories are numbered as they come in the forest
        self.at = self.ints(forest.order)
        self.back = self.ints(place)
        self.cell_at = self.ints(cells)
        self.rank = self.ints(rank[forest.order])
        self.cell_place = self.ints(place[problem.cell_domain[cells]])
        self.cell_rank = self.ints(rank[problem.cell_domain[cells]])
        self.cell_watts = self.ints(problem.cell_watts[cells])
        roots = forest.order[: self.factories]
        self.by_rank: Ints = problem.factory[roots]
        self.allowed: Ints = problem.allowed[:, self.by_rank].astype(np.int64)

    def kind(self, pool: int) -> int:
        """The kind of groups that a packed pool packs into, factories for any other."""
        spread = self.layout.spread[pool]
        return FACTORIES if spread else self.layout.kind(pool)

    def level(self, pool: int) -> int:
        """The level over whose instances a pool spreads, -1 for none."""
        over = self.layout.topology[pool] == Topology.SPREAD_DOMAIN
        return self.layout.level[pool] if over else -1

    def asks(self, pool: int) -> list[tuple[int, int]]:
        """(system, units of its minimum) for every system on which the pool may have it, best first."""
        layout, spread = self.layout, self.layout.spread[pool]
        systems = [s for s in self.problem.systems[pool] if layout.wish(pool, s) >= spread]
        return [(s, layout.least(pool, s)) for s in systems]

    @_remembered
    def watts(self, system: int) -> Array:
        """(D,) watts of a unit in each domain's factory."""
        return self.ints(self.layout.domain_watts[system][self.forest.order])

    @_remembered
    def mask(self, tree: Tree) -> Array:
        """(C,) 1 for the open cells of a tree."""
        usable = self.problem.cell_open & self.layout.mask(*tree)
        return self.ints(usable[self.forest.cell_order].astype(np.int64))

    @_remembered
    def places(self, system: int, kind: int) -> list[tuple[Tree, Ints]]:
        """The groups of a kind below each factory, (F, widest) places filled up with D, by their tree."""
        by_tree: dict[Tree, list[list[int]]] = {}
        place = self.forest.place
        for factory, anchors in enumerate(self.layout.anchors(system, kind)):
            rank = int(place[self.layout.roots[factory]])
            for anchor in anchors:
                rows = by_tree.setdefault((system, anchor.depth), [[] for _ in range(self.factories)])
                rows[rank] += place[anchor.domains].tolist()
        tables = []
        for tree, rows in by_tree.items():
            table = np.full((len(rows), max(map(len, rows))), self.problem.domains)
            for row, places in zip(table, rows, strict=True):
                row[: len(places)] = sorted(places)
            tables.append((tree, table))
        return tables

    @_remembered
    def groups(self, system: int, kind: int) -> list[tuple[Tree, Array]]:
        """The same on the namespace."""
        return [(tree, self.ints(table)) for tree, table in self.places(system, kind)]

    @_remembered
    def columns(self, system: int, kind: int) -> dict[int, int]:
        """For each group, a domain, its column among those of its factory; for -1 one past the last."""
        found, before = dict[int, int](), 0
        for _, table in self.places(system, kind):
            for row, column in np.argwhere(table < self.problem.domains).tolist():
                found[int(self.forest.order[table[row, column]])] = before + column
            before += table.shape[1]
        return found | {-1: before}

    @_remembered
    def instances(self, level: int) -> Array:
        """(D,) 1 for the instances of a level."""
        here = self.problem.level == level
        return self.ints(here[self.forest.order].astype(np.int64))

    @_remembered
    def below(self, level: int) -> Array:
        """(C,) 1 for the cells on and below these."""
        below = self.forest.below_level(level)
        return self.ints(below[self.forest.cell_order].astype(np.int64))

    @cached_property
    def siblings(self) -> list[Array]:
        """Of each depth: for each domain its first sibling, both counted within the depth."""
        forest, first = self.forest, [self.ints(np.arange(self.factories))]
        for k in range(1, forest.levels):
            first.append(self.xp.take(forest.child_starts[k - 1], forest.parents[k]))
        return first

    @cached_property
    def first_cell(self) -> Array:
        """(C,) of each cell the first on its domain."""
        return self.xp.take(self.forest.cell_starts, self.cell_place)

    def totals(self, amounts: Array) -> Array:
        """(N, D) sums over each whole subtree of amounts (N, C) per cell."""
        return self.forest.up(self.forest.hung_sorted(amounts))

    def pour(self, given: Array, m: Array, slots: Array) -> Array:
        """(N, C) units by cell when each domain is ``given`` (N, D) units, at most its ``m`` of ``slots``.

        They go to its own cells first, then to its children, in their order: what the limits allow below a
        domain is reached by filling in any order.
        """
        xp, forest = self.xp, self.forest
        own = forest.hung_sorted(slots)
        kept: list[Array] = []
        more = xp.zeros_like(given[:, : self.factories])
        for k in range(forest.levels):
            here = slice(forest.bounds[k], forest.bounds[k + 1])
            if k:
                more = _shares(xp, xp.take(more, forest.parents[k], axis=-1), m[:, here], self.siblings[k])
            more = more + given[:, here]
            kept.append(xp.minimum(more, own[:, here]))
            more = more - kept[-1]
        if not kept:
            return slots
        whole = xp.take(xp.concat(kept, axis=-1), self.cell_place, axis=-1)
        return _shares(xp, whole, slots, self.first_cell)


def _shares(xp: Array, whole: Array, most: Array, first: Array) -> Array:
    """What each member of a row gets of the ``whole`` when those before it take their ``most``."""
    before = exclusive(xp, most)
    before = before - xp.take(before, first, axis=-1)
    return xp.minimum(xp.maximum(whole - before, 0), most)


def exclusive(xp: Array, values: Array) -> Array:
    """Running sums along the last axis, each without its own value."""
    return xp.cumulative_sum(values, axis=-1) - values if values.shape[-1] else values


def pick_rows(xp: Array, table: Array, at: Array) -> Array:
    """The rows of a table (M, ...) that ``at`` (...) names."""
    found = xp.take(table, xp.reshape(at, (-1,)), axis=0)
    return xp.reshape(found, (*at.shape, *table.shape[1:]))


def ceil(xp: Array, amount: Array, parts: Array, more: Array | int = 0) -> Array:
    """Amounts, and more, over parts, rounded up; NEVER stays so, and over none is over one."""
    return xp.where(amount == NEVER, NEVER, -(-(amount + more) // xp.maximum(parts, 1)))


def units_at(fleet: Fleet, places: Array, units: Array) -> Array:
    """(N, D) the units (N, F) at one place (N, F) or (F,) of each factory."""
    here = fleet.xp.take(places, fleet.rank, axis=-1) == fleet.ints(np.arange(fleet.problem.domains))
    return fleet.xp.take(units, fleet.rank, axis=-1) * fleet.xp.astype(here, fleet.xp.int64)


class Rooms:
    """Free watts and slots of N scenarios, and how many units fit. It never changes."""

    def __init__(self, fleet: Fleet, left: Array, free: Array) -> None:
        """From ``left`` (N, D) watts and ``free`` (N, C) slots, int64, in the order of the problem.

        Below zero counts as none; cells that are not open take nothing.
        """
        xp = fleet.xp
        self._set(fleet, xp.take(left, fleet.at, axis=-1), xp.take(free, fleet.cell_at, axis=-1))

    def _set(self, fleet: Fleet, left: Array, free: Array) -> None:
        self.fleet, self.xp = fleet, fleet.xp
        self.left, self.free = left, free
        self.count = int(left.shape[0])

    def without(self, units: Array) -> "Rooms":
        """The rooms once new ``units`` (N, C), in the order of the forest, stand in them."""
        after = Rooms.__new__(Rooms)
        load = self.fleet.totals(units * self.fleet.cell_watts)
        after._set(self.fleet, self.left - load, self.free - units)
        return after

    def capacity(self, system: int) -> Array:
        """(N, D) m(v) of a system: the most units that fit below each domain, in the problem's order."""
        return self.xp.take(self.m((system, EVERY)), self.fleet.back, axis=-1)

    @_remembered
    def rooms(self, system: int) -> Array:
        """(N, D) units of a system under each domain's own limit."""
        return self.xp.maximum(self.left, 0) // self.fleet.watts(system)

    @_remembered
    def above(self, system: int) -> Array:
        """(N, D) under its own limit and those above it."""
        return self.fleet.forest.down(self.rooms(system))

    @_remembered
    def slots(self, tree: Tree) -> Array:
        """(N, C) free slots of a tree."""
        return self.xp.maximum(self.free, 0) * self.fleet.mask(tree)

    @_remembered
    def own(self, tree: Tree) -> Array:
        """(N, D) free slots of a tree on each domain."""
        return self.fleet.forest.hung_sorted(self.slots(tree))

    @_remembered
    def m(self, tree: Tree) -> Array:
        """(N, D) m(v) over the cells of a tree."""
        return self.fleet.forest.up(self.own(tree), self.rooms(tree[0]))

    @_remembered
    def fits(self, system: int, kind: int) -> Array:
        """(N, F, groups) units that fit in each group, in the order of `Fleet.groups`."""
        xp = self.xp
        found = []
        for tree, table in self.fleet.groups(system, kind):
            fits = xp.minimum(self.m(tree), self.above(system))
            padded = xp.concat([fits, xp.zeros_like(fits[:, :1])], axis=-1)
            each = xp.take(padded, xp.reshape(table, (-1,)), axis=-1)
            found.append(xp.reshape(each, (self.count, *table.shape)))
        nothing = xp.zeros_like(self.left[:, : self.fleet.factories, None])
        return xp.concat([*found, nothing], axis=-1)

    def best(self, system: int, kind: int) -> Array:
        """(N, F) the most units that fit in one group of each factory."""
        if kind == FACTORIES:
            return self.m((system, EVERY))[:, : self.fleet.factories]
        return self.xp.max(self.fits(system, kind), axis=-1)

    @_remembered
    def below(self, system: int, level: int) -> Array:
        """(N, C) free slots of a system on and below the instances of a level."""
        return self.slots((system, EVERY)) * self.fleet.below(level)

    def capped(self, system: int, level: int, cap: Array | int) -> Array:
        """(N, D) m(v) of a system over `below`, at most ``cap`` (N, D) units in each instance of it."""
        forest = self.fleet.forest
        own = forest.hung_sorted(self.below(system, level))
        most = NEVER - self.fleet.instances(level) * (NEVER - cap)
        return forest.up(own, self.xp.minimum(self.rooms(system), most))
