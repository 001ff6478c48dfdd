"""A proxy before a real API server that loses, breaks or replaces the answers that a test names."""

import asyncio
import base64
import gzip
import json
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

from controlplane.ports import free_port

_HOP = ("connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding")
_LARGEST = 2**28  # bytes of a request


class Asked(NamedTuple):
    """A request, as far as a fault may depend on it."""

    method: str
    path: str
    query: dict[str, str]

    @property
    def watches(self) -> bool:
        """Whether it asks for a stream of events."""
        return self.query.get("watch") == "true"


@dataclass(frozen=True)
class Instead:
    """Answer this; the API server is not asked."""

    status: int = 200
    body: str = ""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class Lost:
    """The API server does what it is asked, and its answer never comes."""


class Cut:
    """Half of the answer comes."""


@dataclass(frozen=True)
class Late:
    """It is passed on after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Silent:
    """The API server is not asked; nothing but a header comes for so many seconds, and then the end."""

    seconds: float


@dataclass(frozen=True)
class Changed:
    """It is asked with another query, and its answer, a JSON object, is changed in place."""

    change: Callable[[dict[str, Any]], None] = lambda answer: None
    query: dict[str, str] = field(default_factory=dict)


Fault = Instead | Lost | Cut | Late | Silent | Changed
HTML = Instead(200, "<html><body>Please log in.</body></html>", "text/html")


def status(code: int, reason: str, message: str = "as the test wants it") -> Instead:
    """An error as the API server words it."""
    says = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "metadata": {}}
    return Instead(code, json.dumps({**says, "message": message, "reason": reason, "code": code}))


def error_event(code: int, reason: str = "InternalError") -> Instead:
    """A stream of events that is nothing but an error."""
    says = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code}
    event = {"type": "ERROR", "object": {**says, "reason": reason, "message": "as the test wants it"}}
    return Instead(200, json.dumps(event) + "\n")


class Proxy:
    """`fault` says what goes wrong with a request, if anything; `asked` has all requests so far."""

    def __init__(self, kubeconfig: Path) -> None:
        view = yaml.safe_load(kubeconfig.read_text())
        self._cluster, self._user = view["clusters"][0]["cluster"], view["users"][0]["user"]
        self._port = free_port()
        self._open: set[asyncio.Transport] = set()
        self.fault: Callable[[Asked], Fault | None] = lambda asked: None
        self.asked: list[Asked] = []

    def kubeconfig(self, out: Path, user: Path | None = None) -> Path:
        """Write a kubeconfig that leads through here, for the user of another one if that is given."""
        token = yaml.safe_load(user.read_text())["users"][0]["user"]["token"] if user else ""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxied", "cluster": {"server": f"http://127.0.0.1:{self._port}"}}],
            "users": [{"name": "user", "user": {"token": token} if token else {}}],
            "contexts": [{"name": "proxied", "context": {"cluster": "proxied", "user": "user"}}],
            "current-context": "proxied",
        }
        out.write_text(yaml.safe_dump(content))
        return out

    def sever(self) -> None:
        """Close all connections; clients make new ones."""
        loop = self._loop
        for transport in list(self._open):
            loop.call_soon_threadsafe(transport.abort)

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve, in a thread of its own."""
        up, self._down = threading.Event(), asyncio.Event()
        failed: list[BaseException] = []

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            async with aiohttp.ClientSession(auto_decompress=False) as self._session:
                runner = web.AppRunner(self._app(), shutdown_timeout=0.1)
                await runner.setup()
                await web.TCPSite(runner, "127.0.0.1", self._port).start()
                up.set()
                await self._down.wait()
                await runner.cleanup()

        def work() -> None:
            try:
                asyncio.run(serve())
            except BaseException as error:
                failed.append(error)
                up.set()

        thread = threading.Thread(target=work, name="proxy", daemon=True)
        thread.start()
        assert up.wait(10), "the proxy answers"
        assert not failed, failed
        try:
            yield self
        finally:
            if not failed:
                self._loop.call_soon_threadsafe(self._down.set)
            thread.join(10)
            assert not failed, failed

    def _app(self) -> web.Application:
        self._tls = {who: self._context(client=who) for who in (False, True)}
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    def _context(self, *, client: bool) -> ssl.SSLContext:
        ca = base64.b64decode(self._cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=ca)
        if client and "client-certificate-data" in self._user:
            with tempfile.TemporaryDirectory() as folder:
                certificate, key = Path(folder) / "certificate", Path(folder) / "key"
                certificate.write_bytes(base64.b64decode(self._user["client-certificate-data"]))
                key.write_bytes(base64.b64decode(self._user["client-key-data"]))
                context.load_cert_chain(certificate, key)
        return context

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()  # whole, before anything can happen to whoever asks
        asked = Asked(request.method, request.path, dict(request.query))
        self.asked.append(asked)
        fault = self.fault(asked)
        transport = request.transport
        assert transport is not None
        if isinstance(fault, Instead):
            return web.Response(
                status=fault.status, text=fault.body, content_type=fault.content_type, headers=fault.headers
            )
        if isinstance(fault, Silent):
            return await self._say_nothing(request, fault.seconds, transport)
        if isinstance(fault, Late):
            await asyncio.sleep(fault.seconds)
        # A request without a token of its own is the kubeconfig's user's.
        tls = self._tls["Authorization" not in request.headers]
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP}
        url = URL(self._cluster["server"].rstrip("/") + request.raw_path, encoded=True)
        if isinstance(fault, Changed):
            url = url.update_query(fault.query)
        async with self._session.request(
            request.method,
            url,
            headers=headers,
            data=body or None,
            ssl=tls,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as answer:
            kept = {key: value for key, value in answer.headers.items() if key.lower() not in _HOP}
            if "Content-Encoding" in answer.headers:
                kept["Content-Encoding"] = answer.headers["Content-Encoding"]
            if fault is None or isinstance(fault, Late):
                return await self._pass_on(request, answer, kept, transport)
            data = await answer.read()
            if isinstance(fault, Changed):
                return _changed(answer.status, data, kept, fault.change)
            if isinstance(fault, Cut):
                half = web.StreamResponse(status=answer.status, headers=kept)
                half.content_length = len(data)
                await half.prepare(request)
                await half.write(data[: len(data) // 2])
            transport.abort()
            return web.Response()

    async def _say_nothing(
        self, request: web.Request, seconds: float, transport: asyncio.Transport
    ) -> web.StreamResponse:
        nothing = web.StreamResponse(headers={"Content-Type": "application/json"})
        self._open.add(transport)
        try:
            await nothing.prepare(request)
            await asyncio.sleep(seconds)
        finally:
            self._open.discard(transport)
            transport.abort()
        return nothing

    async def _pass_on(
        self,
        request: web.Request,
        answer: aiohttp.ClientResponse,
        headers: dict[str, str],
        transport: asyncio.Transport,
    ) -> web.StreamResponse:
        passed = web.StreamResponse(status=answer.status, headers=headers)
        self._open.add(transport)
        try:
            await passed.prepare(request)
            async for chunk in answer.content.iter_any():
                await passed.write(chunk)
            with suppress(ConnectionError):
                await passed.write_eof()
        finally:
            self._open.discard(transport)
        return passed


def _changed(
    status: int, data: bytes, headers: dict[str, str], change: Callable[[dict[str, Any]], None]
) -> web.Response:
    if headers.pop("Content-Encoding", "") == "gzip":
        data = gzip.decompress(data)
    answer = json.loads(data)
    if status == 200:
        change(answer)
    return web.Response(status=status, body=json.dumps(answer).encode(), headers=headers)
