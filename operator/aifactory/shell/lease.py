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

logger = logging.getLogger(__name__)

DURATION: Final = 15.0  # seconds after which others may take a lease that they have not seen renewed
DEADLINE: Final = 10.0  # seconds after which the holder believes it no more
RETRY: Final = 2.0  # seconds between two attempts to take it or to renew it

# The holder stops DEADLINE after its last renewal *began*, others wait DURATION since they *saw* it, which
# is later. In between, a write that was on its way has landed or failed.
assert DURATION - DEADLINE >= WRITE_SECONDS


def monotonic() -> float:
    """Seconds of a clock that never jumps and that runs on while the machine sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Leadership:
    """Takes the Lease when it is free, renews it, and knows at any moment whether it is held."""

    def __init__(
        self,
        client: KubernetesClient,
        namespace: str,
        name: str,
        identity: str,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.identity = identity  # of this process and no other one, ever
        self._client = client
        self._namespace = namespace
        self._name = name
        self._clock = clock
        self.term = 0  # counts how often the lease was taken: in between another one may have led
        self._until = 0.0
        self._resigned = False
        self._told = False  # what the log said last
        self._taken = asyncio.Event()
        self._seen: tuple[object, ...] = ()
        self._seen_at = 0.0

    def holds(self) -> bool:
        """Whether this process may write now. False well before any other one can take the lease."""
        return not self._resigned and self._clock() < self._until

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
            if self.holds():
                self._taken.set()
            if self._told != self.holds():
                self._told = self.holds()
                logger.info("leading as %s" if self._told else "no longer leading as %s", self.identity)
            await asyncio.sleep(RETRY)

    async def _attempt(self) -> None:
        """Create the lease, renew it, or take it over once it has not been renewed for its duration."""
        began = self._clock()
        try:
            lease = await self._client.get(LEASE, self._name, self._namespace)
        except ApiError as error:
            if error.status != 404:
                raise
            meta = {"name": self._name, "namespace": self._namespace}
            spec = self._spec(first=True, transitions=0)
            await self._client.create(
                LEASE, {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": meta, "spec": spec}
            )
            self.term += 1
            self._until = began + DEADLINE
            return
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self.identity) and not self._expired(lease):
            self._until = 0.0
            return
        mine = holder == self.identity
        transitions = int(spec.get("leaseTransitions") or 0) + (not mine)
        change = {
            "metadata": {"resourceVersion": lease["metadata"]["resourceVersion"]},
            "spec": self._spec(first=not mine, transitions=transitions),
        }
        await self._client.patch(LEASE, self._name, change, self._namespace)
        self.term += not mine
        self._until = began + DEADLINE

    def _expired(self, lease: Object) -> bool:
        """Whether another's lease has stood unchanged, by our own clock, for as long as it lasts.

        Clocks of two machines are never compared.
        """
        spec, now = lease["spec"], self._clock()
        seen = (spec["holderIdentity"], spec.get("renewTime"), lease["metadata"]["resourceVersion"])
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        return now - self._seen_at >= max(DURATION, float(spec.get("leaseDurationSeconds") or 0))

    def _spec(self, *, first: bool, transitions: int) -> Object:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec: Object = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(DURATION),
            "renewTime": now,
            "leaseTransitions": transitions,
        }
        return spec | ({"acquireTime": now} if first else {})

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
