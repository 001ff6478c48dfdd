"""Worlds made to hurt: each is answered soundly, with a certificate that holds, and in time."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

import numpy as np
import pytest

from aifactory_solver import check, solve, solve_plainly
from aifactory_solver.certificate import Certificate, certify
from aifactory_solver.problem import Problem, Solution, Topology
from aifactory_solver.value import value
from bench.solver.cut import POOL
from unit.solver.build import PLENTY, World
from unit.solver.halls import hall, two_halls

INT32 = np.iinfo(np.int32)


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """More processor time than is needed, by far: how long that takes is the machine's business."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no end after {seconds} seconds")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def answered(problem: Problem, seconds: int = 15) -> tuple[Solution, Certificate]:
    """The better of the solver's plans and its certificate, after all that must hold of both."""
    with within(seconds):
        plain, plan = solve_plainly(problem), solve(problem)
        check(problem, plain)
        check(problem, plan)
        assert not value(problem, plain) > value(problem, plan)
        proof = certify(problem, plan)
    served = value(problem, plan)
    for band in proof.bands:
        assert band.served <= band.bound <= band.wished
    assert sum(band.served for band in proof.bands) == served.minima.sum()
    assert sum(band.wished for band in proof.bands) == proof.wished == problem.minimum.sum()
    assert proof.proved <= proof.wished
    assert proof.next_more <= proof.wished - served.minima.sum()
    return plan, proof


def rows(halls: int, slots: int, limit: int = PLENTY, factory: int = PLENTY) -> World:
    """One factory of so many halls."""
    made = World().factory("a", factory)
    for number in range(halls):
        path = f"a/hall-{number + 1}"
        made.domain(path, limit).slots(path, slots)
    return made


def many(made: World, count: int, gpus: int, **spec: object) -> Problem:
    """The world with so many pools alike; by arrays, for the builder takes its time."""
    problem = made.pool("p", gpus, **spec).problem()  # type: ignore[arg-type]
    copies = {name: np.repeat(getattr(problem, name), count, axis=0) for name in POOL}
    copies["age"] = np.arange(count)
    return replace(problem, **copies, systems=problem.systems * count)


# Sizes that do not go together


def test_pools_of_just_over_half_a_hall() -> None:
    """One to a hall, whatever a sum of GPUs would say."""
    plan, proof = answered(many(rows(20, 10), 40, 6, pack="hall"))
    assert plan.new_units.tolist() == [6] * 20
    assert proof.proved == proof.wished


def test_pools_of_just_over_half_a_hall_by_power() -> None:
    plan, proof = answered(many(rows(20, 100, limit=10), 40, 6, pack="hall"))
    assert plan.new_units.tolist() == [6] * 20
    assert proof.proved == proof.wished


def test_pools_of_just_over_a_third_of_a_hall_beside_what_fills_the_rest() -> None:
    made = rows(10, 100)
    for number in range(20):
        made.pool(f"rock-{number}", 34, pack="hall", priority=1)
    for number in range(10):
        made.pool(f"sand-{number}", 32, pack="hall")
    plan, proof = answered(made.problem())
    assert plan.new_units.sum() == 20 * 34 + 10 * 32
    assert proof.proved == proof.wished


def test_a_pool_larger_than_the_world_stops_nobody() -> None:
    problem = hall(50).pool("giant", 10**12, priority=9).pool("p", 50).problem()
    plan, proof = answered(problem)
    assert plan.new_pool.tolist() == [1]
    assert proof.proved == proof.wished


def test_a_spread_over_more_places_than_there_are() -> None:
    made = two_halls().pool("p", 9, spread=3, over="hall").pool("q", 9, spread=2, over="factory")
    plan, _ = answered(made.pool("r", 9, spread=2, over="hall").problem())
    assert set(plan.new_pool.tolist()) == {2}


def test_odd_units_that_share_one_limit() -> None:
    """Watts that meet no limit exactly: a prime to a unit, and limits that are no multiples."""
    made = World().factory("a", 99_991)
    for number in range(6):
        path = f"a/hall-{number + 1}"
        made.domain(path, 17_389).slots(path, 40, "node", watts=1_009).slots(path, 9, "rack", watts=7_919)
    for number in range(24):
        wish = {"systems": ("rack", "node"), "pack": "hall", "priority": number % 3}
        made.pool(f"p{number}", 72 + 8 * (number % 5), **wish)  # type: ignore[arg-type]
    answered(made.problem())


# Priorities


@pytest.mark.parametrize("gpus", [1, 3], ids=["all alike", "some too large"])
def test_a_priority_for_each_of_a_thousand_pools(gpus: int) -> None:
    problem = many(rows(25, 20, limit=17), 1000, 1, pack="hall")
    sizes = np.where(np.arange(1000) % 7 == 0, 5 * gpus, gpus)
    problem = replace(problem, need=sizes, minimum=sizes, priority=np.arange(1000)[::-1] - 500)
    plan, proof = answered(problem)
    served = np.isin(np.arange(1000), plan.new_pool)
    first = int(np.flatnonzero(~served)[0])  # nobody waits while the halls are half empty
    assert sizes[:first].sum() > 25 * 17 / 2
    assert proof.proved_through is not None


def test_thousands_of_priorities_are_proved_at_once() -> None:
    """Below a fleet that is full to the last watt there is nothing to gain: not a linear program for each."""
    made = World()
    for name in "abcdefgh":
        made.factory(name, 50).slots(name, 60, "node", watts=10).slots(name, 30, "one", watts=1)
    problem = replace(many(made, 5000, 8, systems=("node", "one")), priority=np.arange(5000)[::-1] - 2500)
    start = time.process_time()
    plan, proof = answered(problem)
    assert proof.proved == proof.wished
    assert plan.new_pool.max() < 100
    assert time.process_time() - start < 8


def test_priorities_at_both_ends_of_their_range() -> None:
    made = hall(6)
    for number, priority in enumerate((INT32.min, INT32.max, INT32.min + 1, INT32.max - 1, 0)):
        made.pool(f"p{number}", 2, priority=int(priority))
    plan, proof = answered(made.problem())
    assert plan.new_pool.tolist() == [1, 3, 4]
    assert proof.proved == proof.wished


# Many


def test_ten_thousand_pools_alike() -> None:
    problem = many(rows(30, 100, factory=2_000), 10_000, 1)
    start = time.process_time()
    plan, proof = answered(problem, seconds=40)
    assert plan.new_pool.tolist() == list(range(2_000))  # the oldest
    assert proof.proved == proof.wished
    assert time.process_time() - start < 20


@pytest.mark.long
def test_ten_thousand_packed_pools_alike() -> None:
    plan, proof = answered(many(rows(50, 100), 10_000, 3, pack="hall", minimum=3), seconds=40)
    assert plan.new_units.sum() == 50 * 99
    assert proof.bands[0].bound <= 50 * 100


def test_a_factory_of_two_thousand_domains() -> None:
    made = World().factory("a", 9_000)
    for number in range(40):
        path = f"a/hall-{number + 1}"
        made.domain(path, 240)
        for row in range(49):
            made.domain(f"{path}/row-{row + 1}", 6).slots(f"{path}/row-{row + 1}", 8, fabric=path)
    for number in range(60):
        pack = (None, "hall", "hall/row", "fabric")[number % 4]
        made.pool(f"p{number}", 6 if pack == "hall/row" else 200, pack=pack, priority=number % 5)
    problem = made.problem()
    assert problem.domains == 2_001
    answered(problem, seconds=40)


def test_a_chain_of_domains_six_deep() -> None:
    path, made = "a", World().factory("a", 64)
    for depth in range(6):
        path += f"/level{depth}"
        made.domain(path, 32 >> depth).slots(path, 16)
    plan, proof = answered(made.pool("p", 32, priority=1).pool("q", 1).problem())
    assert np.bincount(plan.new_pool, plan.new_units).tolist() == [32]
    assert proof.proved == proof.wished


# Nothing


def test_domains_that_carry_nothing() -> None:
    made = World().factory("a").factory("b", 0).slots("b", 9)
    for name, limit in (("a/hall-1", 0), ("a/hall-2", 5), ("a/hall-3", 5)):
        made.domain(name, limit).slots(name, 9 if name != "a/hall-3" else 0)
    made.domain("a/hall-4", 5)  # without slots
    made.pool("p", 5, pack="hall").pool("q", 5, pack="hall").pool("r", 2, spread=2, over="hall")
    plan, proof = answered(made.problem())
    assert (plan.new_pool.tolist(), plan.new_cell.tolist()) == ([0], [2])
    assert proof.proved == proof.wished


def nothing(made: World) -> World:
    return made


def no_limit_left(made: World) -> World:
    for domain in made.domains.values():
        domain.limit = 0
    return made


def all_closed(made: World) -> World:
    for cell in made.cells:
        cell.open = False
    return made


def all_locked(made: World) -> World:
    for row in made.rows:
        row.locked = True
    return made


def all_locked_without_power(made: World) -> World:
    return no_limit_left(all_locked(made))


def all_frozen(made: World) -> World:
    for pool in made.pools.values():
        pool.frozen = True
    return made


def all_told_to_leave(made: World) -> World:
    for row in made.rows:
        row.leave = True
    return all_closed(made)


def running() -> World:
    """Two halls, nearly full, and pools of each kind that wait."""
    made = two_halls(20, 20, 35).pool("low", 15, minimum=5, priority=1, preemptible=True)
    made.pool("firm", 15, priority=2).stands("low", "a/hall-1", 15).stands("firm", "a/hall-2", 15)
    made.pool("high", 12, priority=3).pool("packed", 6, priority=4, pack="hall")
    return made.pool("wide", 4, priority=5, spread=2, over="hall").pool("none", 9, minimum=0)


@pytest.mark.parametrize(
    ("turn", "stands", "added"),
    [
        (nothing, 30, 0),
        (no_limit_left, 0, 0),
        (all_closed, 30, 0),
        (all_locked, 30, 5),
        (all_locked_without_power, 30, 0),
        (all_frozen, 30, 0),
        (all_told_to_leave, 0, 0),
    ],
)
def test_everything_at_once(turn: Callable[[World], World], stands: int, added: int) -> None:
    problem = turn(running()).problem()
    plan, _ = answered(problem)
    if turn is not nothing:
        assert (int(plan.kept.sum()), int(plan.new_units.sum())) == (stands, added)


@pytest.mark.parametrize(
    "made",
    [
        World(),
        World().pool("p", 3).pool("q", 3, spread=2),
        World().factory("a"),
        World().factory("a").slots("a", 5),
        hall(0).pool("p", 3),
        hall(9).pool("p", 0).pool("q", 0, minimum=0),
        hall(9).pool("p", 3, systems=()),
        hall(9).pool("p", 3, factories=()),
        hall(9, slots=0).pool("p", 3),
    ],
    ids=range(9),
)
def test_worlds_of_nothing(made: World) -> None:
    plan, proof = answered(made.problem())
    assert plan.new_units.size == 0
    assert proof.proved == proof.wished


def test_two_fabrics_on_one_row() -> None:
    made = World().factory("a").domain("a/hall").domain("a/hall/row", 12)
    made.slots("a/hall/row", 8, fabric="a/hall/row").slots("a/hall/row", 8, "two", fabric="a/hall")
    made.slots("a/hall", 2, "two", fabric="a/hall")
    for number, gpus in enumerate((9, 8, 14, 4)):
        made.pool(f"p{number}", gpus, pack="fabric", systems=("one", "two"), priority=-number)
    problem = made.problem()
    assert problem.topology.tolist() == [Topology.FABRIC] * 4
    _, proof = answered(problem)
    assert proof.proved == proof.wished
