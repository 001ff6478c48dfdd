"""Where so many units of one system can stand under a pool's topology, and the best such place."""

from dataclasses import dataclass, replace

import numpy as np

from aifactory_solver.problem import Ints, Topology
from aifactory_solver.strict.guide import Choices, Guide
from aifactory_solver.strict.layout import Layout, Units
from aifactory_solver.strict.room import Room
from aifactory_solver.strict.space import Space, Tree, tightest

_Fit = tuple[int, int, int]  # units that fit, 0 for a cell and 1 for a domain, which


@dataclass(slots=True)
class Ask:
    """So many more units of one system for a pool, beside the units that it keeps."""

    pool: int
    system: int
    units: int
    beside: Units  # cell -> units that stay
    former: Units  # cell -> units that it gave up, welcome back
    hoped: int = 0  # units that it would grow to
    guide: Guide | None = None  # says where to look first; without one that is where it costs least
    factories: Choices | None = None  # what it said, once it was asked


@dataclass(frozen=True, eq=False)
class Groups:
    """The domains that could each hold a whole packed pool."""

    domains: Ints  # (G,)
    fits: Ints  # (G,) units that fit there, at least 1


class Finder:
    """Searches one state of free watts and slots. Exact: where it finds nothing, nothing fits."""

    def __init__(self, room: Room, left: Ints, free: Ints) -> None:
        self.layout: Layout = room.layout
        self.space = Space(room.layout, left, free)
        self._taken: list[tuple[int, int]] = []

    @classmethod
    def over(cls, space: Space) -> "Finder":
        """A finder that follows the changes of a space."""
        finder = cls.__new__(cls)
        finder.layout, finder.space, finder._taken = space.layout, space, []
        return finder

    @property
    def left(self) -> Ints:
        """(D,) free watts, as a view: what is written into it at once counts."""
        self.space.forget()
        return np.asarray(self.space.left)

    @property
    def free(self) -> Ints:
        """(C,) free slots, as a view: what is written into it at once counts."""
        self.space.forget()
        return np.asarray(self.space.free)

    def choices(self, ask: Ask) -> Choices:
        """The factories that may serve an ask, those of equal rank together, best first."""
        if ask.factories is None:
            ask.factories = (
                ask.guide.factories(ask.pool, ask.system, ask.units)
                if ask.guide
                else self.layout.classes(ask.pool, ask.system)
            )
        return ask.factories

    def usable(self, ask: Ask) -> Ints:
        """(C,) slots that the pool may take for this system."""
        free = np.asarray(self.space.free)
        return np.where(self.layout.open_to(ask.pool, ask.system), np.maximum(free, 0), 0)

    def place(self, ask: Ask) -> Units | None:
        """The best place for an ask that is not spread, None where it does not fit."""
        if ask.former:
            again = self._back(ask)
            if again is not None:
                return again
        if self.layout.topology[ask.pool] == Topology.NONE:
            return self._anywhere(ask)
        return self._packed(ask)

    def most(self, ask: Ask) -> int:
        """The most units, at most ``ask.units``, of an ask that is not spread."""
        classes = self.choices(ask)
        if self.layout.topology[ask.pool] == Topology.NONE:
            m, roots = self.space.tree(ask.system).m, self.layout.roots
            return min(ask.units, sum([m[roots[f]] for factories in classes for f in factories]))
        kind = self.layout.kind(ask.pool)
        if ask.beside:
            return min(ask.units, self._at_home(ask, kind)[0])
        board, most = self.space.board(ask.system, kind), 0
        for factories in classes:
            most = self.space.most(board, factories, most, ask.units)
        return min(ask.units, most)

    def groups(self, ask: Ask) -> Groups:
        """The places that the pool packs into, beside what it keeps; factories where it packs nowhere."""
        layout, kind = self.layout, self.layout.kind(ask.pool)
        found: list[tuple[int, int]] = []
        if ask.beside and layout.topology[ask.pool] != Topology.NONE:
            found = [self._at_home(ask, kind)]
        else:
            board = self.space.board(ask.system, kind)
            for factories in self.choices(ask):
                for f in self.space.roomy(board, factories, 1):
                    found += self.space.fits(board, f)
        depth = layout.forest.depth
        found = sorted((n_d for n_d in found if n_d[0] > 0), key=lambda n_d: (depth[n_d[1]], n_d[1]))
        fits = np.asarray(found, dtype=np.int64).reshape(-1, 2)
        return Groups(fits[:, 1], fits[:, 0])

    def factories(self, ask: Ask) -> list[int]:
        """The factories where an ask could have units, if it fits."""
        layout, kind, factories = self.layout, self.layout.kind(ask.pool), list[int]()
        packed = not layout.spread[ask.pool] and layout.topology[ask.pool] != Topology.NONE
        board = self.space.board(ask.system, kind)
        for some in self.choices(ask):
            factories += self.space.roomy(board, some, ask.units if packed else 1)
        return factories

    def _at_home(self, ask: Ask, kind: int) -> tuple[int, int]:
        """How many units fit in the group of what stays, and that group."""
        group = self.layout.group_of(kind)
        homes = {group[cell] for cell in ask.beside}
        home = homes.pop()
        return (0 if homes or not self.serves(ask, home) else self.space.fit(ask.system, kind, home)), home

    def serves(self, ask: Ask, group: int) -> bool:
        """Whether a group is one, and in a factory that the pool may stand in."""
        return group >= 0 and bool(self.layout.problem.allowed[ask.pool, self.layout.factory[group]])

    # Anywhere, and packed

    def _anywhere(self, ask: Ask) -> Units | None:
        tree, roots = self.space.tree(ask.system), self.layout.roots
        classes = self.choices(ask)
        if sum([tree.m[roots[f]] for factories in classes for f in factories]) < ask.units:
            return None
        rest, units = ask.units, Units()
        for factories in classes:
            # The cheapest factories; among equals the tightest that takes all, else the roomiest.
            fits = sorted((tree.m[roots[f]], roots[f]) for f in factories if tree.m[roots[f]])
            while rest and fits:
                best = tightest(fits, rest)
                fits.remove(best)
                n = min(rest, best[0])
                self.fill(best[1], n, tree, units)
                rest -= n
        return units

    def _packed(self, ask: Ask) -> Units | None:
        layout, system, kind = self.layout, ask.system, self.layout.kind(ask.pool)
        best = self._home(ask, kind)
        if best < 0:
            return None
        depth = layout.depth(system, kind, best)
        units = Units()
        self.fill(best, ask.units, self.space.tree(system, depth), units)
        return units

    def _home(self, ask: Ask, kind: int) -> int:
        """The best group: one where it was, the cheapest, the tightest for what is hoped; -1 for none."""
        layout, space, system = self.layout, self.space, ask.system
        if ask.beside:
            n, home = self._at_home(ask, kind)
            return home if n >= ask.units else -1
        hoped, group = max(ask.units, ask.hoped), layout.group_of(kind)
        homes = []
        for d in {group[cell] for cell in ask.former}:
            fits = space.fit(system, kind, d) if self.serves(ask, d) else 0
            if fits >= ask.units:
                homes.append((layout.price[system][layout.factory[d]], _tight(fits, hoped), d))
        if homes:
            return min(homes)[-1]
        board = space.board(system, kind)
        for factories in self.choices(ask):
            roomy = space.roomy(board, factories, ask.units)
            if roomy:
                found = [tightest(space.fits(board, f), hoped) for f in roomy]
                takers = [fit for fit in found if fit[0] >= hoped]
                return min(takers)[1] if takers else min(found, key=lambda fit: (-fit[0], fit[1]))[1]
        return -1

    def fill(self, domain: int, rest: int, tree: Tree, units: Units) -> None:
        """Best fit downwards: the tightest child that takes everything, else the roomiest and go on."""
        m, free = tree.m, self.space.free
        fits: list[_Fit] = [(free[c], 0, c) for c in tree.cells[domain] if free[c] > 0]
        fits += [(m[d], 1, d) for d in self.layout.forest.children[domain] if m[d]]
        if len(fits) > 1:
            fits.sort()
        while rest:
            best = tightest(fits, rest) if len(fits) > 1 else fits[0]
            fits.remove(best)
            n = min(rest, best[0])
            if best[1]:
                self.fill(best[2], n, tree, units)
            else:
                units[best[2]] = units.get(best[2], 0) + n
            rest -= n

    def fill_most(self, ask: Ask, group: int, rest: int) -> Units:
        """As many units as fit, at most ``rest``: in one group, or, where it is -1, in all factories."""
        layout, space, system, units = self.layout, self.space, ask.system, Units()
        if group >= 0:
            kind = layout.kind(ask.pool)
            n = min(rest, space.fit(system, kind, group))
            depth = layout.depth(system, kind, group)
            self.fill(group, n, space.tree(system, depth), units)
            return units
        tree = space.tree(system)
        for factories in self.choices(ask):
            for f in factories:
                root = layout.roots[f]
                n = min(rest, tree.m[root])
                self.fill(root, n, tree, units)
                rest -= n
        return units

    def _back(self, ask: Ask) -> Units | None:
        """The ask with as much as possible back where the pool was; None where that does not work out."""
        layout, kind = self.layout, self.layout.kind(ask.pool)
        if layout.topology[ask.pool] != Topology.NONE:
            group = layout.group_of(kind)
            groups = {group[cell] for cell in (*ask.beside, *ask.former)}
            if len(groups) > 1 or -1 in groups:
                return None
        usable, free = layout.problem.allowed[ask.pool], self.space.free
        units, rest, mark = Units(), ask.units, self.mark()
        for cell, before in ask.former.items():
            if layout.cell_system[cell] == ask.system and usable[layout.cell_factory[cell]]:
                n = self.take(cell, min(before, free[cell], rest))
                if n:
                    units[cell] = n
                    rest -= n
        more: Units | None = None
        if units:
            more = (
                self.place(replace(ask, units=rest, beside={**ask.beside, **units}, former={}, hoped=0))
                if rest
                else {}
            )
        self.undo(mark)
        if more is None:
            return None
        for cell, n in more.items():
            units[cell] = units.get(cell, 0) + n
        return units

    # Small steps

    def take(self, cell: int, units: int) -> int:
        """Use up room for at most so many units in a cell; the number that fitted."""
        watts = self.layout.cell_watts[cell]
        n = self.space.fitting(cell, watts, min(units, self.space.free[cell]))
        if n:
            self.space.use(cell, n, n * watts)
            self._taken.append((cell, n))
        return n

    def mark(self) -> int:
        """A point to which `undo` goes back."""
        return len(self._taken)

    def undo(self, mark: int) -> None:
        """Give back what was taken since."""
        while len(self._taken) > mark:
            cell, n = self._taken.pop()
            self.space.use(cell, -n, -n * self.layout.cell_watts[cell])


def _tight(room: int, need: int) -> tuple[int, int]:
    """Sort key: those that take all of ``need`` first and the tightest of them, then the roomiest."""
    return (0, room) if room >= need else (1, -room)
