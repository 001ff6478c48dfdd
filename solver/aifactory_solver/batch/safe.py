"""Says of many losses at once whether nobody falls for sure: all who lost something find free room.

It follows the rules as the plain solver does. A pool that lost its minimum looks for that, beside what is
left of it; one that keeps its minimum looks for as much as it had. Where more than that decides (locked or
paused units, pools that move of their own accord), nothing is sure.
"""

from dataclasses import dataclass

import numpy as np

from aifactory_solver.batch.asks import Beside
from aifactory_solver.batch.rooms import NEVER, Fleet, Rooms
from aifactory_solver.batch.standing import Standing
from aifactory_solver.batch.waves import place
from aifactory_solver.batch.would_fit import would_fit
from aifactory_solver.problem import Bools, Ints, Topology
from aifactory_solver.strict.forest import to_numpy

_CELLS = 1 << 17  # of losses that are looked at together: what they need lies in the caches of a CPU


@dataclass(frozen=True)
class _Entry:
    """What one pool looks for."""

    pool: int
    matters: bool  # without it, somebody may fall
    units: dict[int, int]  # by system
    held: dict[int, int]  # units that stay, by factory
    group: int  # where those of a packed pool stay, else -1


class Safe:
    """Tells losses that let nobody fall, one scenario each."""

    def __init__(self, fleet: Fleet, stands: Standing) -> None:
        self.fleet, self.stands, self.problem = fleet, stands, fleet.problem
        problem = self.problem
        self.turn = np.empty(problem.pools, np.int64)
        self.turn[np.lexsort((problem.age, -problem.minimum, -problem.priority))] = np.arange(problem.pools)
        waiting = np.flatnonzero(stands.waits & ~problem.frozen)
        self.waiting: Ints = waiting[np.argsort(problem.priority[waiting], kind="stable")]

    def among(self, domains: list[int]) -> set[int]:
        """Those of the domains whose loss lets nobody fall."""
        if self.problem.changed.any() or self.stands.units[self.waiting].any():
            return set()  # somebody may yet move, or find room beside what is left of it
        queues = [(d, queue) for d in domains if (queue := self._queue(d)) is not None]
        queues.sort(key=lambda it: len(it[1]))
        size = max(1, _CELLS // max(1, self.problem.cells))
        found: set[int] = set()
        for start in range(0, len(queues), size):
            some = queues[start : start + size]
            shut = np.asarray([self.stands.shut(d) for d, _ in some])
            ok = self._served(shut, [queue for _, queue in some])
            found |= {d for (d, _), served in zip(some, ok.tolist(), strict=True) if served}
        return found

    # Who looks for room

    def _queue(self, domain: int) -> list[_Entry] | None:
        """In their turn; None where that is not all that decides."""
        problem, stands = self.problem, self.stands
        shut = stands.shut(domain)
        queue: list[_Entry] = []
        for pool in sorted(stands.lost[domain], key=self.turn.__getitem__):
            rows = [r for r in stands.rows_of[pool] if not shut[problem.row_cell[r]]]
            if stands.waits[pool] or problem.frozen[pool] or problem.row_locked[rows].any():
                return None
            entry = self._entry(pool, rows)
            if entry is None:
                return None
            if any(entry.units.values()):
                queue.append(entry)
        return queue

    def _entry(self, pool: int, rows: list[int]) -> _Entry | None:
        problem, layout, topology = self.problem, self.fleet.layout, self.problem.topology[pool]
        system, places = int(self.stands.system[pool]), layout.spread[pool]
        group = layout.group_of(layout.kind(pool))
        stays: dict[int, int] = {}
        for r in rows:
            home = group[problem.row_cell[r]]
            stays[home] = stays.get(home, 0) + int(problem.row_units[r])
        if places:
            stays = _settled(stays, places)
        rest = sum(stays.values())
        falls = problem.minimum[pool] > 0 and rest < layout.least(pool, system)
        packed = not places and topology != Topology.NONE
        if rest and (
            (packed and (len(stays) > 1 or -1 in stays)) or (falls and topology == Topology.SPREAD_DOMAIN)
        ):
            return None
        units = dict(self.fleet.asks(pool)) if falls else {}
        if falls and rest:
            least = max(layout.least(pool, system), rest + places - len(stays) if places else 0)
            units = {
                s: least - rest if least <= layout.wish(pool, s) else NEVER for s in units if s == system
            }
        elif rest and not places:
            units = {system: max(0, min(int(self.stands.units[pool]), layout.wish(pool, system)) - rest)}
        if falls and not units:
            return None  # it may have no more of what it stands on
        held: dict[int, int] = {}
        for home, n in stays.items():
            factory = layout.factory[home]
            held[factory] = held.get(factory, 0) + n
        return _Entry(pool, falls or packed, units, held, next(iter(stays), -1) if packed else -1)

    # All at once

    def _served(self, shut: Bools, queues: list[list[_Entry]]) -> Bools:
        """(N,) whether all in the queues find room, and nobody who waits could take it before them."""
        problem = self.problem
        shape = len(queues), max(map(len, queues))
        pools, group, matters = np.full(shape, -1), np.full(shape, -1), np.zeros(shape, np.bool_)
        units = np.full((*shape, max([1, *map(len, problem.systems)])), NEVER)
        held = np.zeros((*shape, problem.allowed.shape[1]), np.int64)
        for n, queue in enumerate(queues):
            for q, entry in enumerate(queue):
                pools[n, q], group[n, q], matters[n, q] = entry.pool, entry.group, entry.matters
                for j, s in enumerate(problem.systems[entry.pool]):
                    units[n, q, j] = entry.units.get(s, NEVER)
                for factory, number in entry.held.items():
                    held[n, q, factory] = number
        rows = ~shut[:, problem.row_cell]
        placed = place(self._rooms(shut, rows), pools, Beside(units, held, group))
        ok = np.asarray(((to_numpy(placed.served) > 0) | ~matters).all(axis=1))
        moving = np.asarray([np.isin(problem.row_pool, those) for those in pools])
        return ok & ~self._chance(shut, rows & ~moving, np.flatnonzero(ok), self.waiting)

    def _chance(self, shut: Bools, rows: Bools, some: Ints, waiting: Ints) -> Bools:
        """(N,) in which of ``some`` scenarios a waiting pool would fit once lower pools give way.

        They are asked together as if all of them might take what the highest may; where one would fit then,
        each half is asked on its own.
        """
        problem, found = self.problem, np.zeros(len(shut), np.bool_)
        if not some.size or not waiting.size:
            return found
        top = problem.priority[waiting[-1]]
        lower = (problem.preemptible & (problem.priority < top))[problem.row_pool] & ~problem.row_locked
        fit = to_numpy(would_fit(self._rooms(shut[some], rows[some] & ~lower), waiting))
        some = some[(fit > 0).any(axis=1)]
        if problem.priority[waiting[0]] == top:
            found[some] = True
            return found
        half = np.searchsorted(problem.priority[waiting], problem.priority[waiting[len(waiting) // 2]])
        if half == 0:
            half = np.searchsorted(problem.priority[waiting], problem.priority[waiting[0]], side="right")
        for part in (waiting[:half], waiting[half:]):
            found |= self._chance(shut, rows, some[~found[some]], part)
        return found

    def _rooms(self, shut: Bools, rows: Bools) -> Rooms:
        """The rooms beside the ``rows`` (N, R), cells that are ``shut`` (N, C) left out."""
        problem, forest, xp = self.problem, self.fleet.forest, self.fleet.xp
        used, watts = (np.zeros(shut.shape, np.int64) for _ in range(2))
        for n, some in enumerate(rows):
            np.add.at(used[n], problem.row_cell[some], problem.row_units[some])
            np.add.at(watts[n], problem.row_cell[some], (problem.row_units * problem.row_watts)[some])
        left = problem.limit - forest.sums(problem.fixed_watts) - forest.totals(watts)
        return Rooms(self.fleet, xp.asarray(left), xp.asarray(np.where(shut, 0, problem.cell_units - used)))


def _settled(stays: dict[int, int], places: int) -> dict[int, int]:
    """What is left in each place when a spread pool shrinks to the largest number whose split is allowed."""
    stays = {place: n for place, n in stays.items() if place >= 0}
    total = sum(stays.values())
    for n in range(total, places - 1, -1) if len(stays) >= places else ():
        share = -(-n // places)
        if sum(min(units, share) for units in stays.values()) >= n:
            stays = {place: min(units, share) for place, units in stays.items()}
            while sum(stays.values()) > n:
                stays[max(stays, key=stays.__getitem__)] -= 1
            return stays
    return {}
