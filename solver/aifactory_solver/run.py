"""One solve: the room, what was decided on the way, and the small questions that every step asks."""

import numpy as np

from aifactory_solver.places import Ask, Finder
from aifactory_solver.preempt import minimum_units, settle_spread
from aifactory_solver.room import Room, Units
from aifactory_solver.search import SPREADS


class Run:
    """What the steps of one solve share."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.problem = problem = room.problem
        # Pools that lost something to a limit or a drain, now or in a cycle that was cut off.
        self.displaced = set(np.flatnonzero(problem.uprooted).tolist())
        self.settled: set[int] = set()  # moved to where their changed spec wants them; the new place stands
        self.stood = {int(p) for p in np.unique(problem.row_pool)}
        self.order = sorted(range(problem.pools), key=self.turn)
        self.vacating = bool(room.leaving.any() or problem.cell_leaving.any())
        self._finders: dict[bool, Finder] = {}
        self._seen = -1  # version of the room that they search

    def turn(self, p: int) -> tuple[int, bool, int, int]:
        """Higher priority first; standing before waiting; large before small; older before younger."""
        problem = self.problem
        return (-int(problem.priority[p]), p not in self.stood, -int(problem.minimum[p]), int(problem.age[p]))

    def wish(self, p: int, system: int) -> int:
        """Units that cover all that the pool wishes for."""
        return -(-int(self.problem.need[p]) // int(self.problem.system_gpus[system]))

    def below_minimum(self, p: int) -> bool:
        """Whether the pool's minimum is not served."""
        system = self.room.system(p)
        if system is None:
            return bool(self.problem.minimum[p] > 0)
        return self.room.held(p) < minimum_units(self.room, p, system)

    def fixed(self, p: int) -> Units:
        """Cell by cell what the pool holds that nothing may change."""
        units = Units()
        for r in self.room.rows_of[p]:
            if self.problem.row_locked[r] and self.room.kept[r]:
                cell = int(self.problem.row_cell[r])
                units[cell] = units.get(cell, 0) + int(self.room.kept[r])
        return units

    def cut(self, p: int) -> bool:
        """Whether the pool lost units in this solve, or is being re-placed."""
        rows = self.room.rows_of[p]
        return p in self.displaced or any(self.room.kept[r] < self.problem.row_units[r] for r in rows)

    def misfits(self, p: int) -> bool:
        """Whether the pool still stands where its changed spec does not want it."""
        problem, kept = self.problem, self.room.kept
        return bool(problem.changed[p]) and any(
            kept[r] and not problem.row_fits[r] and not problem.row_locked[r] for r in self.room.rows_of[p]
        )

    def former(self, p: int) -> Units:
        """Where the pool stood and does not any more, if it may come back as new."""
        problem, former = self.problem, Units()
        for r in self.room.rows_of[p]:
            lost = int(problem.row_units[r] - self.room.kept[r])
            cell = int(problem.row_cell[r])
            if lost and problem.cell_open[cell] and not problem.row_leave[r]:
                former[cell] = former.get(cell, 0) + lost
        return former

    def come_back(self, p: int, units: int) -> None:
        """Let a pool keep again what it gave up in this solve, as far as that fits, up to so many units."""
        room, problem = self.room, self.problem
        system = int(problem.cell_system[problem.row_cell[room.rows_of[p][0]]])
        if self.wish(p, system) < problem.spread[p] and not problem.frozen[p]:
            return  # it can never stand again
        rest = units - room.held(p)
        for r in sorted(room.rows_of[p], key=lambda r: int(problem.row_watts[r])):
            cell = int(problem.row_cell[r])
            more = min(int(problem.row_units[r] - room.kept[r]), rest)
            if problem.row_leave[r] or more <= 0:
                continue
            if problem.cell_open[cell]:
                more = min(more, int(room.free[cell]))
            more = room.fitting(cell, int(problem.row_watts[r]), more)
            if more > 0:
                room.keep(r, int(room.kept[r]) + more)
                rest -= more

    def stay(self, p: int) -> None:
        """Let a pool keep again what was taken from it and is free again, unless it has another place."""
        room, problem = self.room, self.problem
        rows = room.rows_of[p]
        if not rows or room.new.get(p) or p in self.settled:
            return
        system = int(problem.cell_system[problem.row_cell[rows[0]]])
        before, held = {r: int(room.kept[r]) for r in rows}, room.held(p)
        stood = sum(int(problem.row_units[r]) for r in rows)
        self.come_back(p, stood if problem.frozen[p] else min(stood, max(self.wish(p, system), held)))
        settle_spread(room, p)
        if room.held(p) < held or self.below_minimum(p):
            self.restore(before)

    def asks(self, p: int, beside: Units, *, gpus: int = 0, grow: bool = False) -> list[Ask]:
        """What to look for beside what stays, best system first.

        The missing minimum, or enough for so many ``gpus``, or with ``grow`` the missing wish.
        """
        problem = self.problem
        stands = {int(problem.cell_system[c]) for c in beside}
        if problem.changed[p] and self._outside(p, beside):
            return []  # what its own spec put outside any place comes along first
        former, have = self.former(p), sum(beside.values())
        asks = []
        for system in problem.systems[p]:
            if stands - {system}:
                continue
            wish = self.wish(p, system)
            if wish < int(problem.spread[p]):
                continue
            least = max(minimum_units(self.room, p, system), -(-gpus // int(problem.system_gpus[system])))
            # Where a spread pool stands in too few places, one unit in each of the others comes with it.
            least = max(least, have + self._places_lacking(p, beside))
            units = wish if grow else min(wish, least)
            back = {c: n for c, n in former.items() if int(problem.cell_system[c]) == system}
            asks.append(Ask(p, system, units - have, beside, back, wish - have))
        return asks

    def spread_of(self, p: int, units: Units) -> dict[int, int]:
        """Units by place of a spread pool, -1 for those outside any; empty for other pools."""
        problem, by_place = self.problem, dict[int, int]()
        kind, level = int(problem.topology[p]), int(problem.topology_level[p])
        for cell, n in units.items() if kind in SPREADS else ():
            place = self.room.group(kind, level, cell)
            by_place[place] = by_place.get(place, 0) + n
        return by_place

    def _outside(self, p: int, beside: Units) -> bool:
        return -1 in self.spread_of(p, beside)

    def _places_lacking(self, p: int, beside: Units) -> int:
        held = self.spread_of(p, beside).keys() - {-1}
        return int(self.problem.spread[p]) - len(held) if held else 0

    def finder(self, *, wait: bool = True) -> Finder:
        """The room that is free; with ``wait`` also what is still being vacated."""
        room = self.room
        if self._seen != room.version:
            self._finders, self._seen = {}, room.version
        if wait not in self._finders:
            left, free = room.left, room.free
            if not wait:
                left, free = left - room.leaving, free - self.problem.cell_leaving
            self._finders[wait] = Finder(room, left, free)
        return self._finders[wait]

    def vacate(self, p: int) -> dict[int, int]:
        """Take all standing units from a pool that may be taken; what it had, for `restore`."""
        before = {r: int(self.room.kept[r]) for r in self.room.rows_of[p]}
        for r in before:
            if not self.problem.row_locked[r]:
                self.room.keep(r, 0)
        return before

    def restore(self, before: dict[int, int]) -> None:
        """Give standing units back."""
        for r, n in before.items():
            self.room.keep(r, n)
