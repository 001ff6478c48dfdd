"""The loop's own small parts."""

import asyncio
import threading
import time
from contextlib import suppress

import pytest

from aifactory.shell.beside import Hangs, TooLong, beside
from aifactory.shell.effort import Effort
from aifactory.shell.failures import backoff
from aifactory.shell.heartbeat import Heartbeat
from aifactory.shell.settings import DEFAULTS


@pytest.mark.parametrize("failures", [*range(1, 40), 1025, 10**9])
def test_a_backoff_doubles_up_to_its_longest_with_jitter(failures: int) -> None:
    whole = min(DEFAULTS.longest_backoff, DEFAULTS.first_backoff * 2 ** min(failures - 1, 10))
    assert whole / 2 <= backoff(failures, DEFAULTS) <= whole


async def test_work_beside_the_loop_gives_its_result() -> None:
    assert await beside(lambda: 6 * 7) == 42


async def test_work_beside_the_loop_gives_its_error() -> None:
    def fail() -> int:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        await beside(fail)


async def test_work_that_takes_too_long_is_cut_off_wherever_it_is_and_tidies_up() -> None:
    tidied = threading.Event()

    def endless() -> None:
        try:
            while True:
                with suppress(Exception):  # as whoever guards objects against each other does
                    time.sleep(0.001)
        finally:
            tidied.set()

    with pytest.raises(TooLong, match="was cut off"):
        await beside(endless, 0.1)
    assert tidied.is_set()
    assert await beside(lambda: 6 * 7, 60) == 42


async def test_what_comes_just_as_it_is_cut_off_is_a_result_or_cut_off() -> None:
    for _ in range(50):
        with suppress(TooLong):
            assert await beside(lambda: 6 * 7, 0.0) == 42


async def test_work_that_cannot_be_cut_off_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aifactory.shell.beside._DYING", 0.1)
    go_on = threading.Event()
    with pytest.raises(Hangs, match="could not be cut off"):
        await beside(go_on.wait, 0.1)
    go_on.set()


def test_decisions_are_brief_for_a_while_after_one_that_took_too_long() -> None:
    now = 1000.0
    effort = Effort(30, lambda: now)
    assert not effort.brief
    assert effort.cut_off() == effort.brief == 300
    now = 1200.0
    assert effort.brief == 100
    effort.cut_off()
    assert effort.brief == 300
    now = 1500.0
    assert not effort.brief


async def test_work_beside_the_loop_does_not_hold_it_up_and_can_be_given_up() -> None:
    go_on = threading.Event()
    working = asyncio.create_task(beside(lambda: go_on.wait(30)))
    await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    go_on.set()


def test_a_heartbeat_is_late_once_the_time_it_was_given_is_over() -> None:
    now = 100.0
    heartbeat = Heartbeat(clock=lambda: now)
    assert heartbeat.late == 0
    heartbeat.expect(60)
    now = 159.0
    assert heartbeat.late == 0
    now = 165.0
    assert heartbeat.late == 5
    heartbeat.expect(float("inf"))
    assert heartbeat.late == 0


def test_cycles_that_fail_are_told_once_they_are_many_in_a_row() -> None:
    heartbeat = Heartbeat()
    for count in range(1, DEFAULTS.failed_cycles):
        heartbeat.cycle(failed=True)
        assert not heartbeat.failing, count
    heartbeat.cycle(failed=True)
    heartbeat.cycle(failed=True)
    assert heartbeat.failing == DEFAULTS.failed_cycles + 1
    heartbeat.cycle(failed=False)
    heartbeat.cycle(failed=True)
    assert not heartbeat.failing


def test_so_many_cycles_fail_in_a_row_before_it_is_told_that_an_api_server_may_restart() -> None:
    shortest = sum(
        DEFAULTS.first_backoff * 2 ** (failures - 1) / 2 for failures in range(1, DEFAULTS.failed_cycles)
    )
    assert 15 <= shortest <= 60
