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
)
NAMES = FIELDS[:6]  # together they name a row
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
            f"Python {platform.python_version()}, NumPy {numpy.__version__}"
        )
    ]
    for (scale, profile, event), group in sorted(_grouped(rows, "scale", "profile", "event").items()):
        parts += [f"## {scale}, {profile}, {event}\n", table(group), ""]
    return "\n".join(parts)


_HEAD = """\
# How well the solver places, beside its peers

Written by `python -m bench.solver --write` from `solver.json`. Medians over the seeds. *served*: GPUs served
to minima in each of five bands of priorities, from the top, in percent of what the best plan of the table
serves there; the best is the one that serves more in the highest band that differs, so a lower band may well
show more than 100 %. *of bound*: the same in percent of the bound that is proved for this plan. *gap*: to the
bound, bands weighted 4 to 1. *waits*: inversions and free-room misses. *moved* and *evicted* are GPUs.
*memory*: what solving took on top of the instance. No numbers: no plan that the checker lets pass.

![GPUs served by band](solver-bands.svg)

![Seconds](solver-seconds.svg)

Measured on: {machine}.
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
            *(_median(mine, field, "{:,.0f}") for field in ("inversions", "moved", "evicted")),
            _median(mine, "peak_mb", "{:,.0f} MB"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def reference(rows: list[Row]) -> dict[int, tuple[float, ...]]:
    """For each row with a plan, by its id: served by band, as shares of what the best plan serves there.

    The best plan of an instance serves more in the highest band where two differ.
    """
    shares = {}
    for same in _grouped(rows, "scale", "profile", "event", "seed").values():
        able = [row for row in same if row["served_by_band"] is not None]
        best: list[int] = max((row["served_by_band"] for row in able), default=[])
        for row in able:
            shares[id(row)] = _shares(row["served_by_band"], best)
    return shares


def _shares(served: list[int], of: list[int]) -> tuple[float, ...]:
    return tuple(mine / top if top else 1.0 for mine, top in zip(served, of, strict=True))


def _median(rows: list[Row], field: str, form: str) -> str:
    values = [row[field] for row in rows if row[field] is not None]
    return form.format(statistics.median(values)) if values else "-"


def _grouped(rows: list[Row], *fields: str) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[field] for field in fields)].append(row)
    return dict(groups)


def _pictures(rows: list[Row], folder: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and needed here alone

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "solver"
    from matplotlib import pyplot  # noqa: PLC0415

    first = [row for row in rows if row["event"] == "first"]
    groups = sorted(_grouped(first, "scale", "profile").items())
    if not groups:
        return
    shares, methods = reference(first), sorted({row["method"] for row in first})
    figure, axes = pyplot.subplots(len(groups), 1, figsize=(9, 2.4 * len(groups)), squeeze=False)
    for axis, ((scale, profile), group) in zip(axes[:, 0], groups, strict=True):
        for i, method in enumerate(methods):
            mine = [shares[id(r)] for r in group if r["method"] == method and id(r) in shares]
            if mine:
                heights = [100 * statistics.median(band) for band in zip(*mine, strict=True)]
                at = [band + (i - len(methods) / 2) * 0.8 / len(methods) for band in range(BANDS)]
                axis.bar(at, heights, 0.8 / len(methods), label=method, color=f"C{i}", align="edge")
        axis.set(title=f"{scale}, {profile}", ylabel="%", ylim=(50, 101))
        axis.set_xticks(range(BANDS), [f"band {band + 1}" for band in range(BANDS)])
    axes[0, 0].legend(fontsize="x-small", ncols=4)
    figure.tight_layout()
    figure.savefig(folder / "solver-bands.svg", metadata={"Date": None})
    figure, axis = pyplot.subplots(figsize=(9, 3.5))
    for i, method in enumerate(methods):
        by_scale = _grouped([r for r in first if r["method"] == method and r["seconds"]], "scale")
        order = [scale for scale in ("S", "M", "L") if (scale,) in by_scale]
        seconds = [statistics.median(row["seconds"] for row in by_scale[(scale,)]) for scale in order]
        axis.plot(order, seconds, "o-", label=method, color=f"C{i}")
    axis.set(yscale="log", ylabel="seconds, warm", title="First plan, median")
    axis.legend(fontsize="x-small")
    figure.tight_layout()
    figure.savefig(folder / "solver-seconds.svg", metadata={"Date": None})
