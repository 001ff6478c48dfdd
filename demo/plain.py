"""The replay as plain lines, for logs and pipes."""

from collections.abc import Callable, Mapping

from aifactory.api.quantity import show_power
from demo.feed import Feed
from demo.scene import look
from demo.tenants import Day, namespace_of
from recorder import History


class Plain:
    """Writes a line for everything that is done, and one for each day that is settled."""

    def __init__(self, write: Callable[[str], None], history: History, days: list[Day]) -> None:
        self._write = write
        self._history = history
        self._tenants: Mapping[str, str] = {namespace_of(tenant): tenant for tenant in days[0].gpus}
        self._feed = Feed(history, self._tenants)
        self._day = days[0]

    def day(self, day: Day) -> None:
        """Begin a new day."""
        self._day = day

    def told(self, who: str, text: str) -> None:
        """Write what somebody did."""
        self._write(f"{self._day.date}  {who} {text}")

    def settled(self) -> None:
        """Write what the operator did, and how it stands."""
        for line in (*self._feed.news(), *self._feed.moves()):
            self._write(f"{self._day.date}    {line}")
        scene = look(self._history, self._tenants)
        if scene is None:
            return
        waiting = ", ".join(waiter.tenant for waiter in scene.waiters)
        self._write(
            f"{self._day.date}  day {self._day.number}: "
            f"{show_power(scene.quota.committed)} of {show_power(scene.quota.limit)}, "
            f"GPUs {scene.wanted} wanted, {scene.placed} placed, {scene.ready} ready"
            f"{f'; waiting: {waiting}' if waiting else ''}"
        )
