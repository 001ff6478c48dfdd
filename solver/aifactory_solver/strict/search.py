"""The questions that everything asks: where does it fit, does it fit at all, and how much of it fits."""

from aifactory_solver.problem import Topology
from aifactory_solver.strict.layout import Units
from aifactory_solver.strict.places import Ask, Finder
from aifactory_solver.strict.spread import fits_spread, lacks_spread, most_spread, place_spread

SPREADS = (Topology.SPREAD_FACTORY, Topology.SPREAD_DOMAIN)


def find(finder: Finder, ask: Ask) -> Units | None:
    """The best place for the ask, None where it does not fit. Exact: where it finds nothing, nothing fits."""
    if finder.layout.spread[ask.pool]:
        return place_spread(finder, ask)
    return finder.place(ask)


def most(finder: Finder, ask: Ask) -> int:
    """The most units, at most ``ask.units``, that `find` would place."""
    if finder.layout.spread[ask.pool]:
        return most_spread(finder, ask)
    return finder.most(ask)


def fits(finder: Finder, ask: Ask) -> bool:
    """Whether `find` would place the ask."""
    if finder.layout.spread[ask.pool]:
        return fits_spread(finder, ask)
    return finder.most(ask) >= ask.units


def lacks(finder: Finder, ask: Ask) -> int:
    """How many more units there must be room for, at least, before `find` would place the ask."""
    if finder.layout.spread[ask.pool]:
        return lacks_spread(finder, ask)
    return ask.units - finder.most(ask)
