"""The operator as one thing that starts, stops and can be asked how it is."""

import asyncio
import logging
import socket
import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from aifactory.backends import drivers
from aifactory.shell.access import Access
from aifactory.shell.caching import CachingClient
from aifactory.shell.certificate import Mounted, SelfSigned
from aifactory.shell.client import FACTORY
from aifactory.shell.collector import Collector
from aifactory.shell.endpoint import Endpoint, is_loopback
from aifactory.shell.failures import Failures
from aifactory.shell.fingerprint import Change, News
from aifactory.shell.heartbeat import Heartbeat
from aifactory.shell.lease import Leadership
from aifactory.shell.loop import Loop
from aifactory.shell.memory import Memory
from aifactory.shell.metrics import Metrics
from aifactory.shell.planner import Planner
from aifactory.shell.settings import Settings
from aifactory.shell.terms import Name
from aifactory.shell.wake import Wake

logger = logging.getLogger(__name__)

METRICS: Final = "/metrics"


class Service:
    """Everything that runs in one process. Made and used in one event loop."""

    def __init__(
        self, client: CachingClient, namespace: str, lease: str, settings: Settings, pod: str = ""
    ) -> None:
        """`pod` is the uid of the pod that this process runs in, and nothing outside one."""
        host = socket.gethostname()
        # Unique for each process, so that a restarted one never takes its former self's lease for its own.
        name = Name(f"{host}_{pod}", str(uuid.uuid4())) if pod else Name("", f"{host}_{uuid.uuid4()}")
        self._settings = settings
        self.wake = Wake(settings)
        self.news = News()
        self.metrics = Metrics()
        self._collector = Collector()
        self.leadership = Leadership(client, namespace, lease, name, renewed=self._collector.look)
        self.metrics.show_leader(self.leadership.holds)
        client.cache.differs = self.metrics.differed
        self.heartbeat = Heartbeat(settings)
        self._client = client
        self._planner = Planner(self.wake.notify, self.metrics, settings)
        self._loop = Loop(
            client=client,
            backends=drivers(client),
            leadership=self.leadership,
            wake=self.wake,
            planner=self._planner,
            heartbeat=self.heartbeat,
            metrics=self.metrics,
            news=self.news,
            memory=Memory(client.cache, failures=Failures(settings)),
            settings=settings,
        )
        self.ended = False  # by itself
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, on_end: Callable[[], None]) -> None:
        """Start, once. `on_end` is called should it ever end by itself, which only a bug can bring about."""
        if self._tasks:
            return

        def done(task: asyncio.Task[None]) -> None:
            if not task.cancelled():
                logger.critical("%s ended", task.get_name(), exc_info=task.exception())
                self.ended = True
                on_end()

        self._collector.begin()
        for name, work in (("lease", self.leadership.run()), ("loop", self._loop.run())):
            task = asyncio.create_task(work, name=name)
            task.add_done_callback(done)
            self._tasks.append(task)

    def told(self, kind: str | None, obj: Mapping[str, Any]) -> None:
        """A watch tells of an object; the kind of event is None for an object of the list it begins with."""
        self._client.cache.told(obj, gone=kind == "DELETED")
        if change := self.news.judge(obj, gone=kind == "DELETED"):
            wish = change is Change.WISH
            self.wake.notify(wish=wish, urgent=wish and obj["kind"] == FACTORY.name)

    def listed(self, kind: str) -> None:
        """A watch has begun, perhaps anew: what was deleted while it was broken nobody tells."""
        self._client.cache.begins(kind)
        self.wake.notify()

    def health_endpoint(self) -> Endpoint:
        """What the kubelet asks: /livez, whether to restart the pod, and /healthz, whether all is well."""
        return Endpoint([web.get("/livez", self._livez), web.get("/healthz", self._healthz)])

    def metrics_endpoint(self, host: str, certificates: Path | None) -> Endpoint:
        """/metrics: plain where only this machine can ask, else with TLS and to whoever may read it.

        `certificates` is a folder with tls.crt and tls.key; without one, a certificate is made. Raises
        OSError.
        """
        shown = self.metrics.handler()
        if is_loopback(host):
            return Endpoint([web.get(METRICS, shown)])
        tls = Mounted(certificates) if certificates else SelfSigned()
        return Endpoint([web.get(METRICS, Access(self._client, METRICS).guarded(shown))], tls=tls)

    async def _livez(self, _: web.Request) -> web.Response:
        """Not whether cycles fail: they would in a new process too, which has only forgotten what it knew."""
        return self._says(f"{late:.0f} s late" if (late := self.heartbeat.late) else "")

    async def _healthz(self, request: web.Request) -> web.Response:
        if not self.heartbeat.late and (failed := self.heartbeat.failing):
            return self._says(f"{failed} cycles in a row have failed")
        return await self._livez(request)

    def _says(self, trouble: str) -> web.Response:
        says = {"loop": trouble or "in time", "leader": self.leadership.holds()}
        return web.json_response(says, status=HTTPStatus.INTERNAL_SERVER_ERROR if trouble else HTTPStatus.OK)

    async def stop(self) -> None:
        """Let writes under way come to their end, start no other, and give the lease back."""
        self.leadership.resign()
        settled = await self._loop.settled(self._settings.stop_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._planner.stop()
        if settled:
            # Else a write may still land, and must not once another one leads: then the lease runs out.
            try:
                async with asyncio.timeout(self._settings.release_seconds):
                    await self.leadership.release()
            except TimeoutError:
                logger.warning("the lease could not be given back in time, it runs out by itself")
        await self._client.close()
