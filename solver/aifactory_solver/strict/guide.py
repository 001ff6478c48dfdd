"""What the engine of strict priority follows where it has a choice.

A guide never decides who is served, nor whether something fits: that is the engine's alone. It says in which
order pools of a plan are asked, and orders a pool's systems, factories and cells.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from aifactory_solver.strict.layout import Layout, Units

Choices = list[list[int]]  # factories, those of equal rank together, best first; some may be empty


class Guide:
    """The problem's own order: systems as the pool lists them, factories by money and carbon."""

    def __init__(
        self,
        layout: Layout,
        first: frozenset[int] = frozenset(),
        cells: dict[int, Units] | None = None,
        *,
        released: Mapping[int, int] = MappingProxyType({}),
    ):
        """``first``: pools that are asked before all others; ``cells``: where pools should stand exactly.

        ``released``: rows that will have to give way, and how many units of each stay at most until their
        pool's turn.
        """
        self.layout = layout
        self.first = first
        self.released = released
        self._cells = cells or {}

    def turns(self, order: list[int]) -> list[int]:
        """The pools in the order in which they are asked: those that come first, large ones before small.

        Among equals that wait, those that should stand somewhere are asked before those that should not, who
        would take their room.
        """
        if self._cells:
            problem, turns = self.layout.problem, np.asarray(order, dtype=np.int64)
            rank = np.full(problem.pools, 2)
            rank[list(self._cells)] = 1
            rank[problem.row_pool] = 0
            order = turns[np.lexsort((rank[turns], -problem.priority[turns]))].tolist()
        return self.early(order)

    def early(self, order: list[int]) -> list[int]:
        """An order with the pools that come first before all others."""
        if not self.first:
            return order
        least = self.layout.minimum
        early = sorted(self.first, key=lambda p: (-least[p], p))
        return [*early, *(p for p in order if p not in self.first)]

    def systems(self, pool: int) -> Sequence[int]:
        """The pool's systems, best first."""
        return self.layout.problem.systems[pool]

    def factories(self, pool: int, system: int, units: int) -> Choices:
        """The factories for so many units."""
        return self.layout.classes(pool, system)

    def cells(self, pool: int) -> Units:
        """Cells that would be best for a pool that holds nothing; none where any will do."""
        return self._cells.get(pool, {})

    def took(self, pool: int, cell: int, units: int) -> None:
        """Units were placed; below zero they were taken back."""
