"""Moves pools whose own spec has changed to where it now wants them."""

from collections.abc import Callable

from aifactory_solver.strict.hopeless import Given, Hopeless
from aifactory_solver.strict.layout import Units
from aifactory_solver.strict.places import Finder
from aifactory_solver.strict.run import Run
from aifactory_solver.strict.search import find, fits


class Moving:
    """Moves served pools, once all minima have been asked for.

    ``place`` serves a waiting pool's minimum if that is possible, ``settle`` gives a pool its place for good.
    """

    def __init__(self, run: Run, place: Callable[[int], bool], settle: Callable[[int, Units], None]) -> None:
        self.run, self.room, self.layout, self.problem = run, run.room, run.layout, run.problem
        self._place, self._settle = place, settle
        self._hopeless = Hopeless(run.room)
        self._gave_way: set[int] = set()

    def move(self) -> bool:
        """Move such pools where that can be; whether that may serve somebody who waits."""
        run, layout = self.run, self.layout
        waiting = [q for q in run.order if run.below_minimum(q) and not layout.frozen[q]]
        self._hopeless.clear()
        moved = False
        for p in run.order:
            if not layout.changed[p] or layout.frozen[p] or p in run.settled or p in self._gave_way:
                continue
            if run.misfits(p) and not run.below_minimum(p):
                moved = self._move(p, waiting) or moved
        return moved and any(run.below_minimum(q) for q in waiting)

    def give_way(self) -> bool:
        """Take new places from moved pools where that serves a higher one that waits; whether it does.

        Those that may not be taken from stand there as they did before. The others are asked again in turn,
        and do not come here twice.
        """
        run, room, layout = self.run, self.room, self.layout
        moved = {p for p in run.settled - self._gave_way if self.problem.preemptible[p] and room.new_of[p]}
        upwards = sorted(run.order, key=layout.priority.__getitem__) if moved else []
        lowest = [p for p in upwards if room.new_of[p]]
        saved, gone = room.save(), 0
        for q in upwards:
            if layout.frozen[q] or not run.below_minimum(q):
                continue
            while gone < len(lowest) and layout.priority[lowest[gone]] < layout.priority[q]:
                if lowest[gone] in moved or lowest[gone] not in run.settled:
                    room.drop_new(lowest[gone])
                gone += 1
            lower = moved.intersection(lowest[:gone])
            beneath = Finder.over(room.beneath(layout.priority[q])) if lower else None
            if beneath and any(fits(beneath, ask) for ask in run.asks(q, room.places(q))):
                room.load(saved)
                for p in sorted(lower):
                    room.drop_new(p)
                run.settled -= lower
                self._gave_way |= lower
                return True
        room.load(saved)
        return False

    def _move(self, p: int, waiting: list[int]) -> bool:
        """Move a served pool to a place that fits all it has and still wishes for.

        Higher pools that wait are served from what it leaves before it looks for its own place. Where that
        leaves no place for it, it looks without them: they were refused as it stood.
        """
        run, room, layout = self.run, self.room, self.layout
        fitting = {r for r in room.rows_of[p] if layout.row_fits[r] or layout.row_locked[r]}
        system = room.system(p)
        gpus = 0 if system is None else room.held(p) * layout.gpus[system]
        saved, displaced = room.save(), set(run.displaced)
        before = {r: room.stays(r) for r in room.rows_of[p]}
        for stay in [fitting, set()] if any(room.stays(r) for r in fitting) else [set()]:
            for first in (waiting, []):
                for r, n in before.items():
                    room.keep(r, n if r in stay or layout.row_locked[r] else 0)
                room.drop_new(p)
                served, given = self._serve_before(p, first, saved)
                beside = room.places(p)
                for ask in run.asks(p, beside, gpus=gpus):
                    found = Units() if ask.units <= 0 else find(run.finder(), ask)
                    if found is not None and run.even(p, beside, found):
                        self._settle(p, found)
                        self._hopeless.concede(given, layout.priority[p], everything=served)
                        return True
                room.load(saved)
                run.displaced = set(displaced)
                if not served:
                    break
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
