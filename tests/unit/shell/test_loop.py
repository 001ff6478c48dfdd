"""The loop's own small parts."""

import asyncio
import threading

import pytest

from aifactory.shell.failures import FIRST_BACKOFF, LONGEST_BACKOFF, backoff
from aifactory.shell.heartbeat import FAILED, Heartbeat
from aifactory.shell.loop import beside


@pytest.mark.parametrize("failures", [*range(1, 40), 1025, 10**9])
def test_a_backoff_doubles_up_to_its_longest_with_jitter(failures: int) -> None:
    whole = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(failures - 1, 10))
    assert whole / 2 <= backoff(failures) <= whole


async def test_work_beside_the_loop_gives_its_result() -> None:
    assert await beside(lambda: 6 * 7) == 42


async def test_work_beside_the_loop_gives_its_error() -> None:
    def fail() -> int:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        await beside(fail)


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
    heartbeat = Heartbeat(lambda: now)
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
    for count in range(1, FAILED):
        heartbeat.cycle(failed=True)
        assert not heartbeat.failing, count
    heartbeat.cycle(failed=True)
    heartbeat.cycle(failed=True)
    assert heartbeat.failing == FAILED + 1
    heartbeat.cycle(failed=False)
    heartbeat.cycle(failed=True)
    assert not heartbeat.failing


def test_so_many_cycles_fail_in_a_row_before_it_is_told_that_an_api_server_may_restart() -> None:
    shortest = sum(FIRST_BACKOFF * 2 ** (failures - 1) / 2 for failures in range(1, FAILED))
    assert 15 <= shortest <= 60
