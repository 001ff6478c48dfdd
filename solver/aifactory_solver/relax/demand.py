"""Merges demands: pools of one band that may use the same offers are one demand."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aifactory_solver.problem import Bools, Ints, Problem, Topology
from aifactory_solver.question import Question
from aifactory_solver.relax.classes import Classes
from aifactory_solver.strict.forest import Forest

PACKED = (Topology.FACTORY, Topology.FABRIC, Topology.DOMAIN)
Floats = npt.NDArray[np.float64]
_WASTE = 1  # steps to a doubling of what rounding up to whole units costs, that demands tell apart
Kind = tuple[int, int]  # topology and level


@dataclass(frozen=True, eq=False)
class Offers:
    """What one factory has of one system, for pools of one reach. Sizes: U offers, L pairs.

    Most topologies reach every cell. Packing on a fabric reaches the cells that have one; packing in a domain
    or spreading over domains reaches the cells below the level. Reaches of the same cells are one offer.
    """

    factory: Ints  # (U,)
    system: Ints  # (U,)
    pair_offer: Ints  # (L,) with pair_cell: which cell classes an offer draws on; sorted by offer
    pair_cell: Ints  # (L,)
    of: dict[Kind, Ints]  # (F, S) the offer of each kind of pool, -1 where there is none

    @property
    def count(self) -> int:
        """U."""
        return int(self.factory.shape[0])


@dataclass(frozen=True, eq=False)
class Demands:
    """What pools ask for. Sizes: Q pools, D demands, U offers, S systems."""

    of_pool: Ints  # (Q,) demand of each pool, -1 where its minimum could not be served even alone
    units: (
        Ints  # (Q, S) units of each system that carry the pool's minimum, 0 where it may not use the system
    )
    gpus: Ints  # (Q,) GPUs of the minimum
    band: Ints  # (D,)
    may_use: Bools  # (D, U)
    need: Ints  # (D,) GPUs
    gpus_per_unit: Floats  # (D, S) GPUs that a unit serves, the mean over the demand's pools

    @property
    def count(self) -> int:
        """D."""
        return int(self.band.shape[0])


def find_offers(problem: Problem, classes: Classes, kinds: list[Kind], forest: Forest) -> Offers:
    """The offers that pools of these kinds tell apart."""
    shape = (problem.allowed.shape[1], problem.system_gpus.shape[0])
    known: dict[tuple[int, ...], int] = {}
    factory, system, of = list[int](), list[int](), dict[Kind, Ints]()
    pair_offer, pair_cell = list[int](), list[int]()
    for kind in kinds:
        reached = np.unique(classes.of_cell[reach(problem, kind, forest) & (classes.of_cell >= 0)])
        table = np.full(shape, -1, dtype=np.int64)
        by_place: dict[tuple[int, int], list[int]] = {}
        for b in reached.tolist():
            by_place.setdefault((int(classes.factory[b]), int(classes.system[b])), []).append(b)
        for place, cells in by_place.items():
            offer = known.setdefault(tuple(cells), len(known))
            table[place] = offer
            if offer == len(factory):
                factory.append(place[0])
                system.append(place[1])
                pair_offer += [offer] * len(cells)
                pair_cell += cells
        of[kind] = table
    lists = (factory, system, pair_offer, pair_cell)
    at, what, pairs, drawn = (np.asarray(each, dtype=np.int64) for each in lists)
    return Offers(at, what, pairs, drawn, of)


def reach(problem: Problem, kind: Kind, forest: Forest) -> Bools:
    """(C,) cells that pools of a kind may use, whatever their factory and system."""
    topology, level = kind
    if topology == Topology.FABRIC:
        return problem.cell_fabric >= 0
    if topology in (Topology.DOMAIN, Topology.SPREAD_DOMAIN):
        return forest.below_level(level)
    return np.ones(problem.cells, dtype=np.bool_)


def kinds_of(problem: Problem, pools: Ints) -> list[Kind]:
    """The kinds of topology among the pools."""
    pairs = np.unique(np.stack((problem.topology[pools], problem.topology_level[pools])), axis=1)
    return [(int(topology), int(level)) for topology, level in pairs.T]


def minimum_units(problem: Problem, pools: Ints) -> Ints:
    """(Q, S) units of each system that carry a pool's minimum; 0 where it may not use the system."""
    accepts = np.zeros((pools.size, problem.system_gpus.shape[0]), dtype=np.bool_)
    for i, p in enumerate(pools.tolist()):
        accepts[i, list(problem.systems[p])] = True
    gpus, spread = problem.system_gpus[None, :], problem.spread[pools][:, None]
    units = np.maximum(-(-problem.minimum[pools][:, None] // gpus), spread)
    enough = -(-problem.need[pools][:, None] // gpus) >= spread
    return np.where(accepts & enough & (problem.minimum[pools] > 0)[:, None], units, 0)


def gather_demands(question: Question, bands: Ints, offers: Offers, forest: Forest) -> Demands:
    """Merge the minima of the question's pools, each of one of the ``bands`` (Q,)."""
    problem, pools = question.problem, question.pools
    units = minimum_units(problem, pools)
    may = np.zeros((pools.size, offers.count), dtype=np.bool_)
    allowed, group = np.unique(problem.allowed[pools], axis=0, return_inverse=True)
    group = group.reshape(-1)
    for kind in kinds_of(problem, pools):
        alone = most_alone(question, kind, forest)
        mine = (problem.topology[pools] == kind[0]) & (problem.topology_level[pools] == kind[1])
        for g in np.unique(group[mine]).tolist():
            members = np.flatnonzero(mine & (group == g))
            for s in np.flatnonzero(units[members].any(axis=0)).tolist():
                room = np.where(allowed[g], alone[:, s], 0)
                n = units[members, s]
                fits = _fits(kind, room, n, problem.spread[pools[members]]) & (n > 0)[:, None]
                there = np.flatnonzero(offers.of[kind][:, s] >= 0)
                may[np.ix_(members, offers.of[kind][there, s])] = fits[:, there]
    able = np.flatnonzero(may.any(axis=1))
    full = np.maximum(units[able] * problem.system_gpus, 1) / np.maximum(
        problem.minimum[pools[able], None], 1
    )
    waste = np.where(units[able] > 0, np.minimum(_WASTE * np.log2(np.maximum(full, 1)), 255), 0).round()
    marks = (bands[able, None], waste, np.packbits(may[able], axis=1))
    rows = np.concatenate([mark.astype(np.uint8) for mark in marks], axis=1)
    _, first, demand = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    demand = demand.reshape(-1)
    of_pool = np.full(pools.size, -1, dtype=np.int64)
    of_pool[able] = demand
    gpus = problem.minimum[pools]
    need = np.zeros(first.size, dtype=np.int64)
    np.add.at(need, demand, gpus[able])
    served, given = np.zeros((2, first.size, units.shape[1]))
    np.add.at(served, demand, np.where(units[able] > 0, gpus[able][:, None], 0))
    np.add.at(given, demand, units[able])
    return Demands(
        of_pool=of_pool,
        units=units,
        gpus=gpus,
        band=bands[able][first],
        may_use=may[able][first],
        need=need,
        gpus_per_unit=served / np.maximum(given, 1),
    )


def _fits(kind: Kind, room: Ints, units: Ints, spread: Ints) -> Bools:
    """(N, F) factories that pools could use if they were alone; none where they could not stand at all."""
    some = np.broadcast_to(room > 0, (units.size, room.size))
    if kind[0] in PACKED:
        return np.asarray(room[None, :] >= units[:, None])
    if kind[0] == Topology.SPREAD_FACTORY:
        share = -(-units // np.maximum(spread, 1))
        total = np.minimum(room[None, :], share[:, None]).sum(axis=1)
        return np.asarray(some & ((total >= units) & (some.sum(axis=1) >= spread))[:, None])
    return np.asarray(some & (room.sum() >= units)[:, None])


def most_alone(question: Question, kind: Kind, forest: Forest) -> Ints:
    """(F, S) units of one pool of a kind that fit in each factory, all of the room being its own."""
    problem, left, free = question.problem, question.left, question.free
    topology, level = kind
    most = np.zeros((problem.allowed.shape[1], problem.system_gpus.shape[0]), dtype=np.int64)
    open_ = np.flatnonzero(problem.cell_open)
    watts = np.ones_like(most)
    watts[problem.factory[problem.cell_domain[open_]], problem.cell_system[open_]] = problem.cell_watts[open_]
    reached = reach(problem, kind, forest) & problem.cell_open
    if topology == Topology.FABRIC:
        depths = np.unique(forest.fabric_depth[reached])
        masks = [
            (reached & (forest.fabric_depth == k), np.unique(problem.cell_fabric[reached])) for k in depths
        ]
    elif topology == Topology.DOMAIN:
        masks = [(reached, np.flatnonzero(problem.level == level))]
    else:
        masks = [(reached, np.flatnonzero(problem.parent < 0))]
    for s in np.unique(problem.cell_system[open_]).tolist():
        each = watts[problem.factory, s]
        above = forest.room_above(left, each)
        for mask, groups in masks:
            usable = np.where(mask & (problem.cell_system == s), np.maximum(free, 0), 0)
            m = np.minimum(forest.capacity(left, usable, each), above)[groups]
            np.maximum.at(most[:, s], problem.factory[groups], m)
    return most
