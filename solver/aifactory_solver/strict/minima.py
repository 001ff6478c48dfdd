"""Minima: each in its place, priority by priority from the highest."""

from collections.abc import Iterator

import numpy as np

from aifactory_solver.strict.giving import give_up, settle_spread
from aifactory_solver.strict.layout import Units
from aifactory_solver.strict.moving import Moving
from aifactory_solver.strict.places import Ask, Finder
from aifactory_solver.strict.preempt import Preemption
from aifactory_solver.strict.run import Run
from aifactory_solver.strict.search import find, fits


class Minima:
    """Serves the minima of one solve.

    At its turn a pool is placed wherever that is possible at all: in free room, then by taking from lower
    pools. A pool that goes whole or moves may free room for one that was asked before it; then all are asked
    again, with those decisions standing. After the second time only those from the first one on that may now
    be served: large fleets need some ten times, and hardly anything changes before it.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.room = run.room
        self.layout = run.layout
        self.problem = run.problem
        self.freed = False  # somebody went or moved in this pass, for the first time
        self._asked_again = False
        self._went: set[int] = set()
        self._moving = Moving(run, self._place, self._settle)

    def place(self) -> None:
        """Serve what can be served, then let pools move whose own spec asks for another place."""
        while True:
            while True:
                self.freed = False
                served = [self._place(p) for p in self._concerned()]
                if not self.freed or all(served):
                    break
                self._ask_again()
            if not self._moving.move() and not self._moving.give_way():
                return
            self._ask_again()

    def _ask_again(self) -> None:
        """Take back what was newly given, but not from pools that moved for good.

        And give back what was taken for it: another may be taken from this time.
        """
        room, order = self.room, self.run.order
        given = {p: room.new[p].copy() for p in order if room.new_of[p] and p not in self.run.settled}
        for p in given:
            room.drop_new(p)
        for p in order if self._asked_again else ():
            room.add(p, given.get(p, {}))
            if self._may_be_served(p):
                if p in given:
                    room.drop_new(p)
                break
        self._asked_again = True
        self.run.all_stay(but=self._went | self.run.displaced)

    def _may_be_served(self, p: int) -> bool:
        """Whether a pool that waits might fit, given what it may take and what those after it have.

        One that fits only where it stood and nothing new may be placed comes back in the end (`all_stay`).
        """
        room, layout = self.room, self.layout
        if layout.frozen[p] or not self.run.below_minimum(p):
            return False
        return bool(room.held(p)) or layout.changed[p] or self._fits_beneath(p)

    def _fits_beneath(self, p: int) -> bool:
        """Whether a pool that holds nothing has a place where all that it may take is gone."""
        beneath = Finder.over(self.room.beneath(self.layout.priority[p]))
        return any(fits(beneath, ask) for ask in self.run.asks(p, {}))

    def _concerned(self) -> Iterator[int]:
        """In their turn all pools but those that are served and stay untouched until then."""
        room, problem = self.room, self.problem
        held = np.asarray(room.kept_of) + np.asarray(room.new_of)
        below = (np.asarray(room.gpus_of) < problem.minimum) | (held < problem.spread)
        below &= problem.minimum > 0
        below[list(self.run.displaced)] = True
        room.touched[:] = below.tobytes()
        return (p for p in self.run.order if room.touched[p])

    def _place(self, p: int) -> bool:
        """Serve one pool's minimum if that is possible; whether it is served."""
        run, room, layout = self.run, self.room, self.layout
        if layout.spread[p] and run.cut(p) and not self._mend(p):
            before = room.held(p)
            settle_spread(room, p)
            if room.held(p) < before:
                self._leaves(p)
        below = run.below_minimum(p)
        if below and run.cut(p):
            self._return(p)
            below = run.below_minimum(p)
        if layout.frozen[p]:
            if below and run.cut(p):
                self._give_up(p)
            return True
        if not below:
            if p in run.displaced and p not in run.settled:
                self._keep_size(p)
            return True
        held = room.places(p)
        if not held and self._as_meant(p):
            return True
        moving = layout.changed[p] and p not in run.settled
        if not held and not moving and not self._fits_beneath(p):
            return False  # most of those that wait, so worth the question
        misfits = moving and run.misfits(p)
        around = [] if misfits else run.asks(p, held)
        movable = run.cut(p) or moving
        fixed = run.fixed(p)
        whole = run.asks(p, fixed) if movable and held != fixed else []
        if self._in_free_room(p, around, whole) or self._by_preemption(p, around, whole):
            return True
        beside = run.asks(p, held) if misfits else []  # as long as no place fits all of it
        if beside and (self._in_free_room(p, beside, []) or self._by_preemption(p, beside, [])):
            return True
        if held and run.cut(p) and not self._stands_as_before(p):
            self._give_up(p)
        return False

    def _stands_as_before(self, p: int) -> bool:
        """Whether all that stood stands again, be it below the minimum: then nothing was taken from it."""
        return self.room.held(p) == self.room.stood_of[p] and not self.problem.uprooted[p]

    def _return(self, p: int) -> None:
        """Where the pool stood it may stand again, as far as its minimum needs it."""
        room, layout = self.room, self.layout
        rows = [r for r in room.rows_of[p] if not layout.row_leave[r]]
        if rows and not room.new_of[p]:
            saved = room.save()
            least = layout.least(p, layout.cell_system[layout.row_cell[rows[0]]])
            self.run.come_back(p, least)
            if layout.spread[p]:
                settle_spread(room, p)
                if room.held(p) < least:
                    room.load(saved)

    def _mend(self, p: int) -> bool:
        """A spread pool that was cut finds other places beside what it keeps, so that this can stay."""
        run, room, layout = self.run, self.room, self.layout
        held, system = room.places(p), room.system(p)
        if system is None or room.new_of[p] or layout.frozen[p] or layout.changed[p]:
            return False
        by_place, k = run.spread_of(p, held), layout.spread[p]
        if -1 in by_place:
            return False
        even = k * (max(by_place.values()) - 1) + 1  # the fewest units of which this is a share
        for units in (room.stood_of[p] + int(self.problem.displaced[p]), even):
            for ask in run.asks(p, held, gpus=max(units, even) * layout.gpus[system]):
                found = find(run.finder(), ask) if ask.units > 0 else None
                if found is not None and run.even(p, held, found):
                    room.add(p, found)
                    return True
        least = run.asks(p, held)
        if run.below_minimum(p) and all(sum(held.values()) + ask.units >= even for ask in least):
            return self._by_preemption(p, least, [])
        return False

    def _keep_size(self, p: int) -> None:
        """Moving is milder than shrinking: what a limit or a drain cut finds free room elsewhere.

        And staying is milder than moving: some of it may fit again where it was.
        """
        run, room, layout = self.run, self.room, self.layout
        if not room.stood_of[p] or layout.spread[p] or room.new_of[p]:
            return
        system = layout.cell_system[layout.row_cell[room.rows_of[p][0]]]
        wish = layout.wish(p, system)
        run.come_back(p, min(room.stood_of[p], wish))
        stood = room.stood_of[p] + int(self.problem.displaced[p])
        gpus = min(stood, wish) * layout.gpus[system]
        for ask in run.asks(p, room.places(p), gpus=gpus):
            if ask.system == system:
                found = find(run.finder(), ask) if ask.units > 0 else {}
                if found is not None:
                    room.add(p, found)
                    return
        if layout.topology[p] and not run.fixed(p):
            saved = run.vacate(p)
            for ask in run.asks(p, {}, gpus=gpus):
                found = find(run.finder(), ask) if ask.system == system else None
                if found is not None:
                    room.add(p, found)
                    self._leaves(p)
                    return
            room.load(saved)

    def _as_meant(self, p: int) -> bool:
        """Place a pool that holds nothing exactly where its guide wants it, if that serves and fits."""
        layout, cells = self.layout, self.room.guide.cells(p)
        systems = {layout.cell_system[cell] for cell in cells}
        if len(systems) != 1 or not self._fit(cells):
            return False
        (system,) = systems
        if sum(cells.values()) < min(layout.wish(p, system), layout.least(p, system)):
            return False
        self.room.add(p, cells)
        return True

    def _in_free_room(self, p: int, around: list[Ask], whole: list[Ask]) -> bool:
        # Room that is there, then also room that is being vacated.
        for wait in (False, True) if self.run.vacating else (True,):
            for ask in around:
                found = find(self.run.finder(wait=wait), ask)
                if found is not None:
                    self.room.add(p, found)
                    return True
            if whole:
                saved = self.run.vacate(p)
                for ask in whole:
                    found = find(self.run.finder(wait=wait), ask)
                    if found is not None:
                        self._settle(p, found)
                        return True
                self.room.load(saved)
        return False

    def _fit(self, cells: Units) -> bool:
        """Whether exactly these units fit into free room."""
        space, layout = self.room.space, self.layout
        watts: dict[int, int] = {}
        for cell, n in cells.items():
            if space.free[cell] < n:
                return False
            for d in layout.chains[cell]:
                watts[d] = watts.get(d, 0) + n * layout.cell_watts[cell]
        return all(space.left[d] >= w for d, w in watts.items())

    def _by_preemption(self, p: int, around: list[Ask], whole: list[Ask]) -> bool:
        search = Preemption(self.room, p)
        if not search.possible:
            return False
        taken = search.find(around)
        if taken is not None:
            search.take(*taken)
            return True
        if whole:
            saved = self.run.vacate(p)
            taken = search.find(whole)
            if taken is not None:
                search.take(*taken)
                self._settle(p, {})
                return True
            self.room.load(saved)
        return False

    def _settle(self, p: int, found: Units) -> None:
        self.room.add(p, found)
        self._leaves(p)
        if self.layout.changed[p]:
            self.run.settled.add(p)

    def _give_up(self, p: int) -> None:
        if give_up(self.room, p):
            self._leaves(p)

    def _leaves(self, p: int) -> None:
        """A pool leaves its place. In the passes after this one, those before it find that place free."""
        self.freed = self.freed or p not in self._went
        self._went.add(p)
