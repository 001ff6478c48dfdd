"""Greedy peers: strict priority order, minima first, then growth.

``first_fit`` and ``best_fit`` forget what stands: everything that is not locked or paused is placed anew.
``keep`` keeps what stands and still fits, the highest priority first, and only then serves who waits; it
takes from nobody. What they give passes the rules on form, slots, power, topology, minimum and wish. They do
not promise that nothing moves without a reason, nor that nobody waits whom a lower pool keeps out.
"""

from collections.abc import Callable

import numpy as np

from aifactory_solver.problem import Ints, Problem, Solution, Topology
from bench.solver.space import SPREADS, Space, Units, least_units, place_of, tightest, wish_units

Fit = Callable[..., Solution]


def first_fit(problem: Problem, budget: float = 0) -> Solution:
    """Each pool in the first place that takes it. Needs no budget."""
    return _Greedy(problem, best=False, keep=False).solve()


def best_fit(problem: Problem, budget: float = 0) -> Solution:
    """Each pool in the tightest place that takes it. Needs no budget."""
    return _Greedy(problem, best=True, keep=False).solve()


def keep(problem: Problem, budget: float = 0) -> Solution:
    """What stands stays as far as the limits allow; who waits then, best fit. Needs no budget."""
    return _Greedy(problem, best=True, keep=True).solve()


def most_units(space: Space, pool: int, system: int, units: int, beside: Units) -> int:
    """The most units, at most so many, that the pool can be given beside those that it holds."""
    kind = space.problem.topology[pool]
    groups = space.groups(pool, system)
    if kind in SPREADS:
        return _most_spread(space, pool, system, units, beside)
    if beside and kind != Topology.NONE:
        homes = {place_of(space, pool, cell) for cell in beside}
        groups = groups[np.isin(groups, list(homes))] if len(homes) == 1 else groups[:0]
    fits = space.fits(pool, system, groups)
    return min(units, int(fits.sum() if kind == Topology.NONE else fits.max(initial=0)))


def place_units(
    space: Space, pool: int, system: int, units: int, beside: Units, *, best: bool = True
) -> Units | None:
    """Take room for exactly so many units beside those held; None, and nothing taken, where it lacks."""
    if most_units(space, pool, system, units, beside) < units:
        return None
    if space.problem.topology[pool] in SPREADS:
        return _place_spread(space, pool, system, units, beside, best=best)
    groups = space.groups(pool, system)
    homes = {place_of(space, pool, cell) for cell in beside}
    if homes and space.problem.topology[pool] != Topology.NONE:
        groups = groups[np.isin(groups, list(homes))]
    rooms = dict(zip(groups.tolist(), space.fits(pool, system, groups).tolist(), strict=True))
    given: Units = {}
    while units:
        able = [d for d in rooms if rooms[d] >= units] or [d for d in rooms if rooms[d] > 0]
        group = min(able, key=lambda d: (*tightest(rooms[d], units), d)) if best else able[0]
        n = min(units, rooms.pop(group))
        given |= space.fill(pool, system, group, n, best=best)
        units -= n
    space.take(given)
    return given


def _held_by_place(space: Space, pool: int, beside: Units) -> dict[int, int]:
    held: dict[int, int] = {}
    for cell, n in beside.items():
        place = place_of(space, pool, cell)
        held[place] = held.get(place, 0) + n
    return held


def _caps(places: Ints, held: dict[int, int], share: int) -> Ints:
    return np.asarray([max(0, share - held.get(d, 0)) for d in places.tolist()], np.int64)


def _most_spread(space: Space, pool: int, system: int, units: int, beside: Units) -> int:
    """One unit in each of k places and no place above the share: two ranks decide (a polymatroid's)."""
    places, held = space.groups(pool, system), _held_by_place(space, pool, beside)
    if not places.size or -1 in held:
        return 0
    k, have = int(space.problem.spread[pool]), sum(beside.values())
    lacking = max(0, k - len(held))
    ones = np.asarray([0 if d in held else 1 for d in places.tolist()], np.int64)
    if lacking and space.rank(pool, system, places, ones) < lacking:
        return 0
    while units >= max(1, lacking) and have + units >= k:
        fits = space.rank(pool, system, places, _caps(places, held, -(-(have + units) // k)))
        if fits >= units:
            return units
        units = min(units - 1, fits)  # a smaller number has no larger share
    return 0


def _place_spread(space: Space, pool: int, system: int, units: int, beside: Units, *, best: bool) -> Units:
    """First one unit in each place that is lacking, then up to the share; roomiest place first if best."""
    places, held = space.groups(pool, system), _held_by_place(space, pool, beside)
    k, given = int(space.problem.spread[pool]), Units()
    share = -(-(sum(beside.values()) + units) // k)
    for ones in (True, False):
        for _ in range(len(places) * 2):
            if not units or (ones and len(held) >= k):
                break
            caps = _caps(places, held, share)
            if ones:
                caps = np.asarray([0 if d in held else 1 for d in places.tolist()], np.int64)
            room = space.fits(pool, system, places)
            able = np.flatnonzero(np.minimum(room, caps) > 0)
            at = int(able[np.argmax(room[able])]) if best else int(able[0])
            n = min(units, int(min(room[at], caps[at])))
            more = space.fill(pool, system, int(places[at]), n, best=best)
            space.take(more)
            for cell, count in more.items():
                given[cell] = given.get(cell, 0) + count
            held[int(places[at])] = held.get(int(places[at]), 0) + n
            units -= n
    return given


class _Greedy:
    def __init__(self, problem: Problem, *, best: bool, keep: bool) -> None:
        self.problem, self.best, self.keep = problem, best, keep
        self.space = Space(problem)
        self.kept = np.zeros(problem.rows, np.int64)
        self.new: list[Units] = [{} for _ in range(problem.pools)]
        self.rows: list[list[int]] = [[] for _ in range(problem.pools)]
        for r, p in enumerate(problem.row_pool.tolist()):
            self.rows[p].append(r)

    def solve(self) -> Solution:
        problem = self.problem
        for r in np.flatnonzero(problem.row_locked).tolist():
            self._keep(r, int(problem.row_units[r]))
        last_to_give_way = np.lexsort((problem.age, -problem.purpose, -problem.priority)).tolist()
        for p in last_to_give_way:
            if self.rows[p] and (self.keep or problem.frozen[p]):
                self._stay(p)
        stood = np.asarray([bool(rows) for rows in self.rows]) & self.keep
        order = np.lexsort((problem.age, -problem.minimum, ~stood, -problem.priority)).tolist()
        for grow in (False, True):
            for p in order:
                if not problem.frozen[p]:
                    self._serve(p, grow=grow)
        return self._solution()

    def _keep(self, row: int, units: int) -> None:
        """Change what a row keeps by so many units."""
        self.kept[row] += units
        self.space.take({int(self.problem.row_cell[row]): units}, int(self.problem.row_watts[row]))

    def _stay(self, p: int) -> None:
        """Keep a pool where it stands as far as the limits allow; give all up where too little is left."""
        problem = self.problem
        loose = [r for r in self.rows[p] if not problem.row_locked[r]]
        system = int(problem.cell_system[problem.row_cell[self.rows[p][0]]])
        wish = wish_units(problem, p, system)
        for r in loose:
            room = int(problem.row_units[r])
            if not problem.frozen[p]:
                room = min(room, wish - sum(int(self.kept[q]) for q in self.rows[p]))
            if not problem.row_leave[r] and room > 0:
                self._keep(r, self.space.fitting(int(problem.row_cell[r]), int(problem.row_watts[r]), room))
        held = sum(int(self.kept[r]) for r in self.rows[p])
        lost = any(self.kept[r] < problem.row_units[r] for r in loose)
        if lost and (held < least_units(problem, p, system) or problem.topology[p] in SPREADS):
            for r in loose:
                self._keep(r, -int(self.kept[r]))

    def _held(self, p: int) -> Units:
        held = dict(self.new[p])
        for r in self.rows[p]:
            if self.kept[r]:
                cell = int(self.problem.row_cell[r])
                held[cell] = held.get(cell, 0) + int(self.kept[r])
        return held

    def _serve(self, p: int, *, grow: bool) -> None:
        """Give a pool the minimum that it lacks, or with ``grow`` what is free of the rest of its wish."""
        problem, held = self.problem, self._held(p)
        have = sum(held.values())
        stands = {int(problem.cell_system[cell]) for cell in held}
        if any(self.kept[r] and not problem.row_fits[r] for r in self.rows[p]) or len(stands) > 1:
            return  # a changed pool keeps its old place, and takes nothing beside it
        for system in problem.systems[p]:
            least, wish = least_units(problem, p, system), wish_units(problem, p, system)
            if stands - {system} or wish < problem.spread[p] or (grow and have < least):
                continue
            missing = (wish if grow else least) - have
            if missing <= 0:
                continue
            if grow:
                missing = most_units(self.space, p, system, missing, held)
            given = place_units(self.space, p, system, missing, held, best=self.best) if missing else None
            if given:
                for cell, n in given.items():
                    self.new[p][cell] = self.new[p].get(cell, 0) + n
                return

    def _solution(self) -> Solution:
        """The plan; what is given anew in a cell where the pool stood is simply kept."""
        problem = self.problem
        for r, (p, cell) in enumerate(zip(problem.row_pool.tolist(), problem.row_cell.tolist(), strict=True)):
            same = problem.row_watts[r] == problem.cell_watts[cell] and not problem.row_leave[r]
            again = min(int(problem.row_units[r] - self.kept[r]), self.new[p].get(cell, 0)) if same else 0
            if again > 0:
                self.kept[r] += again
                self.new[p][cell] -= again
        new = [(p, c, n) for p, units in enumerate(self.new) for c, n in sorted(units.items()) if n]
        columns = np.asarray(new, np.int64).reshape(-1, 3)
        return Solution(self.kept, columns[:, 0].copy(), columns[:, 1].copy(), columns[:, 2].copy())
