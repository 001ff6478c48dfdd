"""Placing beyond the limits: where the units that do not fit would cost the least.

What fits is placed, the rest is placed where it exceeds the fewest limits by the fewest watts.
"""

from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heapreplace

from aifactory_solver.strict.layout import Units
from aifactory_solver.strict.room import Room

_Score = tuple[int, int, int]  # limits that the next unit in a cell exceeds, watts by which, the cell


@dataclass(frozen=True, eq=False)
class Target:
    """Cells among which units are placed, in the orders in which they come first while nothing is placed."""

    roomy: list[tuple[int, int]]  # (units that fit, below zero, cell), where any fit
    light: list[_Score]  # cells with a free slot
    every: list[_Score]  # all cells


class Stretch:
    """Places units beyond the limits of one room, which must not change any more."""

    def __init__(self, room: Room) -> None:
        self.room, self.layout = room, room.layout

    def target(self, cells: list[int]) -> Target:
        """Some cells as a place for units."""
        free, (fits, limits, watts) = self.room.space.free, self._scores
        keys = sorted([(limits[c], watts[c], c) for c in cells])
        return Target(
            roomy=sorted([(-fits[c], c) for c in cells if fits[c] > 0]),
            light=[key for key in keys if free[key[2]] > 0],
            every=keys,
        )

    @cached_property
    def _scores(self) -> tuple[list[int], list[int], list[int]]:
        """By cell: units that fit; limits that one more unit exceeds, and the watts by which."""
        layout = self.layout
        cells = range(self.room.problem.cells)
        nothing: dict[int, int] = {}
        scores = [self._score(c, nothing) for c in cells]
        free, left = self.room.space.free, self.room.space.left
        fits = [
            max(0, min(free[c], min([left[d] for d in layout.chains[c]]) // layout.cell_watts[c]))
            for c in cells
        ]
        return fits, [limits for limits, _ in scores], [watts for _, watts in scores]

    def _lightest(self, heap: list[_Score], used: dict[int, int]) -> int:
        """The cell whose next unit exceeds the fewest limits by the fewest watts, in a heap of old scores."""
        while True:
            cell = heap[0][2]
            score = (*self._score(cell, used), cell)
            if score == heap[0]:
                return cell
            heapreplace(heap, score)

    def _score(self, cell: int, used: dict[int, int]) -> tuple[int, int]:
        """How many limits the next unit in a cell exceeds, and by how many watts, once some are used."""
        left, watts, limits, total = self.room.space.left, self.layout.cell_watts[cell], 0, 0
        for d in self.layout.chains[cell]:
            over = watts - left[d] + used.get(d, 0)
            if over > 0:
                limits += 1
                total += over
        return limits, total

    def place(self, targets: list[tuple[Target, int]]) -> tuple[dict[int, int], Units]:
        """Place so many units on each target: (watts used by domain, slots that are missing by cell)."""
        layout, left, slots = self.layout, self.room.space.left, self.room.space.free
        used: dict[int, int] = {}
        taken: dict[int, int] = {}
        short = Units()

        def place(cell: int, n: int) -> None:
            taken[cell] = taken.get(cell, 0) + n
            watts = n * layout.cell_watts[cell]
            for d in layout.chains[cell]:
                used[d] = used.get(d, 0) + watts

        for target, units in targets:
            # What was placed makes the scores of cells only worse, so one that is as it was comes first.
            rest, roomy = units, target.roomy.copy()
            while rest and roomy:
                cell = roomy[0][1]
                room = min([left[d] - used.get(d, 0) for d in layout.chains[cell]])
                fits = min(slots[cell] - taken.get(cell, 0), room // layout.cell_watts[cell])
                if fits <= 0:
                    heappop(roomy)
                elif -fits != roomy[0][0]:
                    heapreplace(roomy, (-fits, cell))
                else:
                    n = min(rest, fits)
                    place(cell, n)
                    rest -= n
            if not rest:
                continue
            # No unit fits any more: exceed the fewest limits by the fewest watts.
            light = target.light.copy()
            while rest and light:
                cell = self._lightest(light, used)
                n = min(rest, slots[cell] - taken.get(cell, 0))
                if n > 0:
                    place(cell, n)
                    rest -= n
                else:
                    heappop(light)
            # No slot is left either: more of them where no limit is exceeded, the rest where it is least.
            every = target.every.copy()
            while rest:
                cell = self._lightest(every, used)
                room = min([left[d] - used.get(d, 0) for d in layout.chains[cell]])
                n = min(rest, room // layout.cell_watts[cell]) if room >= layout.cell_watts[cell] else rest
                place(cell, n)
                short[cell] = short.get(cell, 0) + n
                rest -= n
        return used, short
