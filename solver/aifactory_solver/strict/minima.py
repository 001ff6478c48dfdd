"""Minima: each in its place, priority by priority from the highest."""

from collections.abc import Iterator

import numpy as np

from aifactory_solver.strict.giving import give_up, settle_spread
from aifactory_solver.strict.hopeless import Given, Hopeless
from aifactory_solver.strict.layout import Units
from aifactory_solver.strict.places import Ask
from aifactory_solver.strict.preempt import Preemption
from aifactory_solver.strict.run import Run
from aifactory_solver.strict.search import find


class Minima:
    """Serves the minima of one solve.

    At its turn a pool is placed wherever that is possible at all: in free room, then by taking from lower
    pools. A pool that goes whole or moves may free room for one that was asked before it; then all are
    asked again, with those decisions standing.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.room = run.room
        self.layout = run.layout
        self.problem = run.problem
        self.freed = False  # somebody went or moved in this pass, for the first time
        self._went: set[int] = set()
        self._hopeless = Hopeless(run.room)

    def place(self) -> None:
        """Serve what can be served, then let pools move whose own spec asks for another place."""
        while True:
            while True:
                self.freed = False
                served = [self._place(p) for p in self._concerned()]
                if not self.freed or all(served):
                    break
                self._ask_again()
            if not self._moves():
                return
            self._ask_again()

    def _ask_again(self) -> None:
        """Take back what was newly given, but not to pools that moved for good.

        And give back what was taken for it: another may be taken from this time.
        """
        for p in [p for p in self.run.order if self.room.new_of[p]]:
            if p not in self.run.settled:
                self.room.drop_new(p)
        self.run.all_stay(but=self._went | self.run.displaced)

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
        moving = layout.changed[p] and p not in run.settled
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
        if held and run.cut(p):
            self._give_up(p)
        return False

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
                if found is not None and self._even(p, held, found):
                    room.add(p, found)
                    return True
        least = run.asks(p, held)
        if run.below_minimum(p) and all(sum(held.values()) + ask.units >= even for ask in least):
            return self._by_preemption(p, least, [])
        return False

    def _keep_size(self, p: int) -> None:
        """Moving is milder than shrinking: what a limit or a drain cut finds free room elsewhere."""
        run, room, layout = self.run, self.room, self.layout
        system = room.system(p)
        if system is None or layout.spread[p] or room.new_of[p]:
            return
        stood = room.stood_of[p] + int(self.problem.displaced[p])
        gpus = min(stood, layout.wish(p, system)) * layout.gpus[system]
        for ask in run.asks(p, room.places(p), gpus=gpus):
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

    def _in_free_room(self, p: int, around: list[Ask], whole: list[Ask]) -> bool:
        cells = self.room.guide.cells(p)
        if cells and any(self._answers(cells, ask) for ask in around) and self._fit(cells):
            self.room.add(p, cells)
            return True
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

    def _answers(self, cells: Units, ask: Ask) -> bool:
        """Whether these units are of the system and as many as a pool asks for that has no others."""
        systems = {self.layout.cell_system[cell] for cell in cells}
        return not ask.beside and systems == {ask.system} and sum(cells.values()) >= ask.units

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

    # Pools whose own spec asks for another place

    def _moves(self) -> bool:
        """Move such pools where that can be; whether that may serve somebody who waits."""
        run, layout = self.run, self.layout
        waiting = [q for q in run.order if run.below_minimum(q) and not layout.frozen[q]]
        self._hopeless.clear()
        moved = False
        for p in run.order:
            if not layout.changed[p] or layout.frozen[p] or p in run.settled:
                continue
            if run.misfits(p) and not run.below_minimum(p):
                moved = self._move(p, waiting) or moved
        return moved and any(run.below_minimum(q) for q in waiting)

    def _move(self, p: int, waiting: list[int]) -> bool:
        """Move a served pool to a place that fits all it has and still wishes for.

        Higher pools that wait are served from what it leaves before it looks for its own place.
        """
        run, room, layout = self.run, self.room, self.layout
        fitting = {r for r in room.rows_of[p] if layout.row_fits[r] or layout.row_locked[r]}
        system = room.system(p)
        gpus = 0 if system is None else room.held(p) * layout.gpus[system]
        saved, displaced = room.save(), set(run.displaced)
        before = {r: room.stays(r) for r in room.rows_of[p]}
        for stay in [fitting, set()] if any(room.stays(r) for r in fitting) else [set()]:
            for r, n in before.items():
                room.keep(r, n if r in stay or layout.row_locked[r] else 0)
            served, given = self._serve_before(p, waiting, saved)
            beside = room.places(p)
            for ask in run.asks(p, beside, gpus=gpus):
                found = Units() if ask.units <= 0 else find(run.finder(), ask)
                if found is not None and self._even(p, beside, found):
                    self._settle(p, found)
                    self._hopeless.concede(given, layout.priority[p], everything=served)
                    return True
            room.load(saved)
            run.displaced = displaced
        return False

    def _serve_before(self, p: int, waiting: list[int], saved: int) -> tuple[bool, Given]:
        """Serve pools of higher priority from what a pool leaves; whether it serves any, and what is left.

        One that is refused now does not fit either when the pool is back, or has found another place.
        """
        run, room, layout, hopeless = self.run, self.room, self.layout, self._hopeless
        served, given = False, Given()
        if not self.problem.preemptible[p]:  # else it is not in the way of higher pools as it is
            hopeless.give(given, room.lost(saved))
        for q in waiting:
            if layout.priority[q] <= layout.priority[p] or not run.below_minimum(q):
                continue
            if q in hopeless and hopeless.stays_so(q, given):
                continue
            fresh = not (room.stood_of[q] or room.new_of[q] or layout.changed[q] or q in run.displaced)
            before = room.save()
            if self._place(q) or not fresh:
                served = True
                hopeless.give(given, room.lost(before))
            elif not served:
                hopeless.add(q, run.asks(q, {}))
        return served, given

    def _even(self, p: int, beside: Units, found: Units) -> bool:
        """Whether no place of a spread pool ends above its share."""
        held = self.run.spread_of(p, {c: beside.get(c, 0) + found.get(c, 0) for c in (*beside, *found)})
        return not held or max(held.values()) <= -(-sum(held.values()) // self.layout.spread[p])

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
