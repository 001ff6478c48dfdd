"""Instances with a known answer: a fleet cut exactly into pools, so that all of them can be served.

In every row of a factory the same units run, and the limits of rows, halls and quota are what those draw, to
the watt; more racks stand there than may run. The running units are cut into pools of all topologies. A plan
that serves everything has to fill every limit to the last watt.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np

from aifactory.decide.model.build import build
from aifactory.decide.model.case import Case
from aifactory.decide.model.world import PoolKey, World
from aifactory_solver.problem import Solution
from bench.solver.instances import SCALES
from bench.solver.sites import Site, factory, rated, sites, unit_watts
from bench.solver.space import Units
from bench.solver.tenants import CLASSES, LARGEST, PURPOSES, TOPOLOGIES, Draft, gpus_of


@dataclass(frozen=True)
class Planted:
    """An instance, and where each pool stands in the answer: cells as `build` numbers them."""

    world: World
    places: dict[PoolKey, Units]


def planted(scale: str, seed: int) -> Planted:
    """The instance of a scale and a seed."""
    factories, racks, pools = SCALES[scale]
    random = Random(f"planted {scale} {seed}")
    drawn, running = [], []
    for site in sites(scale, racks, factories, random):
        exact, units = _exact(site, random)
        drawn.append(exact)
        running.append(units)
    case = build(World(factories=tuple(factory(site) for site in drawn)))
    cut = _Cut(case, drawn, running, random)
    drafts = [cut.pool(i, pools) for i in range(pools)]
    chosen = [draft for draft in drafts if draft is not None]
    world = replace(case.world, pools=tuple(draft.pool() for draft, _ in chosen))
    return Planted(world, {draft.key: units for draft, units in chosen})


def answer(planted: Planted, case: Case) -> Solution:
    """The answer as a plan of the instance's arrays."""
    rows = [
        (case.index[key], cell, n) for key, units in planted.places.items() for cell, n in units.items() if n
    ]
    pool, cell, units = np.asarray(sorted(rows), np.int64).T
    return Solution(np.zeros(0, np.int64), pool.copy(), cell.copy(), units.copy())


def _exact(site: Site, random: Random) -> tuple[Site, dict[tuple[str, str], int]]:
    """The site with limits that its running units meet exactly, and those units by (path, system)."""
    running: dict[tuple[str, str], int] = {}
    for system, racks, nodes in site.row:
        slots = racks * max(1, nodes)
        running[site.tree.row, system] = slots - random.randint(0, slots // 4)
    for system, racks, nodes in site.annex:
        running["annex", system] = racks * nodes
    watts = sum(n * unit_watts(system) for (path, system), n in running.items() if path == site.tree.row)
    found = [("annex", rated(site.annex))]
    for path, count in zip(site.tree.paths[::-1], site.counts[::-1], strict=True):
        found.append((path, watts))
        watts *= count
    return replace(site, limits=tuple(found), quota=watts + rated(site.annex)), running


class _Cut:
    """Cuts the running units into pools."""

    def __init__(
        self, case: Case, sites: list[Site], running: list[dict[tuple[str, str], int]], random: Random
    ) -> None:
        self.problem, self.random, self.sites = case.problem, random, sites
        by_name = dict(zip((site.name for site in sites), running, strict=True))
        self.systems = [name for name, _ in case.systems]
        self.rest = np.zeros(case.problem.cells, np.int64)
        self.groups: dict[str, np.ndarray[Any, Any]] = {}  # kind -> (C,) group of each cell, -1 for none
        halls, rows = np.full((2, case.problem.cells), -1)
        self.level: dict[int, str] = {}  # domain -> path in the spec
        for c, cell in enumerate(case.cells):
            layout, first = case.layouts[cell.factory], case.first_domain[cell.factory]
            self.rest[c] = by_name[cell.factory].get((layout.instances[cell.instance].level, cell.system), 0)
            tree = next(site.tree for site in sites if site.name == cell.factory)
            for d in layout.chain(cell.instance):
                self.level[first + d] = layout.instances[d].level
                if layout.instances[d].level == tree.hall:
                    halls[c] = first + d
                if layout.instances[d].level == tree.row:
                    rows[c] = first + d
        factory = case.problem.factory[case.problem.cell_domain]
        self.groups = {
            "none": np.zeros_like(factory),
            "factory": factory,
            "fabric": case.problem.cell_fabric,
            "row": rows,
            "hall": halls,
            "spread factory": factory,
            "spread hall": halls,
        }
        self.gpus = case.problem.system_gpus[case.problem.cell_system]

    def pool(self, number: int, pools: int) -> tuple[Draft, Units] | None:
        """The next of so many pools; the last ones take all that is left of one system each."""
        left = pools - number
        system = self._system()
        if system < 0:
            return None
        mean = int((self.rest * self.gpus).sum()) / max(1, left)
        # The mean of the draws is about 3.
        size = mean / 3 * min(LARGEST, self.random.paretovariate(1.15)) / gpus_of(self.systems[system])
        kind = self.random.choices(list(TOPOLOGIES), list(TOPOLOGIES.values()))[0]
        units = max(1, round(size))
        if number < len(TOPOLOGIES):  # each occurs, however few pools there are
            kind, units = list(TOPOLOGIES)[number], max(3, units)
        if left <= np.unique(self.problem.cell_system[self.rest > 0]).size:
            kind, units = "none", int(self.rest[self.problem.cell_system == system].sum())
        kind, k, given = self._take(kind, system, units)
        for cell, n in given.items():
            self.rest[cell] -= n
        return self._draft(number, kind, k, system, given), given

    def _system(self) -> int:
        """A system, more likely the more of it is left; -1 where nothing is."""
        weights = np.bincount(self.problem.cell_system, self.rest * self.gpus, len(self.systems)).tolist()
        return self.random.choices(range(len(weights)), weights)[0] if any(weights) else -1

    def _take(self, kind: str, system: int, units: int) -> tuple[str, int, Units]:
        """Units that the topology allows: (kind, places of a spread, cells)."""
        able = (self.problem.cell_system == system) & (self.rest > 0) & (self.groups[kind] >= 0)
        if kind == "spread hall":  # all places are of one path
            path = self.level[int(self.random.choice(self.groups[kind][able].tolist() or [0]))]
            able &= np.asarray([d >= 0 and self.level[d] == path for d in self.groups[kind].tolist()])
        groups = np.unique(self.groups[kind][able]).tolist()
        k = self.random.choice((2, 2, 3)) if kind.startswith("spread") else 1
        if len(groups) < k or (k > 1 and units < k):
            kind, k = "none", 1
            able = (self.problem.cell_system == system) & (self.rest > 0)
            groups = [0]
        chosen = self.random.sample(groups, k)
        cells = {g: np.flatnonzero(able & (self.groups[kind] == g)).tolist() for g in chosen}
        each = min(-(-units // k), *(int(self.rest[its].sum()) for its in cells.values()))
        given: Units = {}
        for its in cells.values():
            rest = each
            for cell in self.random.sample(its, len(its)):
                n = min(rest, int(self.rest[cell]))
                rest -= n
                if n:
                    given[cell] = n
        return kind, k, given

    def _draft(self, number: int, kind: str, k: int, system: int, given: Units) -> Draft:
        random, cell = self.random, next(iter(given))
        domain = int(self.groups[kind][cell])
        topologies: dict[str, dict[str, Any]] = {
            "none": {},
            "factory": {"pack": "Factory"},
            "fabric": {"pack": "Fabric"},
            "row": {"pack": "Domain", "domain": self.level.get(domain)},
            "hall": {"pack": "Domain", "domain": self.level.get(domain)},
            "spread factory": {"spread": {"over": "Factory", "atLeast": k}},
            "spread hall": {"spread": {"over": "Domain", "domain": self.level.get(domain), "atLeast": k}},
        }
        others = [name for name in self.systems if name != self.systems[system]]
        names = [self.systems[system], *random.sample(others, min(len(others), random.choice((0, 0, 1, 2))))]
        random.shuffle(names)
        used = {int(self.problem.factory[self.problem.cell_domain[c]]) for c in given}
        where = sorted(self.sites[f].name for f in used)
        factories = {"names": where} if random.random() < 0.1 and len(where) <= 3 else {}
        return Draft(
            name=f"pool-{number:05d}",
            systems=tuple(names),
            topology=topologies[kind],
            factories=factories,
            priority=random.choice(CLASSES),
            purpose=random.choice(PURPOSES),
            preemptible=random.random() < 0.5,
            elastic=random.uniform(0.2, 0.8) if random.random() < 0.25 else 1.0,
            weight=0,
            rock=0,
            gpus=sum(given.values()) * gpus_of(self.systems[system]),
            tenant=random.randrange(50),
        )
