"""How Kopf's listing, watching and discovery go on after trouble, in virtual time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from itertools import islice
from typing import Any

import pytest
from kopf._cogs.clients import watching
from kopf._cogs.structs.references import Resource

from aifactory import watches
from aifactory.shell.settings import DEFAULTS
from aifactory.watches import Endless, Patience

pytestmark = pytest.mark.looptime

HOUR = 3600.0
POOLS = Resource("aifactory.dev", "v1alpha1", "gpupools", kind="GPUPool")
LONGEST = DEFAULTS.longest_watch_pause
POOL = {"metadata": {"name": "p", "uid": "u"}}
ADDED = {"type": "ADDED", "object": POOL}
EXPIRED = {"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}
BROKEN = {"type": "ERROR", "object": {"code": 500, "reason": "InternalError"}}


class Kopf:
    """Lists and watches as Kopf does; `watch` is what the API server answers."""

    def __init__(self, watch: Callable[[], AsyncIterator[Any]]) -> None:
        self.lists = self.watches = 0
        self.told: list[Any] = []
        self.begun: list[str] = []
        patience = Patience()

        async def watch_objs(**_: Any) -> AsyncIterator[Any]:
            self.watches += 1
            async for event in watch():
                yield event

        paced = watches._paced(watch_objs, patience)

        async def continuous_watch(**how: Any) -> AsyncIterator[Any]:
            self.lists += 1
            yield watching.Bookmark.LISTED
            while True:
                async for event in paced(**how):
                    if event["type"] == "ERROR" and event["object"]["code"] == 410:
                        return
                    if event["type"] == "ERROR":
                        raise RuntimeError("Kopf would end here")
                    yield event

        self._lasting = watches._never_failing(continuous_watch, patience, self.begun.append)

    async def run(self, seconds: float) -> None:
        """Watch for so long. Anything that is raised would end the process."""

        async def forever() -> None:
            while True:
                async for event in self._lasting(resource=POOLS):
                    if event is not watching.Bookmark.LISTED:
                        self.told.append(event)
                await asyncio.sleep(0.1)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await forever()


async def nothing() -> AsyncIterator[Any]:
    return
    yield


def answers(*events: Any) -> Callable[[], AsyncIterator[Any]]:
    async def watch() -> AsyncIterator[Any]:
        for event in events:
            yield event

    return watch


def fails(error: Exception) -> Callable[[], AsyncIterator[Any]]:
    async def watch() -> AsyncIterator[Any]:
        raise error
        yield

    return watch


@pytest.mark.parametrize(
    "watch",
    [
        pytest.param(answers(EXPIRED), id="expired"),
        pytest.param(answers(BROKEN), id="an error"),
        pytest.param(answers({"type": "ERROR"}), id="an error of no sense"),
        pytest.param(answers({"type": "ERROR", "object": {}}), id="an error without a code"),
        pytest.param(answers("html"), id="a text"),
        pytest.param(answers({}), id="no event"),
        pytest.param(answers({"type": "ADDED", "object": {}}), id="no object"),
        pytest.param(answers({"type": "ADDED", "object": {"metadata": {"name": "p"}}}), id="no uid"),
        pytest.param(answers({"type": "ADDED", "object": 7}), id="a number"),
        pytest.param(fails(PermissionError("403")), id="forbidden"),
        pytest.param(fails(ValueError("no JSON")), id="no JSON"),
        pytest.param(nothing, id="an end at once"),
    ],
)
async def test_a_watch_that_always_comes_to_nothing_is_tried_again_ever_more_slowly_and_says_so(
    watch: Callable[[], AsyncIterator[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    kopf = Kopf(watch)
    with caplog.at_level(logging.INFO):
        await kopf.run(HOUR)
    assert kopf.told == []
    # Pauses are half of the longest at least, but for the first few.
    assert HOUR / (LONGEST + 1) <= kopf.watches <= 10 + 2 * HOUR / LONGEST
    assert kopf.lists <= kopf.watches + 1
    assert kopf.begun == ["GPUPool"] * kopf.lists
    assert len(caplog.records) >= kopf.watches - 1
    assert all("again in" in record.getMessage() for record in caplog.records)


async def test_an_event_makes_it_patient_no_longer() -> None:
    trouble = iter([*[BROKEN] * 8, ADDED, BROKEN])

    async def watch() -> AsyncIterator[Any]:
        event = next(trouble, None)
        if event is None:
            await asyncio.sleep(HOUR)
        yield event

    kopf = Kopf(watch)
    patience = asyncio.get_running_loop().time
    began = patience()
    await kopf.run(10 * LONGEST)
    assert kopf.told == [ADDED]
    assert kopf.watches == 11
    assert patience() - began == pytest.approx(10 * LONGEST)


async def test_a_watch_that_lasts_and_ends_goes_on_without_a_list_or_a_pause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def watch() -> AsyncIterator[Any]:
        await asyncio.sleep(600)
        return
        yield

    kopf = Kopf(watch)
    with caplog.at_level(logging.INFO):
        await kopf.run(HOUR)
    assert (kopf.lists, kopf.watches) == (1, 6)
    assert caplog.records == []


async def test_what_is_served_is_asked_for_until_it_is_told() -> None:
    tries = 0

    async def scan(**_: Any) -> list[str]:
        nonlocal tries
        tries += 1
        if tries < 5:
            raise KeyError("groups")
        return ["pools"]

    assert await watches._until_it_works(scan, Patience())() == ["pools"]
    assert tries == 5


def test_a_request_is_tried_without_an_end_and_never_more_slowly_than_said() -> None:
    pauses = list(islice(Endless(LONGEST), 10_000))
    assert len(pauses) == 10_000
    assert max(pauses) == pauses[-1] == 10.0
    assert list(islice(Endless(LONGEST), 3)) == pauses[:3]
    assert max(islice(Endless(0.5), 10)) == 0.5


def test_kopf_still_has_what_is_wrapped_and_calls_it_by_its_module() -> None:
    from kopf._core.reactor import observation, queueing  # noqa: PLC0415

    assert "watch_objs" in watching.continuous_watch.__code__.co_names
    assert "LISTED" in watching.continuous_watch.__code__.co_names
    assert "continuous_watch" in watching.infinite_watch.__code__.co_names
    assert "infinite_watch" in queueing.watcher.__code__.co_names
    assert "scan_resources" in observation.resource_observer.__code__.co_names
