"""The inversion test for many rooms at once: whether the minimum of a waiting pool would fit.

Exact, as in one room. Packed: the most units in one group. Anywhere: the sum over factories. Spread of n
units over k places, none above c = ceil(n / k): with at most one unit in each place at least k fit, and with
at most c at least n (what the limits allow is a polymatroid, in which the k ones grow to n).
"""

from typing import NamedTuple

import numpy as np

from aifactory_solver.batch.rooms import Rooms
from aifactory_solver.problem import Array, Ints, Topology
from aifactory_solver.strict.layout import FACTORIES


class _Alike(NamedTuple):
    """Asks that one number for each room answers; spread ones are alike in their units too."""

    system: int
    kind: int
    anywhere: bool
    factories: tuple[int, ...]  # 1 for each that may serve them
    places: int = 0
    level: int = -1
    units: int = 0


def would_fit(rooms: Rooms, pools: Ints) -> Array:
    """(N, Q) whether the minimum of each of the ``pools`` (Q,) fits into each room, on one acceptable system.

    What a pool holds itself counts as taken and does not help it.
    """
    xp, fleet = rooms.xp, rooms.fleet
    asks: dict[_Alike, list[tuple[int, int]]] = {}  # (which of the given pools, units)
    for q, pool in enumerate(pools.tolist()):
        for alike, units in _asks(rooms, pool):
            asks.setdefault(alike, []).append((q, units))
    columns: list[Array] = []
    options: list[list[int]] = [[] for _ in pools]
    asked = 0
    for alike, members in asks.items():
        units = fleet.ints(np.asarray([units for _, units in members]))
        columns.append(_most(rooms, alike)[:, None] >= units)
        for q, _ in members:
            options[q].append(asked)
            asked += 1
    columns.append(xp.zeros((rooms.count, 1), dtype=xp.bool, device=fleet.forest.device))
    widest = max(map(len, options), default=0)
    table = fleet.ints(np.asarray([row + [asked] * (widest + 1 - len(row)) for row in options]).reshape(-1))
    each = xp.take(xp.concat(columns, axis=-1), table, axis=-1)
    return xp.any(xp.reshape(each, (rooms.count, len(options), widest + 1)), axis=-1)


def _asks(rooms: Rooms, pool: int) -> list[tuple[_Alike, int]]:
    fleet, layout = rooms.fleet, rooms.fleet.layout
    anywhere, spread = layout.topology[pool] == Topology.NONE, layout.spread[pool]
    factories = tuple(fleet.allowed[pool].tolist())
    found = []
    for system, units in fleet.asks(pool) if fleet.factories else ():
        alike = _Alike(system, fleet.kind(pool), anywhere, factories)
        if spread and units:
            alike = alike._replace(places=spread, level=fleet.level(pool), units=units)
        found.append((alike, units))
    return found


def _most(rooms: Rooms, alike: _Alike) -> Array:
    """(N,) units that fit; of a spread ask its own units if they do, else -1."""
    xp, fleet = rooms.xp, rooms.fleet
    may = fleet.ints(np.asarray(alike.factories))
    if not alike.places:
        best = rooms.best(alike.system, alike.kind) * may
        return xp.sum(best, axis=-1) if alike.anywhere else xp.max(best, axis=-1)
    ones, shares = (
        xp.sum(_capped(rooms, alike, cap) * may, axis=-1) for cap in (1, -(-alike.units // alike.places))
    )
    fits = (ones >= alike.places) & (shares >= alike.units)
    return xp.astype(fits, xp.int64) * (alike.units + 1) - 1


def _capped(rooms: Rooms, alike: _Alike, cap: int) -> Array:
    """(N, F) units that fit in each factory when no place holds more than ``cap``."""
    xp, fleet = rooms.xp, rooms.fleet
    if alike.level < 0:
        return xp.minimum(rooms.best(alike.system, FACTORIES), cap)
    return rooms.capped(alike.system, alike.level, cap)[:, : fleet.factories]
