"""What an instance promises, looked up in its arrays."""

from dataclasses import dataclass, replace

import numpy as np

from aifactory_solver.problem import Problem, Topology
from bench.solver.greedy import best_fit, most_units
from bench.solver.space import Space, wish_units


@dataclass(frozen=True)
class Claims:
    """What can be said of an instance, as shares of its quotas, and how many pools could not stand alone."""

    demand: float  # watts of all wishes, each on the system that the pool likes best
    usable: float  # watts that a fill draws which ignores minima and topologies
    never: int
    topologies: frozenset[Topology]
    levels: frozenset[int]  # numbers of levels of the factories' trees, the factory included
    elastic: float  # share of the pools
    binding: frozenset[str]  # limits that keep racks from running: row, hall (anything above a row), quota

    @property
    def hold(self) -> bool:
        """Whether an instance may be used."""
        varied = self.binding == {"row", "hall", "quota"} and self.topologies == frozenset(Topology)
        return 1.1 <= self.demand <= 1.4 and self.usable >= 0.95 and not self.never and varied


def claims(problem: Problem) -> Claims:
    """Look at an instance of which nothing stands."""
    quota = int(problem.limit[problem.parent < 0].sum())
    mean = np.zeros(problem.system_gpus.size)
    for system in range(problem.system_gpus.size):
        mean[system] = problem.cell_watts[problem.cell_system == system].mean()
    space = Space(problem)
    wishes = [(p, its[0], wish_units(problem, p, its[0])) for p, its in enumerate(problem.systems)]
    never = sum(
        all(most_units(space, p, s, wish_units(problem, p, s), {}) < wish_units(problem, p, s) for s in its)
        for p, its in enumerate(problem.systems)
    )
    loose = replace(
        problem,
        minimum=np.zeros_like(problem.minimum),
        topology=np.zeros_like(problem.topology),
        topology_level=np.full_like(problem.topology_level, -1),
        spread=np.zeros_like(problem.spread),
    )
    plan, full = best_fit(loose), Space(loose)
    for cell, units in zip(plan.new_cell.tolist(), plan.new_units.tolist(), strict=True):
        full.take({cell: units})
    used = int((problem.limit - full.left)[problem.parent < 0].sum())
    return Claims(
        demand=sum(units * float(mean[system]) for _, system, units in wishes) / quota,
        usable=used / quota,
        never=never,
        topologies=frozenset(Topology(kind) for kind in problem.topology.tolist()),
        levels=frozenset(
            int(full.depth[problem.factory == f].max()) + 1 for f in np.unique(problem.factory).tolist()
        ),
        elastic=float((problem.minimum < problem.need).mean()),
        binding=_binding(problem),
    )


def _binding(problem: Problem) -> frozenset[str]:
    """Which limits bind when all racks are switched on as far as they go, large units first.

    First with no quota: the highest domains with less left than their least unit, rows or what is above them.
    A quota binds where it is below 95 % of that.
    """
    roots = problem.parent < 0
    space = Space(replace(problem, limit=np.where(roots, 2**40, problem.limit)))
    for cell in np.argsort(-problem.cell_watts, kind="stable").tolist():
        space.take({cell: space.fitting(cell, int(problem.cell_watts[cell]), int(space.free[cell]))})
    drawn, found = 2**40 - space.left, set[str]()
    if np.any(problem.limit[roots] < 0.95 * drawn[roots]):
        found.add("quota")
    for d in np.flatnonzero(~roots & (space.left < space.watts.min(axis=1))).tolist():
        of_tree = space.depth[d] > 1 or space.children[d]  # an annex is no row
        if of_tree and not any(space.left[up] < space.watts[up].min() for up in space.chains[d][1:]):
            found.add("hall" if space.children[d] else "row")
    return frozenset(found)
