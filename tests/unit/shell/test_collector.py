"""Python's collector as the operator has it: new cycles go soon, old ones in the end, and looks are short."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from aifactory.shell import collector as module
from aifactory.shell.collector import EVERYTHING, YOUNG, Collector


class Cycle:
    """An object that only the collector can end."""

    def __init__(self) -> None:
        self.itself = self


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def collector(clock: Clock) -> Iterator[Collector]:
    """It is at work; afterwards Python collects as it does elsewhere."""
    usual = gc.get_threshold()
    made = Collector(clock)
    made.begin()
    yield made
    gc.callbacks.remove(module._set_aside)
    gc.unfreeze()
    gc.set_threshold(*usual)


def test_a_cycle_of_new_objects_goes_soon(collector: Collector) -> None:
    gone = weakref.ref(Cycle())
    assert gone()
    kept: list[object] = [[] for _ in range(2 * YOUNG)]
    assert not gone()
    assert gc.get_freeze_count() >= YOUNG
    assert kept


def test_what_was_looked_through_once_is_not_looked_through_again(collector: Collector) -> None:
    kept: list[object] = [[] for _ in range(2 * YOUNG)]
    gc.collect()
    assert len(gc.get_objects()) < YOUNG
    assert kept


def test_a_cycle_that_was_set_aside_goes_with_the_next_look_through_everything(
    collector: Collector, clock: Clock
) -> None:
    cycle = Cycle()
    gone = weakref.ref(cycle)
    gc.collect()
    del cycle
    gc.collect()
    clock.now += EVERYTHING - 1
    collector.look()
    assert gone()
    clock.now += 1
    collector.look()
    assert not gone()
    assert gc.get_freeze_count() > 0
