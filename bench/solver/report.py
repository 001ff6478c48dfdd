"""The rows as JSON, as a page with tables, and as pictures."""

import json
import os
import platform
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy

from aifactory_solver.bands import BANDS
from bench.solver.drawing import OURS, PEER, pyplot, save
from bench.solver.instances import PROFILES

Row = dict[str, Any]
FIELDS = (
    "scale",
    "profile",
    "seed",
    "event",
    "method",
    "budget_s",
    "seconds",
    "cold_seconds",
    "served_by_band",
    "bound_by_band",
    "gap",
    "inversions",
    "moved",
    "evicted",
    "peak_mb",
    "forced",  # GPUs that any plan by the rules moves in which each pool is served as in this one
    "missing",  # [pool, GPUs that it lacks, proved to wait], of the top two bands of large first plans
)
NAMES = FIELDS[:6]  # together they name a row
SHOWN = (50, 110)  # percent: the part of the shares that the picture shows
FOLDER = Path(__file__).parents[2] / "docs" / "benchmarks"


def merged(old: list[Row], new: list[Row]) -> list[Row]:
    """The rows of earlier runs, those measured again replaced."""
    rows = {tuple(row[name] for name in NAMES): row for row in (*old, *new)}
    return [rows[key] for key in sorted(rows, key=str)]


def write(rows: list[Row], folder: Path = FOLDER) -> None:
    """Write solver.json, solver.md and its pictures, with what solver.json had from earlier runs."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "solver.json"
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    rows = merged(old, rows)
    lines = ",\n".join(json.dumps(row) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    (folder / "solver.md").write_text(page(rows), encoding="utf-8")
    _pictures(rows, folder)


def page(rows: list[Row]) -> str:
    """The page: one table for each scale, profile and event."""
    parts = [
        _HEAD.format(
            machine=f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
            f"Python {platform.python_version()}, NumPy {numpy.__version__}",
            least=SHOWN[0],
            most=SHOWN[1],
        )
    ]
    groups = sorted(_grouped(rows, "scale", "profile", "event").items(), key=_by_scale)
    for (scale, profile, event), group in groups:
        parts += [f"## {scale}, {profile}, {event}\n", table(group), "", *_missing(group)]
    return "\n".join(parts)


def _missing(rows: list[Row]) -> list[str]:
    """Who waits in the top two bands, and whether that is proved."""
    listed = [row for row in rows if row.get("missing")]
    if not listed:
        return []
    lines = ["Pools of the top two bands that wait, and what each lacks:", ""]
    for row in listed:
        pools = "; ".join(
            f"{name} {gpus:,} GPUs ({'proved' if proved else 'not proved'})"
            for name, gpus, proved in row["missing"]
        )
        lines.append(f"- {row['method']}, seed {row['seed']}, {row['budget_s']:g} s: {pools}")
    return [*lines, ""]


_HEAD = """\
# How well the solver places, beside its peers

Written by `python -m bench.solver --write` from `solver.json`. Medians over the seeds. *served*: GPUs served
to minima in each of five bands of priorities, from the top, in percent of what the best plan of the instance
serves there: one that is at its bound in every band, else the one that serves more in the highest band that
differs. So a band may well show more than 100 %: that method served less of a higher priority. *of bound*:
the same in percent of the bound that is proved for this plan. *gap*: to the bound, bands weighted 4 to 1.
*waits*: inversions and free-room misses. *moved*, *forced* and *evicted* are GPUs; forced are those
that any plan by the rules moves in which each pool is served as in this one.
*seconds*: by the clock, in a process of its own that has solved the instance once; *cold* is that first
time, and what takes longer than a minute is run only once. *memory*: the highest resident memory of that
process, read from the kernel (VmHWM), less what it held with the instance loaded and nothing solved; the
largest process that a method starts is added. Where a line has no numbers, the method gave no plan in time,
or one that the checker does not let pass.

In the pictures a dot is an instance, a tick the median; the project's own methods are red. Shares below
{least} % and above {most} % are drawn there. A method without dots gave no plan, or was not asked.

![GPUs served by band, of first plans of the hard instances](solver-bands.svg)

![Seconds of first plans of the hard instances](solver-seconds.svg)

Measured on: {machine}. Rows are
kept until they are measured again, and the machines are shared and not equally fast: compare seconds within a
table.
"""


_COLUMNS = (
    "method",
    "budget",
    "seeds",
    "seconds",
    "cold",
    "served",
    "of bound",
    "gap",
    "waits",
    "moved",
    "forced",
    "evicted",
    "memory",
)


def table(rows: list[Row]) -> str:
    """A Markdown table of one scale, profile and event, one line for each method."""
    shares = reference(rows)
    lines = [
        f"| {' | '.join(_COLUMNS)} |",
        f"|---{'|--:' * (len(_COLUMNS) - 1)}|",
    ]
    for (method, budget), mine in _grouped(rows, "method", "budget_s").items():
        bands = [shares[id(row)] for row in mine if id(row) in shares]
        served = " ".join(f"{statistics.median(band):.1%}" for band in zip(*bands, strict=True))
        bounded = [row for row in mine if row["bound_by_band"] and row["served_by_band"]]
        proved = [_shares(row["served_by_band"], row["bound_by_band"]) for row in bounded]
        bound = " ".join(f"{statistics.median(band):.1%}" for band in zip(*proved, strict=True))
        cells = [
            method,
            f"{budget:g} s",
            str(len(mine)),
            _median(mine, "seconds", "{:.3g} s"),
            _median(mine, "cold_seconds", "{:.3g} s"),
            served or "-",
            bound or "-",
            _median(mine, "gap", "{:.3%}"),
            *(_median(mine, field, "{:,.0f}") for field in ("inversions", "moved", "forced", "evicted")),
            _median(mine, "peak_mb", "{:,.0f} MB"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def reference(rows: list[Row]) -> dict[int, tuple[float, ...]]:
    """For each row with a plan, by its id: served by band, as shares of what the best plan serves there.

    The best plan of an instance is at its bound in every band, else it serves more in the highest band where
    two differ. The bound comes first, since plans alike by band can serve different priorities in a band.
    """
    shares = {}
    for same in _grouped(rows, "scale", "profile", "event", "seed").values():
        able = [row for row in same if row["served_by_band"] is not None]
        best = max(able, key=lambda row: (_at_bound(row), row["served_by_band"]), default=Row())
        for row in able:
            shares[id(row)] = _shares(row["served_by_band"], best["served_by_band"])
    return shares


def _at_bound(row: Row) -> bool:
    return bool(row["bound_by_band"] == row["served_by_band"])


def _shares(served: list[int], of: list[int]) -> tuple[float, ...]:
    return tuple(mine / top if top else 1.0 for mine, top in zip(served, of, strict=True))


def _median(rows: list[Row], field: str, form: str) -> str:
    values = [row[field] for row in rows if row.get(field) is not None]
    return form.format(statistics.median(values)) if values else "-"


def _grouped(rows: list[Row], *fields: str) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[field] for field in fields)].append(row)
    return dict(groups)


def _pictures(rows: list[Row], folder: Path, kind: str = "svg") -> None:
    """First plans of the hard instances: what each method serves, and how long it takes."""
    plt = pyplot()
    first = [row for row in rows if row["event"] == "first" and row["profile"] in PROFILES]
    groups = sorted(_grouped(first, "scale", "profile").items(), key=_by_scale)
    if not groups:
        return
    shares, methods = reference(first), sorted({row["method"] for row in first})
    lines = {method: i for i, method in enumerate(methods)}
    height = 0.6 + 0.19 * len(methods)
    figure, axes = plt.subplots(
        len(groups), BANDS, figsize=(11, height * len(groups) + 0.5), sharex=True, sharey=True, squeeze=False
    )
    for panels, ((scale, profile), group) in zip(axes, groups, strict=True):
        able = [row for row in group if id(row) in shares]
        for band, axis in enumerate(panels):
            percent = [min(max(100 * shares[id(row)][band], SHOWN[0]), SHOWN[1]) for row in able]
            dots = [(share, lines[row["method"]]) for share, row in zip(percent, able, strict=True)]
            _dots(axis, dots, methods)
            axis.set(xlim=(SHOWN[0] - 2, SHOWN[1] + 2))
            name = f"band {band + 1}" if band else f"{scale}, {profile}: band 1"
            axis.set_title(name, size=8, loc="left")
    for axis in axes[-1]:
        axis.set_xlabel("% of the best plan", size=8)
    figure.tight_layout()
    save(figure, folder / f"solver-bands.{kind}")
    scales = sorted(_grouped(first, "scale").items(), key=_by_scale)
    figure, axes = plt.subplots(1, len(scales), figsize=(11, height + 0.5), sharey=True, squeeze=False)
    for axis, ((scale,), group) in zip(axes[0], scales, strict=True):
        _dots(axis, [(row["seconds"], lines[row["method"]]) for row in group if row["seconds"]], methods)
        axis.set_title(f"{scale}: first plan", size=8, loc="left")
        axis.set_xlabel("seconds, warm", size=8)
        axis.set(xscale="log")
    figure.tight_layout()
    save(figure, folder / f"solver-seconds.{kind}")


def _by_scale(group: tuple[tuple[Any, ...], list[Row]]) -> tuple[int, tuple[Any, ...]]:
    """Small scales first, real data last."""
    (scale, *_), _ = group
    return "SML".find(scale) if scale in tuple("SML") else 3, group[0]


def _dots(axis: Any, dots: list[tuple[float, int]], methods: list[str]) -> None:
    """Values of each method on a line of its own, and a tick at their median."""
    medians = [
        (statistics.median(values), i)
        for i in range(len(methods))
        if (values := [value for value, line in dots if line == i])
    ]
    for colour in (OURS, PEER):  # all of a colour at once: each plot of its own makes the file larger
        lines = {i for i, name in enumerate(methods) if name.startswith("aifactory") == (colour == OURS)}
        for points, mark, style in (
            (dots, "o", {"alpha": 0.5, "markersize": 5, "markeredgewidth": 0}),
            (medians, "|", {"markersize": 11, "markeredgewidth": 2}),
        ):
            x, y = [value for value, i in points if i in lines], [i for _, i in points if i in lines]
            axis.plot(x, y, mark, color=colour, **style)
    axis.set_yticks(range(len(methods)), methods, size=8)
    axis.set_ylim(len(methods) - 0.5, -0.5)
    axis.tick_params(length=0)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(visible=True, axis="x", alpha=0.3)
