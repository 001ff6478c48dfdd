"""Factories of the generated instances: trees of three and four levels whose limits bind at different levels.

Every factory draws a *tree* (hall/row, building/hall/row or hall/ups/row), a *tightness* (which of row, hall
and quota binds), two or three systems that share each row, and a fabric level; what its racks lack to their
number stands in an annex without rows, which alone may hold the scarce system.

Quotas come to about 125 kW of the meter for each rack, so that 40,000 racks have 5 GW.
"""

from dataclasses import dataclass, replace
from math import ceil
from random import Random
from typing import Any

import numpy as np

from aifactory.api.catalogue import catalogue
from aifactory.api.factory import AIFactory
from aifactory.api.reading import parse_factory
from aifactory.decide.model.build import build
from aifactory.decide.model.world import World
from bench.solver.space import Space

PUE, OVERHEAD = "1.2", 12
RACK_WATTS = 125_000  # of quota at the meter for each rack
REGIONS = ("north", "south", "east", "west")
RACK_SYSTEMS = ("gb200-nvl72", "gb300-nvl72")
NODE_SYSTEMS = ("hgx-h100", "hgx-b200", "mi300x")
SCARCE = "dgx-b300"


@dataclass(frozen=True)
class Tightness:
    """Limits as shares: of a row to its racks, of a hall to its rows, of the quota to what fits below."""

    row: float
    hall: float
    quota: float


TIGHTNESS = {
    "row": Tightness(0.80, 1.00, 0.990),
    "hall": Tightness(0.97, 0.84, 0.985),
    "quota": Tightness(1.00, 0.97, 0.860),
}


@dataclass(frozen=True)
class Tree:
    """Paths from the top, and which of them is the hall, the row and the usual fabric."""

    paths: tuple[str, ...]
    hall: str
    fabric: str

    @property
    def row(self) -> str:
        """The path of the rows."""
        return self.paths[-1]


TREES = (
    Tree(("hall", "hall/row"), "hall", "hall"),
    Tree(("building", "building/hall", "building/hall/row"), "building/hall", "building/hall"),
    Tree(("hall", "hall/ups", "hall/ups/row"), "hall", "hall/ups"),
)
ROW_RACKS = {"M": (8, 12), "L": (14, 20)}


@dataclass(frozen=True)
class Site:
    """What is drawn for one factory, before its watts are settled."""

    name: str
    region: str
    tree: Tree
    counts: tuple[int, ...]  # instances of each path in each of the one above
    row: tuple[tuple[str, int, int], ...]  # system, racks and nodes in a rack, of one row
    annex: tuple[tuple[str, int, int], ...]
    tightness: Tightness
    fabric: str
    quota: int = 0  # IT watts
    limits: tuple[tuple[str, int], ...] = ()  # by path, in place of those of the tightness

    @property
    def rows(self) -> int:
        """Rows in the whole factory."""
        return int(np.prod(self.counts))


def sites(scale: str, racks: int, factories: int, random: Random) -> list[Site]:
    """The factories of a scale, all racks shared out among them; the largest has several times the least."""
    weights = [random.lognormvariate(0, 0.08 if scale == "S" else 0.5) for _ in range(factories)]
    sizes = [max(18, int(racks * weight / sum(weights))) for weight in weights]
    sizes[sizes.index(max(sizes))] += racks - sum(sizes)
    trees = [TREES[i % len(TREES)] for i in range(factories)]
    binds = [list(TIGHTNESS)[i % 3] for i in range(factories)]
    random.shuffle(trees)
    random.shuffle(binds)
    drawn = [
        _site(f"site-{i:02d}", scale, size, (trees[i], TIGHTNESS[binds[i]]), random)
        for i, size in enumerate(sizes)
    ]
    return _with_quotas(drawn, racks)


def _site(name: str, scale: str, racks: int, kind: tuple[Tree, Tightness], random: Random) -> Site:
    tree, tight = kind
    # Four levels share their racks among more rows; at S these are short ones.
    upper = 2 if len(tree.paths) > 2 else 1
    annex = max(2, round(racks * random.uniform(0.04, 0.1)))
    width = (racks - annex) // (4 * upper) if scale == "S" else random.randint(*ROW_RACKS[scale])
    rows = max(4, (racks - annex) // width)
    halls = 2 if scale == "S" else max(2, min(10, round((rows / upper) ** 0.5 / 1.4)))
    counts = {
        TREES[0].paths: (halls, max(1, rows // halls)),
        TREES[1].paths: (upper, halls, max(1, rows // (upper * halls))),
        TREES[2].paths: (halls, upper, max(1, rows // (upper * halls))),
    }[tree.paths]
    annex = racks - width * int(np.prod(counts))
    while annex < 1:  # fewer rows where the racks do not suffice
        counts = (*counts[:-1], counts[-1] - 1)
        annex = racks - width * int(np.prod(counts))
    wide = random.sample(RACK_SYSTEMS, 2 if width >= 8 and random.random() < 0.5 else 1)
    narrow = random.sample(NODE_SYSTEMS, 2 if width >= 8 and random.random() < 0.3 else 1)
    of_racks = max(len(wide), min(width - len(narrow), round(width * random.uniform(0.68, 0.88))))
    row = [(s, n, 0) for s, n in zip(wide, _shares(of_racks, len(wide)), strict=True)]
    nodes = 4 if scale == "S" else random.choice((4, 8, 8))
    row += [(s, n, nodes) for s, n in zip(narrow, _shares(width - of_racks, len(narrow)), strict=True)]
    # A third of all annexes hold the scarce system; at S the one of the first factory always.
    scarce = name.endswith("0") if scale == "S" else random.random() < 0.35 or name.endswith("0")
    other = random.choice(NODE_SYSTEMS)
    filled = [(SCARCE if scarce else other, annex, 4)]
    if scarce and scale != "S":
        filled = [(SCARCE, annex // 2, 4), (other, annex - annex // 2, 8)]
    level = tree.row if scale != "S" and random.random() < 0.2 else tree.fabric
    region = random.choice(REGIONS)
    return Site(name, region, tree, counts, tuple(row), tuple(filled), tight, level)


def _shares(number: int, parts: int) -> list[int]:
    return [number // parts + (i < number % parts) for i in range(parts)]


def unit_watts(system: str) -> int:
    """IT watts of one unit with its overhead, as every generated factory counts them."""
    most = catalogue()[system].max_watts
    assert most is not None
    return ceil(most * (100 + OVERHEAD) / 100)


def rated(racks: tuple[tuple[str, int, int], ...]) -> int:
    """IT watts that racks draw at most: (system, racks, nodes in a rack or 0)."""
    return sum(unit_watts(system) * count * max(1, nodes) for system, count, nodes in racks)


def _with_quotas(drawn: list[Site], racks: int) -> list[Site]:
    """Settle the quotas: a share of what fits below them, and together what so many racks get."""
    filled = [carried(replace(site, quota=10**11)) for site in drawn]
    wished = [watts * site.tightness.quota for site, watts in zip(drawn, filled, strict=True)]
    scale = min(1.0, RACK_WATTS * racks / float(PUE) / sum(wished))
    return [replace(s, quota=int(w * scale) // 1000 * 1000) for s, w in zip(drawn, wished, strict=True)]


def carried(site: Site) -> int:
    """IT watts that the site's racks can draw under its limits, large units first."""
    space = Space(build(World(factories=(factory(site),))).problem)
    problem, root = space.problem, int(space.roots[0])
    for cell in np.argsort(-problem.cell_watts, kind="stable").tolist():
        fits = space.fitting(cell, int(problem.cell_watts[cell]), int(space.free[cell]))
        space.take({cell: fits})
    return int(problem.limit[root] - space.left[root])


def factory(site: Site) -> AIFactory:
    """The resource."""
    return parse_factory(manifest(site))


def limits(site: Site) -> dict[str, int]:
    """IT watts that each instance of a path may carry, from the rows upwards."""
    tree, found = site.tree, dict[str, int]()
    limit = int(rated(site.row) * site.tightness.row) // 100 * 100
    for i in range(len(tree.paths) - 1, -1, -1):
        if i == tree.paths.index(tree.hall):
            limit = int(limit * site.tightness.hall) // 100 * 100
        found[tree.paths[i]] = limit
        limit *= site.counts[i]
    found["annex"] = int(rated(site.annex) * max(site.tightness.row, 0.9)) // 100 * 100
    return found


def manifest(site: Site) -> dict[str, Any]:
    """The resource as YAML has it."""
    tree, carries = site.tree, dict(site.limits) or limits(site)
    domains = [
        {"path": path, "count": count, "limit": carries[path]}
        for path, count in (*zip(tree.paths, site.counts, strict=True), ("annex", 1))
    ]
    racks = [
        {"domain": domain, "system": system, "count": count, "fabric": fabric}
        | ({"nodesPerRack": nodes} if nodes else {})
        for domain, fabric, filled in ((tree.row, site.fabric, site.row), ("annex", "annex", site.annex))
        for system, count, nodes in filled
    ]
    return {
        "apiVersion": "aifactory.dev/v1alpha1",
        "kind": "AIFactory",
        "metadata": {"name": site.name, "labels": {"region": site.region}},
        "spec": {
            "region": site.region,
            "power": {
                "quota": -(-site.quota * 12 // 10),  # times the PUE
                "peakPUE": PUE,
                "overheadPercent": OVERHEAD,
                "domains": domains,
            },
            "racks": racks,
            "backend": {"kwok": {}},
        },
    }
