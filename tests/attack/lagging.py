"""A second API server on the same etcd, with a link between both that can be held: then it lags behind.

It reads consistently, so while it is held it answers nothing rather than what was; what its watches tell,
they tell late.
"""

import asyncio
import ssl
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

from attack.stage import Stage
from attack.story import Step, play
from controlplane import Cluster, wait_until
from controlplane.ports import free_port
from controlplane.processes import Process

_CHUNK = 2**16  # bytes


class Link:
    """A TCP proxy on loopback. While it is held nothing passes, and nothing is lost."""

    def __init__(self, to: str) -> None:
        """`to` is a URL; `url` is this one's own."""
        there = urlsplit(to)
        self._to = there.hostname, there.port
        self._port = free_port()
        self.url = f"{there.scheme}://127.0.0.1:{self._port}"

    def hold(self) -> None:
        """Let nothing pass any more."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def release(self) -> None:
        """Let all pass that has been held."""
        self._loop.call_soon_threadsafe(self._open.set)

    @contextmanager
    def running(self) -> Iterator["Link"]:
        """Serve, in a thread of its own."""
        up, self._open, self._down = threading.Event(), asyncio.Event(), asyncio.Event()
        self._open.set()

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            async with await asyncio.start_server(self._join, "127.0.0.1", self._port):
                up.set()
                await self._down.wait()

        thread = threading.Thread(target=lambda: asyncio.run(serve()), name="link", daemon=True)
        thread.start()
        assert up.wait(10), "the link is there"
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._down.set)
            thread.join(10)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(*self._to)
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@contextmanager
def second_apiserver(cluster: Cluster, folder: Path) -> Iterator[tuple[str, Link]]:
    """Another API server on the etcd of a local cluster: its URL, and the link that it hangs on."""
    first = cluster.apiserver
    assert first is not None, "a cluster of its own is needed"
    flags = {name: value for name, _, value in (flag.partition("=") for flag in first.argv[1:])}
    url = f"https://127.0.0.1:{(port := free_port())}"
    with Link(flags["--etcd-servers"]).running() as link:
        flags |= {
            "--etcd-servers": link.url,
            "--secure-port": str(port),
            "--audit-log-path": str(folder / "second-audit.log"),
        }
        argv = [first.argv[0], *(f"{flag}={value}" if value else flag for flag, value in flags.items())]
        with Process(argv, folder / "second-apiserver.log", lambda: _ready(url, flags)):
            yield url, link
            link.release()


def _ready(url: str, flags: dict[str, str]) -> bool:
    context = ssl.create_default_context(cafile=flags["--client-ca-file"])
    context.load_cert_chain(flags["--tls-cert-file"], flags["--tls-private-key-file"])
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with suppress(OSError), opener.open(f"{url}/readyz", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def lagged(stage: Stage, cluster: Cluster, tenant: str, folder: Path, story: Sequence[Step]) -> None:
    """Play a story in which the operator is moved to the second API server, and back.

    In each step users act, and the operator moves to the second one, which lags behind. Then, in turns, that
    one catches up, or the operator moves back to the first.
    """
    gate, turns = stage.gate, cycle((True, False))
    with second_apiserver(cluster, folder) as (url, link):
        first = gate.upstream

        def before(step: Step) -> None:
            gate.move(first)
            link.hold()

        def during(step: Step) -> None:
            asked = len(gate.asked)
            gate.move(url)
            wait_until(lambda: len(gate.asked) > asked, "the operator asks the second one")
            if next(turns):
                link.release()
            else:
                gate.move(first)
                link.release()

        try:
            play(stage, tenant, story, before=before, during=during)
        finally:
            gate.move(first)
