"""Small worlds in words: factories, slots, pools and what stands, and plans read back by name.

Unless told otherwise a unit is one GPU and one watt, so that GPUs, units and watts are one number.
"""

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import repeat
from types import FrameType
from typing import Any, Self

import numpy as np

from aifactory_solver.check import check, validate, violations
from aifactory_solver.problem import Ints, Problem, Solution, Topology
from aifactory_solver.strict.plain import solve

GPUS = {"one": 1, "two": 2, "node": 8, "rack": 72}
WATTS = {"one": 1, "two": 2, "node": 10, "rack": 130}
PURPOSES = ("DataProcessing", "Training", "Inference")
PLENTY = 10**9
SECONDS = 10  # more than any of these worlds takes, by far


@dataclass
class Domain:
    path: str
    limit: int
    fixed: int = 0
    leaving: int = 0


@dataclass
class Cell:
    path: str
    system: str
    units: int
    watts: int
    fabric: str | None
    open: bool
    leaving: int
    cost: int
    carbon: int


@dataclass
class Row:
    pool: str
    cell: int
    units: int
    watts: int
    locked: bool
    leave: bool
    fits: bool


@dataclass
class Pool:
    name: str
    gpus: int
    minimum: int
    priority: int
    purpose: str
    age: int
    preemptible: bool
    frozen: bool
    changed: bool
    uprooted: bool
    displaced: int
    topology: Topology
    level: str | None
    spread: int
    systems: tuple[str, ...]
    factories: tuple[str, ...] | None


def level_of(path: str) -> str:
    """The path in the spec, without factory and numbers: `a/hall-2/row-5` is `hall/row`."""
    return "/".join(re.sub(r"-\d+$", "", part) for part in path.split("/")[1:])


@dataclass
class World:
    """A problem in the making; every method gives the world back."""

    domains: dict[str, Domain] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    pools: dict[str, Pool] = field(default_factory=dict)

    def domain(self, path: str, limit: int = PLENTY, fixed: int = 0, leaving: int = 0) -> Self:
        """A factory `a` or a power domain `a/hall-1`, its parents first."""
        self.domains[path] = Domain(path, limit, fixed, leaving)
        return self

    factory = domain

    def slots(
        self,
        path: str,
        units: int,
        system: str = "one",
        *,
        watts: int | None = None,
        fabric: str | None = "",
        is_open: bool = True,
        leaving: int = 0,
        cost: int = 0,
        carbon: int = 0,
    ) -> Self:
        """So many slots of one system on a domain; its fabric is the domain itself unless named, or None."""
        each = WATTS[system] if watts is None else watts
        fabric = path if fabric == "" else fabric
        self.cells.append(Cell(path, system, units, each, fabric, is_open, leaving, cost, carbon))
        return self

    def pool(
        self,
        name: str,
        gpus: int,
        *,
        minimum: int | None = None,
        priority: int = 0,
        purpose: str = "Training",
        age: int | None = None,
        preemptible: bool = False,
        frozen: bool = False,
        changed: bool = False,
        uprooted: bool = False,
        displaced: int = 0,
        pack: str | None = None,
        spread: int = 0,
        over: str = "factory",
        systems: tuple[str, ...] = ("one",),
        factories: tuple[str, ...] | None = None,
    ) -> Self:
        """A pool, younger than those before it; `pack` and `over` name `factory`, `fabric` or a level."""
        kinds = {None: Topology.NONE, "factory": Topology.FACTORY, "fabric": Topology.FABRIC}
        topology, level = kinds.get(pack, Topology.DOMAIN), None if pack in kinds else pack
        if spread:
            topology = Topology.SPREAD_FACTORY if over == "factory" else Topology.SPREAD_DOMAIN
            level = None if over == "factory" else over
        self.pools[name] = Pool(
            name=name,
            gpus=gpus,
            minimum=gpus if minimum is None else minimum,
            priority=priority,
            purpose=purpose,
            age=len(self.pools) if age is None else age,
            preemptible=preemptible,
            frozen=frozen,
            changed=changed,
            uprooted=uprooted,
            displaced=displaced,
            topology=topology,
            level=level,
            spread=spread,
            systems=systems,
            factories=factories,
        )
        return self

    def stands(
        self,
        pool: str,
        path: str,
        units: int,
        system: str | None = None,
        *,
        watts: int | None = None,
        locked: bool = False,
        leave: bool = False,
        fits: bool = True,
    ) -> Self:
        """So many units of the pool stand there, of the first system that it accepts unless named."""
        cell = self._cell(path, system or self.pools[pool].systems[0])
        each = self.cells[cell].watts if watts is None else watts
        self.rows.append(Row(pool, cell, units, each, locked, leave, fits))
        return self

    def _cell(self, path: str, system: str) -> int:
        for index, cell in enumerate(self.cells):
            if (cell.path, cell.system) == (path, system):
                return index
        raise LookupError(f"no slots of {system} at {path}")

    # The arrays

    def problem(self) -> Problem:
        """The arrays, checked to be possible."""
        problem = self.arrays()
        validate(problem)
        return problem

    def arrays(self) -> Problem:
        """The arrays, possible or not."""
        paths = list(self.domains)
        index = {path: number for number, path in enumerate(paths)}
        factories = [path for path in paths if "/" not in path]
        names = list(self.pools)
        pools, rows, cells = list(self.pools.values()), self.rows, self.cells
        systems = sorted({cell.system for cell in cells} | {name for pool in pools for name in pool.systems})
        levels = sorted({level_of(p) for p in paths if "/" in p} | {p.level for p in pools if p.level})
        allowed = [[pool.factories is None or name in pool.factories for name in factories] for pool in pools]
        return Problem(
            parent=ints(index[path.rpartition("/")[0]] if "/" in path else -1 for path in paths),
            limit=ints(domain.limit for domain in self.domains.values()),
            level=ints(levels.index(level_of(path)) if "/" in path else -1 for path in paths),
            factory=ints(factories.index(path.split("/")[0]) for path in paths),
            fixed_watts=ints(domain.fixed for domain in self.domains.values()),
            leaving_watts=ints(domain.leaving for domain in self.domains.values()),
            cell_domain=ints(index[cell.path] for cell in cells),
            cell_fabric=ints(-1 if cell.fabric is None else index[cell.fabric] for cell in cells),
            cell_system=ints(systems.index(cell.system) for cell in cells),
            cell_units=ints(cell.units for cell in cells),
            cell_leaving=ints(cell.leaving for cell in cells),
            cell_watts=ints(cell.watts for cell in cells),
            cell_cost=ints(cell.cost for cell in cells),
            cell_carbon=ints(cell.carbon for cell in cells),
            cell_open=bools(cell.open for cell in cells),
            system_gpus=ints(GPUS[system] for system in systems),
            row_pool=ints(names.index(row.pool) for row in rows),
            row_cell=ints(row.cell for row in rows),
            row_units=ints(row.units for row in rows),
            row_watts=ints(row.watts for row in rows),
            row_locked=bools(row.locked for row in rows),
            row_leave=bools(row.leave for row in rows),
            row_fits=bools(row.fits for row in rows),
            need=ints(pool.gpus for pool in pools),
            minimum=ints(pool.minimum for pool in pools),
            priority=ints(pool.priority for pool in pools),
            purpose=ints(PURPOSES.index(pool.purpose) for pool in pools),
            age=ints(pool.age for pool in pools),
            preemptible=bools(pool.preemptible for pool in pools),
            frozen=bools(pool.frozen for pool in pools),
            changed=bools(pool.changed for pool in pools),
            uprooted=bools(pool.uprooted for pool in pools),
            displaced=ints(pool.displaced for pool in pools),
            topology=ints(pool.topology for pool in pools),
            topology_level=ints(levels.index(pool.level) if pool.level else -1 for pool in pools),
            spread=ints(pool.spread for pool in pools),
            systems=tuple(tuple(systems.index(name) for name in pool.systems) for pool in pools),
            allowed=np.asarray(allowed, np.bool_).reshape(len(pools), len(factories)),
        )

    # Plans

    def plan(self, new: dict[str, dict[str, int]] | None = None, **kept: int | list[int]) -> Solution:
        """A plan by hand: new units by pool and place, and what each pool keeps of each row, else all.

        A place is a path, or `path system` where the pool's first system is not meant.
        """
        placements = []
        for pool, places in (new or {}).items():
            for place, units in places.items():
                path, _, system = place.partition(" ")
                cell = self._cell(path, system or self.pools[pool].systems[0])
                placements.append((list(self.pools).index(pool), cell, units))
        left = {pool: repeat(keep) if isinstance(keep, int) else iter(keep) for pool, keep in kept.items()}
        keeps = ints(next(left[row.pool]) if row.pool in left else row.units for row in self.rows)
        new_pool, new_cell, new_units = np.asarray(placements, np.int64).reshape(-1, 3).T
        return Solution(keeps, new_pool, new_cell, new_units)

    def broken(self, new: dict[str, dict[str, int]] | None = None, **kept: int | list[int]) -> list[str]:
        """What the checker says about a plan by hand."""
        return violations(self.problem(), self.plan(new, **kept))

    def solve(self, by: Callable[[Problem], Solution] | None = None) -> "Plan":
        """The plan of the engine, or of another solver, checked."""
        problem = self.problem()
        solution = (by or solved)(problem)
        check(problem, solution)
        return Plan(self, problem, solution)


@dataclass(frozen=True)
class Plan:
    """A plan read back by name."""

    world: World
    problem: Problem
    solution: Solution

    def kept(self, pool: str) -> dict[str, int]:
        """Units that stay, by path."""
        return self._by_path(pool, self.problem.row_pool, self.problem.row_cell, self.solution.kept)

    def new(self, pool: str) -> dict[str, int]:
        """Units that are added, by path."""
        return self._by_path(pool, self.solution.new_pool, self.solution.new_cell, self.solution.new_units)

    def holds(self, pool: str) -> dict[str, int]:
        """Units in the end, by path."""
        kept, new = self.kept(pool), self.new(pool)
        return {path: kept.get(path, 0) + new.get(path, 0) for path in sorted({*kept, *new})}

    def total(self, pool: str) -> int:
        """Units in the end."""
        return sum(self.holds(pool).values())

    def totals(self, *pools: str) -> list[int]:
        """Units in the end, of each."""
        return [self.total(pool) for pool in pools]

    def _by_path(self, pool: str, pools: Ints, cells: Ints, units: Ints) -> dict[str, int]:
        held: dict[str, int] = {}
        number = list(self.world.pools).index(pool)
        for each, cell, count in zip(pools.tolist(), cells.tolist(), units.tolist(), strict=True):
            if each == number and count:
                path = self.world.cells[cell].path
                held[path] = held.get(path, 0) + count
        return held


def solved(problem: Problem, xp: Any = np) -> Solution:
    """The solver's plan. One that does not come to an end fails instead of hanging the tests."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("the solver does not come to an end")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        return solve(problem, xp=xp)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def ints(values: Any) -> Ints:
    """An int64 array of one axis."""
    return np.asarray(list(values), np.int64).reshape(-1)


def bools(values: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """A bool array of one axis."""
    return np.asarray(list(values), np.bool_).reshape(-1)
