"""What is kept up to date while a plan is made is what would be computed anew."""

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aifactory_solver.problem import Problem, Topology
from aifactory_solver.strict.hopeless import Given, Hopeless
from aifactory_solver.strict.layout import EVERY, FABRICS, FACTORIES, Layout
from aifactory_solver.strict.places import Ask, Finder
from aifactory_solver.strict.room import Room
from aifactory_solver.strict.search import find, fits, lacks, most
from aifactory_solver.strict.space import Space
from unit.solver.draft import CHANGES
from unit.solver.worlds import worlds

changes = tuple(change for change in CHANGES if change != "cut off")
some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def disturb(room: Room, rng: np.random.Generator, times: int) -> None:
    """Change what stands and what is new, at random and beyond all limits."""
    problem = room.problem
    for _ in range(times):
        if problem.rows and rng.random() < 0.5:
            row = int(rng.integers(problem.rows))
            room.keep(row, int(rng.integers(problem.row_units[row] + 1)))
        elif problem.pools and problem.cells:
            pool = int(rng.integers(problem.pools))
            if rng.random() < 0.3:
                room.drop_new(pool)
            else:
                room.add(pool, {int(rng.integers(problem.cells)): int(rng.integers(4))})


def anew(space: Space) -> Space:
    return Space(space.layout, np.asarray(space.left), np.asarray(space.free))


def everything(space: Space) -> list[object]:
    """All that a space can be asked."""
    layout = space.layout
    found: list[object] = []
    levels = sorted(set(layout.problem.level.tolist()) - {-1})
    for system in range(layout.systems):
        found.append(space.tree(system, EVERY).m)
        for kind in (FACTORIES, FABRICS, *levels):
            board = space.board(system, kind)
            all_of_them = list(range(layout.factories))
            found += [space.fits(board, f) for f in all_of_them]
            found += [space.roomy(board, all_of_them, units) for units in (1, 2, 5)]
            found.append(space.most(board, all_of_them, 0, 1 << 40))
    return found


@some
@given(worlds(changes=changes), st.integers(0, 2**32 - 1))
def test_after_any_changes_a_space_answers_as_a_fresh_one(problem: Problem, seed: int) -> None:
    rng, room = np.random.default_rng(seed), Room(Layout(problem, np))
    for _ in range(5):
        disturb(room, rng, int(rng.integers(1, 6)))
        assert everything(room.space) == everything(anew(room.space))
        copy = room.space.copy()
        if problem.cells:
            slots = rng.integers(0, 3, problem.cells)
            copy.shift(slots, slots * problem.cell_watts)
            for cell in rng.integers(0, problem.cells, 3).tolist():
                copy.use(cell, 1, 7)
        assert everything(copy) == everything(anew(copy))
        assert everything(room.space) == everything(anew(room.space))


@some
@given(worlds(changes=changes), st.integers(0, 2**32 - 1))
def test_undoing_brings_everything_back(problem: Problem, seed: int) -> None:
    rng, room = np.random.default_rng(seed), Room(Layout(problem, np))
    disturb(room, rng, 5)
    saved = room.save()
    before = (room.kept.tolist(), {p: dict(units) for p, units in room.new.items()}, everything(room.space))
    holds = [(room.held(p), room.system(p), room.gpus_of[p]) for p in range(problem.pools)]
    for _ in range(3):
        disturb(room, rng, 8)
        room.load(saved)
        now = (room.kept.tolist(), {p: dict(units) for p, units in room.new.items()}, everything(room.space))
        assert now == before
        assert [(room.held(p), room.system(p), room.gpus_of[p]) for p in range(problem.pools)] == holds


@some
@given(worlds(changes=changes), st.integers(0, 2**32 - 1))
def test_beneath_a_priority_all_is_gone_that_may_be_taken_there(problem: Problem, seed: int) -> None:
    rng, room = np.random.default_rng(seed), Room(Layout(problem, np))
    for _ in range(6):
        priority = int(rng.choice(problem.priority)) + int(rng.integers(-1, 2)) if problem.pools else 0
        among = [f for f in range(room.layout.factories) if rng.random() < 0.5]
        partly = rng.random() < 0.5
        space = room.beneath(priority, among if partly else None)
        disturb(room, rng, 3)
        pools = problem.row_pool
        gone = problem.preemptible[pools] & (problem.priority[pools] < priority) & ~problem.row_locked
        expected = Room(Layout(replace(problem, row_units=np.where(gone, 0, room.kept)), np))
        for pool, units in room.new.items():
            expected.add(pool, units)
        domains = np.isin(problem.factory, among) if partly else np.ones(problem.domains, np.bool_)
        cells = domains[problem.cell_domain]
        assert np.array_equal(np.asarray(space.left)[domains], expected.left[domains])
        assert np.array_equal(np.asarray(space.free)[cells], expected.free[cells])


def asks_of(room: Room, pool: int) -> list[Ask]:
    layout = room.layout
    wishes = ((s, max(layout.least(pool, s), 1)) for s in room.problem.systems[pool])
    return [Ask(pool, s, n, {}, {}) for s, n in wishes if n >= layout.spread[pool]]


@some
@given(worlds(changes=changes), st.integers(0, 2**32 - 1))
def test_what_fits_is_found_and_no_more(problem: Problem, seed: int) -> None:
    rng, room = np.random.default_rng(seed), Room(Layout(problem, np))
    finder = Finder.over(room.space)
    for _ in range(3):
        disturb(room, rng, 4)
        for ask in [ask for pool in range(problem.pools) for ask in asks_of(room, pool)]:
            found = find(finder, ask)
            assert (found is not None) == fits(finder, ask) == (most(finder, ask) == ask.units)
            assert (lacks(finder, ask) > 0) == (found is None)
            assert everything(room.space) == everything(anew(room.space))
            if found is not None:
                assert sum(found.values()) == ask.units
                assert all(finder.take(cell, n) == n for cell, n in found.items())
                finder.undo(0)


@some
@given(worlds(changes=changes), st.integers(0, 2**32 - 1))
def test_a_hopeless_pool_fits_nowhere_even_when_another_leaves(problem: Problem, seed: int) -> None:
    rng, room = np.random.default_rng(seed), Room(Layout(problem, np))
    disturb(room, rng, 4)
    hopeless = Hopeless(room)
    for pool in range(problem.pools):
        beneath = Finder.over(room.beneath(room.layout.priority[pool]))
        asks = asks_of(room, pool)
        if not any(fits(beneath, ask) for ask in asks):
            hopeless.add(pool, asks)
    for leaver in range(problem.pools):
        saved, more = room.save(), Given()
        for row in room.rows_of[leaver]:
            room.keep(row, 0)
        hopeless.give(more, room.lost(saved))
        for pool in range(problem.pools):
            if pool in hopeless and hopeless.stays_so(pool, more):
                beneath = Finder.over(room.beneath(room.layout.priority[pool]))
                assert not any(fits(beneath, ask) for ask in asks_of(room, pool))
        room.load(saved)


@some
@given(worlds(changes=changes))
def test_groups_are_ascending_and_hold_what_they_say(problem: Problem) -> None:
    finder = Finder.over(Room(Layout(problem, np)).space)
    for pool in range(problem.pools):
        for system in problem.systems[pool]:
            groups = finder.groups(Ask(pool, system, 1, {}, {}))
            assert np.all(groups.fits > 0)
            if problem.topology[pool] in (Topology.FACTORY, Topology.FABRIC, Topology.DOMAIN):
                top = int(groups.fits.max(initial=0))
                assert most(finder, Ask(pool, system, 1 << 40, {}, {})) == top
