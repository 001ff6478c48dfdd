"""The plain solver: strict priority, best fit.

It goes through the rules in their order: empty what must be empty, keep under the lowered limits whatever
still fits (the highest first), give minima their places priority by priority, then let pools grow into
free room. At its turn a pool's minimum is placed wherever that is possible at all, so no pool waits that
free room or a lower pool's room could serve.
"""

import numpy as np

from aifactory_solver.places import Ask, Finder
from aifactory_solver.preempt import Preemption, give_up, minimum_units, settle_spread, trim
from aifactory_solver.problem import Array, Ints, Problem, Solution
from aifactory_solver.room import Room, Units
from aifactory_solver.search import find, most


def solve(problem: Problem, xp: Array = np) -> Solution:
    """Place every pool. The same problem gives the same solution, on every array namespace."""
    room = Room(problem, xp)
    run = _Run(room)
    run.empty()
    run.shrink()
    run.shed()
    run.place_minima()
    run.grow()
    run.reclaim()
    return run.solution()


class _Run:
    """One solve: the room and what was decided on the way."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.problem = room.problem
        # Pools that lost something to a limit or a drain, now or in a cycle that was cut off.
        self.displaced = set(np.flatnonzero(self.problem.uprooted).tolist())
        self.settled: set[int] = set()  # moved as a whole; the new place stands
        self.taken: dict[int, dict[int, int]] = {}  # pool -> what it left to the rows of its victims
        self.vacating = bool(self.room.leaving.any() or self.problem.cell_leaving.any())
        self._finders: dict[bool, Finder] = {}
        self._seen = -1  # version of the room that they search
        self.stood = {int(p) for p in np.unique(self.problem.row_pool)}

    def empty(self) -> None:
        """Nothing stays in what drains or is out of service."""
        problem = self.problem
        for r in np.flatnonzero(problem.row_leave & ~problem.row_locked).tolist():
            self.room.keep(r, 0)
            self.displaced.add(int(problem.row_pool[r]))
        for p in sorted(self.displaced):
            settle_spread(self.room, p)

    def shrink(self) -> None:
        """A pool gives up what it no longer wishes for."""
        for p in range(self.problem.pools):
            system = self.room.system(p)
            if system is not None and not self.problem.frozen[p]:
                wish = self._wish(p, system)
                if 0 < wish < self.problem.spread[p]:
                    continue  # it can never stand so: the old place is kept
                if self.room.held(p) > wish:
                    trim(self.room, p, wish)

    def shed(self) -> None:
        """Under limits that are exceeded, keep what fits, the highest priority first.

        So the lowest gives way first. What is cut finds a new place, shrinks or goes when its turn comes.
        """
        room, problem = self.room, self.problem
        over = {d for d in range(problem.domains) if room.left[d] < 0}
        if not over:
            return
        touched = [
            r
            for r in np.flatnonzero((room.kept > 0) & ~problem.row_locked).tolist()
            if not over.isdisjoint(room.forest.ancestors[int(problem.cell_domain[problem.row_cell[r]])])
        ]
        stands = {r: int(room.kept[r]) for r in touched}
        free = room.free.copy()
        for r in touched:
            room.keep(r, 0)
        room.free = free  # slots stay taken until their holder was asked

        def last_to_give_way(pool: int) -> tuple[int, int, int]:
            return (-int(problem.priority[pool]), -int(problem.purpose[pool]), int(problem.age[pool]))

        for p in sorted({int(problem.row_pool[r]) for r in touched}, key=last_to_give_way):
            for r in [r for r in room.rows_of[p] if r in stands]:
                cell, watts = int(problem.row_cell[r]), int(problem.row_watts[r])
                stays = room.fitting(cell, watts, stands[r])
                if problem.cell_open[cell]:
                    room.free[cell] += stands[r]
                room.keep(r, stays)
                if stays < stands[r]:
                    self.displaced.add(p)
            if p in self.displaced:
                settle_spread(room, p)

    def place_minima(self) -> None:
        """Give every minimum its place, priority by priority from the highest.

        A pass ends with some pools moved away or given up, which may free room for a pool that had
        already been asked: then all are asked again, with those decisions standing.
        """
        order = sorted(range(self.problem.pools), key=self._turn)
        while True:
            kept = self.room.kept.copy()
            fixed = {p: dict(units) for p, units in self.room.new.items()}
            freed: set[int] = set()
            served = [self._place(p, freed) for p in order]
            if not freed or all(served):
                return
            self._reset(kept, fixed, freed)

    def _reset(self, kept: Ints, fixed: dict[int, Units], freed: set[int]) -> None:
        """Back to before the pass, but for the pools in ``freed``: what they decided stands."""
        room = self.room
        for p in freed:
            for r, left in self.taken.get(p, {}).items():
                kept[r] = min(int(kept[r]), left)
        for p in range(self.problem.pools):
            if p not in freed:
                room.drop_new(p)
                room.add(p, fixed.get(p, {}))
                for r in room.rows_of[p]:
                    room.keep(r, int(kept[r]))

    def _place(self, p: int, freed: set[int]) -> bool:
        """Serve one pool's minimum if that is possible; whether nothing is left to wish for here."""
        room, problem = self.room, self.problem
        if problem.frozen[p]:
            if p in self.displaced and self._below_minimum(p):
                self._give_up(p, freed)
            return True
        misfits = problem.changed[p] and any(
            room.kept[r] and not problem.row_fits[r] and not problem.row_locked[r] for r in room.rows_of[p]
        )
        if not self._below_minimum(p):
            return not misfits or p in self.settled or self._move(p, freed)
        former = self._former(p)
        held = room.places(p)
        around = self._asks(p, held, former)
        movable = not held or p in self.displaced or (problem.changed[p] and p not in self.settled)
        whole = self._asks(p, {}, former) if held and movable and not self._locked(p) else []
        if self._in_free_room(p, around, whole, freed):
            return True
        if self._by_preemption(p, around, whole, freed):
            return True
        if p in self.displaced and held:
            self._give_up(p, freed)
        return False

    def _in_free_room(self, p: int, around: list[Ask], whole: list[Ask], freed: set[int]) -> bool:
        room = self.room
        for wait in (
            (False, True) if self.vacating else (True,)
        ):  # room that is there, then also room that is being vacated
            for ask in around:
                found = find(self._finder(wait=wait), ask)
                if found is not None:
                    room.add(p, found)
                    return True
            if whole:
                before = self._vacate(p)
                for ask in whole:
                    found = find(self._finder(wait=wait), ask)
                    if found is not None:
                        self._settle(p, found, freed)
                        return True
                self._restore(before)
        return False

    def _by_preemption(self, p: int, around: list[Ask], whole: list[Ask], freed: set[int]) -> bool:
        search = Preemption(self.room, p)
        taken = search.find(around)
        if taken is not None:
            search.take(*taken)
            return True
        if whole:
            before = self._vacate(p)
            taken = search.find(whole)
            if taken is not None:
                self.taken[p] = search.take(*taken)
                self._settle(p, {}, freed)
                return True
            self._restore(before)
        return False

    def _move(self, p: int, freed: set[int]) -> bool:
        """A served pool whose spec changed goes to a place that fits it, if free room has one."""
        room, problem = self.room, self.problem
        fitting = {r for r in room.rows_of[p] if problem.row_fits[r] or problem.row_locked[r]}
        # The new place has to fit all that the pool has and still wishes for.
        system = room.system(p)
        gpus = 0 if system is None else room.held(p) * int(problem.system_gpus[system])
        before = {r: int(room.kept[r]) for r in room.rows_of[p]}
        attempts = [fitting, set()] if any(room.kept[r] for r in fitting) else [set()]
        for stay in attempts:
            for r, n in before.items():
                room.keep(r, n if r in stay or problem.row_locked[r] else 0)
            beside = room.places(p)
            for ask in self._asks(p, beside, {}, gpus=gpus):
                found = Units() if ask.units <= 0 else find(self._finder(wait=True), ask)
                if found is not None:
                    self._settle(p, found, freed)
                    return True
        self._restore(before)
        return False

    def grow(self) -> None:
        """Let pools grow into free room, the highest priority first; nothing standing is displaced."""
        room, problem = self.room, self.problem
        for p in sorted(range(problem.pools), key=self._turn):
            if problem.frozen[p] or problem.need[p] == 0 or self._below_minimum(p):
                continue
            asks = [a for a in self._asks(p, room.places(p), self._former(p), grow=True) if a.units > 0]
            more = {ask.system: most(self._finder(wait=True), ask) for ask in asks}
            need = int(problem.need[p])
            gain = {s: min(n * int(problem.system_gpus[s]), need) for s, n in more.items()}
            # The most GPUs; among equals the better-listed system.
            best = max(asks, key=lambda ask: gain[ask.system], default=None)
            if best is not None and more[best.system] > 0:
                units = more[best.system]
                found = find(self._finder(wait=True), Ask(p, best.system, units, best.beside, best.former))
                if found is not None:
                    room.add(p, found)

    def reclaim(self) -> None:
        """What a pool gets anew in a cell where it gave something up is simply kept."""
        room, problem = self.room, self.problem
        for p in sorted(room.new, key=self._turn):
            for r in sorted(room.rows_of[p], key=lambda r: int(problem.row_watts[r])):
                cell = int(problem.row_cell[r])
                again = min(int(problem.row_units[r] - room.kept[r]), room.new[p].get(cell, 0))
                if problem.row_leave[r] or again <= 0:
                    continue
                heavier = int(problem.row_watts[r] - problem.cell_watts[cell])
                if heavier > 0:
                    again = room.fitting(cell, heavier, again)
                room.new[p][cell] -= again
                room.release(cell, again)
                room.keep(r, int(room.kept[r]) + again)

    def solution(self) -> Solution:
        """What was decided, in a fixed order."""
        new = sorted((p, c, n) for p, units in self.room.new.items() for c, n in units.items() if n)
        columns = np.asarray(new, dtype=np.int64).reshape(-1, 3)
        return Solution(
            kept=self.room.kept, new_pool=columns[:, 0], new_cell=columns[:, 1], new_units=columns[:, 2]
        )

    # Small questions

    def _turn(self, p: int) -> tuple[int, bool, int, int]:
        """Higher priority first; standing before waiting; large before small; older before younger."""
        problem = self.problem
        return (-int(problem.priority[p]), p not in self.stood, -int(problem.minimum[p]), int(problem.age[p]))

    def _wish(self, p: int, system: int) -> int:
        return -(-int(self.problem.need[p]) // int(self.problem.system_gpus[system]))

    def _below_minimum(self, p: int) -> bool:
        system = self.room.system(p)
        if system is None:
            return bool(self.problem.minimum[p] > 0)
        return self.room.held(p) < minimum_units(self.room, p, system)

    def _locked(self, p: int) -> bool:
        return any(self.problem.row_locked[r] and self.room.kept[r] for r in self.room.rows_of[p])

    def _former(self, p: int) -> Units:
        """Where the pool stood and does not any more, if it may come back."""
        problem, former = self.problem, Units()
        for r in self.room.rows_of[p]:
            lost = int(problem.row_units[r] - self.room.kept[r])
            cell = int(problem.row_cell[r])
            if lost and problem.cell_open[cell] and not problem.row_leave[r]:
                former[cell] = former.get(cell, 0) + lost
        return former

    def _asks(self, p: int, beside: Units, former: Units, *, grow: bool = False, gpus: int = 0) -> list[Ask]:
        """What to look for, best system first: the missing minimum, or with ``grow`` the missing wish."""
        problem = self.problem
        stands = {int(problem.cell_system[c]) for c in beside}
        asks = []
        for system in problem.systems[p]:
            if stands and stands != {system}:
                continue
            wish = self._wish(p, system)
            if wish < int(problem.spread[p]):
                continue
            least = max(minimum_units(self.room, p, system), -(-gpus // int(problem.system_gpus[system])))
            units = wish if grow else min(wish, least)
            back = {c: n for c, n in former.items() if int(problem.cell_system[c]) == system}
            asks.append(Ask(p, system, units - sum(beside.values()), beside, back))
        return asks

    def _finder(self, *, wait: bool) -> Finder:
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

    def _vacate(self, p: int) -> dict[int, int]:
        before = {r: int(self.room.kept[r]) for r in self.room.rows_of[p]}
        for r in before:
            self.room.keep(r, 0)
        return before

    def _restore(self, before: dict[int, int]) -> None:
        for r, n in before.items():
            self.room.keep(r, n)

    def _settle(self, p: int, found: Units, freed: set[int]) -> None:
        self.room.add(p, found)
        self.settled.add(p)
        freed.add(p)

    def _give_up(self, p: int, freed: set[int]) -> None:
        if give_up(self.room, p):
            freed.add(p)
