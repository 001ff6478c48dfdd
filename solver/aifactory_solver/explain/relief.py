"""What would let a waiting pool in: limits raised, slots added, others gone. Asked of the engine's search."""

from bisect import bisect_left
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np

from aifactory_solver.problem import Ints
from aifactory_solver.strict.places import Ask, Finder
from aifactory_solver.strict.room import Room
from aifactory_solver.strict.search import fits
from aifactory_solver.strict.space import Space
from aifactory_solver.strict.trial import Amounts, Trial

_STEPS = 32  # priorities that are told apart; of more than that
_COARSE = 4  # steps from the lowest to the highest are, or a few more


class Relief:
    """Questions about one room, which must not change any more."""

    def __init__(self, room: Room) -> None:
        self.room, self.layout, self.problem = room, room.layout, room.problem
        self._trials: dict[int, Trial] = {}  # by system, so that none keeps up with changes for another
        self._spaces = {-1: room.space}  # by step: the room without all up to its priority
        self._known: dict[tuple[Any, ...], list[tuple[int, int]]] = {}  # of pools alike: (minimum, step)

    def least(self, ask: Ask, watts: Amounts, slots: Amounts) -> tuple[Amounts, Amounts] | None:
        """As little of these changes as lets the ask in: less of any single one does not. None: all do not.

        Limits are raised to what whole units need there, so a raise is lowered by whole units.
        """
        if ask.system not in self._trials:
            self._trials[ask.system] = Trial(self.layout, self.room.left, self.room.free)
        trial, watts, slots = self._trials[ask.system], dict(watts), dict(slots)
        trial.change(watts, slots, 1)
        finder = Finder.over(trial)
        possible = fits(finder, ask)
        if possible:
            for cell in sorted(slots):
                slots[cell] = _least(finder, ask, slots[cell], 1, partial(trial.extend, cell))
            for d in sorted(watts, key=lambda d: (watts[d], d)):
                each = self.layout.watts[ask.system][self.layout.factory[d]]
                watts[d] = _least(finder, ask, watts[d], each, partial(trial.widen, d))
        trial.change(watts, slots, -1)
        return _some(watts, slots) if possible else None

    def held_by(self, pool: int, asks: list[Ask]) -> int | None:
        """The lowest priority such that an ask fits where all other pools up to it are gone.

        Whether or not they may be taken from, and with what is planned for them. None where an ask fits as it
        is, or not even with all others gone. Very many priorities are rounded up.
        """
        low, high = -1, self._steps.size
        layout, known = self.layout, list[tuple[int, int]]()
        minimum, at = layout.minimum[pool], 0
        if not layout.spread[pool] and not self.room.held(pool):
            # What is enough for a larger minimum is enough for this one.
            place = (layout.signature[pool], layout.topology[pool], layout.level[pool])
            known = self._known.setdefault((*place, self.problem.systems[pool]), [])
            at = bisect_left(known, (minimum,))
            low = known[at - 1][1] if at else low
            high = known[at][1] if at < len(known) else high
        if low < high:
            while low < high:
                middle = (low + high) // 2
                if self._fits_without(middle, pool, asks):
                    high = middle
                else:
                    low = middle + 1
            known.insert(at, (minimum, low))
        return int(self._steps[low]) if 0 <= low < self._steps.size else None

    @cached_property
    def _held(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Everything that stands or is planned: priorities, cells, units that leave a slot, watts."""
        problem, kept = self.problem, self.room.kept
        some = np.flatnonzero(kept)
        new = [(p, c, n) for p, units in self.room.new.items() for c, n in units.items()]
        pools, cells, units = np.asarray(new, dtype=np.int64).reshape(-1, 3).T
        pool = np.concatenate((problem.row_pool[some], pools))
        cell = np.concatenate((problem.row_cell[some], cells))
        count = np.concatenate((kept[some], units))
        watts = count * np.concatenate((problem.row_watts[some], problem.cell_watts[cells]))
        return problem.priority[pool], cell, np.where(problem.cell_open[cell], count, 0), watts

    @cached_property
    def _steps(self) -> Ints:
        """Priorities that are looked at, ascending; of very many a coarse grid that takes all.

        It depends on the least and the greatest alone, so that a pool that comes or goes hardly changes what
        is said of those that it has nothing to do with.
        """
        values = np.unique(self._held[0])
        if values.size <= _STEPS:
            return values
        low, high = int(values[0]), int(values[-1])
        step = 1 << ((high - low) // _COARSE).bit_length()
        return np.minimum(np.arange(low // step * step, high + step, step), np.iinfo(np.int32).max)

    def _without(self, step: int) -> Space:
        """The room once all are gone up to a step's priority."""
        if step not in self._spaces:
            priority, cell, slots, watts = self._held
            gone = priority <= self._steps[step]
            amounts = np.zeros((2, self.problem.cells), dtype=np.int64)
            np.add.at(amounts[0], cell[gone], slots[gone])
            np.add.at(amounts[1], cell[gone], watts[gone])
            space = Space(self.layout, self.room.left, self.room.free)
            space.shift(amounts[0], amounts[1])
            self._spaces[step] = space
        return self._spaces[step]

    def _fits_without(self, step: int, pool: int, asks: list[Ask]) -> bool:
        """Whether an ask fits beside what the pool itself holds once all others up to a step are gone."""
        space, layout, room = self._without(step), self.layout, self.room
        own = list[tuple[int, int, int]]()
        if step >= 0 and layout.priority[pool] <= self._steps[step]:
            own = [(layout.row_cell[r], room.stays(r), layout.row_watts[r]) for r in room.rows_of[pool]]
            own += [(c, n, layout.cell_watts[c]) for c, n in room.new.get(pool, {}).items()]
        for sign in (1, -1):
            for cell, units, watts in own:
                space.use(cell, sign * units if layout.cell_open[cell] else 0, sign * units * watts)
            if sign > 0:
                found = any(fits(Finder.over(space), ask) for ask in asks)
        return found


def _least(finder: Finder, ask: Ask, most: int, step: int, add: Callable[[int], None]) -> int:
    """The least of one change, lowered step by step, that still lets the ask in; it is left so."""
    now = most

    def lower(steps: int) -> int:
        nonlocal now
        then = max(0, most - steps * step)
        if then != now:
            add(then - now)
            now = then
        return now

    def suffices(steps: int) -> bool:
        lower(steps)
        return fits(finder, ask)

    return lower(_most(-(-most // step), suffices))


def _some(*amounts: Amounts) -> tuple[Amounts, Amounts]:
    first, second = ({key: n for key, n in some.items() if n} for some in amounts)
    return first, second


def _most(units: int, good: Callable[[int], bool]) -> int:
    """The most units, at most so many, up to which all is good; 0 is known to be. Mostly it is 0."""
    if units < 1 or not good(1):
        return 0
    low, high = 1, units
    while low < high:
        middle = (low + high + 1) // 2
        if good(middle):
            low = middle
        else:
            high = middle - 1
    return low
