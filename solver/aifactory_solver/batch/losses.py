"""Decides what the loss of a domain does, one loss after another in one room.

Each is decided by the engine of strict priority, as `plain.solve` decides `Standing.without`. What is the
same in all of them (the layout, the room with all that stands, what waiting pools ask for) is made once: a
loss is put into the room and taken back again. Growth is left out: it changes no minimum.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

import numpy as np

from aifactory_solver.batch.standing import Standing
from aifactory_solver.problem import Problem
from aifactory_solver.strict.guide import Guide
from aifactory_solver.strict.layout import Layout
from aifactory_solver.strict.minima import Minima
from aifactory_solver.strict.plain import empty, shed, shrink
from aifactory_solver.strict.room import Room
from aifactory_solver.strict.run import Run

_AGAIN = 50  # losses after which the room is made anew: it remembers its changes
_EVERYBODY = 1 << 62  # above all priorities


class Losses:
    """The losses of the domains of one fleet, of which nothing is being switched off."""

    def __init__(self, stands: Standing) -> None:
        """``stands``: a plan that is carried out."""
        self.stands = stands
        self.layout = Layout(stands.problem, np)
        self._decided = 0
        self._begin()

    def _begin(self) -> None:
        self.room = Room(self.layout, Guide(self.layout))
        self.run = Run(self.room)
        mark = self.room.save()
        shrink(self.run)
        self.shrinks = self.room.save() > mark  # else nobody does who holds less
        self.room.load(mark)

    def falls(self, domain: int) -> tuple[int, ...]:
        """The pools that fall below their minimum, the highest priority first, then the oldest."""
        if self._decided == _AGAIN:
            self._begin()
            self._decided = 0
        self._decided += 1
        room, problem = self.room, self.stands.problem
        run = copy(self.run)
        run.displaced, run.settled = set(self.run.displaced), set()
        run.problem = self.stands.without(domain)
        with self._lost(domain, run.problem):
            empty(run)
            if self.shrinks:
                shrink(run)
            shed(run)
            Minima(run).place()
            run.all_stay()
            held = np.asarray(room.kept_of) + np.asarray(room.new_of)
            below = (np.asarray(room.gpus_of) < problem.minimum) | (held < problem.spread)
        fell = np.flatnonzero(below & (problem.minimum > 0) & ~self.stands.waits)
        return tuple(fell[np.lexsort((problem.age[fell], -problem.priority[fell]))].tolist())

    @contextmanager
    def _lost(self, domain: int, after: Problem) -> Iterator[None]:
        """Within it the cells of a domain are closed, and what stands there has to go."""
        room, layout, stands = self.room, self.layout, self.stands
        cells = [c for c in stands.cells[domain] if layout.cell_open[c]]
        rows = [r for c in stands.cells[domain] for r in stands.rows_in[c]]
        before = [(r, layout.row_leave[r], layout.row_locked[r]) for r in rows]
        mark, closed = room.save(), []
        for space in (room.space, room.beneath(_EVERYBODY)):
            for c in cells:
                slots = space.free[c]
                space.use(c, slots, 0)
                closed.append((space, c, slots))
        for c in cells:
            layout.cell_open[c] = False
        for r in rows:
            layout.row_leave[r], layout.row_locked[r] = bool(after.row_leave[r]), bool(after.row_locked[r])
        try:
            yield
        finally:
            # As it was when the cells were closed, and while nothing stands in them: no slot counts twice.
            room.beneath(_EVERYBODY)
            room.load(mark)
            for c in cells:
                layout.cell_open[c] = True
            for r, leave, locked in before:
                layout.row_leave[r], layout.row_locked[r] = leave, locked
            for space, c, slots in closed:
                space.use(c, -slots, 0)
