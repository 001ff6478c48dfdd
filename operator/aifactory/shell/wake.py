"""When a cycle runs: soon after a change, once after a storm of changes, and now and then without any."""

import asyncio

from aifactory.shell.settings import Settings


class Wake:
    """Gathers notifications into one answer. Times are those of the event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._poked = asyncio.Event()
        self._first = self._last = float("-inf")
        self._lone = True  # one notification, and calm before it
        self.wished = False
        """Whether a user has changed a wish since the last answer."""
        self.urgent = False
        """Whether something was changed that a limit may hang on."""

    def notify(self, *, wish: bool = False, urgent: bool = False) -> None:
        """Say that something has changed; `wish`: a user's wish; `urgent`: it waits for no storm's end."""
        self.wished = self.wished or wish
        self.urgent = self.urgent or urgent
        now = asyncio.get_running_loop().time()
        if not self._poked.is_set():
            self._first, self._lone = now, now - self._last >= self._settings.storm_ends
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
        settings = self._settings
        limit = settings.resync if again_after is None else min(settings.resync, max(0.0, again_after))
        try:
            async with asyncio.timeout(limit):
                await self._poked.wait()
                await self._until(self._first + settings.storm_begins)
                while not self._lone and not self.urgent:
                    until = min(self._last + settings.storm_ends, self._first + settings.storm_lasts)
                    now = asyncio.get_running_loop().time()
                    if now >= until:
                        break
                    await self._until(min(until, now + settings.storm_begins))
        except TimeoutError:
            pass
        self._poked.clear()
        self.wished = self.urgent = False

    @staticmethod
    async def _until(moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
