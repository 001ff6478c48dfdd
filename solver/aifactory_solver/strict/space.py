"""Free watts and slots, and how many units fit below each domain, kept up to date change by change.

A change touches one chain of domains. So ``m(v)`` of the module ``forest`` is computed once for the whole
forest, on the array namespace, and then brought up to date along the changed chains, in the same integers.
"""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import TypeVar

import numpy as np

from aifactory_solver.problem import Ints
from aifactory_solver.strict.layout import EVERY, FACTORIES, Anchors, Layout

_MANY = 300  # changed domains from which computing everything anew is faster
_ENDLESS = 1 << 62
_Fit = TypeVar("_Fit", bound=tuple[int, ...])


class Tree:
    """m(v) of one system, over all its cells or over those whose fabrics lie at one depth."""

    __slots__ = ("cells", "m", "own", "seen", "sums")

    def __init__(self, cells: list[list[int]]) -> None:
        self.cells = cells  # of each domain
        self.m: list[int] = []
        self.sums: list[
            int
        ] = []  # what m would be without the domain's own limit; empty until that is needed
        self.own: list[int] = []  # free slots that hang on the domain itself; likewise
        self.seen = -1  # changes that are in it

    def copy(self) -> "Tree":
        """The same, to be changed."""
        tree = Tree(self.cells)
        tree.m, tree.sums, tree.own, tree.seen = self.m.copy(), self.sums.copy(), self.own.copy(), self.seen
        return tree


class Board:
    """How many units of one system fit in each group of a kind, factory by factory."""

    __slots__ = ("anchors", "best", "done", "fits", "kind", "low", "system")

    def __init__(self, system: int, kind: int, anchors: list[list[Anchors]]) -> None:
        self.system, self.kind, self.anchors = system, kind, anchors
        self.best = [_ENDLESS] * len(anchors)  # the most in one group; too high where room has shrunk since
        self.fits: list[list[tuple[int, int]]] = [[] for _ in anchors]  # (units, group), ascending
        self.done = [-1] * len(anchors)  # changes that are in it
        self.low = [min([a.domains[0] for a in found], default=_ENDLESS) for found in anchors]  # first group

    def copy(self) -> "Board":
        """The same, to be changed."""
        board = Board.__new__(Board)
        board.system, board.kind, board.anchors, board.low = self.system, self.kind, self.anchors, self.low
        board.best, board.done, board.fits = self.best.copy(), self.done.copy(), self.fits.copy()
        return board


class Space:
    """One state of the room, on which any number of questions are asked between changes."""

    def __init__(self, layout: Layout, left: Ints, free: Ints) -> None:
        self.layout = layout
        self.left, self.free = array("q"), array("q")
        self.left.frombytes(left.tobytes())
        self.free.frombytes(free.tobytes())
        self.forget()

    def forget(self) -> None:
        """Compute everything anew: somebody may write into the arrays."""
        self._begin(0, [0] * self.layout.factories, [0] * self.layout.factories, None)

    def copy(self) -> "Space":
        """The same room, to try things in as long as this one does not change."""
        space = Space.__new__(Space)
        space.layout, space.left, space.free = self.layout, self.left[:], self.free[:]
        space._begin(self._now, self._last[:], self._rise[:], self)
        return space

    def _begin(self, now: int, last: list[int], rise: list[int], model: "Space | None") -> None:
        self._first = self._whole = self._now = now  # changes are numbered; those up to ``whole`` not by cell
        self._log: list[int] = []  # domains that changed since the first
        self._last, self._rise = last, rise  # by factory the last change, and the last one that gave room
        self._model = model  # what is known there up to the first change holds here too
        self._trees: dict[tuple[int, int], Tree] = {}
        self._boards: dict[tuple[int, int], Board] = {}

    # Changes

    def use(self, cell: int, units: int, watts: int) -> None:
        """Take slots of a cell and watts in all its domains; below zero gives them back."""
        self.free[cell] -= units
        left, chain, f = self.left, self.layout.chains[cell], self.layout.cell_factory[cell]
        for d in chain:
            left[d] -= watts
        self._log.append(chain[0])
        self._now = self._last[f] = self._now + 1
        if units < 0 or watts < 0:
            self._rise[f] = self._now

    def shift(self, slots: Ints, watts: Ints) -> None:
        """Give back slots (C,) and the watts of each cell (C,), many at once."""
        np.asarray(self.free)[:] += slots
        np.asarray(self.left)[:] += self.layout.forest.totals(watts)
        self._trees.clear()
        self._log.clear()
        self._first = self._whole = self._now = self._now + 1
        for f in set(self.layout.factory_of_cell[(slots != 0) | (watts != 0)].tolist()):
            self._last[f] = self._rise[f] = self._now

    def fitting(self, cell: int, watts: int, units: int) -> int:
        """How many of ``units`` units of ``watts`` the limits above ``cell`` still carry."""
        left = self.left
        units = min(units, min([left[d] for d in self.layout.chains[cell]]) // watts)
        return units if units > 0 else 0

    # How many fit below each domain

    def tree(self, system: int, depth: int = EVERY) -> Tree:
        """m(v), up to date."""
        tree = self._trees.get((system, depth))
        if tree is None:
            if self._model and self._whole == self._model._now:
                tree = self._model.tree(system, depth).copy()
            else:
                tree = Tree(self.layout.cells(system, depth))
                self._fill(tree, system, depth)
            self._trees[system, depth] = tree
        if tree.seen < self._now:
            self._catch_up(tree, system, depth)
        return tree

    def _fill(self, tree: Tree, system: int, depth: int, *, sums: bool = False) -> None:
        """Compute everything. Many a room is asked once and never changes: it does without sums."""
        layout, forest = self.layout, self.layout.forest
        usable = np.where(layout.mask(system, depth), np.maximum(np.asarray(self.free), 0), 0)
        m = forest.capacity(np.asarray(self.left), usable, layout.domain_watts[system])
        tree.m, tree.own, tree.sums = m.tolist(), [], []
        if sums:
            own = forest.hung(usable)
            tree.own, tree.sums = own.tolist(), (own + forest.below(m)).tolist()
        tree.seen = self._now

    def _catch_up(self, tree: Tree, system: int, depth: int) -> None:
        """Bring a tree up to date along the chains that changed."""
        changed: Collection[int] = self._log[tree.seen - self._first :]
        tree.seen = self._now
        if len(changed) > 1:
            changed = set(changed)
        if not tree.sums or len(changed) > _MANY:
            self._fill(tree, system, depth, sums=True)
            return
        left, free, ancestors, factory = (
            self.left,
            self.free,
            self.layout.forest.ancestors,
            self.layout.factory,
        )
        m, sums, own, cells = tree.m, tree.sums, tree.own, tree.cells
        watts = self.layout.watts[system]
        for domain in changed:
            w, now = watts[factory[domain]], 0
            for c in cells[domain]:
                slots = free[c]
                if slots > 0:
                    now += slots
            change = now - own[domain]
            own[domain] = now
            for d in ancestors[domain]:
                total = sums[d]
                if change:
                    total += change
                    sums[d] = total
                room = left[d] // w
                if room > total:
                    room = total
                elif room < 0:
                    room = 0
                change = room - m[d]
                if change:
                    m[d] = room

    # How many fit in the groups of a kind

    def board(self, system: int, kind: int) -> Board:
        """The groups of a kind."""
        board = self._boards.get((system, kind))
        if board is None:
            model = self._model._boards.get((system, kind)) if self._model else None
            board = model.copy() if model else Board(system, kind, self.layout.anchors(system, kind))
            self._boards[system, kind] = board
        return board

    def roomy(self, board: Board, factories: list[int], units: int) -> list[int]:
        """The factories in which some group fits so many units, at least 1."""
        if board.kind == FACTORIES:
            m, roots = self.tree(board.system).m, self.layout.roots
            return [f for f in factories if m[roots[f]] >= units]
        best, done, last, rise, found = board.best, board.done, self._last, self._rise, []
        for f in factories:
            # Where there was too little already and room has only shrunk since, there still is.
            if best[f] >= units or rise[f] > done[f]:
                if last[f] > done[f]:
                    self._look(board, f)
                    if best[f] < units:
                        continue
                elif best[f] < units:
                    continue
                found.append(f)
        return found

    def most(self, board: Board, factories: list[int], most: int, enough: int) -> int:
        """The most units that fit in one group, at least ``most``; once there are ``enough``, any of them."""
        if board.kind == FACTORIES:
            m, roots = self.tree(board.system).m, self.layout.roots
            return max([m[roots[f]] for f in factories] + [most])
        best, done, last, rise = board.best, board.done, self._last, self._rise
        for f in factories:
            if best[f] > most or rise[f] > done[f]:
                if last[f] > done[f]:
                    self._look(board, f)
                if best[f] > most:
                    most = best[f]
                    if most >= enough:
                        return most
        return most

    def fits(self, board: Board, factory: int) -> list[tuple[int, int]]:
        """(units that fit, group) for every group of a factory where any do, ascending."""
        if board.kind == FACTORIES:
            root = self.layout.roots[factory]
            m = self.tree(board.system).m[root]
            return [(m, root)] if m else []
        if self._last[factory] > board.done[factory]:
            self._look(board, factory)
        return board.fits[factory]

    def _look(self, board: Board, factory: int) -> None:
        left, watts = self.left, self.layout.watts[board.system][factory]
        found: list[tuple[int, int]] = []
        for above, depth, domains in board.anchors[factory]:
            m = self.tree(board.system, depth).m
            if above:
                most = min([left[d] for d in above]) // watts
                if most <= 0:
                    continue
                found += [(m[d] if m[d] < most else most, d) for d in domains if m[d]]
            else:
                found += [(m[d], d) for d in domains if m[d]]
        found.sort()
        board.fits[factory] = found
        board.best[factory] = found[-1][0] if found else 0
        board.done[factory] = self._now

    def fit(self, system: int, kind: int, group: int) -> int:
        """How many units fit in one group."""
        factory, chain = self.layout.factory[group], self.layout.forest.ancestors[group]
        for above, depth, domains in self.layout.anchors(system, kind)[factory]:
            if above == chain[1:] and group in domains:
                most = self.tree(system, depth).m[group]
                watts = self.layout.watts[system][factory]
                return max(0, min([most, *(self.left[d] // watts for d in above)]))
        return 0


def tightest(fits: Sequence[_Fit], units: int) -> _Fit:
    """Of ascending (units that fit, ...) the tightest that takes all, else the roomiest; never of none."""
    most = fits[-1][0]
    return fits[bisect_left(fits, (min(units, most),))]
