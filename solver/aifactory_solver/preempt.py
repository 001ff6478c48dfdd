"""Taking from lower pools: how little has to go so that a minimum gains its place."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from aifactory_solver.places import Ask, Finder
from aifactory_solver.problem import Ints, Topology
from aifactory_solver.room import Room, Units
from aifactory_solver.search import SPREADS, find, most

_EQUALS = 12  # pools that are tried in the stead of one that has to go
_STAGES = 8  # of what may be taken, looked at to find the cheapest victims


def minimum_units(room: Room, pool: int, system: int) -> int:
    """Units of a system that carry the pool's minimum; a spread pool has at least one in each place."""
    problem = room.problem
    units = -(-int(problem.minimum[pool]) // int(problem.system_gpus[system]))
    return max(units, int(problem.spread[pool])) if units else 0


@dataclass(frozen=True)
class _Stage:
    """Part of what may be taken: growth (or everything) of the pools up to a priority."""

    whole: bool
    priority: int


class Preemption:
    """One pool's search for victims among the pools of strictly lower priority."""

    def __init__(self, room: Room, pool: int) -> None:
        self.room = room
        self.problem = room.problem
        self.pool = pool
        problem = room.problem
        lower = problem.preemptible & (problem.priority < problem.priority[pool])
        live = (room.kept > 0) & ~problem.row_locked & lower[problem.row_pool]
        self.rows: Ints = np.flatnonzero(live)
        self.victims = sorted(set(problem.row_pool[self.rows].tolist()))

    @cached_property
    def growth(self) -> dict[int, int]:
        """Units of each victim above its minimum."""
        room, growth = self.room, dict.fromkeys(self.victims, 0)
        for q in self.victims:
            system = room.system(q)
            if system is not None:
                growth[q] = max(0, room.held(q) - minimum_units(room, q, system))
        return growth

    def find(self, asks: list[Ask]) -> tuple[Ask, Units] | None:
        """The first ask that fits after taking as little as possible; nothing is taken yet.

        Growth goes before minima and low priorities before high ones, so the stages are nested and the
        first one that suffices is found by bisection.
        """
        if not self.victims or not any(self._fits(ask, None) for ask in asks):
            return None
        levels = sorted({int(self.problem.priority[q]) for q in self.victims})
        stages = [_Stage(False, v) for v in levels] + [_Stage(True, v) for v in levels]
        low, high = 0, len(stages) - 1
        while low < high:
            middle = (low + high) // 2
            if any(self._fits(ask, stages[middle]) for ask in asks):
                high = middle
            else:
                low = middle + 1
        self.stage = stages[low]
        finder = self._finder(self.stage)
        for ask in asks:
            found = find(finder, ask)
            if found is not None:
                return ask, self._cheapest(ask, found, stages[:low])
        return None

    def _cheapest(self, ask: Ask, found: Units, lower: list[_Stage]) -> Units:
        """The same ask in the same group, in the room of the cheapest victims as far as that goes.

        What the limits allow can be filled up in any order, so taking the most from each stage in turn
        costs nothing later. Of many stages only some are looked at.
        """
        problem, room = self.problem, self.room
        if problem.topology[ask.pool] in SPREADS:
            return found
        mask = np.ones(problem.cells, dtype=np.bool_)
        topology, level = int(problem.topology[ask.pool]), int(problem.topology_level[ask.pool])
        if topology != Topology.NONE:
            home = room.group(topology, level, next(iter(found)))
            groups = (room.group(topology, level, c) == home for c in range(problem.cells))
            mask = np.fromiter(groups, dtype=np.bool_, count=problem.cells)
        some = lower[:: max(1, len(lower) // _STAGES)]
        finders = [Finder(room, room.left.copy(), room.free.copy())]
        finders += [self._finder(stage) for stage in [*some, self.stage]]
        units, rest = Units(), ask.units
        for finder in finders:
            for cell, n in units.items():
                finder.take(cell, n)
            more = finder.fill_most(ask, mask, rest)
            for cell, n in more.items():
                units[cell] = units.get(cell, 0) + n
            rest -= sum(more.values())
        return units

    def _fits(self, ask: Ask, stage: _Stage | None) -> bool:
        return most(self._finder(stage), ask) >= ask.units

    def _finder(self, stage: _Stage | None) -> Finder:
        """The room as if the stage's units were gone (all that may be taken without a stage)."""
        room, problem = self.room, self.problem
        gone = np.zeros(problem.rows, dtype=np.int64)
        kept, pools = room.kept[self.rows], problem.row_pool[self.rows]
        if stage is None:
            gone[self.rows] = kept
        else:
            growth = np.minimum(kept, np.asarray([self.growth[q] for q in pools.tolist()], dtype=np.int64))
            reached = problem.priority[pools] <= stage.priority
            gone[self.rows] = np.where(reached, kept if stage.whole else growth, growth if stage.whole else 0)
        watts = np.zeros(problem.cells, dtype=np.int64)
        slots = np.zeros(problem.cells, dtype=np.int64)
        np.add.at(watts, problem.row_cell, gone * problem.row_watts)
        np.add.at(slots, problem.row_cell, gone)
        slots[~problem.cell_open] = 0
        return Finder(room, room.left + room.forest.totals(watts), room.free + slots)

    def take(self, ask: Ask, units: Units) -> None:
        """Place the units and give back to the victims whatever still fits, the most valuable first.

        Where some pool has to go, each of its equals is also tried in its stead, for the fewest GPUs lost.
        """
        room = self.room
        before = {q: {r: int(room.kept[r]) for r in room.rows_of[q]} for q in self._near(units)}
        for q in before:
            give_up(room, q)
        room.add(ask.pool, units)
        start, order = room.save(), sorted(before, key=self._value)
        gone = self._share_out(before, order)
        if not gone:
            return
        margin = max(int(self.problem.priority[q]) for q in gone)
        equals = [q for q in order if self.problem.priority[q] == margin][:_EQUALS]
        ways = [order] + [[*(p for p in order if p != q), q] for q in equals]
        losses = []
        for way in ways:
            room.load(start)
            self._share_out(before, way)
            losses.append(self._lost(before))
        room.load(start)
        self._share_out(before, ways[losses.index(min(losses))])

    def _share_out(self, before: dict[int, dict[int, int]], order: list[int]) -> list[int]:
        """Give back in this order, minima before growth; the pools that got nothing."""
        room = self.room
        # A victim keeps its minimum or nothing; one that stood below it keeps all that stood, or nothing.
        least = {q: min(sum(rows.values()), self._minimum(q, rows)) for q, rows in before.items()}
        keepers = [q for q in order if self._give_back(q, before[q], least[q], whole=True)]
        for q in keepers:
            self._give_back(q, before[q], sum(before[q].values()), whole=False)
            settle_spread(room, q)
            if room.held(q) < least[q]:
                give_up(room, q)
        return [q for q in order if least[q] and not room.held(q)]

    def _lost(self, before: dict[int, dict[int, int]]) -> list[tuple[int, int]]:
        """What a way of giving back costs, in the order in which costs matter: minima, then growth."""
        problem, room = self.problem, self.room
        minima: dict[int, int] = {}
        growth: dict[int, int] = {}
        for q, rows in before.items():
            gpus = int(problem.system_gpus[problem.cell_system[problem.row_cell[next(iter(rows))]]])
            had, has = sum(rows.values()), room.held(q)
            least = min(had, self._minimum(q, rows))
            v = -int(problem.priority[q])
            minima[v] = minima.get(v, 0) + max(0, least - has) * gpus
            growth[v] = growth.get(v, 0) + (had - max(has, least)) * gpus
        return [(v, minima[v]) for v in sorted(minima)] + [(v, growth[v]) for v in sorted(growth)]

    def _minimum(self, pool: int, rows: dict[int, int]) -> int:
        system = int(self.problem.cell_system[self.problem.row_cell[next(iter(rows))]])
        return minimum_units(self.room, pool, system)

    def _near(self, units: Units) -> list[int]:
        """Victims with something in a factory that the units go to; the others cannot be in the way."""
        problem = self.problem
        there = {int(problem.factory[problem.cell_domain[c]]) for c in units}
        taken = self.stage
        near = []
        for q in self.victims:
            if taken.whole or problem.priority[q] <= taken.priority:
                rows = [r for r in self.room.rows_of[q] if self.room.kept[r]]
                if any(int(problem.factory[problem.cell_domain[problem.row_cell[r]]]) in there for r in rows):
                    near.append(q)
        return near

    def _value(self, pool: int) -> tuple[int, int, int]:
        """Sort key: who keeps first. Higher priority, then more GPUs (so the fewest are lost), then older."""
        problem = self.problem
        gpus = sum(
            int(problem.row_units[r]) * int(problem.system_gpus[problem.cell_system[problem.row_cell[r]]])
            for r in self.room.rows_of[pool]
        )
        return (-int(problem.priority[pool]), -gpus, int(problem.age[pool]))

    def _give_back(self, pool: int, before: dict[int, int], units: int, *, whole: bool) -> bool:
        """Let a pool keep up to ``units`` of what it had; ``whole``: all of them or nothing."""
        room, problem = self.room, self.problem
        rest = units - sum(int(room.kept[r]) for r in before)
        for r, had in before.items():
            cell = int(problem.row_cell[r])
            more = min(had - int(room.kept[r]), rest)
            if problem.cell_open[cell]:
                more = min(more, int(room.free[cell]))
            more = room.fitting(cell, int(problem.row_watts[r]), more)
            if more > 0:
                room.keep(r, int(room.kept[r]) + more)
                rest -= more
        if whole and rest > 0:
            give_up(room, pool)
            return False
        return True


def give_up(room: Room, pool: int) -> bool:
    """Take everything from a pool that may be taken; whether there was something."""
    rows = [r for r in room.rows_of[pool] if room.kept[r] and not room.problem.row_locked[r]]
    room.drop_new(pool)
    for r in rows:
        room.keep(r, 0)
    return bool(rows)


def trim(room: Room, pool: int, units: int) -> None:
    """Give up kept units down to ``units``, a spread kept.

    First what is under most exceeded limits, then misfits, heavy and lonely ones.
    """
    problem = room.problem
    rows = [r for r in room.rows_of[pool] if room.kept[r] and not problem.row_locked[r]]
    if int(problem.topology[pool]) in SPREADS:
        _trim_spread(room, pool, units, rows, strict=False)
        return
    excess = room.held(pool) - units

    def worst(r: int) -> tuple[int, bool, int, int, int]:
        cell = int(problem.row_cell[r])
        over = sum(room.left[d] < 0 for d in room.forest.ancestors[int(problem.cell_domain[cell])])
        return (-over, bool(problem.row_fits[r]), -int(problem.row_watts[r]), int(room.kept[r]), -cell)

    for r in sorted(rows, key=worst):
        n = min(excess, int(room.kept[r]))
        if n > 0:
            room.keep(r, int(room.kept[r]) - n)
            excess -= n


def settle_spread(room: Room, pool: int) -> None:
    """Shrink a spread pool that was cut to the largest number whose split is allowed."""
    if int(room.problem.topology[pool]) in SPREADS:
        rows = [r for r in room.rows_of[pool] if room.kept[r] and not room.problem.row_locked[r]]
        cut = any(room.kept[r] < room.problem.row_units[r] for r in room.rows_of[pool])
        if cut or room.problem.uprooted[pool]:
            _trim_spread(room, pool, room.held(pool), rows, strict=True)


def _trim_spread(room: Room, pool: int, units: int, rows: list[int], *, strict: bool) -> None:
    """Down to the largest number whose split is allowed; where there is none, to nothing if ``strict``."""
    problem = room.problem
    topology, level = int(problem.topology[pool]), int(problem.topology_level[pool])
    k = int(problem.spread[pool])
    for r in rows if strict else []:
        if room.group(topology, level, int(problem.row_cell[r])) < 0:
            room.keep(r, 0)  # outside any place
    in_place: dict[int, int] = {}
    for cell, n in room.places(pool).items():
        spot = room.group(topology, level, cell)
        in_place[spot] = in_place.get(spot, 0) + n
    total = min(units, sum(in_place.values()))
    target = 0 if strict else total
    if len(in_place) >= k:
        splits = (
            n for n in range(total, k - 1, -1) if sum(min(c, -(-n // k)) for c in in_place.values()) >= n
        )
        target = next(splits, target)
    share = -(-target // k)
    excess = sum(in_place.values()) - target
    while excess > 0:
        # The fullest place first: no place above the share, none emptied while another has two.
        candidates = [r for r in rows if room.kept[r]]
        if not candidates:
            return
        r = max(
            candidates, key=lambda r: (in_place[room.group(topology, level, int(problem.row_cell[r]))], r)
        )
        spot = room.group(topology, level, int(problem.row_cell[r]))
        others = [n for d, n in in_place.items() if d != spot]
        step = 1 if in_place[spot] <= share else in_place[spot] - max([share, *others])
        step = max(1, min(step, excess, int(room.kept[r])))
        room.keep(r, int(room.kept[r]) - step)
        in_place[spot] -= step
        excess -= step
