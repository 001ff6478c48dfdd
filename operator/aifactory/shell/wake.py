"""When a cycle runs: soon after a change, once after a storm of changes, and now and then without any."""

import asyncio
from typing import Final

GRACE: Final = 0.1  # seconds in which a second change tells a storm from a single change
QUIET: Final = 0.5  # seconds without a change that end a storm
LONGEST: Final = 1.0  # seconds after which a storm is answered all the same
RESYNC: Final = 300.0  # seconds after which a cycle runs without any change: watches can miss one


class Wake:
    """Gathers pokes into one answer. Times are those of the event loop."""

    def __init__(self) -> None:
        self._poked = asyncio.Event()
        self._first = self._last = float("-inf")
        self._lone = True  # one poke, and calm before it
        self.wished = False
        """Whether a user has changed a wish since the last answer."""
        self.urgent = False
        """Whether something was changed that a limit may hang on."""

    def poke(self, *, wish: bool = False, urgent: bool = False) -> None:
        """Say that something has changed; `wish`: a user's wish; `urgent`: it waits for no storm's end."""
        self.wished = self.wished or wish
        self.urgent = self.urgent or urgent
        now = asyncio.get_running_loop().time()
        if not self._poked.is_set():
            self._first, self._lone = now, now - self._last >= QUIET
        else:
            self._lone = False
        self._last = now
        self._poked.set()

    async def wait(self, again_after: float | None = None) -> None:
        """Wait until it is time for a cycle: at the latest `again_after` seconds from now, if given.

        After a calm spell a single change is answered within 0.2 s. Where changes follow each other, such
        as the parts of one `kubectl apply`, all are decided together: the first that came must not take
        what a more important one, a moment later, should have.
        """
        limit = RESYNC if again_after is None else min(RESYNC, max(0.0, again_after))
        try:
            async with asyncio.timeout(limit):
                await self._poked.wait()
                await self._until(self._first + GRACE)
                while not self._lone and not self.urgent:
                    until = min(self._last + QUIET, self._first + LONGEST)
                    now = asyncio.get_running_loop().time()
                    if now >= until:
                        break
                    await self._until(min(until, now + GRACE))
        except TimeoutError:
            pass
        self._poked.clear()
        self.wished = self.urgent = False

    @staticmethod
    async def _until(moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
