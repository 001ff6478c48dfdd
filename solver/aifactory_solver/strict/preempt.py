"""Taking from lower pools: how little has to go so that a minimum gains its place."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from aifactory_solver.problem import Ints, Topology
from aifactory_solver.strict.layout import Units
from aifactory_solver.strict.places import Ask, Finder
from aifactory_solver.strict.room import Room
from aifactory_solver.strict.search import find, fits
from aifactory_solver.strict.sharing import Sharing, worth
from aifactory_solver.strict.space import Space

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
        """Place the units, and let those in the way keep what still fits beside them."""
        room = self.room
        near = self._near(units)
        room.add(ask.pool, units)
        over = set(np.flatnonzero(room.left < 0).tolist()), set(np.flatnonzero(room.free < 0).tolist())
        victims = [pool for pool in near if self._in_the_way(pool, *over)]
        Sharing(room, sorted(victims, key=lambda pool: worth(room, pool))).settle(near)

    def _near(self, units: Units) -> list[int]:
        """Victims with something in a factory that the units go to; the others cannot be in the way."""
        victims, stage, problem = self.victims, self.stage, self.room.problem
        there = np.zeros(self.layout.factories, dtype=np.bool_)
        there[[self.layout.cell_factory[cell] for cell in units]] = True
        near = np.zeros(problem.pools, dtype=np.bool_)
        near[victims.pool if stage.whole else victims.pool[victims.priority <= stage.priority]] = True
        rows = near[problem.row_pool] & (self.room.kept > 0) & there[self.layout.factory_of_row]
        return sorted(set(problem.row_pool[rows].tolist()))

    def _in_the_way(self, pool: int, over: set[int], full: set[int]) -> bool:
        """Whether a victim stands where there is now too little; all others keep what they have anyway.

        ``over``: domains with too few watts, ``full``: cells with too few slots.
        """
        room, layout = self.room, self.layout
        if room.new_of[pool]:
            return True  # may lose more than what others need
        for r in room.rows_of[pool]:
            if room.stays(r):
                cell = layout.row_cell[r]
                if cell in full or not over.isdisjoint(layout.chains[cell]):
                    return True
        return False
