"""Connections on which nobody asks to the end, many of them."""

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aifactory.shell.endpoint import MOST

FLOOD = 1200
HALF = b"GET /healthz HTTP/1.1\r\nHost: loc"
Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def half_open(
    port: int, said: bytes = HALF, taken: Callable[[], object] | None = None
) -> AsyncIterator[list[Opened]]:
    """A flood of connections to a port on loopback, each left after `said`. There is room for both ends.

    ``taken`` asks another process something that it only answers once it has taken those before: where its
    backlog is full, one waits for a second.
    """
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    opened: list[Opened] = []
    try:
        for number in range(FLOOD):
            opened.append(await asyncio.open_connection("127.0.0.1", port))
            opened[-1][1].write(said)
            if taken is not None and number % (MOST // 2) == 0:
                assert taken()
        yield opened
    finally:
        for _, writer in opened:
            writer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
