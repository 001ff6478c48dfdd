r"""What a waiting pool could have been given: no inversion, no free-room miss, no wrong order of shedding.

**How many fit.** Identical units of w watts, left(v) watts at each domain v, free slots in cells that hang on
domains. The most that fit under v, with all limits at and below v, is

    m(v) = min(floor(left(v) / w), sum of the children's m + free slots of the cells on v)

The sum is reached by filling each child on its own, and a domain that takes s units takes any fewer. So it is
exact, and a group that is a domain fits min(m(v), floor(left(a) / w) for every domain a above v) units. w
differs between factories only, and no limit spans two, so factories add up.

**Spread.** n units over k places, at most c = ceil(n / k) in each. The vectors of units by place that fit are
the integer vectors of a polymatroid (they are a laminar family's), and with each place capped at c still are.
Its rank is m at the roots, with every place's own m capped. n units in k places fit exactly if the rank with
cap 1 is at least k and the rank with cap c at least n. Both are necessary. They suffice: the first gives a
vector of k ones, which is below the cap since c >= 1; in a polymatroid every vector that fits extends, never
lowering an entry, to one whose sum is the rank, and on the way some vector has sum n, as k <= n <= rank.
Units that are kept count the same way: a place with j of them has cap c - j (0 below that) for the second and
cap 0 for the first, where k falls by the places that are taken; at least that many units are missing, so the
least n is what is kept and one for each such place, if that is more than the minimum.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from aifactory_solver.check.facts import SPREAD, Facts, Items, Tree, count
from aifactory_solver.check.rules import preempted_by
from aifactory_solver.problem import Bools, Ints, Problem, Topology

_REMEMBERED = 256  # fillings of one room, most are asked for again and again


class Room:
    """Free slots (C,) and watts left (D,), and how many units fit into them."""

    def __init__(self, problem: Problem, tree: Tree, free: Ints, left: Ints) -> None:
        self.problem, self.tree = problem, tree
        self.free, self.left = free, left
        self._filled: dict[tuple[bytes, bytes], Ints] = {}
        self._most: dict[int, Ints] = {}

    def without(self, *gone: Items) -> "Room":
        """The room once these items are gone."""
        free, own = self.free.copy(), np.zeros_like(self.left)
        for items in gone:
            np.add.at(free, items.cell, items.units)
            np.add.at(own, self.problem.cell_domain[items.cell], items.units * items.watts)
        return Room(self.problem, self.tree, free, self.left + self.tree.sums(own))

    def by_watts(self, system: int) -> Ints:
        """(D,) units of the system that each domain's own limit leaves room for."""
        problem = self.problem
        each = np.ones(problem.domains, np.int64)  # watts of a unit by factory; no cell, no matter
        given = problem.cell_open & (problem.cell_system == system)
        each[problem.factory[problem.cell_domain[given]]] = problem.cell_watts[given]
        return np.maximum(self.left, 0) // each[problem.factory]

    def fill(self, usable: Bools, most: Ints) -> Ints:
        """(D,) m(v): units that fit in each domain, in usable cells (C,), at most ``most`` (D,) in each."""
        key = usable.tobytes(), most.tobytes()
        if key not in self._filled:
            if len(self._filled) >= _REMEMBERED:
                self._filled.clear()
            units = np.zeros(self.problem.domains, np.int64)
            slots = np.where(usable, np.maximum(self.free, 0), 0)
            np.add.at(units, self.problem.cell_domain, slots)
            for layer in reversed(self.tree.layers):
                units[layer] = np.minimum(units[layer], most[layer])
                above = self.tree.parent[layer]
                np.add.at(units, above[above >= 0], units[layer][above >= 0])
            self._filled[key] = units
        return self._filled[key]

    def most(self, system: int) -> Ints:
        """(F,) units of the system that fit in each factory, wherever: nobody can be given more of them."""
        if system not in self._most:
            problem, roots = self.problem, self.tree.roots
            units = self.fill(problem.cell_open & (problem.cell_system == system), self.by_watts(system))
            found = np.zeros(problem.allowed.shape[1], np.int64)
            np.add.at(found, problem.factory[roots], units[roots])
            self._most[system] = found
        return self._most[system]

    def under_limits(self, units: Ints, most: Ints) -> Ints:
        """(D,) of the units that fit in each domain, those that every domain above leaves room for."""
        units, most = units.copy(), most.copy()
        for layer in self.tree.layers[1:]:
            most[layer] = np.minimum(most[layer], most[self.tree.parent[layer]])
        return np.minimum(units, most)

    def whole(self, usable: Bools, most: Ints) -> int:
        """Units that fit anywhere."""
        return int(np.sum(self.fill(usable, most)[self.tree.roots]))


@dataclass(frozen=True)
class Ask:
    """Units of one system that are asked for, for one pool."""

    group: Ints  # (C,) each cell's group or place, a domain; -1 for none
    usable: Bools  # (C,) cells that may be used
    most: Ints  # (D,) units that each domain's own limit leaves room for
    held: dict[int, int]  # units that are kept, by group or place
    least: int  # units in the end
    spread: int  # places, 0 unless the pool is spread

    @property
    def missing(self) -> int:
        """Units to add."""
        return self.least - sum(self.held.values())


def fits(facts: Facts, room: Room, pool: int, system: int, kept: Items) -> bool:
    """Whether the pool's minimum fits into the room on one system, together with what it keeps."""
    problem = facts.problem
    gpus = int(problem.system_gpus[system])
    least = facts.least_units(pool, gpus)
    if not kept.units.size and room.most(system)[problem.allowed[pool]].sum() < least:
        return False
    group = facts.groups(pool)
    usable = problem.cell_open & (problem.cell_system == system) & (group >= 0)
    usable &= problem.allowed[pool][problem.factory[problem.cell_domain]]
    held = count(group[kept.cell], kept.units)
    if -1 in held or np.any(problem.cell_system[kept.cell] != system):
        return False
    one_in_each = sum(held.values()) + int(problem.spread[pool]) - len(held)
    if held and problem.topology[pool] in SPREAD and one_in_each > least:
        least = one_in_each
        if least > -(-int(problem.need[pool]) // gpus):
            return False
    ask = Ask(group, usable, room.by_watts(system), held, least, int(problem.spread[pool]))
    if problem.topology[pool] in SPREAD:
        return _fits_spread(room, ask)
    if problem.topology[pool] == Topology.NONE:
        return room.whole(usable, ask.most) >= ask.missing
    return _fits_in_one_group(room, ask)


def _fits_in_one_group(room: Room, ask: Ask) -> bool:
    """Whether the missing units fit in one group, that of those held if there are any.

    Groups on one layer of the forest do not share a domain, so they are filled together; one group may lie
    under another (a row's own fabric in a hall with a fabric), so layers are filled one by one.
    """
    if len(ask.held) > 1:
        return False
    groups = np.asarray(list(ask.held), np.int64) if ask.held else np.unique(ask.group[ask.usable])
    depth = room.tree.depth[groups]
    for layer in np.unique(depth):
        on_layer = ask.usable & (room.tree.depth[ask.group] == layer)
        units = room.under_limits(room.fill(on_layer, ask.most), ask.most)
        if np.any(units[groups[depth == layer]] >= ask.missing):
            return True
    return False


def _fits_spread(room: Room, ask: Ask) -> bool:
    """Whether units can be added to those held by place, to end with the least number, well spread."""
    lacking = ask.spread - len(ask.held)
    share = -(-ask.least // ask.spread)
    one_each, share_each = ask.most.copy(), ask.most.copy()
    for place in np.unique(ask.group[ask.usable]).tolist():
        units = ask.held.get(place, 0)
        one_each[place] = min(one_each[place], 0 if units else 1)
        share_each[place] = min(share_each[place], max(share - units, 0))
    return room.whole(ask.usable, one_each) >= lacking and room.whole(ask.usable, share_each) >= ask.missing


def _takable(facts: Facts) -> Items:
    """What a pool of strictly higher priority may take, in order of priority, the lowest first.

    Standing units of preemptible pools that are not locked; planned units of pools of which nothing stands
    (where a pool leaves its place by its own will, what it had counts as standing: those units only if it is
    preemptible); and planned growth. Where a pool is given both in several cells, nobody can tell which is
    which, and none is taken.
    """
    problem, new = facts.problem, facts.new
    standing = facts.kept.where(problem.preemptible[facts.kept.pool] & ~problem.row_locked)
    least = np.maximum(-(-problem.minimum // facts.unit_gpus), problem.spread)
    least = np.where(problem.minimum > 0, least, 0)
    least = np.where(problem.changed, np.maximum(least, -(-facts.stood_gpus // facts.unit_gpus)), least)
    growth = np.clip(facts.end_units - least, 0, facts.new_units)
    in_one_cell = facts.by_pool(new.pool, np.ones_like(new.pool)) == 1
    loose = (facts.kept_units == 0) & (~problem.changed | problem.preemptible)
    given = np.where(loose, facts.new_units, growth)
    takable = ((given == facts.new_units) | in_one_cell)[new.pool]
    planned = Items(new.pool, new.cell, np.minimum(new.units, given[new.pool]), new.watts).where(takable)
    both = (np.concatenate(pair) for pair in zip(_arrays(standing), _arrays(planned), strict=True))
    items = Items(*both)
    order = np.argsort(problem.priority[items.pool], kind="stable")
    return Items(*(array[order] for array in _arrays(items)))


def _arrays(items: Items) -> tuple[Ints, Ints, Ints, Ints]:
    return items.pool, items.cell, items.units, items.watts


def _free_room(facts: Facts) -> Room:
    problem = facts.problem
    return Room(problem, facts.tree, problem.cell_units - facts.used, problem.limit - facts.load)


def _rooms(facts: Facts, pools: Ints) -> Iterator[tuple[int, Room]]:
    """Each of the pools with the room once everything is gone that it may take, the lowest priority first."""
    takable = _takable(facts)
    priority = facts.problem.priority
    ranks = priority[takable.pool]
    room, gone = _free_room(facts), 0
    for pool in pools[np.argsort(priority[pools], kind="stable")].tolist():
        below = int(np.searchsorted(ranks, priority[pool]))
        if below > gone:
            room = room.without(Items(*(array[gone:below] for array in _arrays(takable))))
            gone = below
        yield pool, room


def left_waiting(facts: Facts) -> Iterator[str]:
    """No pool waits for its minimum where it would fit: into free room, or into what lower pools hold.

    It is asked together with what the pool keeps; and as a whole, its own units gone, where the pool's own
    spec may move it. A paused pool waits for nothing.
    """
    problem = facts.problem
    free = _free_room(facts)
    waiting = facts.below_minimum & ~problem.frozen
    for pool, room in _rooms(facts, np.flatnonzero(waiting)):
        for where, rule in ((free, "free room"), (room, "inversion")):
            system = _system_that_fits(facts, where, pool)
            if system is not None:
                gone = "" if where is free else " once pools of lower priority give way"
                ends = f"ends with {facts.end_gpus[pool]} of {facts.minimum[pool]} GPUs"
                yield f"{rule}: {facts.name(pool)} {ends}, which would fit on system {system}{gone}"
                break


def _system_that_fits(facts: Facts, room: Room, pool: int) -> int | None:
    problem = facts.problem
    rows = facts.rows_of(pool)
    rows = rows[facts.kept.units[rows] > 0]
    kept = facts.kept.where(_mask(facts.kept.pool.size, rows))
    own = facts.new.where(_mask(facts.new.pool.size, facts.new_of(pool)))
    nothing = Items(*(array[:0] for array in _arrays(kept)))
    as_a_whole = bool(rows.size) and bool(problem.changed[pool]) and not np.any(problem.row_locked[rows])
    with_kept = room.without(own) if own.units.size else room
    vacated = with_kept.without(kept) if as_a_whole else with_kept
    for system in problem.systems[pool]:
        if -(-int(problem.need[pool]) // int(problem.system_gpus[system])) < problem.spread[pool]:
            continue  # fewer units than places
        if fits(facts, with_kept, pool, system, kept):
            return system
        if as_a_whole and fits(facts, vacated, pool, system, nothing):
            return system
    return None


def _mask(size: int, chosen: Ints) -> Bools:
    mask = np.zeros(size, np.bool_)
    mask[chosen] = True
    return mask


def shed_order(facts: Facts) -> Iterator[str]:
    """Where a limit is exceeded, nobody loses its minimum in vain, nor as long as a lower pool stays instead.

    Asked of pools that lost it under exceeded limits: whether all they had would still fit where it stood;
    and whether it would once everything is gone that they may take, and what pools of strictly lower priority
    keep under the same limits. Preemptible or not makes no difference to those, but who may have been
    preempted is not asked the second: it may have given way to a minimum where no lower pool may be touched.
    """
    problem = facts.problem
    had = np.minimum(facts.stood_gpus, facts.minimum)
    hit = np.zeros(problem.pools, np.bool_)
    hit[problem.row_pool[facts.cell_exceeded[problem.row_cell]]] = True
    hit[problem.row_pool[facts.must_leave]] = False
    hit[problem.uprooted & (facts.stood_gpus < facts.minimum)] = False  # were going already
    free, (may_be_preempted, _) = _free_room(facts), preempted_by(facts)
    for pool, room in _rooms(facts, np.flatnonzero(hit & (facts.end_gpus < had))):
        above = _above(facts, facts.kept.cell[facts.rows_of(pool)])
        limits = above[facts.exceeded[above]]
        under = facts.tree.nearest(_mask(problem.domains, limits)) >= 0
        lower = (problem.priority[facts.kept.pool] < problem.priority[pool]) & ~problem.row_locked
        lower &= under[problem.cell_domain[facts.kept.cell]] & ~problem.preemptible[facts.kept.pool]
        own = facts.new.where(facts.new.pool == pool)
        falls = f"{facts.name(pool)} falls from {facts.stood_gpus[pool]} to {facts.end_gpus[pool]} GPUs"
        falls += f" under the exceeded limits of domains {limits.tolist()}"
        if _fits_back(facts, free.without(own), pool):
            yield f"in vain: {falls}, though all it had would still fit"
        elif not may_be_preempted[pool] and _fits_back(
            facts, room.without(own, facts.kept.where(lower)), pool
        ):
            yield f"shed order: {falls}, where pools of lower priority keep what would suffice"


def _fits_back(facts: Facts, room: Room, pool: int) -> bool:
    """Whether all that a pool gave up fits into the room where it stood."""
    kept, rows = facts.kept, facts.rows_of(pool)
    back = Items(kept.pool, kept.cell, facts.problem.row_units - kept.units, kept.watts)
    back = back.where(_mask(facts.problem.rows, rows))
    above = _above(facts, back.cell)
    slots, watts = facts.by_cell(back) <= room.free, facts.watts(back) <= room.left
    return bool(np.all(slots[back.cell]) and np.all(watts[above]))


def _above(facts: Facts, cells: Ints) -> Ints:
    """Every domain that one of the cells hangs on or lies under."""
    hang = np.unique(facts.problem.cell_domain[cells]).tolist()
    return np.asarray(sorted({above for domain in hang for above in facts.tree.chain(domain)}), np.int64)


RULES: tuple[Callable[[Facts], Iterator[str]], ...] = (left_waiting, shed_order)
