"""Free watts and slots in the forest of limits, and how many units of each system they hold.

Own code of the benchmark, so that the peers share none with what they are compared to. For identical units
``m(v) = min(floor(left(v) / watts), sum of the children's m + free slots on v)`` is the most that fits below
a domain, and filling the children in any order reaches it (limits on a tree are laminar). ``m`` is held for
every domain and system, and each placement refreshes it along the way to the root only.

Sizes as in ``Problem``: D domains, C cells, S systems. All integers are int64, all power is IT watts.
"""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from aifactory_solver.problem import Ints, Problem, Topology

Units = dict[int, int]  # cell -> units
SPREADS = (Topology.SPREAD_FACTORY, Topology.SPREAD_DOMAIN)
_NONE = 2**62  # watts of a unit that a factory does not have: nothing of it fits


class Space:
    """The room that is left, with everything gone that stands; ``take`` and ``give`` change it."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        domains, systems = problem.domains, int(problem.system_gpus.size)
        self.cell_factory = problem.factory[problem.cell_domain]
        opened = problem.cell_open
        watts = np.full((int(problem.allowed.shape[1]), systems), _NONE, np.int64)
        watts[self.cell_factory[opened], problem.cell_system[opened]] = problem.cell_watts[opened]
        self.watts = watts[problem.factory]  # (D, S) of a new unit
        self.chains: list[tuple[int, ...]] = []  # each domain and all above it, upwards
        self.children: list[list[int]] = [[] for _ in range(domains)]
        for d, above in enumerate(problem.parent.tolist()):
            self.chains.append((d,) if above < 0 else (d, *self.chains[above]))
            if above >= 0:
                self.children[above].append(d)
        deep = max(map(len, self.chains), default=1)
        self.above = np.asarray([(*c, *[c[-1]] * (deep - len(c))) for c in self.chains], np.int64)
        self.depth = np.asarray([len(chain) - 1 for chain in self.chains], np.int64)
        self.roots = np.flatnonzero(problem.parent < 0)
        self.free = np.where(opened, problem.cell_units, 0)
        self.cells_at: dict[tuple[int, int], list[int]] = defaultdict(list)
        for c in np.flatnonzero(opened).tolist():
            self.cells_at[int(problem.cell_domain[c]), int(problem.cell_system[c])].append(c)
        fixed = problem.fixed_watts.copy()
        for d in np.argsort(-self.depth, kind="stable").tolist():
            if problem.parent[d] >= 0:
                fixed[problem.parent[d]] += fixed[d]
        self.left = problem.limit - fixed
        self.slots = np.zeros((domains, systems), np.int64)  # free on exactly that domain
        np.add.at(self.slots, (problem.cell_domain, problem.cell_system), self.free)
        self.below = np.zeros((domains, systems), np.int64)  # sums of the children's m
        self.m = np.zeros((domains, systems), np.int64)
        self._refresh(range(domains))
        self._groups: dict[tuple[int, int, int], Ints] = {}
        self._pure: dict[tuple[int, int], bool] = {}

    # Changes

    def take(self, units: Units, watts: int | None = None) -> None:
        """Use so many slots of each cell, with the watts of a new unit unless told otherwise.

        A negative number gives them back. A closed cell has no slots; only watts count there.
        """
        problem, touched = self.problem, set()
        for cell, n in units.items():
            domain, each = int(problem.cell_domain[cell]), int(problem.cell_watts[cell])
            if problem.cell_open[cell]:
                self.free[cell] -= n
                self.slots[domain, problem.cell_system[cell]] -= n
            for d in self.chains[domain]:
                self.left[d] -= n * (each if watts is None else watts)
                touched.add(d)
        self._refresh(touched)

    def _refresh(self, touched: Iterable[int]) -> None:
        for d in sorted(touched, key=lambda d: -self.depth[d]):
            slots = np.maximum(self.slots[d], 0)
            m = np.minimum(max(int(self.left[d]), 0) // self.watts[d], slots + self.below[d])
            above = int(self.problem.parent[d])
            if above >= 0:
                self.below[above] += m - self.m[d]
            self.m[d] = m

    # Questions

    def fitting(self, cell: int, watts: int, units: int) -> int:
        """How many of so many units of these watts the limits above a cell still carry, slots aside."""
        chain = self.chains[int(self.problem.cell_domain[cell])]
        return max(0, min(units, *(int(self.left[d]) // watts for d in chain)))

    def groups(self, pool: int, system: int) -> Ints:
        """Domains that a packed pool may stand in as a whole, or a spread pool counts; else the factories."""
        kind, level = int(self.problem.topology[pool]), int(self.problem.topology_level[pool])
        key = (kind, level, system)
        if key not in self._groups:
            problem = self.problem
            if kind == Topology.FABRIC:
                its = problem.cell_open & (problem.cell_system == system) & (problem.cell_fabric >= 0)
                self._groups[key] = np.unique(problem.cell_fabric[its])
            elif kind in (Topology.DOMAIN, Topology.SPREAD_DOMAIN):
                self._groups[key] = np.flatnonzero(problem.level == level)
            else:
                self._groups[key] = self.roots
        groups = self._groups[key]
        mine: Ints = groups[self.problem.allowed[pool][self.problem.factory[groups]]]
        return mine

    def fits(self, pool: int, system: int, groups: Ints) -> Ints:
        """(G,) units that each group holds now, the limits above it included."""
        m: Ints = self.m[groups, system]
        if self.problem.topology[pool] == Topology.FABRIC:
            m = m.copy()
            for i, d in enumerate(groups.tolist()):
                if not self._all_on(d, system):
                    m[i] = self._on_fabric(d, d, system)[d]
        rooms = np.maximum(self.left[self.above[groups]], 0).min(axis=1) // self.watts[groups, system]
        return np.asarray(np.minimum(m, rooms), np.int64)

    def rank(self, pool: int, system: int, places: Ints, caps: Ints) -> int:
        """Most units over all places of a spread pool, when no place may take more than its cap (G,)."""
        m = np.minimum(self.m[places, system], caps)
        at = places
        while at.size and self.problem.parent[at[0]] >= 0:  # places of one level are equally deep
            at, which = np.unique(self.problem.parent[at], return_inverse=True)
            sums = np.bincount(which.reshape(-1), weights=m, minlength=at.size).astype(np.int64)
            m = np.minimum(sums, np.maximum(self.left[at], 0) // self.watts[at, system])
        return int(m.sum())

    def _all_on(self, fabric: int, system: int) -> bool:
        """Whether all cells of a system below a fabric's domain are on that fabric."""
        if (fabric, system) not in self._pure:
            problem = self.problem
            others = np.flatnonzero((problem.cell_system == system) & (problem.cell_fabric != fabric))
            inside = any(fabric in self.chains[d] for d in problem.cell_domain[others].tolist())
            self._pure[fabric, system] = not inside
        return self._pure[fabric, system]

    def _on_fabric(self, domain: int, fabric: int, system: int) -> dict[int, int]:
        """m of a domain and all below it, of the cells on one fabric alone."""
        found: dict[int, int] = {}
        units = sum(max(0, int(self.free[c])) for c in self._cells(domain, fabric, system))
        for child in self.children[domain]:
            found |= self._on_fabric(child, fabric, system)
            units += found[child]
        found[domain] = min(units, max(int(self.left[domain]), 0) // int(self.watts[domain, system]))
        return found

    def _cells(self, domain: int, fabric: int | None, system: int) -> list[int]:
        cells = self.cells_at.get((domain, system), [])
        return [c for c in cells if fabric is None or self.problem.cell_fabric[c] == fabric]

    # Filling

    def fill(self, pool: int, system: int, group: int, units: int, *, best: bool) -> Units:
        """Cells for so many units in a group that holds them; nothing is taken yet.

        Best fit: downwards into the tightest child that takes all, else the roomiest first. First fit: in
        order.
        """
        fabric = group if self.problem.topology[pool] == Topology.FABRIC else None
        own = None
        if fabric is not None and not self._all_on(fabric, system):
            own = self._on_fabric(group, fabric, system)
        found: Units = {}
        stack = [(group, units)]
        while stack:
            domain, rest = stack.pop()
            options = [(int(self.free[c]), 0, c) for c in self._cells(domain, fabric, system)]
            for child in self.children[domain]:
                options.append((int(self.m[child, system]) if own is None else own[child], 1, child))
            options = [option for option in options if option[0] > 0]
            while rest:
                at = options[0] if not best else min(options, key=lambda o: tightest(o[0], rest))
                options.remove(at)
                n = min(rest, at[0])
                rest -= n
                if at[1]:
                    stack.append((at[2], n))
                else:
                    found[at[2]] = n
        return found


def tightest(room: int, need: int) -> tuple[int, int]:
    """Sort key of best fit: those that take all first and the tightest of them, then the roomiest."""
    return (0, room) if room >= need else (1, -room)


def place_of(space: Space, pool: int, cell: int) -> int:
    """The domain that a packed pool's units in a cell share, or a spread pool counts; -1 for none."""
    problem = space.problem
    kind = int(problem.topology[pool])
    if kind == Topology.FABRIC:
        return int(problem.cell_fabric[cell])
    chain = space.chains[int(problem.cell_domain[cell])]
    if kind in (Topology.DOMAIN, Topology.SPREAD_DOMAIN):
        return next((d for d in chain if problem.level[d] == problem.topology_level[pool]), -1)
    return chain[-1]


def least_units(problem: Problem, pool: int, system: int) -> int:
    """Units of the pool's minimum, at least one in each place of a spread; 0 where it has no minimum."""
    least = -(-int(problem.minimum[pool]) // int(problem.system_gpus[system]))
    return max(least, int(problem.spread[pool])) if problem.minimum[pool] else 0


def wish_units(problem: Problem, pool: int, system: int) -> int:
    """Units that cover all that the pool wishes for."""
    return -(-int(problem.need[pool]) // int(problem.system_gpus[system]))
