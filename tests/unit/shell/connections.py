"""Connections on which nobody asks to the end, many of them."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

FLOOD = 1200
HALF = b"GET /healthz HTTP/1.1\r\nHost: loc"
Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def half_open(port: int, said: bytes = HALF) -> AsyncIterator[list[Opened]]:
    """A flood of connections to a port on loopback, each left after `said`. There is room for both ends."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    opened: list[Opened] = []
    try:
        for _ in range(FLOOD):
            opened.append(await asyncio.open_connection("127.0.0.1", port))
            opened[-1][1].write(said)
        yield opened
    finally:
        for _, writer in opened:
            writer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
