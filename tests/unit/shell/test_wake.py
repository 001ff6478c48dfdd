"""The batcher, in virtual time."""

import asyncio
from collections.abc import Iterable

import pytest

from aifactory.shell.settings import Settings
from aifactory.shell.wake import Wake

pytestmark = pytest.mark.looptime

HOUR = 3600.0
SETTINGS = Settings()


async def answer(
    moments: Iterable[float], again_after: float | None = None, *, wake: Wake | None = None
) -> float:
    """The second at which a batcher answers notifications at the given seconds."""
    wake = wake or Wake(SETTINGS)
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def notify() -> None:
        for moment in moments:
            await asyncio.sleep(began + moment - loop.time())
            wake.notify()

    notifying = asyncio.create_task(notify())
    await wake.wait(again_after)
    took = loop.time() - began
    notifying.cancel()
    return took


async def test_a_single_change_after_a_calm_spell_is_answered_within_a_fifth_of_a_second() -> None:
    assert 100 < await answer([100.0]) <= 100.2


async def test_changes_that_follow_each_other_are_answered_after_half_a_second_of_quiet() -> None:
    assert await answer([5.0, 5.01, 5.2, 5.4]) == pytest.approx(5.4 + SETTINGS.storm_ends)


async def test_a_storm_is_answered_after_its_longest_time_even_if_it_goes_on() -> None:
    assert await answer(5 + i / 10 for i in range(1000)) == pytest.approx(5 + SETTINGS.storm_lasts)


async def test_without_any_change_it_answers_at_the_resync() -> None:
    assert await answer([]) == pytest.approx(SETTINGS.resync)


async def test_what_is_due_shortens_the_wait() -> None:
    assert await answer([], again_after=7.0) == pytest.approx(7.0)


async def test_what_is_due_is_not_put_off_by_a_storm() -> None:
    assert await answer((i / 10 for i in range(1000)), again_after=0.7) == pytest.approx(0.7)


async def test_a_time_that_is_past_is_due_now() -> None:
    assert await answer([], again_after=-1.0) == pytest.approx(0.0)


async def test_what_is_due_after_the_resync_does_not_put_it_off() -> None:
    assert await answer([], again_after=HOUR) == pytest.approx(SETTINGS.resync)


async def test_a_change_during_a_cycle_is_answered_at_once_afterwards() -> None:
    wake = Wake(SETTINGS)
    wake.notify()
    await asyncio.sleep(20)  # the cycle
    assert await answer([], wake=wake) == pytest.approx(0.0)


async def test_a_storm_during_a_long_cycle_is_answered_at_once_afterwards() -> None:
    wake = Wake(SETTINGS)
    for _ in range(200):
        await asyncio.sleep(0.1)
        wake.notify()
    assert await answer([], wake=wake) == pytest.approx(0.0)


async def test_an_answered_change_is_not_answered_again() -> None:
    wake = Wake(SETTINGS)
    assert await answer([1.0], wake=wake) <= 1.2
    assert await answer([], wake=wake) == pytest.approx(SETTINGS.resync)


async def test_a_change_soon_after_an_answer_is_no_calm_spell() -> None:
    wake = Wake(SETTINGS)
    await answer([1.0], wake=wake)
    assert await answer([0.3], wake=wake) == pytest.approx(0.3 + SETTINGS.storm_ends)


async def test_a_wish_is_remembered_until_it_is_answered() -> None:
    wake = Wake(SETTINGS)
    wake.notify(wish=True)
    wake.notify()
    assert wake.wished
    await wake.wait()
    assert not wake.wished
    wake.notify()
    assert not wake.wished


async def test_what_is_due_at_once_answers_all_that_has_changed() -> None:
    wake = Wake(SETTINGS)
    wake.notify(wish=True)
    assert await answer([], again_after=0.0, wake=wake) == pytest.approx(0.0)
    assert not wake.wished
    assert await answer([], wake=wake) == pytest.approx(SETTINGS.resync)


async def test_what_is_urgent_waits_for_no_end_of_a_storm() -> None:
    wake = Wake(SETTINGS)

    async def storm() -> None:
        for number in range(20):
            await asyncio.sleep(0.1)
            wake.notify(wish=True, urgent=number == 4)

    task = asyncio.create_task(storm())
    assert await answer([], wake=wake) <= 0.75
    assert not wake.urgent
    task.cancel()
