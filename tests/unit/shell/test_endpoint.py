"""What probes and Prometheus ask is served to whoever asks, and to nobody for ever."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from itertools import islice
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from aifactory.shell.certificate import Mounted, SelfSigned
from aifactory.shell.endpoint import Endpoint, Tls, is_loopback
from controlplane.ports import free_port
from unit.shell.connections import HALF, Opened, half_open

ASK = b"GET /fine HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def fine(_: web.Request) -> web.Response:
    return web.Response(text="fine")


@asynccontextmanager
async def served(
    *more: web.RouteDef, most: int = 8, seconds: float = 5.0, tls: Tls | None = None
) -> AsyncIterator[int]:
    """An endpoint on loopback; gives its port."""
    endpoint = Endpoint([web.get("/fine", fine), *more], tls=tls, most=most, seconds=seconds)
    port = free_port()
    await endpoint.start(("127.0.0.1", port))
    try:
        yield port
    finally:
        await endpoint.stop()


async def ask(port: int, request: bytes = ASK, context: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 5)  # to the end: each connection is closed
    finally:
        writer.close()


async def ends(opened: Opened) -> None:
    """Wait until the server has ended a connection, which may show as an error."""
    with suppress(ConnectionError):
        async with asyncio.timeout(30):
            while await opened[0].read(2**16):
                pass
    opened[1].close()


def test_what_only_this_machine_can_reach_is_known() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "192.0.2.1")] == [False] * 3


async def test_a_connection_carries_one_request() -> None:
    async with served() as port:
        answer = await ask(port, ASK + ASK)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"Connection: close" in answer


@pytest.mark.parametrize("said", [b"", HALF], ids=["nothing", "a half"])
async def test_however_many_are_opened_and_left_who_asks_is_answered(said: bytes) -> None:
    most = 8
    async with served(most=most, seconds=60) as port, half_open(port, said) as opened:
        assert b"fine" in await ask(port)
        ending = [asyncio.ensure_future(ends(each)) for each in opened]
        # All but those that came last, whose first gave way to the one that asked.
        gone = len(opened) - most + 1
        for ended in islice(asyncio.as_completed(ending, timeout=30), gone):
            await ended
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("said", [b"", HALF], ids=["nothing", "a half"])
async def test_who_does_not_ask_in_time_is_cut_off(said: bytes, secure: bool) -> None:
    async with served(seconds=0.3, tls=SelfSigned() if secure else None) as port:
        opened = await asyncio.open_connection("127.0.0.1", port)
        opened[1].write(said)
        await ends(opened)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_who_does_not_read_in_time_is_cut_off(secure: bool) -> None:
    cut_off = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(2**16))
        finally:
            cut_off.set()

    route = web.get("/endless", endless)
    async with served(route, seconds=0.5, tls=SelfSigned() if secure else None) as port:
        context = unverified() if secure else None
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=2**10)
        writer.write(ASK.replace(b"fine", b"endless"))
        await reader.readuntil(b"\r\n")
        async with asyncio.timeout(5):
            await cut_off.wait()
        writer.close()


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def test_it_makes_a_certificate_for_itself() -> None:
    async with served(tls=SelfSigned()) as port:
        assert b"fine" in await ask(port, context=unverified())
        with pytest.raises(ssl.SSLCertVerificationError):
            await ask(port, context=ssl.create_default_context())


def mount(folder: Path, ca: trustme.CA, *, key_of: trustme.LeafCert | None = None) -> None:
    """Put a certificate into a folder as the kubelet does it: all at once, by a link."""
    leaf = ca.issue_cert("localhost")
    version = folder / f"..{len(list(folder.iterdir()))}"
    version.mkdir()
    leaf.cert_chain_pems[0].write_to_path(version / "tls.crt")
    (key_of or leaf).private_key_pem.write_to_path(version / "tls.key")
    new = folder / "..new"
    new.symlink_to(version.name)
    new.rename(folder / "..data")
    for name in ("tls.crt", "tls.key"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


def trusting(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    context.check_hostname = False
    return context


async def test_a_mounted_certificate_that_changes_is_used(tmp_path: Path) -> None:
    before, after = trustme.CA(), trustme.CA()
    mount(tmp_path, before)
    async with served(tls=Mounted(tmp_path)) as port:
        assert b"fine" in await ask(port, context=trusting(before))
        mount(tmp_path, after)
        assert b"fine" in await ask(port, context=trusting(after))
        mount(tmp_path, before, key_of=before.issue_cert("localhost"))  # which does not fit
        assert b"fine" in await ask(port, context=trusting(after)), "the last that could be read"
        mount(tmp_path, before)
        assert b"fine" in await ask(port, context=trusting(before))


def test_a_certificate_that_is_not_there_at_the_start_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"tls\.crt"):
        Mounted(tmp_path)


async def test_an_unknown_path_is_not_found() -> None:
    async with served() as port:
        assert f"{HTTPStatus.NOT_FOUND}".encode() in await ask(port, ASK.replace(b"/fine", b"/other"))
