"""Kopf's watches outlast whatever the API server, or what stands before it, may answer.

Kopf ends the whole process where one of its watches fails: by an ERROR event, by a status that it does not
retry, by an answer that is no JSON. All replicas watch the same, so all would end at once. And it asks again
without a pause where a watch ends as soon as it has begun, which for an expired one means a full LIST. So
the functions by which it lists, watches and discovers are wrapped here: they try again, ever more slowly, and
say so.
"""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from contextlib import aclosing
from functools import wraps
from itertools import chain, repeat
from typing import Any, Final

from kopf._cogs.clients import scanning, watching

from aifactory.shell.client import ApiError
from aifactory.shell.failures import backoff
from aifactory.shell.settings import DEFAULTS, Settings

logger = logging.getLogger(__name__)

_PAUSES: Final = (
    1.0,
    1.0,
    2.0,
    3.0,
    5.0,
    8.0,
    10.0,
)  # seconds between the tries of one request, then the last
SHORT: Final = 5.0  # seconds; a watch that ends sooner, without an event, has come to nothing
_REPORTED: Final = 300  # characters of an error

# After this event Kopf goes on, with a LIST; any other error would end it.
_EXPIRED: Final = {"type": "ERROR", "object": {"code": 410}}

Watch = Callable[..., Any]  # gives an asynchronous generator


class Endless:
    """Pauses between the tries of one request. Kopf gives up where they end."""

    def __init__(self, longest: float) -> None:
        self._longest = longest

    def __iter__(self) -> Iterator[float]:
        return (min(self._longest, pause) for pause in chain(_PAUSES, repeat(_PAUSES[-1])))


class Patience:
    """Waits before what came to nothing is tried again: longer each time in a row, of one kind."""

    def __init__(self, settings: Settings = DEFAULTS) -> None:
        self._settings = settings
        self._troubles: dict[str, int] = {}

    async def trouble(self, what: str, why: object) -> None:
        """Say what went wrong, and wait."""
        count = self._troubles[what] = self._troubles.get(what, 0) + 1
        pause = min(self._settings.longest_watch_pause, backoff(count, self._settings))
        known = isinstance(why, ApiError | str)
        said = str(why) if known else f"{type(why).__name__}: {why}"
        # A watch that expires once has only been quiet for long.
        level = logging.WARNING if count > 1 or isinstance(why, Exception) else logging.INFO
        logger.log(level, "%s: %s; again in %.1f s", what, said[:_REPORTED], pause)
        await asyncio.sleep(pause)

    def success(self, what: str) -> None:
        """It has come to something."""
        self._troubles.pop(what, None)


def outlast(patience: Patience, listed: Callable[[str], None]) -> None:
    """Make Kopf's watches of this process last.

    `listed` is told the kind of each watch that has begun, or begun anew: with a list that may be empty, and
    without a word of what was deleted meanwhile.
    """
    vars(scanning)["scan_resources"] = _until_it_works(scanning.scan_resources, patience)
    vars(watching)["watch_objs"] = _paced(watching.watch_objs, patience)
    vars(watching)["continuous_watch"] = _never_failing(watching.continuous_watch, patience, listed)


def _until_it_works(scan: Callable[..., Any], patience: Patience) -> Callable[..., Any]:
    @wraps(scan)
    async def scan_resources(**how: Any) -> Collection[Any]:
        while True:
            try:
                found: Collection[Any] = await scan(**how)
            except Exception as error:
                await patience.trouble("what the API server serves", error)
            else:
                return found

    return scan_resources


def _paced(watch: Watch, patience: Patience) -> Watch:
    @wraps(watch)
    async def watch_objs(*, resource: Any, **how: Any) -> AsyncGenerator[Any, None]:
        what = f"watch of {resource}"
        began, trouble = asyncio.get_running_loop().time(), ""
        async with aclosing(watch(resource=resource, **how)) as events:
            async for event in events:
                if not isinstance(event, dict) or event.get("type") == "ERROR":
                    trouble = str(event)
                    break
                patience.success(what)
                began = -math.inf
                yield event
        if trouble:
            await patience.trouble(what, trouble)
            yield _EXPIRED
        elif asyncio.get_running_loop().time() - began < SHORT:
            await patience.trouble(what, "it ended as soon as it had begun")

    return watch_objs


def _never_failing(watch: Watch, patience: Patience, listed: Callable[[str], None]) -> Watch:
    @wraps(watch)
    async def continuous_watch(*, resource: Any, **how: Any) -> AsyncGenerator[Any, None]:
        try:
            async with aclosing(watch(resource=resource, **how)) as events:
                async for event in events:
                    if isinstance(event, dict):
                        _check(event)
                    elif event is watching.Bookmark.LISTED:
                        listed(resource.kind)
                    yield event
        except Exception as error:
            await patience.trouble(f"list and watch of {resource}", error)

    return continuous_watch


def _check(event: dict[str, Any]) -> None:
    """Raise TypeError for an event of which Kopf could not tell what it is about."""
    obj = event.get("object")
    meta = obj.get("metadata") if isinstance(obj, dict) else None
    if event.get("type") == "BOOKMARK":
        return
    if not isinstance(meta, dict) or not all(isinstance(meta.get(key), str) for key in ("name", "uid")):
        raise TypeError(f"an event about no object: {event}")
