"""Where so many units of one system can stand under a pool's topology, and the best such place."""

from dataclasses import dataclass

import numpy as np

from aifactory_solver.forest import Forest
from aifactory_solver.problem import Bools, Ints, Problem, Topology
from aifactory_solver.room import Room, Units


@dataclass(frozen=True)
class Ask:
    """So many more units of one system for a pool, beside the units that it keeps."""

    pool: int
    system: int
    units: int
    beside: Units  # cell -> units that stay
    former: Units  # cell -> units that it gave up, welcome back
    hoped: int = 0  # units that it would grow to


@dataclass(frozen=True, eq=False)
class Groups:
    """The domains that could each hold a whole packed pool."""

    domains: Ints  # (G,)
    fits: Ints  # (G,) units that fit there
    m: tuple[Ints, ...]  # (D,) capacities that a fill in each domain goes by
    which: Ints  # (G,) index into m


class Finder:
    """Searches one state of free watts and slots. Exact: where it finds nothing, nothing fits."""

    def __init__(self, room: Room, left: Ints, free: Ints) -> None:
        self.room = room
        self.problem: Problem = room.problem
        self.forest: Forest = room.forest
        self.left = left
        self.free = free
        self._known: dict[tuple[int, ...], Groups] = {}

    def usable(self, ask: Ask) -> Ints:
        """(C,) slots that the pool may take for this system."""
        return np.where(self.room.open_to(ask.pool, ask.system), np.maximum(self.free, 0), 0)

    def place(self, ask: Ask) -> Units | None:
        """The best place for an ask that is not spread, None where it does not fit."""
        if ask.former:
            again = self._back(ask)
            if again is not None:
                return again
        if self.problem.topology[ask.pool] == Topology.NONE:
            return self._anywhere(ask)
        return self._packed(ask)

    def most(self, ask: Ask) -> int:
        """The most units, at most ``ask.units``, of an ask that is not spread."""
        groups = self.groups(ask)
        if self.problem.topology[ask.pool] == Topology.NONE:
            return min(ask.units, int(groups.fits.sum()))
        return min(ask.units, int(groups.fits.max(initial=0)))

    # Groups: factories, fabrics or domains that can hold something

    def groups(self, ask: Ask) -> Groups:
        """The places that the pool packs into, beside what it keeps; factories where it packs nowhere."""
        topology, level = int(self.problem.topology[ask.pool]), int(self.problem.topology_level[ask.pool])
        key = (ask.system, int(self.room.signature[ask.pool]), topology, level)
        if key not in self._known:
            self._known[key] = self._groups(
                topology, level, self.usable(ask), self.room.unit_watts[ask.system]
            )
        groups = self._known[key]
        if topology == Topology.NONE or not ask.beside:
            return groups
        homes = {self.room.group(topology, level, cell) for cell in ask.beside}
        here = (
            np.isin(groups.domains, list(homes)) if len(homes) == 1 else np.zeros(len(groups.domains), bool)
        )
        return Groups(groups.domains[here], groups.fits[here], groups.m, groups.which[here])

    def _groups(self, topology: int, level: int, usable: Ints, watts: Ints) -> Groups:
        problem, forest = self.problem, self.forest
        if topology == Topology.FABRIC:
            depths = [k for k in np.unique(forest.fabric_depth[usable > 0]).tolist() if k >= 0]
            masks = [forest.fabric_depth == k for k in depths]
            ms = tuple(forest.capacity(self.left, np.where(mask, usable, 0), watts) for mask in masks)
            anchors = [np.unique(problem.cell_fabric[mask & (usable > 0)]) for mask in masks]
        else:
            ms = (forest.capacity(self.left, usable, watts),)
            at_level = topology == Topology.DOMAIN
            anchors = [
                np.flatnonzero(problem.level == level) if at_level else np.asarray(forest.roots, np.int64)
            ]
        if not anchors:
            nothing = np.zeros(0, dtype=np.int64)
            return Groups(nothing, nothing, ms, nothing)
        domains = np.concatenate(anchors)
        which = np.repeat(np.arange(len(anchors)), [len(a) for a in anchors])
        fits = np.concatenate([m[a] for m, a in zip(ms, anchors, strict=True)])
        if topology in (Topology.FABRIC, Topology.DOMAIN):
            fits = np.minimum(fits, forest.room_above(self.left, watts)[domains])
        some = fits > 0
        return Groups(domains[some], fits[some], ms, which[some])

    # Anywhere, and packed

    def _anywhere(self, ask: Ask) -> Units | None:
        groups = self.groups(ask)
        if int(groups.fits.sum()) < ask.units:
            return None
        rooms = dict(zip(groups.domains.tolist(), groups.fits.tolist(), strict=True))
        price = {d: self.price(ask.system, d) for d in rooms}
        rest, units, usable = ask.units, Units(), self.usable(ask)
        while rest:
            # The cheapest factory; among equals the tightest that takes all, else the roomiest.
            best = min(rooms, key=lambda d: (price[d], *_tight(rooms[d], rest), d))
            n = min(rest, rooms.pop(best))
            self.fill(best, n, groups.m[0], usable, units)
            rest -= n
        return units

    def _packed(self, ask: Ask) -> Units | None:
        groups = self.groups(ask)
        able = np.flatnonzero(groups.fits >= ask.units).tolist()
        if not able:
            return None
        topology, level = int(self.problem.topology[ask.pool]), int(self.problem.topology_level[ask.pool])
        homes = {self.room.group(topology, level, cell) for cell in ask.former}
        domains, fits = groups.domains.tolist(), groups.fits.tolist()
        hoped = max(ask.units, ask.hoped)

        def worse(i: int) -> tuple[bool, tuple[int, int], tuple[int, int], int]:
            price = self.price(ask.system, domains[i])
            return (domains[i] not in homes, price, _tight(fits[i], hoped), domains[i])

        best = min(able, key=worse)
        usable = self.usable(ask)
        if topology == Topology.FABRIC:
            usable = np.where(self.problem.cell_fabric == domains[best], usable, 0)
        units = Units()
        self.fill(domains[best], ask.units, groups.m[int(groups.which[best])], usable, units)
        return units

    def fill(self, domain: int, rest: int, m: Ints, usable: Ints, units: Units) -> None:
        """Best fit downwards: the tightest child that takes everything, else the roomiest and go on."""
        options = [(int(usable[c]), 0, c) for c in self.forest.cells_at[domain] if usable[c] > 0]
        options += [(int(m[d]), 1, d) for d in self.forest.children[domain] if m[d] > 0]
        while rest:
            best = min(options, key=lambda o: (*_tight(o[0], rest), o[1], o[2]))
            options.remove(best)
            n = min(rest, best[0])
            if best[1]:
                self.fill(best[2], n, m, usable, units)
            else:
                units[best[2]] = units.get(best[2], 0) + n
            rest -= n

    def fill_most(self, ask: Ask, cells: Bools, rest: int) -> Units:
        """As many units as fit in some cells, at most ``rest``, whatever the pool's topology."""
        usable, units = np.where(cells, self.usable(ask), 0), Units()
        m = self.forest.capacity(self.left, usable, self.room.unit_watts[ask.system])
        roots = [d for d in self.forest.roots if m[d] > 0]
        for root in sorted(roots, key=lambda d: (self.price(ask.system, d), d)):
            n = min(rest, int(m[root]))
            if n > 0:
                self.fill(root, n, m, usable, units)
                rest -= n
        return units

    def _back(self, ask: Ask) -> Units | None:
        """The ask with as much as possible back where the pool was; None where that does not work out."""
        usable = self.usable(ask)
        topology, level = int(self.problem.topology[ask.pool]), int(self.problem.topology_level[ask.pool])
        groups = {self.room.group(topology, level, c) for c in (*ask.beside, *ask.former)}
        if topology != Topology.NONE and (len(groups) > 1 or -1 in groups):
            return None
        scratch = self.copy()
        units, rest = Units(), ask.units
        for cell, before in ask.former.items():
            n = scratch.take(cell, min(before, int(usable[cell]), rest))
            if n:
                units[cell] = n
                rest -= n
        if not units:
            return None
        if rest:
            more = scratch.place(Ask(ask.pool, ask.system, rest, {**ask.beside, **units}, {}))
            if more is None:
                return None
            for cell, n in more.items():
                units[cell] = units.get(cell, 0) + n
        return units

    # Small steps

    def copy(self) -> "Finder":
        """The same room, to try things in."""
        return Finder(self.room, self.left.copy(), self.free.copy())

    def take(self, cell: int, units: int) -> int:
        """Use up room for at most so many units in a cell; the number that fitted."""
        watts = int(self.problem.cell_watts[cell])
        chain = self.forest.ancestors[int(self.problem.cell_domain[cell])]
        n = max(0, min(units, int(self.free[cell]), *(int(self.left[d]) // watts for d in chain)))
        self.free[cell] -= n
        for d in chain:
            self.left[d] -= n * watts
        self._known.clear()
        return n

    def price(self, system: int, domain: int) -> tuple[int, int]:
        """Money and carbon a day of a unit in the domain's factory."""
        return self.room.prices[system][int(self.problem.factory[domain])]


def _tight(room: int, need: int) -> tuple[int, int]:
    """Sort key: those that take all of ``need`` first and the tightest of them, then the roomiest."""
    return (0, room) if room >= need else (1, -room)
