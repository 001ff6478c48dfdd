"""The room below everything that may be taken by pools above some priority."""

from array import array
from bisect import bisect_left

import numpy as np

from aifactory_solver.strict.layout import Layout
from aifactory_solver.strict.space import Space

_MANY = 300  # rows that are taken away or put back at once


class Beneath:
    """A room from which all is gone that may be taken below a priority.

    What is taken from such pools changes nothing in it, so for most questions it stays as it is.
    """

    def __init__(self, layout: Layout, kept: "array[int]", space: Space) -> None:
        self._layout, self._kept, self.space = layout, kept, space
        self._rows: list[int] = layout.takeable.rows.tolist()
        self._priority: list[int] = layout.takeable.priority.tolist()
        self._rank: dict[int, int] = dict(zip(self._rows, range(len(self._rows)), strict=True))
        self._reached = 0  # so many of the rows are gone, the lowest first
        self._apart: dict[int, int] = {}  # factories where it is another number
        self._ranks: list[list[int]] = [[] for _ in range(layout.factories)]
        for rank, row in enumerate(self._rows):
            self._ranks[layout.cell_factory[layout.row_cell[row]]].append(rank)

    def gone(self, row: int) -> bool:
        """Whether a row counts as taken."""
        rank = self._rank.get(row)
        if rank is None:
            return False
        if self._apart:
            factory = self._layout.cell_factory[self._layout.row_cell[row]]
            return bool(rank < self._apart.get(factory, self._reached))
        return bool(rank < self._reached)

    def reach(self, priority: int) -> None:
        """Take away the rows below a priority, and no others."""
        for factory in list(self._apart):
            self._reach(factory, self._reached)
        self._apart.clear()
        reach = bisect_left(self._priority, priority)
        if reach == self._reached:
            return
        layout, sign = self._layout, -1 if reach > self._reached else 1
        among = slice(min(reach, self._reached), max(reach, self._reached))
        self._reached = reach
        if among.stop - among.start <= _MANY:
            self._use(sign, self._rows[among])
            return
        takeable = layout.takeable
        units = -sign * np.asarray(self._kept)[takeable.rows[among]]
        amounts = np.zeros((2, len(self.space.free)), dtype=np.int64)
        np.add.at(amounts[0], takeable.cell[among], np.where(takeable.open[among], units, 0))
        np.add.at(amounts[1], takeable.cell[among], units * takeable.watts[among])
        self.space.shift(amounts[0], amounts[1])

    def reach_in(self, priority: int, factories: list[int]) -> None:
        """The same in some factories; the others are as they are."""
        reach = bisect_left(self._priority, priority)
        for factory in factories:
            self._reach(factory, reach)

    def _reach(self, factory: int, reach: int) -> None:
        reached, ranks = self._apart.get(factory, self._reached), self._ranks[factory]
        if reach != reached:
            self._apart[factory] = reach
            low, high = bisect_left(ranks, min(reach, reached)), bisect_left(ranks, max(reach, reached))
            self._use(-1 if reach > reached else 1, [self._rows[rank] for rank in ranks[low:high]])

    def _use(self, sign: int, rows: list[int]) -> None:
        layout = self._layout
        for row in rows:
            units, cell = sign * self._kept[row], layout.row_cell[row]
            if units:
                self.space.use(cell, units if layout.cell_open[cell] else 0, units * layout.row_watts[row])
