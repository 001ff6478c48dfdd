"""A random fleet: sites, racks, pools, and what stands, as a valid plan."""

import numpy as np

from aifactory_solver.problem import Topology
from unit.solver.draft import GPUS, WATTS, Draft, Knobs, Pool, Rng, Row


def grow_forest(draft: Draft, rng: Rng, knobs: Knobs) -> None:
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


def put_racks(draft: Draft, rng: Rng, knobs: Knobs) -> None:
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


def ask_for_pools(draft: Draft, rng: Rng, knobs: Knobs) -> None:
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
        respec(draft, rng, pool)
        resize(draft, rng, pool)
        draft.pools.append(pool)


def _priority(rng: Rng, knobs: Knobs) -> int:
    if knobs.priorities == "one":
        return 7
    if knobs.priorities == "few":
        return int(rng.choice((-5, 0, 10, 1000)))
    if knobs.priorities == "many":
        return int(rng.integers(-(10**6), 10**6))
    return int(rng.choice((-(2**31), -(2**31) + 1, -1, 0, 2**31 - 2, 2**31 - 1)))


def respec(draft: Draft, rng: Rng, pool: Pool) -> None:
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


def resize(draft: Draft, rng: Rng, pool: Pool) -> None:
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


def fill(draft: Draft, rng: Rng, knobs: Knobs) -> None:
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
