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


class Forest:
    """The tree in breadth-first order, so that the children of a domain stand side by side.

    Then a sum over children is a difference of two running sums: no scatter, no atomics, the same
    integers on every device.
    """

    def __init__(self, problem: Problem, xp: Array) -> None:
        self.xp = xp
        self.parent = problem.parent
        domains = problem.domains
        depth = np.zeros(domains, dtype=np.int64)
        self.ancestors: list[tuple[int, ...]] = []
        for d in range(domains):
            up = int(problem.parent[d])
            depth[d] = depth[up] + 1 if up >= 0 else 0
            self.ancestors.append((d,) if up < 0 else (d, *self.ancestors[up]))
        self.depth = depth
        self.levels = int(depth.max()) + 1 if domains else 0

        order: list[int] = []
        self.children: list[list[int]] = [[] for _ in range(domains)]
        for d in range(domains):
            if problem.parent[d] >= 0:
                self.children[int(problem.parent[d])].append(d)
        layer = [d for d in range(domains) if problem.parent[d] < 0]
        self.roots = list(layer)
        self.bounds = [0]
        while layer:
            order.extend(layer)
            self.bounds.append(len(order))
            layer = [child for d in layer for child in self.children[d]]
        self.order = np.asarray(order, dtype=np.int64)
        self.place = np.empty(domains, dtype=np.int64)
        self.place[self.order] = np.arange(domains)

        self.cell_order = np.argsort(self.place[problem.cell_domain], kind="stable")
        self.cells_at: list[list[int]] = [[] for _ in range(domains)]
        for c, d in enumerate(problem.cell_domain.tolist()):
            self.cells_at[d].append(c)
        cell_ends = np.cumsum([len(self.cells_at[d]) for d in order], dtype=np.int64)
        child_ends = np.cumsum([len(self.children[d]) for d in order], dtype=np.int64)
        self._cell_starts = xp.asarray(np.concatenate(([0], cell_ends)).astype(np.int64))
        # Children of depth k are the whole of depth k+1, so running counts within a depth are offsets there.
        self._child_starts = []
        self._parents = [xp.asarray(np.zeros(0, dtype=np.int64))]  # within the depth above
        for k in range(1, self.levels):
            above = problem.parent[self.order[self.bounds[k] : self.bounds[k + 1]]]
            self._parents.append(xp.asarray(self.place[above] - self.bounds[k - 1]))
        for k in range(self.levels):
            ends = child_ends[self.bounds[k] : self.bounds[k + 1]]
            before = child_ends[self.bounds[k] - 1] if k else 0
            self._child_starts.append(xp.asarray(np.concatenate(([0], ends - before)).astype(np.int64)))
        self._cell_domain = problem.cell_domain
        self._cell_fabric = problem.cell_fabric
        self._level = problem.level

    @cached_property
    def fabric_depth(self) -> Ints:
        """(C,) depth of each cell's fabric, -1 where it has none."""
        return np.where(self._cell_fabric >= 0, self.depth[self._cell_fabric], -1)

    def below_level(self, level: int) -> Bools:
        """(C,) whether a cell hangs on or below an instance of the level."""
        marked = self._level == level
        for d in self.order.tolist():
            if self.parent[d] >= 0 and marked[self.parent[d]]:
                marked[d] = True
        return np.asarray(marked[self._cell_domain])

    def _segments(self, values: Array, starts: Array) -> Array:
        """Sums of ``values`` over the consecutive segments that begin at ``starts``."""
        xp = self.xp
        zero = xp.zeros(1, dtype=xp.int64)
        running = xp.concat([zero, xp.cumulative_sum(values)]) if values.shape[0] else zero
        at = xp.take(running, starts)
        return at[1:] - at[:-1]

    def capacity(self, left: Ints, free: Ints, watts: Ints, cap: Ints | None = None) -> Ints:
        """m(v) for every domain.

        ``left`` (D,) watts still free, below zero counts as none; ``free`` (C,) usable slots;
        ``watts`` (D,) of one unit in the domain's factory; ``cap`` (D,) at most so many units below a domain.
        Returns (D,) units.
        """
        xp = self.xp
        rooms = xp.asarray(np.maximum(left, 0)[self.order]) // xp.asarray(watts[self.order])
        if cap is not None:
            rooms = xp.minimum(rooms, xp.asarray(cap[self.order]))
        own = self._segments(xp.asarray(free[self.cell_order]), self._cell_starts)
        found: list[Array] = []
        under = xp.zeros(0, dtype=xp.int64)
        for k in range(self.levels - 1, -1, -1):
            here = slice(self.bounds[k], self.bounds[k + 1])
            under = xp.minimum(rooms[here], own[here] + self._segments(under, self._child_starts[k]))
            found.append(under)
        result = np.empty_like(left)
        if found:
            result[self.order] = to_numpy(xp.concat(found[::-1]))
        return result

    def room_above(self, left: Ints, watts: Ints) -> Ints:
        """(D,) units that the domain and all domains above it could still carry."""
        xp = self.xp
        rooms = xp.asarray(np.maximum(left, 0)[self.order]) // xp.asarray(watts[self.order])
        found: list[Array] = []
        for k in range(self.levels):
            room = rooms[self.bounds[k] : self.bounds[k + 1]]
            if k:
                room = xp.minimum(room, xp.take(found[-1], self._parents[k]))
            found.append(room)
        result = np.empty_like(left)
        if found:
            result[self.order] = to_numpy(xp.concat(found))
        return result

    def totals(self, amounts: Ints) -> Ints:
        """(D,) sums over each whole subtree of ``amounts`` (C,), given per cell."""
        xp = self.xp
        own = self._segments(xp.asarray(amounts[self.cell_order]), self._cell_starts)
        found: list[Array] = []
        under = xp.zeros(0, dtype=xp.int64)
        for k in range(self.levels - 1, -1, -1):
            under = own[self.bounds[k] : self.bounds[k + 1]] + self._segments(under, self._child_starts[k])
            found.append(under)
        result = np.zeros(self.depth.shape[0], dtype=np.int64)
        if found:
            result[self.order] = to_numpy(xp.concat(found[::-1]))
        return result
