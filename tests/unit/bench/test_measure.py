"""Bands and numbers, against small worlds that can be counted by hand."""

import numpy as np
import pytest

from aifactory_solver.bands import bands
from bench.solver.measure import demand_by_band, measure, weighted
from unit.solver.build import World


def of(*pools: tuple[int, int]) -> list[int]:
    """The bands of pools of (priority, GPUs)."""
    world = World().factory("a").slots("a", 10)
    for number, (priority, gpus) in enumerate(pools):
        world.pool(f"p{number}", gpus, priority=priority)
    return [int(band) for band in bands(world.problem())]


def test_five_priorities_are_five_bands_whatever_they_ask_for() -> None:
    assert of((9, 1), (7, 1000), (5, 1), (3, 1), (1, 1)) == [0, 1, 2, 3, 4]


def test_fewer_priorities_are_fewer_bands_from_the_top() -> None:
    assert of((1, 5), (9, 5), (1, 7)) == [1, 0, 1]


def test_priorities_are_whole_and_bands_about_equal() -> None:
    assert of(*((10 - i // 2, 1) for i in range(20))) == [i // 4 for i in range(20)]
    assert of((9, 4), (8, 1), (7, 1), (6, 1), (5, 2), (4, 3), (3, 3), (2, 3), (1, 2))[0] == 0


@pytest.mark.parametrize("seed", range(20))
def test_many_priorities_give_five_bands_in_order(seed: int) -> None:
    random = np.random.default_rng(seed)
    pools = [(int(random.integers(1, 1000)), int(random.integers(1, 50))) for _ in range(200)]
    found = of(*pools)
    assert set(found) == {0, 1, 2, 3, 4}
    by_priority = dict(sorted(zip((p for p, _ in pools), found, strict=True)))
    assert list(by_priority.values()) == sorted(by_priority.values(), reverse=True)
    share = np.bincount(found, [gpus for _, gpus in pools]) / sum(gpus for _, gpus in pools)
    assert ((share > 0.15) & (share < 0.25)).all()


def test_served_counts_up_to_the_wish_and_weights_are_four_to_one() -> None:
    world = World().factory("a").slots("a", 9, "rack").slots("a", 9)
    world.pool("high", 100, minimum=80, priority=2, systems=("rack",)).pool("low", 5, minimum=2)
    found = measure(world.problem(), world.plan({"high": {"a rack": 2}, "low": {"a": 4}}))
    assert found.minima_by_band == (80, 2, 0, 0, 0)
    assert found.served_by_band == (100, 4, 0, 0, 0)
    assert found.weighted == weighted((80, 2, 0, 0, 0)) == 80 * 256 + 2 * 64
    assert demand_by_band(world.problem()) == (80, 2, 0, 0, 0)


def test_moved_lost_and_evicted() -> None:
    world = World().factory("a").domain("a/x", 10).domain("a/y", 10).slots("a/x", 20).slots("a/y", 20)
    world.pool("moves", 4).pool("gone", 3).pool("smaller", 5, minimum=1).pool("resized", 0)
    for pool in ("moves", "gone", "smaller", "resized"):
        world.stands(pool, "a/x", {"moves": 4, "gone": 3, "smaller": 5, "resized": 2}[pool])
    found = measure(world.problem(), world.plan({"moves": {"a/y": 3}}, moves=1, gone=0, smaller=2, resized=0))
    assert (found.moved, found.evicted) == (3, 3)


def test_waiting_in_vain_is_counted_and_what_is_impossible_is_not_sound() -> None:
    world = World().factory("a", 2).slots("a", 9).pool("high", 2, priority=1).pool("low", 2)
    waits = measure(world.problem(), world.plan({"low": {"a": 2}}))
    assert (waits.inversions, waits.free_room_misses, waits.sound) == (1, 0, True)
    idle = measure(world.problem(), world.plan({}))
    assert (idle.inversions, idle.free_room_misses) == (0, 2)
    assert not measure(world.problem(), world.plan({"low": {"a": 2}, "high": {"a": 2}})).sound
