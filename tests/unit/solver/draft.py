"""The knobs of a random problem, and the problem in lists while it is made."""

from dataclasses import dataclass, field

import numpy as np

from aifactory_solver.problem import Bools, Ints, Problem, Topology

Rng = np.random.Generator

CHANGES = (
    "limits",
    "lost",
    "leave",
    "closed",
    "locked",
    "specs",
    "resized",
    "watts",
    "leaving",
    "cut off",
    "paused",
    "fixed",
)
PRIORITIES = ("one", "few", "many", "extreme")
GPUS = (8, 72, 8, 4)  # HGX nodes, NVL72 racks, nodes of another make, a small node
WATTS = (11_628, 150_480, 14_500, 3_000)


@dataclass(frozen=True)
class Knobs:
    """What kind of world."""

    factories: int = 2
    paths: int = 5  # domain paths in the specs
    systems: int = 2
    pools: int = 12
    standing: float = 0.6  # share of pools that were there before
    tightness: float = 0.8  # mean of limits to what could stand below them
    priorities: str = "few"
    changes: frozenset[str] = frozenset(CHANGES)
    small_units: bool = False  # watts of 1 to 3 for each unit, which meet limits exactly


@dataclass
class Draft:
    """A problem in lists, while it is made. Names as in Problem."""

    parent: list[int] = field(default_factory=list)
    limit: list[int] = field(default_factory=list)
    level: list[int] = field(default_factory=list)
    factory: list[int] = field(default_factory=list)
    fixed: list[int] = field(default_factory=list)
    leaving: list[int] = field(default_factory=list)
    cell_domain: list[int] = field(default_factory=list)
    cell_fabric: list[int] = field(default_factory=list)
    cell_system: list[int] = field(default_factory=list)
    cell_units: list[int] = field(default_factory=list)
    cell_leaving: list[int] = field(default_factory=list)
    cell_watts: list[int] = field(default_factory=list)
    cell_open: list[bool] = field(default_factory=list)
    system_gpus: list[int] = field(default_factory=list)
    rows: list["Row"] = field(default_factory=list)
    pools: list["Pool"] = field(default_factory=list)

    @property
    def factories(self) -> int:
        return sum(above < 0 for above in self.parent)

    def chain(self, domain: int) -> list[int]:
        """The domain and all above."""
        found = []
        while domain >= 0:
            found.append(domain)
            domain = self.parent[domain]
        return found

    def load(self) -> list[int]:
        """Watts that stand, by domain."""
        total = [0] * len(self.parent)
        hung = [(domain, watts) for domain, watts in enumerate(self.fixed)]
        hung += [(self.cell_domain[row.cell], row.units * row.watts) for row in self.rows]
        for domain, watts in hung:
            for above in self.chain(domain):
                total[above] += watts
        return total

    def taken(self) -> list[int]:
        """Slots held or leaving, by cell."""
        total = list(self.cell_leaving)
        for row in self.rows:
            total[row.cell] += row.units
        return total

    def place(self, pool: "Pool", cell: int) -> int:
        """The group or place of a cell under a pool's topology, -1 for none."""
        chain = self.chain(self.cell_domain[cell])
        if pool.topology == Topology.NONE:
            return 0
        if pool.topology == Topology.FABRIC:
            return self.cell_fabric[cell]
        if pool.topology in (Topology.FACTORY, Topology.SPREAD_FACTORY):
            return chain[-1]
        return next((domain for domain in chain if self.level[domain] == pool.level), -1)

    def usable(self, pool: "Pool", cell: int) -> bool:
        """Whether the pool's spec allows units of it in the cell."""
        factory = self.factory[self.cell_domain[cell]]
        wanted = self.cell_system[cell] in pool.systems and pool.allowed[factory]
        return wanted and self.place(pool, cell) >= 0

    def rows_of(self, pool: int) -> list["Row"]:
        return [row for row in self.rows if row.pool == pool]

    def set_fits(self) -> None:
        """Say of each row whether it is where its pool's spec allows it to be."""
        for number, pool in enumerate(self.pools):
            rows = self.rows_of(number)
            places = [self.place(pool, row.cell) for row in rows]
            packed = pool.topology in (Topology.FACTORY, Topology.FABRIC, Topology.DOMAIN)
            main = max(places, key=places.count) if places else -1
            for row, place in zip(rows, places, strict=True):
                row.fits = self.usable(pool, row.cell) and (not packed or place == main)

    def problem(self) -> Problem:
        """The arrays."""
        self.set_fits()
        pools, rows = self.pools, self.rows
        top = max((pool.priority for pool in pools), default=0)
        cost = [
            watts * (9 - self.factory[d] % 7)
            for watts, d in zip(self.cell_watts, self.cell_domain, strict=True)
        ]
        carbon = [
            watts * (5 + self.factory[d] % 3)
            for watts, d in zip(self.cell_watts, self.cell_domain, strict=True)
        ]
        return Problem(
            parent=ints(self.parent),
            limit=ints(self.limit),
            level=ints(self.level),
            factory=ints(self.factory),
            fixed_watts=ints(self.fixed),
            leaving_watts=ints(self.leaving),
            cell_domain=ints(self.cell_domain),
            cell_fabric=ints(self.cell_fabric),
            cell_system=ints(self.cell_system),
            cell_units=ints(self.cell_units),
            cell_leaving=ints(self.cell_leaving),
            cell_watts=ints(self.cell_watts),
            cell_cost=ints(cost),
            cell_carbon=ints(carbon),
            cell_open=bools(self.cell_open),
            system_gpus=ints(self.system_gpus),
            row_pool=ints([row.pool for row in rows]),
            row_cell=ints([row.cell for row in rows]),
            row_units=ints([row.units for row in rows]),
            row_watts=ints([row.watts for row in rows]),
            row_locked=bools([row.locked for row in rows]),
            row_leave=bools([row.leave for row in rows]),
            row_fits=bools([row.fits for row in rows]),
            need=ints([pool.need for pool in pools]),
            minimum=ints([pool.minimum for pool in pools]),
            priority=ints([pool.priority for pool in pools]),
            purpose=ints([pool.purpose for pool in pools]),
            age=ints([pool.age for pool in pools]),
            preemptible=bools([pool.preemptible and pool.priority < top for pool in pools]),
            frozen=bools([pool.frozen for pool in pools]),
            changed=bools([pool.changed and bool(self.rows_of(n)) for n, pool in enumerate(pools)]),
            uprooted=bools([pool.uprooted and bool(self.rows_of(n)) for n, pool in enumerate(pools)]),
            displaced=ints([pool.displaced for pool in pools]),
            topology=ints([pool.topology for pool in pools]),
            topology_level=ints([pool.level for pool in pools]),
            spread=ints([pool.spread for pool in pools]),
            systems=tuple(tuple(pool.systems) for pool in pools),
            allowed=bools([pool.allowed for pool in pools]).reshape(len(pools), self.factories),
        )


@dataclass
class Row:
    """A standing row."""

    pool: int
    cell: int
    units: int
    watts: int
    locked: bool = False
    leave: bool = False
    fits: bool = True


@dataclass
class Pool:
    """A pool."""

    need: int
    minimum: int
    priority: int
    purpose: int
    age: int
    preemptible: bool
    topology: Topology
    level: int
    spread: int
    systems: list[int]
    allowed: list[bool]
    frozen: bool = False
    changed: bool = False
    uprooted: bool = False
    displaced: int = 0


def ints(values: list[int]) -> Ints:
    return np.asarray(values, np.int64)


def bools(values: list[bool] | list[list[bool]]) -> Bools:
    return np.asarray(values, np.bool_)
