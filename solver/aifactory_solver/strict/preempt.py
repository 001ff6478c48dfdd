"""Taking from lower pools: how little has to go so that a minimum gains its place."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from aifactory_solver.problem import Ints, Topology
from aifactory_solver.strict.giving import give_up, settle_spread
from aifactory_solver.strict.layout import Units
from aifactory_solver.strict.places import Ask, Finder
from aifactory_solver.strict.room import Room
from aifactory_solver.strict.search import find, fits
from aifactory_solver.strict.space import Space

_EQUALS = 12  # pools that are tried in the stead of one that has to go
_STAGES = 8  # of what may be taken, looked at to find the cheapest victims
_FEW = 100  # rows that are given back one by one
_ENDLESS = 1 << 62


@dataclass(frozen=True)
class _Stage:
    """Part of what may be taken: growth (or everything) of the pools up to a priority.

    Of those of just that priority, everything only of pools that hold at most so many GPUs.
    """

    whole: bool
    priority: int
    largest: int = _ENDLESS


class _Victims:
    """The rows that may be taken from, the lowest priority first."""

    def __init__(self, room: Room, below: int) -> None:
        layout, takeable = room.layout, room.layout.takeable
        kept = room.kept[takeable.rows[:below]]
        live = np.flatnonzero(kept)
        self.room = room
        self.kept = kept[live]
        self.rows, self.pool, self.cell = takeable.rows[live], takeable.pool[live], takeable.cell[live]
        self.watts, self.open, self.priority = (
            takeable.watts[live],
            takeable.open[live],
            takeable.priority[live],
        )
        held = (np.asarray(room.kept_of) + np.asarray(room.new_of))[self.pool]
        self.gpus = held * room.problem.system_gpus[room.problem.cell_system[self.cell]]  # of the whole pool
        self.growth = np.clip(held - takeable.least[live], 0, self.kept)  # units above the pool's minimum
        self.factory = layout.factory_of_cell[self.cell]
        self._sorted = np.argsort(self.cell, kind="stable")
        self._ends = np.cumsum(np.bincount(self.cell, minlength=room.problem.cells))

    def gone(self, stage: _Stage) -> Ints:
        """Units that are gone of each row."""
        first, last = np.searchsorted(self.priority, (stage.priority, stage.priority + 1)).tolist()
        gone: Ints = self.growth.copy() if stage.whole else np.zeros_like(self.growth)
        gone[:last] = (self.kept if stage.whole else self.growth)[:last]
        if stage.largest < _ENDLESS:
            here = slice(first, last)
            gone[here] = np.where(self.gpus[here] <= stage.largest, self.kept[here], self.growth[here])
        return gone

    def sizes(self, priority: int) -> list[int]:
        """GPUs that pools of a priority hold, ascending."""
        first, last = np.searchsorted(self.priority, (priority, priority + 1)).tolist()
        return list(np.unique(self.gpus[first:last]).tolist())

    def release(self, space: Space, gone: Ints) -> None:
        """Give back so many units of each row."""
        some = np.flatnonzero(gone)
        slots = np.where(self.open, gone, 0)
        if len(some) <= _FEW:
            each = zip(
                self.cell[some].tolist(),
                slots[some].tolist(),
                (gone * self.watts)[some].tolist(),
                strict=True,
            )
            for cell, units, watts in each:
                space.use(cell, -units, -watts)
            return
        space.shift(self._by_cell(slots), self._by_cell(gone * self.watts))

    def _by_cell(self, amounts: Ints) -> Ints:
        running = np.concatenate(([0], np.cumsum(amounts[self._sorted])))[self._ends]
        return np.diff(running, prepend=0)


@dataclass(slots=True)
class _Victim:
    """A pool that may have to give way."""

    pool: int
    priority: int
    stood: int  # GPUs
    age: int
    gpus: int  # of a unit
    had: int  # units
    least: int  # it keeps its minimum or nothing; if it stood below that, all that stood or nothing
    rows: list[tuple[int, int]]  # row, units


def _value(victim: _Victim) -> tuple[int, int, int]:
    """Sort key: who keeps first. Higher priority, then more GPUs (so the fewest are lost), then older."""
    return (-victim.priority, -victim.stood, victim.age)


def _moved_back(victims: list[_Victim], pool: int) -> list[_Victim]:
    """The same order, but one pool comes last."""
    return sorted(victims, key=lambda victim: victim.pool == pool)


class Preemption:
    """One pool's search for victims among the pools of strictly lower priority."""

    def __init__(self, room: Room, pool: int) -> None:
        self.room = room
        self.layout = room.layout
        self.pool = pool
        self.priority = room.layout.priority[pool]
        self.below = int(np.searchsorted(room.layout.takeable.priority, self.priority))

    @property
    def possible(self) -> bool:
        """Whether there is anybody to take from."""
        return self.below > 0

    def find(self, asks: list[Ask]) -> tuple[Ask, Units] | None:
        """The first ask that fits after taking as little as possible; nothing is taken yet.

        Growth goes before minima, low priorities before high ones, and small pools before large ones of one
        priority; so the stages are nested and the first one that suffices is found by bisection.
        """
        beneath = Finder.over(self.room.beneath(self.priority))
        asks = [ask for ask in asks if fits(beneath, ask)]
        if not asks:
            return None
        self.victims = victims = _Victims(self.room, self.below)
        levels = np.unique(victims.priority).tolist()
        stages = [_Stage(False, v) for v in levels] + [_Stage(True, v) for v in levels]
        there = np.zeros(self.layout.factories, dtype=np.bool_)
        there[[f for ask in asks for f in beneath.factories(ask)]] = True
        concerned = there[victims.factory]
        finder, gone = Finder.over(self.room.space.copy()), np.zeros_like(victims.kept)

        def suffices(stage: _Stage) -> bool:
            nonlocal gone
            then = np.where(concerned, victims.gone(stage), 0)
            victims.release(finder.space, then - gone)
            gone = then
            return any(fits(finder, ask) for ask in asks)

        low = bisect_left(stages, True, hi=len(stages) - 1, key=suffices)
        lower, self.stage = stages[:low], stages[low]
        if self.stage.whole:
            sizes = victims.sizes(self.stage.priority)
            parts = [_Stage(True, self.stage.priority, size) for size in sizes]
            part = bisect_left(parts, True, hi=len(parts) - 1, key=suffices)
            lower, self.stage = lower + parts[:part], parts[part]
        suffices(self.stage)
        for ask in asks:
            found = find(finder, ask)
            if found is not None:
                return ask, self._cheapest(ask, found, lower)
        return None

    def _cheapest(self, ask: Ask, found: Units, lower: list[_Stage]) -> Units:
        """The same ask in the same group, in the room of the cheapest victims as far as that goes.

        What the limits allow can be filled up in any order, so taking the most from each stage in turn
        costs nothing later. Of many stages only some are looked at.
        """
        layout, victims, group = self.layout, self.victims, -1
        if layout.spread[ask.pool]:
            return found
        nearby = np.ones(len(victims.kept), dtype=np.bool_)
        if layout.topology[ask.pool] != Topology.NONE:
            group = layout.group_of(layout.kind(ask.pool))[next(iter(found))]
            nearby = victims.factory == layout.factory[group]
        some = lower[:: max(1, len(lower) // _STAGES)]
        finder = Finder.over(self.room.space.copy())
        gone, units, rest = np.zeros_like(victims.kept), Units(), ask.units
        for stage in [None, *some, self.stage]:
            if stage is not None:
                more_gone = np.where(nearby, victims.gone(stage), 0)
                victims.release(finder.space, more_gone - gone)
                gone = more_gone
            more = finder.fill_most(ask, group, rest)
            for cell, n in more.items():
                finder.take(cell, n)
                units[cell] = units.get(cell, 0) + n
            rest -= sum(more.values())
        return units

    def take(self, ask: Ask, units: Units) -> None:
        """Place the units and give back to the victims whatever still fits, the most valuable first.

        Where some pool has to go, each of its equals is also tried in its stead, for the fewest GPUs lost.
        """
        room = self.room
        near = self._near(units)
        room.add(ask.pool, units)
        victims = sorted((self._victim(q) for q in near if self._in_the_way(q)), key=_value)
        for victim in victims:
            give_up(room, victim.pool)
        start = room.save()
        gone = self._share_out(victims)
        if not gone:
            return
        margin = max(victim.priority for victim in gone)
        equals = sorted((self._victim(q) for q in near if self.layout.priority[q] == margin), key=_value)
        in_the_way = {victim.pool for victim in victims}
        last = [q.pool for q in equals[:_EQUALS] if q.pool in in_the_way]
        ways = [victims] + [_moved_back(victims, q) for q in last]
        losses = [self._lost(victims)]
        for way in ways[1:]:
            room.load(start)
            self._share_out(way)
            losses.append(self._lost(victims))
        best = losses.index(min(losses))
        if best < len(ways) - 1:
            room.load(start)
            self._share_out(ways[best])

    def _near(self, units: Units) -> list[int]:
        """Victims with something in a factory that the units go to; the others cannot be in the way."""
        victims, stage, problem = self.victims, self.stage, self.room.problem
        there = np.zeros(self.layout.factories, dtype=np.bool_)
        there[[self.layout.cell_factory[cell] for cell in units]] = True
        near = np.zeros(problem.pools, dtype=np.bool_)
        near[victims.pool if stage.whole else victims.pool[victims.priority <= stage.priority]] = True
        rows = near[problem.row_pool] & (self.room.kept > 0) & there[self.layout.factory_of_row]
        return sorted(set(problem.row_pool[rows].tolist()))

    def _in_the_way(self, pool: int) -> bool:
        """Whether a victim stands where there is now too little; all others keep what they have anyway."""
        room, layout, space = self.room, self.layout, self.room.space
        cut = room.kept_of[pool] < room.stood_of[pool] or bool(room.problem.uprooted[pool])
        if room.new_of[pool] or (layout.spread[pool] and cut):
            return True  # may lose more than what others need
        left, free = space.left, space.free
        for r in room.rows_of[pool]:
            if room.stays(r):
                cell = layout.row_cell[r]
                if free[cell] < 0 or min([left[d] for d in layout.chains[cell]]) < 0:
                    return True
        return False

    def _victim(self, pool: int) -> _Victim:
        room, layout = self.room, self.layout
        rows = room.rows_of[pool]
        system = layout.cell_system[layout.row_cell[rows[0]]]
        had, gpus = room.kept_of[pool], layout.gpus[system]
        return _Victim(
            pool,
            layout.priority[pool],
            room.stood_of[pool] * gpus,
            layout.age[pool],
            gpus,
            had,
            min(had, layout.least(pool, system)),
            [(r, room.stays(r)) for r in rows],
        )

    def _share_out(self, victims: list[_Victim]) -> list[_Victim]:
        """Give back in this order, minima before growth; the pools that got nothing."""
        room = self.room
        keepers = [victim for victim in victims if self._give_back(victim, victim.least, whole=True)]
        for victim in keepers:
            if victim.least < victim.had:
                self._give_back(victim, victim.had, whole=False)
            settle_spread(room, victim.pool)
            if room.held(victim.pool) < victim.least:
                give_up(room, victim.pool)
        return [victim for victim in victims if victim.least and not room.held(victim.pool)]

    def _lost(self, victims: list[_Victim]) -> list[tuple[int, int]]:
        """What a way of giving back costs, in the order in which costs matter: minima, then growth."""
        minima: dict[int, int] = {}
        growth: dict[int, int] = {}
        for victim in victims:
            has, v = self.room.held(victim.pool), -victim.priority
            minima[v] = minima.get(v, 0) + max(0, victim.least - has) * victim.gpus
            growth[v] = growth.get(v, 0) + (victim.had - max(has, victim.least)) * victim.gpus
        return [(v, minima[v]) for v in sorted(minima)] + [(v, growth[v]) for v in sorted(growth)]

    def _give_back(self, victim: _Victim, units: int, *, whole: bool) -> bool:
        """Let a pool keep up to ``units`` of what it had; ``whole``: all of them or nothing."""
        room, layout, space = self.room, self.layout, self.room.space
        rest = units - room.kept_of[victim.pool]
        for r, had in victim.rows:
            if rest <= 0:
                break
            cell, stays = layout.row_cell[r], room.stays(r)
            more = min(had - stays, rest)
            if layout.cell_open[cell]:
                more = min(more, space.free[cell])
            if more > 0:
                more = space.fitting(cell, layout.row_watts[r], more)
                if more:
                    room.keep(r, stays + more)
                    rest -= more
        if whole and rest > 0:
            give_up(room, victim.pool)
            return False
        return True
