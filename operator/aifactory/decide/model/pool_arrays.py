"""The pools as arrays: what each wishes for, where it may stand, and whether what stands suits it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.decide.model.case import Cell
from aifactory.decide.model.fleet import Unit
from aifactory.decide.model.layout import Layout
from aifactory.decide.model.plan import Cause
from aifactory.decide.model.standing import allows, misplaced, place_of
from aifactory.decide.model.world import PoolKey, key_of
from aifactory.decide.once import once
from aifactory_solver import Topology
from aifactory_solver.problem import Bools, Ints

Row = tuple[int, int, int, bool, bool]  # pool, cell, watts of a unit, locked, leave
_FORCED = (Cause.OUT_OF_SERVICE, Cause.POWER_LIMIT)
_PURPOSE = {"DataProcessing": 0, "Training": 1, "Inference": 2}
_PACK = {"None": Topology.NONE, "Factory": Topology.FACTORY, "Fabric": Topology.FABRIC}


def request_arrays(pools: Sequence[GPUPool], *, paused: bool) -> dict[str, Any]:
    """What the pools' specs say of amounts and ranks."""
    age = {key_of(pool): i for i, pool in enumerate(sorted(pools, key=_age))}
    return {
        "need": ints(pool.spec.gpus for pool in pools),
        "minimum": ints(pool.spec.minimum for pool in pools),
        "priority": ints(pool.spec.priority for pool in pools),
        "purpose": ints(_PURPOSE[pool.spec.purpose] for pool in pools),
        "age": ints(age[key_of(pool)] for pool in pools),
        "preemptible": bools(pool.spec.preemptible for pool in pools),
        "frozen": bools(paused and pool.spec.paused for pool in pools),
    }


def place_arrays(
    pools: Sequence[GPUPool],
    factories: Mapping[str, AIFactory],
    layouts: Mapping[str, Layout],
    levels: Mapping[str, int],
    systems: Sequence[tuple[str, int]],
    *,
    closed: Collection[tuple[PoolKey, str]],
) -> dict[str, Any]:
    """What the pools' specs say of places. A level that no factory has matches nothing.

    In a factory that is ``closed`` to it a pool gets nothing new, whatever its spec says.
    """
    by_name: dict[str, list[int]] = defaultdict(list)
    for i, (name, _) in enumerate(systems):
        by_name[name].append(i)
    shapes = [_topology(pool, levels) for pool in pools]
    alike: dict[str, list[bool]] = {}  # many pools ask for the same places
    for pool in pools:
        if (said := _says_where(pool)) not in alike:
            alike[said] = [f in factories and allows(pool, factories[f]) for f in layouts]
    allowed = [[*alike[_says_where(pool)]] for pool in pools]
    if closed:
        shut = ((p, f) for p, pool in enumerate(pools) for f in layouts if (key_of(pool), f) in closed)
        for p, name in shut:
            allowed[p][list(layouts).index(name)] = False
    return {
        "topology": ints(shape[0] for shape in shapes),
        "topology_level": ints(shape[1] for shape in shapes),
        "spread": ints(shape[2] for shape in shapes),
        "systems": tuple(tuple(i for name in p.spec.systems for i in by_name.get(name, ())) for p in pools),
        "allowed": np.asarray(allowed, dtype=np.bool_).reshape(len(pools), len(layouts)),
    }


def standing_arrays(
    pools: Sequence[GPUPool],
    factories: Mapping[str, AIFactory],
    layouts: Mapping[str, Layout],
    cells: Sequence[Cell],
    rows: Sequence[tuple[Row, list[Unit]]],
    *,
    stamps: Mapping[PoolKey, tuple[str, ...]],
    leaving: Mapping[PoolKey | None, Sequence[Unit]],
) -> dict[str, Any]:
    """Whether a pool's spec changed since its units were ordered, and whether each row suits it now.

    ``leaving`` are the pools' units that are being released, by us or not.
    """
    changed = [False] * len(pools)
    fits = []
    by_pool: dict[int, list[int]] = defaultdict(list)
    for r, ((p, c, *_), units) in enumerate(rows):
        known = stamps[key_of(pools[p])]
        changed[p] = changed[p] or any(unit.placed_under not in known for unit in units)
        factory = factories.get(cells[c].factory)
        fits.append(_suits(pools[p], cells[c]) and factory is not None and allows(pools[p], factory))
        by_pool[p].append(r)
    for p, mine in by_pool.items():
        if pools[p].spec.topology.spread is not None and not changed[p]:
            continue  # a loss leaves a spread uneven, and that is no misfit
        at = {
            r: place_of(pools[p], cells[rows[r][0][1]], layouts[cells[rows[r][0][1]].factory]) for r in mine
        }
        places: dict[object, int] = defaultdict(int)
        for r in mine:
            if fits[r]:
                places[at[r]] += len(rows[r][1])
        bad = misplaced(pools[p], dict(places))
        for r in mine:
            fits[r] = fits[r] and at[r] not in bad
    released = [[unit for unit in leaving.get(key_of(pool), ()) if unit.released] for pool in pools]
    return {
        "changed": bools(changed),
        "row_fits": bools(fits),
        "uprooted": bools(bool(units) for units in released),
        "displaced": ints(sum(unit.cause in _FORCED for unit in units) for units in released),
    }


@once
def _says_where(pool: GPUPool) -> str:
    """What a pool's spec says of its factories."""
    return pool.spec.factories.model_dump_json()


def _suits(pool: GPUPool, cell: Cell) -> bool:
    """Whether a pool accepts the system, in a number that its spread allows at all."""
    spread = pool.spec.topology.spread
    units = -(-pool.spec.gpus // cell.gpus)
    return cell.system in pool.spec.systems and (spread is None or not 0 < units < spread.at_least)


def _topology(pool: GPUPool, levels: Mapping[str, int]) -> tuple[int, int, int]:
    """(Topology, level, places) of a pool."""
    topology = pool.spec.topology
    nowhere = len(levels)
    if topology.spread is not None:
        spread = topology.spread
        if spread.over == "Factory":
            return Topology.SPREAD_FACTORY, -1, spread.at_least
        return Topology.SPREAD_DOMAIN, levels.get(spread.domain or "", nowhere), spread.at_least
    if topology.pack == "Domain":
        return Topology.DOMAIN, levels.get(topology.domain or "", nowhere), 0
    return _PACK[topology.pack], -1, 0


def _age(pool: GPUPool) -> tuple[float, PoolKey]:
    created = pool.metadata.creation_timestamp
    return (created.timestamp() if created else float("inf"), key_of(pool))


def ints(values: Iterable[int]) -> Ints:
    """An int64 array."""
    return np.fromiter(values, dtype=np.int64)


def bools(values: Iterable[bool]) -> Bools:
    """A boolean array."""
    return np.fromiter(values, dtype=np.bool_)
