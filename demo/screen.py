"""The replay on a terminal, as it happens."""

from collections import deque
from collections.abc import Mapping
from threading import RLock
from time import sleep
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from aifactory.api.quantity import show_power
from demo.feed import Feed
from demo.scene import Gauge, Scene, look
from demo.tenants import Day, namespace_of
from recorder import History

QUIET_DAY: Final = 0.04  # seconds that a day without changes is shown
_WAITERS: Final = 4
_LEAST_NEWS: Final = 4
_HEIGHT: Final = 26  # leaves room for what was said before
_SHORTEST_BAR, _LONGEST_BAR, _BESIDE_BAR = 8, 48, 50


class Screen:
    """Draws itself several times a second, in a thread of rich's."""

    def __init__(self, console: Console, history: History, days: list[Day]) -> None:
        self._console = console
        self._history = history
        self._days = days
        self._tenants: Mapping[str, str] = {namespace_of(tenant): tenant for tenant in days[0].gpus}
        self._feed = Feed(history, self._tenants)
        self._lock = RLock()
        self._day = days[0]
        self._news: deque[tuple[Day, str, str]] = deque(maxlen=100)
        self._busy = False
        self._live = Live(console=console, get_renderable=self.draw, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def day(self, day: Day) -> None:
        """Show a new day; quiet ones pass quickly, but can be seen to pass."""
        with self._lock:
            self._day = day
        sleep(QUIET_DAY)

    def told(self, who: str, text: str) -> None:
        """Show what somebody did."""
        self._catch_up()
        style = "bold yellow" if who == "facility" else "bold cyan"
        with self._lock:
            self._busy = True
            self._news.append((self._day, style, f"{who} {text}"))

    def settled(self) -> None:
        """Show that everything is done."""
        self._catch_up()
        with self._lock:
            self._news += [(self._day, "", line) for line in self._feed.moves()]
            self._busy = False

    def _catch_up(self) -> None:
        with self._lock:
            self._news += [(self._day, "", line) for line in self._feed.news()]

    def draw(self) -> RenderableType:
        """What the screen looks like now."""
        self._catch_up()
        scene = look(self._history, self._tenants)
        with self._lock:
            day, busy, news = self._day, self._busy, list(self._news)
        last = self._days[-1]
        title = (
            f"[bold]Venus, {day.date:%d %B %Y}[/], day {day.number} of {last.number}"
            f"{', [yellow]settling[/]' if busy else ''}"
        )
        if scene is None:
            return Panel(Text("The factory is about to open."), title=title)
        gap = Text("")
        bar = min(_LONGEST_BAR, max(_SHORTEST_BAR, self._console.width - _BESIDE_BAR))
        parts: list[RenderableType] = [_power(scene, bar), gap, _gpus(scene), gap, _waiting(scene), gap]
        height = min(self._console.height - 1, _HEIGHT)
        used = 8 + len(scene.halls) + min(len(scene.waiters), _WAITERS)
        parts.append(_news(news[-max(_LEAST_NEWS, height - used) :]))
        return Panel(Group(*parts), title=title, height=height, border_style="dim")


def _bar(gauge: Gauge, length: int) -> Text:
    filled = min(length, round(gauge.share * length))
    colour = "red" if gauge.share > 1 else "yellow" if gauge.share > 0.97 else "green"
    return Text.assemble(("█" * filled, colour), ("░" * (length - filled), "dim"))


def _power(scene: Scene, length: int) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=8)
    table.add_column(width=length)
    table.add_column(justify="right", width=22)
    table.add_column(justify="right", width=6)
    for gauge in (scene.quota, *scene.halls):
        whole = gauge is scene.quota
        watts = f"{show_power(gauge.committed)} of {show_power(gauge.limit)}"
        table.add_row(
            gauge.name, _bar(gauge, length), watts, f"{gauge.share:.0%}", style="bold" if whole else ""
        )
    return table


def _gpus(scene: Scene) -> Text:
    return Text.assemble(
        ("GPUs      ", "bold"),
        (f"{scene.wanted:,}", "bold"),
        " wanted   ",
        (f"{scene.placed:,}", "bold"),
        " placed   ",
        (f"{scene.ready:,}", "bold green" if scene.ready == scene.placed else "bold yellow"),
        " ready",
    )


def _waiting(scene: Scene) -> Table:
    table = _lines(8, 12)
    count = len(scene.waiters)
    who = Text(f"{count} pool{'s' if count > 1 else ''}") if count else Text("nobody", "dim")
    table.add_row(Text("waiting", "bold"), who)
    for waiter in scene.waiters[:_WAITERS]:
        message = Text(f"{waiter.reason}: {waiter.message}")
        table.add_row(waiter.tenant, f"{waiter.placed} of {waiter.wanted}", message)
    return table


def _news(news: list[tuple[Day, str, str]]) -> Table:
    table = _lines(8)
    for day, style, text in news:
        table.add_row(Text(f"{day.date:%d %b}", "dim"), Text(text, style))
    return table


def _lines(*widths: int) -> Table:
    """A table of single lines; the last column is cut where the terminal ends."""
    table = Table.grid(padding=(0, 2), expand=True)
    for width in widths:
        table.add_column(min_width=width, no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    return table
