"""The replay as a picture: watts against limits, and GPUs wanted against ready, as they were observed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib import dates, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from demo.replay import Step
from demo.tenants import Day
from recorder import GpuSample, PowerSample, Series

BLUE: Final = "#2a6fbb"
ORANGE: Final = "#d9730d"
GREEN: Final = "#2e8b57"
GREY: Final = "#555555"
DASHED: Final = (0, (4, 2))
_DAY_PART: Final = 0.8  # of a day is drawn for the seconds in which its changes were carried out
_EPOCH: Final = datetime(1970, 1, 1)  # from which matplotlib counts its days


@dataclass(frozen=True)
class Calendar:
    """Tells the replay's own time from the clock's: what was carried out in seconds belongs to one day."""

    days: Sequence[Day]
    steps: Sequence[Step]

    def at(self, clock: float) -> float:
        """The time in the replay, in matplotlib's days."""
        step = next((s for s in reversed(self.steps) if s.began <= clock), self.steps[0])
        part = (clock - step.began) / max(step.settled - step.began, 1e-9)
        return self._midnight(step.day) + _DAY_PART * min(max(part, 0.0), 1.0)

    @property
    def start(self) -> float:
        """When the first day begins."""
        return self._midnight(self.days[0])

    @property
    def end(self) -> float:
        """When the last day ends."""
        return self._midnight(self.days[-1]) + 1

    @staticmethod
    def _midnight(day: Day) -> float:
        return (datetime(day.date.year, day.date.month, day.date.day) - _EPOCH) / timedelta(days=1)


def draw(
    series: Series, calendar: Calendar, factory: str, halls: Sequence[str], out: Path
) -> tuple[Path, Path]:
    """Draw the picture as PNG and SVG beside each other; `halls` are those whose limits changed."""
    paths = out.with_suffix(".png"), out.with_suffix(".svg")
    with rc_context():
        mpl.rcParams |= {"axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": factory}
        figure = Figure(figsize=(11, 6.4), layout="constrained")
        power, gpus = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        tenants, count = len(calendar.days[0].gpus), len(calendar.days)
        power.set_title(
            f"{tenants} tenants over {count} days: committed power against the limits in force",
            loc="left",
            fontweight="bold",
        )
        _power(power, calendar, series.power[factory, ""], "site", BLUE)
        for hall in halls:
            _power(power, calendar, series.power[factory, hall], hall, ORANGE)
        _power_axis(power)
        _gpus(gpus, calendar, series.gpus)
        gpus.set_xlim(calendar.start, calendar.end)
        locator = dates.AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
        gpus.xaxis.set_major_locator(locator)
        gpus.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        figure.savefig(paths[0], dpi=160)
        figure.savefig(paths[1], metadata={"Date": None})
    return paths


def _power(axes: Axes, calendar: Calendar, samples: Sequence[PowerSample], name: str, colour: str) -> None:
    """Committed power as an area, its limit as a dashed line."""
    times = [*(calendar.at(sample.time) for sample in samples), calendar.end]
    committed, limits = ([*values, values[-1]] for values in _kilowatts(samples))
    axes.fill_between(times, committed, step="post", color=colour, alpha=0.18, linewidth=0)
    axes.step(times, committed, where="post", color=colour, linewidth=1.3)
    axes.step(times, limits, where="post", color=colour, linewidth=1.3, linestyle=DASHED)
    middle = (limits[-1] + committed[-1]) / 2
    place = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"}
    axes.annotate(name, (calendar.end, middle), color=colour, annotation_clip=False, **place)  # type: ignore[arg-type]


def _kilowatts(samples: Sequence[PowerSample]) -> tuple[list[float], list[float]]:
    return [s.committed / 1000 for s in samples], [s.limit / 1000 for s in samples]


def _power_axis(axes: Axes) -> None:
    axes.set_ylabel("IT power in kW")
    axes.set_ylim(bottom=0, top=axes.get_ylim()[1] * 1.12)
    kinds = [
        Line2D([], [], color=GREY, linewidth=1.3, label="committed"),
        Line2D([], [], color=GREY, linewidth=1.3, linestyle=DASHED, label="limit in force"),
    ]
    axes.legend(handles=kinds, loc="upper left", ncols=2, frameon=False)


def _gpus(axes: Axes, calendar: Calendar, samples: Sequence[GpuSample]) -> None:
    """What was wanted once each day had settled, and what was ready at every moment."""
    settled = [[s.wanted for s in samples if s.time <= step.settled][-1] for step in calendar.steps]
    wanted = [*settled, settled[-1]]
    wanted_at = [*(calendar.at(step.began) for step in calendar.steps), calendar.end]
    ready = [*(s.ready for s in samples), samples[-1].ready]
    ready_at = [*(calendar.at(s.time) for s in samples), calendar.end]
    axes.fill_between(wanted_at, wanted, step="post", color=ORANGE, alpha=0.4, linewidth=0, label="waiting")
    axes.fill_between(ready_at, ready, step="post", color="white", linewidth=0)
    axes.fill_between(ready_at, ready, step="post", color=GREEN, alpha=0.18, linewidth=0)
    axes.step(wanted_at, wanted, where="post", color=GREY, linewidth=1.3, label="wanted")
    axes.step(ready_at, ready, where="post", color=GREEN, linewidth=1.3, label="ready")
    axes.set_ylabel("GPUs")
    axes.set_ylim(bottom=0, top=max(wanted) * 1.22)
    axes.legend(loc="upper left", ncols=3, frameon=False)
