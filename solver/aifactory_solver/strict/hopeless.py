"""Waiting pools that are known not to fit, and which of them might if some pool left its place."""

from aifactory_solver.problem import Topology
from aifactory_solver.strict.layout import Layout
from aifactory_solver.strict.places import Ask, Finder
from aifactory_solver.strict.room import Room
from aifactory_solver.strict.search import lacks

Given = dict[tuple[int, int], int]  # (system, factory) -> units


class Hopeless:
    """Pools that fit nowhere, not even with all gone that they may take, and what each lacks.

    A unit of w watts that goes lets at most ceil(watts / w) units in, and into its own slot one: every
    limit on the way up, and every sum of limits and slots that bounds ``m(v)``, rises by no more.
    """

    def __init__(self, room: Room) -> None:
        self.room = room
        self.layout: Layout = room.layout
        self._lacks: dict[int, list[tuple[Ask, int]]] = {}  # pool -> by option at least so many units

    def __contains__(self, pool: int) -> bool:
        return pool in self._lacks

    def add(self, pool: int, asks: list[Ask]) -> None:
        """Remember a pool that has just been refused all that it asks for."""
        beneath = Finder.over(self.room.beneath(self.layout.priority[pool]))
        self._lacks[pool] = [(ask, lacks(beneath, ask)) for ask in asks]

    def clear(self) -> None:
        """Forget them all: there may be more room than there was."""
        self._lacks.clear()

    def give(self, given: Given, rows: dict[int, int]) -> None:
        """Add how many units of each system fit at most into what these units of rows leave."""
        layout = self.layout
        for r, units in rows.items():
            cell = layout.row_cell[r]
            f = layout.cell_factory[cell]
            for system in range(layout.systems):
                more = -(-units * layout.row_watts[r] // layout.watts[system][f])
                if layout.cell_system[cell] == system:
                    more = max(more, units)
                given[system, f] = given.get((system, f), 0) + more

    def concede(self, given: Given, priority: int, *, everything: bool) -> None:
        """So much more is given from now on, and room to all that are no higher than a priority.

        With ``everything`` there may be more room for anybody.
        """
        if everything:
            self.clear()
        for pool in list(self._lacks):
            if self.layout.priority[pool] <= priority:
                del self._lacks[pool]
                continue
            if not given:
                continue
            lacks = [(ask, lack - self._more(ask, given)) for ask, lack in self._lacks[pool]]
            if all(lack > 0 for _, lack in lacks):
                self._lacks[pool] = lacks
            else:
                del self._lacks[pool]  # it may fit

    def stays_so(self, pool: int, given: Given) -> bool:
        """Whether a pool fits nowhere even where so much more is given."""
        return not given or not any(
            lack <= self._more(ask, given) and self._may_fit(ask, given) for ask, lack in self._lacks[pool]
        )

    def _more(self, ask: Ask, given: Given) -> int:
        """How many more units there may be room for, in one place or in all that count together."""
        allowed = self.layout.problem.allowed[ask.pool]
        more = [n for (system, f), n in given.items() if system == ask.system and allowed[f]]
        return (max(more) if self._packed(ask) else sum(more)) if more else 0

    def _may_fit(self, ask: Ask, given: Given) -> bool:
        """Whether a packed pool fits where something is given: it does not anywhere else."""
        if not self._packed(ask):
            return True
        allowed = self.layout.problem.allowed[ask.pool]
        factories = [f for (system, f) in given if system == ask.system and allowed[f]]
        space = self.room.beneath(self.layout.priority[ask.pool], factories)
        board = space.board(ask.system, self.layout.kind(ask.pool))
        return bool(space.roomy(board, factories, ask.units))

    def _packed(self, ask: Ask) -> bool:
        return not self.layout.spread[ask.pool] and self.layout.topology[ask.pool] != Topology.NONE
