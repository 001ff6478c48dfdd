"""The two questions that everything asks: where does it fit, and how much of it fits."""

from aifactory_solver.places import Ask, Finder
from aifactory_solver.problem import Topology
from aifactory_solver.room import Units
from aifactory_solver.spread import most_spread, place_spread

SPREADS = (Topology.SPREAD_FACTORY, Topology.SPREAD_DOMAIN)


def find(finder: Finder, ask: Ask) -> Units | None:
    """The best place for the ask, None where it does not fit. Exact: where it finds nothing, nothing fits."""
    if finder.problem.topology[ask.pool] in SPREADS:
        return place_spread(finder, ask)
    return finder.place(ask)


def most(finder: Finder, ask: Ask) -> int:
    """The most units, at most ``ask.units``, that `find` would place."""
    if finder.problem.topology[ask.pool] in SPREADS:
        return most_spread(finder, ask)
    return finder.most(ask)
