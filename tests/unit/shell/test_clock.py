"""The API server's clock, as its answers tell it."""

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aifactory.shell.clock import ServerClock

MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda it: it.replace(tzinfo=UTC))


def test_it_is_the_time_of_the_last_answer() -> None:
    clock = ServerClock()
    clock.heard("Tue, 24 Nov 2026 08:00:00 GMT")
    assert clock.now() == datetime(2026, 11, 24, 8, tzinfo=UTC)
    clock.heard("Tue, 24 Nov 2026 08:00:07 GMT")
    assert clock.now() == datetime(2026, 11, 24, 8, 0, 7, tzinfo=UTC)


@given(st.lists(MOMENTS, min_size=1))
def test_it_never_goes_back(moments: list[datetime]) -> None:
    clock, last = ServerClock(), datetime.min.replace(tzinfo=UTC)
    for moment in moments:
        clock.heard(format_datetime(moment, usegmt=True))
        assert clock.now() >= last
        last = clock.now()
    assert last == max(moments).replace(microsecond=0)


@given(st.one_of(st.none(), st.text(), st.text("0123456789 :+-,GMTJanTue", max_size=40)))
def test_a_date_that_makes_no_sense_tells_nothing(date: str | None) -> None:
    clock = ServerClock()
    clock.heard("Tue, 24 Nov 2026 08:00:00 GMT")
    clock.heard(date)
    assert clock.now() >= datetime(2026, 11, 24, 8, tzinfo=UTC)


def test_without_any_date_it_is_this_machines_time_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ServerClock()
    clock.heard(None)
    with caplog.at_level(logging.WARNING):
        assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=60)
        clock.now()
    assert len(caplog.records) == 1
