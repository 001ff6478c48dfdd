"""Leadership: of several replicas, only the holder of a Lease decides and writes.

`kubernetes.aio.leaderelection` was read and not taken. A network error ends it while the leading task goes
on; its requests have no time limit, so a hanging one outlasts the lease; it reads the wall clock, writes
local time as UTC, and never gives the lease back. What follows is client-go's algorithm, with its times.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from aifactory.backends.port import Object
from aifactory.shell.client import LEASE, WRITE_SECONDS, ApiError, KubernetesClient
from aifactory.shell.terms import DURATION, Candidate, Name

logger = logging.getLogger(__name__)

RETRY: Final = 2.0  # seconds between two attempts to take it or to renew it


def monotonic() -> float:
    """Seconds of a clock that never jumps and that runs on while the machine sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Leadership:
    """Takes the Lease when it is free, renews it, and knows at any moment whether it is held."""

    def __init__(
        self,
        client: KubernetesClient,
        namespace: str,
        lease: str,
        name: Name,
        *,
        clock: Callable[[], float] = monotonic,
        renewed: Callable[[], None] = lambda: None,
    ) -> None:
        """`renewed` is called whenever the lease was taken or renewed just now."""
        self._renewed = renewed
        self._candidate = Candidate(name)
        self._client = client
        self._namespace = namespace
        self._name = lease
        self._clock = clock
        self._resigned = False
        self._told = False  # what the log said last
        self._taken = asyncio.Event()

    @property
    def identity(self) -> str:
        """The name of this process and of no other one, ever."""
        return self._candidate.identity

    @property
    def term(self) -> int:
        """The present term, or the last one: another one may have led between any two."""
        return self._candidate.term

    def holds(self) -> bool:
        """Whether this process may write now. False well before any other one can take the lease."""
        return not self._resigned and self._candidate.holds(self._clock())

    async def taken(self) -> None:
        """Wait until the lease is held."""
        while not self.holds():
            self._taken.clear()
            await self._taken.wait()

    async def run(self) -> None:
        """Take the lease and keep it, again and again, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(WRITE_SECONDS):  # so that one lost answer does not lose the lease
                    await self._attempt()
            except ApiError as error:
                level = logging.INFO if error.status == 409 else logging.WARNING  # 409: another was faster
                logger.log(level, "lease %s/%s: %s", self._namespace, self._name, error)
            except TimeoutError:
                logger.warning("lease %s/%s: no answer", self._namespace, self._name)
            except Exception:  # whatever was answered: a process that tries no more is no replica
                logger.exception("lease %s/%s", self._namespace, self._name)
            if self.holds():
                self._taken.set()
            if self._told != self.holds():
                self._told = self.holds()
                logger.info("leading as %s" if self._told else "no longer leading as %s", self.identity)
            await asyncio.sleep(RETRY)

    async def _attempt(self) -> None:
        """Create the lease, renew it, or take it over once it has not been renewed for its duration."""
        began = self._clock()
        lease: Object | None = None
        try:
            lease = await self._client.get(LEASE, self._name, self._namespace)
        except ApiError as error:
            if error.status != 404:
                raise
        term = self._candidate.bid(lease, self._clock())
        if term is None:
            return
        spec = self._spec(first=term != self.term, term=term)
        if lease is None:
            meta = {"name": self._name, "namespace": self._namespace}
            body = {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": meta, "spec": spec}
            await self._client.create(LEASE, body)
        else:
            version = {"resourceVersion": lease["metadata"]["resourceVersion"]}
            await self._client.patch(LEASE, self._name, {"metadata": version, "spec": spec}, self._namespace)
        self._candidate.won(term, began)
        self._renewed()

    def _spec(self, *, first: bool, term: int) -> Object:
        now = datetime.now(UTC)  # noqa: TID251 - for people: nobody compares this clock with another
        written = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec: Object = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(DURATION),
            "renewTime": written,
            "leaseTransitions": term,
        }
        return spec | ({"acquireTime": written} if first else {})

    def resign(self) -> None:
        """Lead no more, from this very moment."""
        self._resigned = True

    async def release(self) -> None:
        """Give the lease back, so that another one need not wait for its end. After the last write only."""
        self.resign()
        try:
            lease = await self._client.get(LEASE, self._name, self._namespace)
            if (lease.get("spec") or {}).get("holderIdentity") != self.identity:
                return
            change = {
                "metadata": {"resourceVersion": lease["metadata"]["resourceVersion"]},
                "spec": {"holderIdentity": "", "leaseDurationSeconds": 1},
            }
            await self._client.patch(LEASE, self._name, change, self._namespace)
            logger.info("gave the lease back")
        except ApiError as error:
            logger.warning("the lease could not be given back, it ends by itself: %s", error)
