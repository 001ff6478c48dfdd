"""A small HTTP server that cannot be flooded: for the kubelet's probes, and for Prometheus.

aiohttp reads and answers; what it lacks is done here. Neither it nor prometheus_client's own server limits
how many connections there are, nor how long one may take to ask and to read its answer.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from aiohttp import hdrs, web

logger = logging.getLogger(__name__)

MOST: Final = 64  # connections at a time; the kubelet and two Prometheus have a handful
SECONDS: Final = 10.0  # that a connection may last, as long as Prometheus waits by default
_PAUSE: Final = 1.0  # seconds after which accepting is tried again, where the process has no file left
_HEADERS: Final = 16 * 1024  # bytes of a line or a field: a token of many groups is long

Tls = Callable[[], ssl.SSLContext]


class Endpoint:
    """One address, and what is served there. One connection carries one request, and ends in time.

    Where too many are open, the oldest goes: whoever asks at once is answered in spite of any number that
    are opened and left.
    """

    def __init__(
        self,
        routes: list[web.RouteDef],
        *,
        tls: Tls | None = None,
        most: int = MOST,
        seconds: float = SECONDS,
    ) -> None:
        """`tls` gives the context for the next connection; without it, it is plain HTTP."""
        app = web.Application()
        app.add_routes(routes)
        app.on_response_prepare.append(_close_afterwards)
        self._runner = web.AppRunner(app)
        self._tls = tls
        self._most = most
        self._seconds = seconds
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._open: dict[asyncio.Task[None], None] = {}  # in the order in which they came

    async def start(self, address: tuple[str, int]) -> None:
        """Listen. Raises OSError."""
        await self._runner.setup()
        family, where = _resolved(*address)
        self._listener = socket.create_server(where, family=family, backlog=self._most)
        self._listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(self._listener), name="endpoint")

    async def stop(self) -> None:
        """Close all at once: whoever probes or scrapes comes again."""
        tasks = [*self._open, *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:  # of one connection, or for want of files
                logger.warning("no connection can be accepted: %s", error)
                await asyncio.sleep(_PAUSE)
                continue
            while len(self._open) >= self._most:
                oldest = next(iter(self._open))
                del self._open[oldest]
                oldest.cancel()
            task = asyncio.create_task(self._attend(connection))
            self._open[task] = None
            task.add_done_callback(lambda task: self._open.pop(task, None))
            await asyncio.sleep(0)  # the rest of the process has its turn, and the task begins

    async def _attend(self, connection: socket.socket) -> None:
        """Let a connection live, and end it when its time is over."""
        loop = asyncio.get_running_loop()
        server = self._runner.server
        assert server is not None
        handler = _Connection(server, loop=loop)
        try:
            async with asyncio.timeout(self._seconds):
                tls = self._tls() if self._tls else None
                await loop.connect_accepted_socket(lambda: handler, connection, ssl=tls)
                await handler.lost.wait()
        except (OSError, TimeoutError):  # also of TLS
            pass
        finally:
            if handler.transport is not None:
                handler.transport.abort()  # what was not read by now is not sent any more


class _Connection(web.RequestHandler):
    """aiohttp's protocol for one connection, which tells when it is over."""

    __slots__ = ("lost",)

    def __init__(self, server: web.Server, *, loop: asyncio.AbstractEventLoop) -> None:
        limits = {"max_line_size": _HEADERS, "max_field_size": _HEADERS}
        super().__init__(server, loop=loop, access_log=None, **limits)  # type: ignore[arg-type]
        self.lost = asyncio.Event()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.lost.set()


async def _close_afterwards(_: web.Request, response: web.StreamResponse) -> None:
    response.force_close()
    response.headers[hdrs.CONNECTION] = "close"


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, *_, where = found[0]
    return family, (str(where[0]), int(where[1]))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address to listen on. Raises OSError where there is none."""
    return ip_address(_resolved(host, 0)[1][0].partition("%")[0]).is_loopback
