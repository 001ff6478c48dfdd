"""Bottom-up sums over the forest of power domains, on any array namespace.

With identical units on a tree of limits, the most units that fit below a domain is exact:
``m(v) = min(floor(left(v) / watts), sum of the children's m + free slots that hang on v)``.
The limits are laminar (two domains are nested or apart), so filling greedily in any order reaches it.
"""

from functools import cached_property

import numpy as np

from aifactory_solver.problem import Array, Bools, Ints, Problem


def to_numpy(array: Array) -> Ints:
    """Bring an int64 array of any namespace back to the host."""
    if hasattr(array, "get"):  # CuPy
        array = array.get()
    return np.asarray(array, dtype=np.int64)


def _take(values: Ints, at: Ints) -> Ints:
    return values.take(at, axis=-1)


class Forest:
    """The tree in breadth-first order, so that the children of a domain stand side by side.

    Then a sum over children is a difference of two running sums: no scatter, no atomics, the same
    integers on every device.
    """

    def __init__(self, problem: Problem, xp: Array, device: Array = None) -> None:
        """The index arrays lie on ``device``, the namespace's own choice where it is None."""
        self.xp, self.device = xp, device
        parents = problem.parent.tolist()
        self.ancestors: list[tuple[int, ...]] = []  # of each domain: itself, then upwards
        self.children: list[list[int]] = [[] for _ in parents]
        depth = []
        for d, up in enumerate(parents):
            above = self.ancestors[up] if up >= 0 else ()
            self.ancestors.append((d, *above))
            depth.append(len(above))
            if up >= 0:
                self.children[up].append(d)
        self.depth = np.asarray(depth, dtype=np.int64)
        self.levels = max(depth, default=-1) + 1
        layer = self.roots = [d for d, up in enumerate(parents) if up < 0]
        order: list[int] = []
        self.bounds = [0]
        while layer:
            order.extend(layer)
            self.bounds.append(len(order))
            layer = [child for d in layer for child in self.children[d]]
        self.order = np.asarray(order, dtype=np.int64)
        self.place = np.empty_like(self.order)
        self.place[self.order] = np.arange(len(order))

        at = self.place[problem.cell_domain]
        self.cell_order = np.argsort(at, kind="stable")
        cell_ends = np.cumsum(np.bincount(at, minlength=len(order)), dtype=np.int64)
        child_ends = np.cumsum([len(self.children[d]) for d in order], dtype=np.int64)
        self.cell_starts = self.ints(np.concatenate(([0], cell_ends)))
        # Children of depth k are the whole of depth k+1, so running counts within a depth are offsets there.
        self.child_starts = []
        self.parents = [self.ints(np.zeros(0, np.int64))]  # of each depth: within the depth above
        for k in range(1, self.levels):
            up = problem.parent[self.order[self.bounds[k] : self.bounds[k + 1]]]
            self.parents.append(self.ints(self.place[up] - self.bounds[k - 1]))
        for k in range(self.levels):
            ends = child_ends[self.bounds[k] : self.bounds[k + 1]]
            before = child_ends[self.bounds[k] - 1] if k else 0
            self.child_starts.append(self.ints(np.concatenate(([0], ends - before))))

        self._cell_domain, self._cell_fabric = problem.cell_domain, problem.cell_fabric
        self._parent, self._level = problem.parent, problem.level

    @cached_property
    def fabric_depth(self) -> Ints:
        """(C,) depth of each cell's fabric, -1 where it has none."""
        return np.where(self._cell_fabric >= 0, self.depth[self._cell_fabric], -1)

    def below_level(self, level: int) -> Bools:
        """(C,) whether a cell hangs on or below an instance of the level."""
        return np.asarray(self.instance(level)[self._cell_domain] >= 0)

    def instance(self, level: int) -> Ints:
        """(D,) the instance of a level that a domain is or hangs below, -1 for none."""
        found = np.where(self._level == level, np.arange(len(self._level)), -1)
        for k in range(1, self.levels):
            here = self.order[self.bounds[k] : self.bounds[k + 1]]
            found[here] = np.where(found[here] < 0, found[self._parent[here]], found[here])
        return found

    def ints(self, values: Ints) -> Array:
        """As int64 on the namespace and the device."""
        return self.xp.asarray(np.asarray(values, dtype=np.int64), device=self.device)

    # In breadth-first order, on the namespace, with any axes ahead: many scenarios at once

    def _segments(self, values: Array, starts: Array) -> Array:
        """Sums of ``values`` (..., n) over the consecutive segments that begin at ``starts``."""
        xp = self.xp
        running = xp.zeros((*values.shape[:-1], 1), dtype=xp.int64, device=self.device)
        if values.shape[-1]:
            running = xp.concat([running, xp.cumulative_sum(values, axis=-1)], axis=-1)
        at = xp.take(running, starts, axis=-1)
        return at[..., 1:] - at[..., :-1]

    def hung_sorted(self, amounts: Array) -> Array:
        """(..., D) sums over the cells on each domain of (..., C) ``amounts``, given in ``cell_order``."""
        return self._segments(amounts, self.cell_starts)

    def up(self, own: Array, rooms: Array | None = None) -> Array:
        """(..., D) of each domain its ``own`` and its children's, but at most ``rooms``: m(v)."""
        xp = self.xp
        found: list[Array] = []
        under = own[..., :0]
        for k in range(self.levels - 1, -1, -1):
            here = slice(self.bounds[k], self.bounds[k + 1])
            under = own[..., here] + self._segments(under, self.child_starts[k])
            if rooms is not None:
                under = xp.minimum(rooms[..., here], under)
            found.append(under)
        return xp.concat(found[::-1], axis=-1) if found else own

    def down(self, rooms: Array) -> Array:
        """(..., D) the least of ``rooms`` of the domain and of all above it."""
        xp = self.xp
        found: list[Array] = []
        for k in range(self.levels):
            room = rooms[..., self.bounds[k] : self.bounds[k + 1]]
            if k:
                room = xp.minimum(room, xp.take(found[-1], self.parents[k], axis=-1))
            found.append(room)
        return xp.concat(found, axis=-1) if found else rooms

    # In the order of the problem, on the host

    def capacity(self, left: Ints, free: Ints, watts: Ints, cap: Ints | None = None) -> Ints:
        """m(v) for every domain.

        ``left`` (..., D) watts still free, below zero counts as none; ``free`` (..., C) usable slots;
        ``watts`` (D,) of one unit in the domain's factory; ``cap`` (..., D) at most so many units below a
        domain. Returns (..., D) units.
        """
        rooms = self._rooms(left, watts)
        if cap is not None:
            rooms = self.xp.minimum(rooms, self.ints(_take(cap, self.order)))
        return self._by_domain(self.up(self.hung_sorted(self.ints(_take(free, self.cell_order))), rooms))

    def room_above(self, left: Ints, watts: Ints) -> Ints:
        """(..., D) units that the domain and all domains above it could still carry."""
        return self._by_domain(self.down(self._rooms(left, watts)))

    def totals(self, amounts: Ints) -> Ints:
        """(..., D) sums over each whole subtree of ``amounts`` (..., C), given per cell."""
        return self._by_domain(self.up(self.hung_sorted(self.ints(_take(amounts, self.cell_order)))))

    def sums(self, amounts: Ints) -> Ints:
        """(..., D) sums over each whole subtree of ``amounts`` (..., D), given per domain."""
        return self._by_domain(self.up(self.ints(_take(amounts, self.order))))

    def hung(self, amounts: Ints) -> Ints:
        """(..., D) sums of ``amounts`` (..., C) over the cells that hang on the domain itself."""
        return self._by_domain(self.hung_sorted(self.ints(_take(amounts, self.cell_order))))

    def below(self, amounts: Ints) -> Ints:
        """(..., D) sums of ``amounts`` (..., D) over the children of each domain."""
        given = self.ints(_take(amounts, self.order))
        ends = [*self.bounds[1:], self.bounds[-1]]
        found = [
            self._segments(given[..., ends[k] : ends[k + 1]], self.child_starts[k])
            for k in range(self.levels)
        ]
        return self._by_domain(self.xp.concat(found, axis=-1) if found else given)

    def _rooms(self, left: Ints, watts: Ints) -> Array:
        return self.ints(_take(np.maximum(left, 0), self.order)) // self.ints(_take(watts, self.order))

    def _by_domain(self, values: Array) -> Ints:
        """Bring values in breadth-first order back into the order of the domains."""
        return to_numpy(values).take(self.place, axis=-1)
