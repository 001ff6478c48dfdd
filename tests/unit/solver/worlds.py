"""Hard random problems, seeded: the same knobs and seed give the same problem.

A fleet is filled at random under limits that are too small for all, so that what stands is a valid plan;
then the world turns against it: limits fall, units are lost, told to leave or locked, cells close, and specs
change. Hypothesis draws the knobs, so that a failure shrinks to few factories, few pools and few changes.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import strategies as st

from aifactory_solver.check import validate
from aifactory_solver.problem import Bools, Ints, Problem, Solution, Topology

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


def knobs(
    pools: int = 14, factories: int = 3, changes: tuple[str, ...] = CHANGES
) -> st.SearchStrategy[Knobs]:
    """Knobs up to so many pools and factories, with any of these changes."""
    return st.builds(
        Knobs,
        factories=st.integers(0, factories),
        paths=st.integers(0, 7),
        systems=st.integers(1, 4),
        pools=st.integers(0, pools),
        standing=st.sampled_from((0.0, 0.5, 0.8, 1.0)),
        tightness=st.sampled_from((0.4, 0.6, 0.8, 1.0, 1.2)),
        priorities=st.sampled_from(PRIORITIES),
        changes=st.frozensets(st.sampled_from(changes)) if changes else st.just(frozenset()),
        small_units=st.booleans(),
    )


def worlds(
    pools: int = 14, factories: int = 3, changes: tuple[str, ...] = CHANGES
) -> st.SearchStrategy[Problem]:
    """Random problems, validated."""
    return st.builds(world, knobs(pools, factories, changes), st.integers(0, 2**32 - 1))


def hard(seed: int, pools: int = 14, factories: int = 3) -> Problem:
    """A world whose knobs are drawn from the seed too, never an empty one."""
    rng = np.random.default_rng(seed)
    shape = Knobs(
        factories=int(rng.integers(1, factories + 1)),
        paths=int(rng.integers(0, 8)),
        systems=int(rng.integers(1, 5)),
        pools=int(rng.integers(1, pools + 1)),
        standing=float(rng.choice((0, 0.5, 0.8, 1))),
        tightness=float(rng.choice((0.4, 0.6, 0.8, 1, 1.2))),
        priorities=str(rng.choice(PRIORITIES)),
        changes=frozenset(change for change in CHANGES if rng.random() < 0.5),
        small_units=bool(rng.random() < 0.5),
    )
    return world(shape, seed)


def world(knobs: Knobs, seed: int) -> Problem:
    """One problem."""
    rng = np.random.default_rng(seed)
    draft = Draft()
    _forest(draft, rng, knobs)
    _cells(draft, rng, knobs)
    _pools(draft, rng, knobs)
    _fill(draft, rng, knobs)
    for change in CHANGES:
        if change in knobs.changes:
            _CHANGE[change](draft, rng)
    problem = draft.problem()
    validate(problem)
    return problem


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
            parent=_ints(self.parent),
            limit=_ints(self.limit),
            level=_ints(self.level),
            factory=_ints(self.factory),
            fixed_watts=_ints(self.fixed),
            leaving_watts=_ints(self.leaving),
            cell_domain=_ints(self.cell_domain),
            cell_fabric=_ints(self.cell_fabric),
            cell_system=_ints(self.cell_system),
            cell_units=_ints(self.cell_units),
            cell_leaving=_ints(self.cell_leaving),
            cell_watts=_ints(self.cell_watts),
            cell_cost=_ints(cost),
            cell_carbon=_ints(carbon),
            cell_open=_bools(self.cell_open),
            system_gpus=_ints(self.system_gpus),
            row_pool=_ints([row.pool for row in rows]),
            row_cell=_ints([row.cell for row in rows]),
            row_units=_ints([row.units for row in rows]),
            row_watts=_ints([row.watts for row in rows]),
            row_locked=_bools([row.locked for row in rows]),
            row_leave=_bools([row.leave for row in rows]),
            row_fits=_bools([row.fits for row in rows]),
            need=_ints([pool.need for pool in pools]),
            minimum=_ints([pool.minimum for pool in pools]),
            priority=_ints([pool.priority for pool in pools]),
            purpose=_ints([pool.purpose for pool in pools]),
            age=_ints([pool.age for pool in pools]),
            preemptible=_bools([pool.preemptible and pool.priority < top for pool in pools]),
            frozen=_bools([pool.frozen for pool in pools]),
            changed=_bools([pool.changed and bool(self.rows_of(n)) for n, pool in enumerate(pools)]),
            uprooted=_bools([pool.uprooted and bool(self.rows_of(n)) for n, pool in enumerate(pools)]),
            displaced=_ints([pool.displaced for pool in pools]),
            topology=_ints([pool.topology for pool in pools]),
            topology_level=_ints([pool.level for pool in pools]),
            spread=_ints([pool.spread for pool in pools]),
            systems=tuple(tuple(pool.systems) for pool in pools),
            allowed=_bools([pool.allowed for pool in pools]).reshape(len(pools), self.factories),
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


# The fleet


def _forest(draft: Draft, rng: Rng, knobs: Knobs) -> None:
    """Trees one to six deep: each factory has some of the paths, each a number of times."""
    above = [int(rng.integers(-1, path)) for path in range(knobs.paths)]
    deep = [0] * knobs.paths
    for path in range(knobs.paths):
        deep[path] = 1 + (deep[above[path]] if above[path] >= 0 else 0)
        if deep[path] > 5:
            above[path], deep[path] = -1, 1
    for factory in range(knobs.factories):
        root = _domain(draft, -1, -1, factory)
        instances: dict[int, list[int]] = {-1: [root]}
        for path in range(knobs.paths):
            instances[path] = []
            if rng.random() < 0.75:
                times = int(rng.integers(1, 4)) if len(draft.parent) < 40 else 1
                for parent in instances[above[path]]:
                    instances[path] += [_domain(draft, parent, path, factory) for _ in range(times)]


def _domain(draft: Draft, parent: int, level: int, factory: int) -> int:
    draft.parent.append(parent)
    draft.level.append(level)
    draft.factory.append(factory)
    draft.limit.append(0)
    draft.fixed.append(0)
    draft.leaving.append(0)
    return len(draft.parent) - 1


def _cells(draft: Draft, rng: Rng, knobs: Knobs) -> None:
    """Cells on leaves, and some on inner domains; then limits as a share of what could stand below."""
    draft.system_gpus = [GPUS[system] for system in range(knobs.systems)]
    watts = {
        (factory, system): int(rng.integers(1, 4))
        if knobs.small_units
        else int(WATTS[system] * rng.choice((1, 1.1)))
        for factory in range(knobs.factories)
        for system in range(knobs.systems)
    }
    inner = set(draft.parent)
    for domain in range(len(draft.parent)):
        for system in range(knobs.systems):
            if rng.random() < (0.2 if domain in inner else 0.7):
                chain = draft.chain(domain)
                fabric = chain[int(rng.integers(0, max(1, len(chain) - 1)))]
                draft.cell_domain.append(domain)
                draft.cell_fabric.append(fabric if rng.random() < 0.97 else -1)
                draft.cell_system.append(system)
                draft.cell_units.append(int(rng.integers(0, 9)))
                draft.cell_leaving.append(0)
                draft.cell_watts.append(watts[draft.factory[domain], system])
                draft.cell_open.append(True)
    could = [0] * len(draft.parent)
    for cell, domain in enumerate(draft.cell_domain):
        for above in draft.chain(domain):
            could[above] += draft.cell_units[cell] * draft.cell_watts[cell]
    for domain, most in enumerate(could):
        draft.limit[domain] = int(most * knobs.tightness * rng.uniform(0.6, 1.4))


def _pools(draft: Draft, rng: Rng, knobs: Knobs) -> None:
    ages = rng.permutation(knobs.pools).tolist()
    for age in ages:
        pool = Pool(
            0,
            0,
            _priority(rng, knobs),
            int(rng.integers(0, 3)),
            age,
            bool(rng.random() < 0.6),
            Topology.NONE,
            -1,
            0,
            [],
            [],
        )
        _respec(draft, rng, pool)
        _resize(draft, rng, pool)
        draft.pools.append(pool)


def _priority(rng: Rng, knobs: Knobs) -> int:
    if knobs.priorities == "one":
        return 7
    if knobs.priorities == "few":
        return int(rng.choice((-5, 0, 10, 1000)))
    if knobs.priorities == "many":
        return int(rng.integers(-(10**6), 10**6))
    return int(rng.choice((-(2**31), -(2**31) + 1, -1, 0, 2**31 - 2, 2**31 - 1)))


def _respec(draft: Draft, rng: Rng, pool: Pool) -> None:
    """Systems, factories and topology."""
    systems = rng.permutation(len(draft.system_gpus)).tolist()
    pool.systems = systems[: int(rng.integers(1, len(systems) + 1))] if rng.random() < 0.98 else []
    share = 1.0 if rng.random() < 0.7 else 0.5
    pool.allowed = [bool(rng.random() < share) for _ in range(draft.factories)]
    pool.topology = Topology(int(rng.choice(6, p=(0.3, 0.15, 0.15, 0.15, 0.1, 0.15))))
    levels = sorted(set(draft.level) - {-1}) or [0]
    by_level = pool.topology in (Topology.DOMAIN, Topology.SPREAD_DOMAIN)
    pool.level = int(rng.choice([*levels, *levels, max(levels) + 1])) if by_level else -1
    spread = pool.topology in (Topology.SPREAD_FACTORY, Topology.SPREAD_DOMAIN)
    pool.spread = int(rng.integers(1, 5)) if spread else 0


def _resize(draft: Draft, rng: Rng, pool: Pool) -> None:
    """Wish and minimum: whole units, odd numbers, nothing, more than the world has."""
    gpus = draft.system_gpus[pool.systems[0]] if pool.systems else 8
    kind = rng.random()
    pool.need = int(rng.integers(1, 13)) * gpus
    if kind < 0.2:
        pool.need = int(rng.integers(1, 10 * gpus))
    elif kind < 0.24:
        pool.need = 0
    elif kind < 0.28:
        pool.need = gpus * 10_000
    kind = rng.random()
    pool.minimum = pool.need
    if kind < 0.4:
        pool.minimum = int(rng.integers(0, pool.need + 1))
    elif kind < 0.5:
        pool.minimum = 0


def _fill(draft: Draft, rng: Rng, knobs: Knobs) -> None:
    """Stand some pools at random, under all limits and slots, each by its topology."""
    for number in rng.permutation(len(draft.pools)).tolist():
        if rng.random() < knobs.standing:
            for system in draft.pools[number].systems:
                if _stand(draft, rng, number, system):
                    break


def _stand(draft: Draft, rng: Rng, number: int, system: int) -> bool:
    pool = draft.pools[number]
    gpus = draft.system_gpus[system]
    least, wish = max(-(-pool.minimum // gpus), pool.spread), -(-pool.need // gpus)
    if wish < max(least, 1) or wish > 1000:
        return False
    target = int(rng.integers(max(least, 1), wish + 1))
    cells = [c for c, s in enumerate(draft.cell_system) if s == system and draft.usable(pool, c)]
    places = sorted({draft.place(pool, cell) for cell in cells})
    rng.shuffle(places)
    shares = dict.fromkeys(places, target)
    if pool.spread:
        if len(places) < pool.spread:
            return False
        shares = dict.fromkeys(places[: pool.spread], target // pool.spread)
        for place in places[: target % pool.spread]:
            shares[place] += 1
    elif pool.topology != Topology.NONE:
        shares = dict.fromkeys(places[:1], target)
    given: dict[int, int] = {}
    taken, load, missing = draft.taken(), draft.load(), target
    for cell in rng.permutation(np.asarray(cells, np.int64)).tolist():
        chain, watts = draft.chain(draft.cell_domain[cell]), draft.cell_watts[cell]
        left = min((draft.limit[domain] - load[domain]) // watts for domain in chain)
        place = draft.place(pool, cell)
        units = max(0, min(left, draft.cell_units[cell] - taken[cell], missing, shares.get(place, 0)))
        for domain in chain:
            load[domain] += units * watts
        shares[place] = shares.get(place, 0) - units
        missing -= units
        if units:
            given[cell] = units
    held = target - missing
    if missing and (pool.spread or held < max(least, 1)):
        return False
    draft.rows += [Row(number, cell, units, draft.cell_watts[cell]) for cell, units in sorted(given.items())]
    return held > 0


# What happens to it


def _limits_fall(draft: Draft, rng: Rng) -> None:
    for domain in range(len(draft.parent)):
        if rng.random() < 0.25:
            draft.limit[domain] = int(draft.limit[domain] * rng.choice((0, 0.3, 0.6, 0.9)))


def _units_are_lost(draft: Draft, rng: Rng) -> None:
    for row in list(draft.rows):
        if rng.random() < 0.15:
            row.units = int(rng.integers(0, row.units + 1))
    draft.rows = [row for row in draft.rows if row.units]


def _units_leave(draft: Draft, rng: Rng) -> None:
    """A unit out of service, a domain out of service, a factory that drains."""
    out = {domain for domain in range(len(draft.parent)) if rng.random() < 0.1}
    for cell, domain in enumerate(draft.cell_domain):
        if out & set(draft.chain(domain)):
            draft.cell_open[cell] = False
    rows = []
    for row in draft.rows:
        if out & set(draft.chain(draft.cell_domain[row.cell])):
            row.leave = True
        elif rng.random() < 0.1:
            sick = int(rng.integers(1, row.units + 1))
            draft.cell_units[row.cell] -= sick
            rows.append(replace(row, units=sick, leave=True))
            row.units -= sick
        rows.append(row)
    draft.rows = [row for row in rows if row.units]


def _cells_close(draft: Draft, rng: Rng) -> None:
    for cell in range(len(draft.cell_open)):
        if rng.random() < 0.15:
            draft.cell_open[cell] = False
            if rng.random() < 0.3:
                draft.cell_fabric[cell] = -1


def _factories_lock(draft: Draft, rng: Rng) -> None:
    """A paused factory, or one that cannot be seen. What leaves there keeps its slot."""
    for factory in range(draft.factories):
        if rng.random() < 0.3:
            shut = rng.random() < 0.8
            for row in draft.rows:
                if draft.factory[draft.cell_domain[row.cell]] == factory:
                    row.locked = True
            for cell, domain in enumerate(draft.cell_domain):
                if draft.factory[domain] == factory:
                    draft.cell_open[cell] &= not shut
    taken = draft.taken()
    draft.cell_units = [max(pair) for pair in zip(draft.cell_units, taken, strict=True)]


def _specs_change(draft: Draft, rng: Rng) -> None:
    """By the pool's own spec, which may move it, or by a factory's labels and catalogue, which may not."""
    for number, pool in enumerate(draft.pools):
        if rng.random() < 0.4:
            _respec(draft, rng, pool)
            draft.set_fits()
            apart = not all(row.fits for row in draft.rows_of(number))
            pool.changed = bool(rng.random() < 0.8) and (apart or pool.spread > 0)


def _pools_are_resized(draft: Draft, rng: Rng) -> None:
    for pool in draft.pools:
        if rng.random() < 0.25:
            _resize(draft, rng, pool)


def _watts_rise(draft: Draft, rng: Rng) -> None:
    for row in draft.rows:
        if rng.random() < 0.2:
            row.watts += 1 + int(row.watts * rng.uniform(0, 0.3))


def _units_are_leaving(draft: Draft, rng: Rng) -> None:
    taken = draft.taken()
    for cell, held in enumerate(taken):
        free = draft.cell_units[cell] - held
        if free > 0 and rng.random() < 0.3:
            units = int(rng.integers(1, free + 1))
            draft.cell_leaving[cell] += units
            draft.leaving[draft.cell_domain[cell]] += units * draft.cell_watts[cell]


def _releases_are_cut_off(draft: Draft, rng: Rng) -> None:
    """Some units of standing pools are being released, and what was to follow did not."""
    for number, pool in enumerate(draft.pools):
        rows = [row for row in draft.rows_of(number) if not row.locked]
        if not rows or rng.random() > 0.2:
            continue
        row = rows[int(rng.integers(len(rows)))]
        units = int(rng.integers(1, row.units + 1))
        row.units -= units
        draft.cell_leaving[row.cell] += units
        draft.leaving[draft.cell_domain[row.cell]] += units * row.watts
        pool.uprooted, pool.displaced = True, units * int(rng.integers(2))
    draft.rows = [row for row in draft.rows if row.units]


def _pools_pause(draft: Draft, rng: Rng) -> None:
    for pool in draft.pools:
        pool.frozen = bool(rng.random() < 0.15)


def _strays_appear(draft: Draft, rng: Rng) -> None:
    for domain in range(len(draft.parent)):
        if rng.random() < 0.15:
            draft.fixed[domain] += int(draft.limit[domain] * rng.uniform(0, 0.5))


_CHANGE = {
    "limits": _limits_fall,
    "lost": _units_are_lost,
    "leave": _units_leave,
    "closed": _cells_close,
    "locked": _factories_lock,
    "specs": _specs_change,
    "resized": _pools_are_resized,
    "watts": _watts_rise,
    "leaving": _units_are_leaving,
    "cut off": _releases_are_cut_off,
    "paused": _pools_pause,
    "fixed": _strays_appear,
}


def afterwards(problem: Problem, solution: Solution) -> Problem:
    """The world once the plan is carried out: what is kept and new stands, what leaves is gone.

    New units count their cell's watts; a pool that found its new place has what its spec asks for.
    """
    rows = np.flatnonzero(solution.kept > 0)
    cells = np.concatenate((problem.row_cell[rows], solution.new_cell))
    pools = np.concatenate((problem.row_pool[rows], solution.new_pool))
    moved = np.zeros(problem.pools, np.bool_)
    moved[solution.new_pool] = True
    moved[problem.row_pool[rows]] = False
    added = solution.new_pool.size
    return replace(
        problem,
        leaving_watts=np.zeros_like(problem.leaving_watts),
        cell_leaving=np.zeros_like(problem.cell_leaving),
        row_pool=pools,
        row_cell=cells,
        row_units=np.concatenate((solution.kept[rows], solution.new_units)),
        row_watts=np.concatenate((problem.row_watts[rows], problem.cell_watts[solution.new_cell])),
        row_locked=np.concatenate((problem.row_locked[rows], np.zeros(added, np.bool_))),
        row_leave=np.concatenate((problem.row_leave[rows], np.zeros(added, np.bool_))),
        row_fits=np.concatenate((problem.row_fits[rows], np.ones(added, np.bool_))),
        changed=problem.changed & ~moved & np.isin(np.arange(problem.pools), pools),
        uprooted=np.zeros(problem.pools, np.bool_),
        displaced=np.zeros(problem.pools, np.int64),
    )


def _ints(values: list[int]) -> Ints:
    return np.asarray(values, np.int64)


def _bools(values: list[bool] | list[list[bool]]) -> Bools:
    return np.asarray(values, np.bool_)
