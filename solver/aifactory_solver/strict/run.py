"""One solve: the room, what was decided on the way, and the small questions that every step asks."""

from collections.abc import Set

import numpy as np

from aifactory_solver.strict.giving import settle_spread
from aifactory_solver.strict.layout import Units
from aifactory_solver.strict.places import Ask, Finder
from aifactory_solver.strict.room import Room


class Run:
    """What the steps of one solve share."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.layout = room.layout
        self.problem = problem = room.problem
        # Pools that lost something to a limit or a drain, now or in a cycle that was cut off.
        self.displaced = set(np.flatnonzero(problem.uprooted).tolist())
        self.settled: set[int] = set()  # moved to where their changed spec wants them; the new place stands
        waits = np.ones(problem.pools, dtype=np.bool_)
        waits[problem.row_pool] = False
        # Higher priority first; standing before waiting; large before small; older before younger.
        turns = (problem.age, -problem.minimum, waits, -problem.priority)
        self.order: list[int] = room.guide.turns(np.lexsort(turns).tolist())
        self.vacating = bool(room.leaving.any() or problem.cell_leaving.any())
        self._fresh: dict[int, list[Ask]] = {}  # what pools of which nothing stood ask for
        self._finders = {True: Finder.over(room.space)}

    def below_minimum(self, p: int) -> bool:
        """Whether the pool's minimum is not served."""
        room, minimum = self.room, self.layout.minimum[p]
        return minimum > 0 and (room.gpus_of[p] < minimum or room.held(p) < self.layout.spread[p])

    def fixed(self, p: int) -> Units:
        """Cell by cell what the pool holds that nothing may change."""
        layout, units = self.layout, Units()
        for r in self.room.rows_of[p]:
            if layout.row_locked[r] and self.room.stays(r):
                cell = layout.row_cell[r]
                units[cell] = units.get(cell, 0) + self.room.stays(r)
        return units

    def cut(self, p: int) -> bool:
        """Whether the pool lost units in this solve, or is being re-placed."""
        return p in self.displaced or self.room.kept_of[p] < self.room.stood_of[p]

    def misfits(self, p: int) -> bool:
        """Whether the pool still stands where its changed spec does not want it."""
        layout, room = self.layout, self.room
        return layout.changed[p] and any(
            room.stays(r) and not layout.row_fits[r] and not layout.row_locked[r] for r in room.rows_of[p]
        )

    def former(self, p: int) -> Units:
        """Where the pool stood and does not any more, if it may come back as new."""
        layout, room, former = self.layout, self.room, Units()
        if room.kept_of[p] < room.stood_of[p]:
            for r in room.rows_of[p]:
                lost, cell = layout.row_units[r] - room.stays(r), layout.row_cell[r]
                if lost and layout.cell_open[cell] and not layout.row_leave[r]:
                    former[cell] = former.get(cell, 0) + lost
        return former

    def come_back(self, p: int, units: int) -> None:
        """Let a pool keep again what it gave up in this solve, as far as that fits, up to so many units."""
        room, layout = self.room, self.layout
        rows = room.rows_of[p]
        rest = units - room.held(p)
        for r in sorted(rows, key=layout.row_watts.__getitem__):
            cell = layout.row_cell[r]
            more = min(layout.row_units[r] - room.stays(r), rest)
            if layout.row_leave[r] or more <= 0:
                continue
            if layout.cell_open[cell]:
                more = min(more, room.space.free[cell])
            more = room.space.fitting(cell, layout.row_watts[r], more)
            if more > 0:
                room.keep(r, room.stays(r) + more)
                rest -= more

    def all_stay(self, but: Set[int] = frozenset()) -> None:
        """Let all pools `stay`, but some, in their turn."""
        problem = self.problem
        # From the others nothing was taken.
        some = (np.asarray(self.room.kept_of) < self.room.stood_of) | (
            problem.uprooted & (problem.spread > 0)
        )
        for p in np.asarray(self.order)[some[self.order]].tolist():
            if p not in but:
                self.stay(p)

    def stay(self, p: int) -> None:
        """Let a pool keep again what was taken from it and is free again, unless it has another place."""
        room, layout = self.room, self.layout
        rows = room.rows_of[p]
        if not rows or room.new_of[p] or p in self.settled:
            return
        stood, held = room.stood_of[p], room.held(p)
        wish = layout.wish(p, layout.cell_system[layout.row_cell[rows[0]]])
        never = 0 < wish < layout.spread[p] and not layout.frozen[p]  # could it stand so anew
        saved = room.save()
        self.come_back(p, stood if layout.frozen[p] or never else min(stood, max(wish, held)))
        settle_spread(room, p)
        if room.held(p) == stood and not self.problem.uprooted[p]:
            return  # just as it stood, be it below its minimum or in too few places
        if never or room.held(p) < held or self.below_minimum(p):
            room.load(saved)

    def asks(self, p: int, beside: Units, *, gpus: int = 0, grow: bool = False) -> list[Ask]:
        """What to look for beside what stays, best system first.

        The missing minimum, or enough for so many ``gpus``, or with ``grow`` the missing wish.
        """
        if not beside and not gpus and not grow and not self.room.stood_of[p]:
            if p not in self._fresh:
                self._fresh[p] = self._asks(p, beside, 0, grow=False)
            return self._fresh[p]
        return self._asks(p, beside, gpus, grow=grow)

    def _asks(self, p: int, beside: Units, gpus: int, *, grow: bool) -> list[Ask]:
        layout, spread = self.layout, self.layout.spread[p]
        if layout.changed[p] and self._outside(p, beside):
            return []  # what its own spec put outside any place comes along first
        stands = {layout.cell_system[c] for c in beside}
        former, have = self.former(p), sum(beside.values())
        lacking = self._places_lacking(p, beside) if spread and beside else 0
        asks = []
        guide = self.room.guide
        for system in guide.systems(p):
            if stands and stands != {system}:
                continue
            wish = layout.wish(p, system)
            if wish < spread:
                continue
            units = wish
            if not grow:
                # Where a spread pool stands in too few places, one unit in each of the others comes with it.
                least = max(layout.least(p, system), -(-gpus // layout.gpus[system]), have + lacking)
                units = min(wish, least)
            back = {c: n for c, n in former.items() if layout.cell_system[c] == system} if former else former
            asks.append(Ask(p, system, units - have, beside, back, wish - have, guide))
        return asks

    def spread_of(self, p: int, units: Units) -> dict[int, int]:
        """Units by place of a spread pool, -1 for those outside any; empty for other pools."""
        by_place = dict[int, int]()
        if self.layout.spread[p]:
            group = self.layout.group_of(self.layout.kind(p))
            for cell, n in units.items():
                by_place[group[cell]] = by_place.get(group[cell], 0) + n
        return by_place

    def even(self, p: int, beside: Units, found: Units) -> bool:
        """Whether no place of a spread pool ends above its share."""
        held = self.spread_of(p, {c: beside.get(c, 0) + found.get(c, 0) for c in (*beside, *found)})
        return not held or max(held.values()) <= -(-sum(held.values()) // self.layout.spread[p])

    def _outside(self, p: int, beside: Units) -> bool:
        return -1 in self.spread_of(p, beside)

    def _places_lacking(self, p: int, beside: Units) -> int:
        held = self.spread_of(p, beside).keys() - {-1}
        return self.layout.spread[p] - len(held) if held else 0

    def finder(self, *, wait: bool = True) -> Finder:
        """The room that is free; with ``wait`` also what is still being vacated."""
        if wait not in self._finders:
            self._finders[wait] = Finder.over(self.room.there)
        return self._finders[wait]

    def vacate(self, p: int) -> int:
        """Take all standing units from a pool that may be taken; a mark that gives them back."""
        saved = self.room.save()
        for r in self.room.rows_of[p]:
            if not self.layout.row_locked[r]:
                self.room.keep(r, 0)
        return saved
