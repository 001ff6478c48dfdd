"""Minima: each in its place, priority by priority from the highest."""

from aifactory_solver.places import Ask
from aifactory_solver.preempt import Preemption, give_up, minimum_units, settle_spread
from aifactory_solver.room import Units
from aifactory_solver.run import Run
from aifactory_solver.search import SPREADS, find


class Minima:
    """Serves the minima of one solve.

    At its turn a pool is placed wherever that is possible at all: in free room, then by taking from lower
    pools. A pool that goes whole or moves may free room for one that was asked before it; then all are
    asked again, with those decisions standing.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.room = run.room
        self.problem = run.problem
        self.freed = False  # somebody went or moved in this pass, for the first time
        self._went: set[int] = set()

    def place(self) -> None:
        """Serve what can be served, then let pools move whose own spec asks for another place."""
        while True:
            while True:
                self.freed = False
                served = [self._place(p) for p in self.run.order]
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
        for p in self.run.order:
            if p not in self.run.settled:
                self.room.drop_new(p)
        for p in self.run.order:
            if p not in self._went and p not in self.run.displaced:
                self.run.stay(p)

    def _place(self, p: int) -> bool:
        """Serve one pool's minimum if that is possible; whether it is served."""
        run, room, problem = self.run, self.room, self.problem
        if run.below_minimum(p) and run.cut(p):
            self._return(p)
        if problem.frozen[p]:
            if run.below_minimum(p) and run.cut(p):
                self._give_up(p)
            return True
        if not run.below_minimum(p):
            if p in run.displaced and p not in run.settled:
                self._keep_size(p)
            return True
        held = room.places(p)
        moving = bool(problem.changed[p]) and p not in run.settled
        around = [] if moving and run.misfits(p) else run.asks(p, held)
        movable = run.cut(p) or moving
        fixed = run.fixed(p)
        whole = run.asks(p, fixed) if movable and held != fixed else []
        if self._in_free_room(p, around, whole) or self._by_preemption(p, around, whole):
            return True
        if held and run.cut(p):
            self._give_up(p)
        return False

    def _return(self, p: int) -> None:
        """Where the pool stood it may stand again, as far as its minimum needs it."""
        room, problem = self.room, self.problem
        rows = [r for r in room.rows_of[p] if not problem.row_leave[r]]
        if rows and not room.new.get(p):
            before = {r: int(room.kept[r]) for r in room.rows_of[p]}
            least = minimum_units(room, p, int(problem.cell_system[problem.row_cell[rows[0]]]))
            self.run.come_back(p, least)
            if problem.topology[p] in SPREADS:
                settle_spread(room, p)
                if room.held(p) < least:
                    self.run.restore(before)

    def _keep_size(self, p: int) -> None:
        """Moving is milder than shrinking: what a limit or a drain cut finds free room elsewhere."""
        run, room, problem = self.run, self.room, self.problem
        system = room.system(p)
        if system is None or problem.topology[p] in SPREADS or room.new.get(p):
            return
        stood = sum(int(problem.row_units[r]) for r in room.rows_of[p]) + int(problem.displaced[p])
        gpus = min(stood, run.wish(p, system)) * int(problem.system_gpus[system])
        for ask in run.asks(p, room.places(p), gpus=gpus):
            found = find(run.finder(), ask) if ask.units > 0 else {}
            if found is not None:
                room.add(p, found)
                return
        if problem.topology[p] and not run.fixed(p):
            before = run.vacate(p)
            for ask in run.asks(p, {}, gpus=gpus):
                found = find(run.finder(), ask) if ask.system == system else None
                if found is not None:
                    room.add(p, found)
                    self._leaves(p)
                    return
            run.restore(before)

    def _in_free_room(self, p: int, around: list[Ask], whole: list[Ask]) -> bool:
        # Room that is there, then also room that is being vacated.
        for wait in (False, True) if self.run.vacating else (True,):
            for ask in around:
                found = find(self.run.finder(wait=wait), ask)
                if found is not None:
                    self.room.add(p, found)
                    return True
            if whole:
                before = self.run.vacate(p)
                for ask in whole:
                    found = find(self.run.finder(wait=wait), ask)
                    if found is not None:
                        self._settle(p, found)
                        return True
                self.run.restore(before)
        return False

    def _by_preemption(self, p: int, around: list[Ask], whole: list[Ask]) -> bool:
        search = Preemption(self.room, p)
        taken = search.find(around)
        if taken is not None:
            search.take(*taken)
            return True
        if whole:
            before = self.run.vacate(p)
            taken = search.find(whole)
            if taken is not None:
                search.take(*taken)
                self._settle(p, {})
                return True
            self.run.restore(before)
        return False

    # Pools whose own spec asks for another place

    def _moves(self) -> bool:
        """Move such pools where that can be; whether that may serve somebody who waits."""
        run, problem = self.run, self.problem
        waiting = [q for q in run.order if run.below_minimum(q) and not problem.frozen[q]]
        moved = False
        for p in run.order:
            if not run.misfits(p) or problem.frozen[p] or p in run.settled or run.below_minimum(p):
                continue
            moved = self._move(p, waiting) or moved
        return moved and any(run.below_minimum(q) for q in waiting)

    def _move(self, p: int, waiting: list[int]) -> bool:
        """Move a served pool to a place that fits all it has and still wishes for.

        Higher pools that wait are served from what it leaves before it looks for its own place.
        """
        run, room, problem = self.run, self.room, self.problem
        fitting = {r for r in room.rows_of[p] if problem.row_fits[r] or problem.row_locked[r]}
        system = room.system(p)
        gpus = 0 if system is None else room.held(p) * int(problem.system_gpus[system])
        saved, displaced = room.save(), set(run.displaced)
        before = {r: int(room.kept[r]) for r in room.rows_of[p]}
        for stay in [fitting, set()] if any(room.kept[r] for r in fitting) else [set()]:
            for r, n in before.items():
                room.keep(r, n if r in stay or problem.row_locked[r] else 0)
            for q in waiting:
                if problem.priority[q] > problem.priority[p] and run.below_minimum(q):
                    self._place(q)
            beside = room.places(p)
            for ask in run.asks(p, beside, gpus=gpus):
                found = Units() if ask.units <= 0 else find(run.finder(), ask)
                if found is not None and self._even(p, beside, found):
                    self._settle(p, found)
                    return True
            room.load(saved)
            run.displaced = displaced
        return False

    def _even(self, p: int, beside: Units, found: Units) -> bool:
        """Whether no place of a spread pool ends above its share."""
        held = self.run.spread_of(p, {c: beside.get(c, 0) + found.get(c, 0) for c in (*beside, *found)})
        return not held or max(held.values()) <= -(-sum(held.values()) // int(self.problem.spread[p]))

    def _settle(self, p: int, found: Units) -> None:
        self.room.add(p, found)
        self._leaves(p)
        if self.problem.changed[p]:
            self.run.settled.add(p)

    def _give_up(self, p: int) -> None:
        if give_up(self.room, p):
            self._leaves(p)

    def _leaves(self, p: int) -> None:
        """A pool leaves its place. In the passes after this one, those before it find that place free."""
        self.freed = self.freed or p not in self._went
        self._went.add(p)
