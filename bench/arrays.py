"""Instances made of plain arrays, for machines that have NumPy and none of the operator's libraries.

They are of the kind that `bench.solver.instances` makes of resources: trees of three and four levels whose
limits bind at different levels, systems that share rows, all topologies, heavy-tailed sizes with a few rocks,
a quarter of the pools elastic, and wishes for about 1.25 times the quotas. Nothing stands. They are other
instances, and what is measured on them is not to be compared to what is measured on those.
"""

from typing import Any

import numpy as np

from aifactory_solver.problem import Ints, Problem, Topology

SCALES = {"S": (3, 60, 40), "M": (10, 2_000, 1_000), "L": (40, 40_000, 10_000)}  # factories, racks, pools
GPUS = np.asarray([72, 72, 8, 8, 8, 8])  # of a unit: two of racks, three of nodes, a scarce one
WATTS = np.asarray([147_840, 159_040, 11_424, 16_016, 12_320, 16_240])  # with networking and storage
NODES = 8  # in a rack
SCARCE = 5
# By tree: the levels' identities from the top, which of them is the hall, and which the fabric.
TREES = (((0, 1), 0, 0), ((2, 3, 4), 1, 1), ((0, 5, 6), 0, 1))
KINDS = tuple(Topology)
SHARES = (0.2, 0.15, 0.2, 0.25, 0.1, 0.1)  # of pools, by topology


def instance(scale: str, seed: int) -> Problem:
    """The problem of a scale; the same one for a seed."""
    factories, racks, pools = SCALES[scale]
    return made(factories, racks, pools, np.random.default_rng([seed, racks]))


def made(factories: int, racks: int, pools: int, random: np.random.Generator) -> Problem:
    """A problem of some size."""
    sites = _Sites()
    weights = random.lognormal(0, 0.5, factories)
    for factory, share in enumerate(weights / weights.sum()):
        _site(sites, factory, max(12, int(racks * share)), random)
    domains = np.asarray(sites.domains, dtype=np.int64)
    cells = np.asarray(sites.cells, dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int64)
    dearness = random.integers(800, 1200, factories)  # millionths a watt and day
    cell_watts = WATTS[cells[:, 2]]
    return Problem(
        parent=domains[:, 0],
        limit=domains[:, 1],
        level=domains[:, 2],
        factory=domains[:, 3],
        fixed_watts=np.zeros(len(domains), dtype=np.int64),
        leaving_watts=np.zeros(len(domains), dtype=np.int64),
        cell_domain=cells[:, 0],
        cell_fabric=cells[:, 1],
        cell_system=cells[:, 2],
        cell_units=cells[:, 3],
        cell_leaving=np.zeros(len(cells), dtype=np.int64),
        cell_watts=cell_watts,
        cell_cost=cell_watts * dearness[domains[cells[:, 0], 3]],
        cell_carbon=cell_watts // 3,
        cell_open=np.ones(len(cells), dtype=np.bool_),
        system_gpus=GPUS.astype(np.int64),
        row_pool=nothing,
        row_cell=nothing,
        row_units=nothing,
        row_watts=nothing,
        row_locked=nothing.astype(np.bool_),
        row_leave=nothing.astype(np.bool_),
        row_fits=nothing.astype(np.bool_),
        **_pools(domains, cells, factories, pools, random),
    )


class _Sites:
    """Rows of what will be columns: (parent, limit, level, factory) and (domain, fabric, system, units)."""

    def __init__(self) -> None:
        self.domains: list[tuple[int, int, int, int]] = []
        self.cells: list[tuple[int, int, int, int]] = []

    def domain(self, parent: int, limit: int, level: int, factory: int) -> int:
        self.domains.append((parent, limit, level, factory))
        return len(self.domains) - 1


def _site(sites: _Sites, factory: int, racks: int, random: np.random.Generator) -> None:
    """One factory: every row holds the same racks, and one of row, hall and quota is the tightest."""
    levels, hall, fabric = TREES[int(random.integers(len(TREES)))]
    width = int(random.integers(14, 21)) if racks > 100 else 4
    rows = max(4, racks // width)
    halls = max(2, min(8, round(rows**0.5 / 2)))
    upper = (halls,) if len(levels) == 2 else (2, halls) if hall else (halls, 2)
    counts = (*upper, max(1, rows // int(np.prod(upper))))
    wide, node = int(random.integers(2)), int(random.integers(2, 5))
    of_racks = max(1, int(width * random.uniform(0.65, 0.85)))
    inside = [(wide, of_racks), (node, (width - of_racks) * NODES)]
    if random.random() < 0.4 and of_racks > 3:
        inside = [(wide, of_racks - 3), (1 - wide, 3), inside[1]]
    if factory % 3 == 0:
        inside.append((SCARCE, 2))
    rated = sum(int(WATTS[s]) * n for s, n in inside)
    binds = int(random.integers(3))
    shares = [(0.8, 1.0, 0.99), (0.97, 0.84, 0.985), (1.0, 0.97, 0.86)][binds]  # of row, hall and quota
    limits = [int(rated * shares[0]) // 100 * 100]
    for k in range(len(levels) - 1, 0, -1):
        share = shares[1] if k - 1 == hall else 1.0
        limits.insert(0, int(limits[0] * counts[k] * share) // 100 * 100)
    root = sites.domain(-1, int(limits[0] * counts[0] * shares[2]) // 1000 * 1000, -1, factory)
    layer = [(root, -1)]  # with the fabric that holds it, if any
    for k, level in enumerate(levels):
        below = []
        for above, on in layer:
            for _ in range(counts[k]):
                d = sites.domain(above, limits[k], level, factory)
                below.append((d, d if k == fabric else on))
        layer = below
    sites.cells += [(row, on, system, units) for row, on in layer for system, units in inside]


def _pools(
    domains: Ints, cells: Ints, factories: int, count: int, random: np.random.Generator
) -> dict[str, Any]:
    """The fields of the pools."""
    quota = domains[domains[:, 0] < 0, 1]
    supply = np.bincount(cells[:, 2], weights=cells[:, 3] * WATTS[cells[:, 2]], minlength=GPUS.size)
    supply[SCARCE] = 0
    topology = random.choice(len(KINDS), count, p=SHARES)
    topology[: len(KINDS)] = np.arange(len(KINDS))[:count]  # each occurs, however few there are
    spread = np.where(topology >= Topology.SPREAD_FACTORY, random.integers(2, 4, count), 0)
    trees = random.integers(len(TREES), size=count)
    row = random.random(count) < 0.5
    levels = np.asarray([[tree[0][tree[1]], tree[0][-1]] for tree in TREES])  # (trees, 2) hall and row
    of_row = row & (topology == Topology.DOMAIN)
    level = np.where(
        np.isin(topology, (Topology.DOMAIN, Topology.SPREAD_DOMAIN)), levels[trees, of_row.astype(int)], -1
    )
    systems = tuple(
        (SCARCE,) if random.random() < 0.04 else tuple(_some(supply, int(random.integers(1, 5)), random))
        for _ in range(count)
    )
    best = np.asarray([its[0] for its in systems])
    # A rock takes a tenth to a half of a factory's mean quota, others a heavy-tailed share of the rest.
    rock = (random.random(count) < 0.04) & ~of_row
    size = np.where(rock, random.uniform(0.1, 0.5, count), 0.0) * quota.mean()
    size *= min(1.0, 0.4 * quota.sum() / max(1.0, size.sum()))
    weight = np.where(rock, 0.0, np.minimum(60.0, random.pareto(1.15, count) + 1))
    size += weight * (1.25 * quota.sum() - size.sum()) / max(1.0, weight.sum())
    # What one place can hold, about: a row, a hall, a factory.
    place = {-1: 0.4 * quota.mean(), **{int(k): _middle(domains, int(k)) for k in np.unique(level) if k >= 0}}
    most = np.asarray([place.get(k, 1.0) for k in level.tolist()])
    packed = np.isin(topology, (Topology.FACTORY, Topology.FABRIC, Topology.DOMAIN))
    size = np.where(packed, np.minimum(size, 0.5 * most), size)
    units = np.maximum(np.maximum(1, spread), np.round(size / WATTS[best])).astype(np.int64)
    need = units * GPUS[best]
    share = np.where(random.random(count) < 0.25, random.uniform(0.2, 0.8, count), 1.0)
    allowed = np.ones((count, factories), dtype=np.bool_)
    region = random.integers(4, size=factories)
    kind = random.random(count)
    for p in np.flatnonzero(kind < 0.35).tolist():
        if kind[p] < 0.2:
            mine = region == random.integers(4)
        elif kind[p] < 0.28:
            mine = np.isin(np.arange(factories), random.integers(factories, size=3))
        else:
            mine = np.arange(factories) != random.integers(factories)
        allowed[p] = mine if mine.sum() > 1 else allowed[p]
    no = np.zeros(count, dtype=np.bool_)
    return {
        "need": need,
        "minimum": np.maximum(1, need * share).astype(np.int64),
        "priority": random.integers(0, 1000, count),
        "purpose": random.integers(0, 3, count),
        "age": random.permutation(count),
        "preemptible": random.random(count) < 0.5,
        "frozen": no,
        "changed": no,
        "uprooted": no,
        "displaced": np.zeros(count, dtype=np.int64),
        "topology": topology.astype(np.int64),
        "topology_level": level.astype(np.int64),
        "spread": spread.astype(np.int64),
        "systems": systems,
        "allowed": allowed,
    }


def _some(supply: np.ndarray, wanted: int, random: np.random.Generator) -> list[int]:
    there = np.flatnonzero(supply)
    chances = supply[there] / supply.sum()
    drawn: list[int] = random.choice(there, min(wanted, there.size), replace=False, p=chances).tolist()
    return drawn


def _middle(domains: Ints, level: int) -> float:
    limits = domains[domains[:, 2] == level, 1]
    return float(np.median(limits)) if limits.size else 1.0
