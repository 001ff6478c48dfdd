"""The rows of `bench.solver.scaling` as JSON, as a page, and as a picture."""

import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from bench.solver.drawing import pyplot, save
from bench.solver.report import FOLDER

Row = dict[str, Any]
# By line: what it is, and what grows along it.
LINES = {
    "diagonal": ("both grow: racks by 40, pools by 200", "pools"),
    "racks": ("racks grow, 500 pools", "racks"),
    "pools": ("pools grow, 40,000 racks", "pools"),
    "own lists": ("every pool with its own list of factories", None),
}

_HEAD = """\
# How time and memory of a first plan grow

Written by `python -m bench.solver.scaling --write` from `scaling.json`. One seed, each point in a process of
its own, in which the solver is warm. *memory*: the highest resident memory while solving, beyond what the
process held with the instance loaded. *demands*: what the relaxation merges the pools to; it is what its time
depends on. *exponent*: b of seconds = a * size^b, least squares over the logarithms of the line's points.

![Seconds and memory](scaling.svg)

Measured on: {machine}.
"""
_OWN = """\
Here nothing can be merged: each pool may use a random half of the factories, so nearly every pool is a demand
of its own.
"""


def exponent(rows: list[Row], grows: str, field: str) -> float | None:
    """b of field = a * grows^b by least squares over logarithms; None for fewer than two sizes."""
    points = [(row[grows], row[field]) for row in rows if row[field]]
    if len({size for size, _ in points}) < 2:
        return None
    x, y = np.log(np.asarray(points, dtype=np.float64)).T
    return float(np.polyfit(x, y, 1)[0])


def page(rows: list[Row]) -> str:
    """The page: a table for each line, with its exponents."""
    machine = (
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
        f"Python {platform.python_version()}, NumPy {np.__version__}"
    )
    parts = [_HEAD.format(machine=machine)]
    for line, (what, grows) in LINES.items():
        mine = [row for row in rows if row["line"] == line]
        if not mine:
            continue
        parts.append(f"## {what[0].upper()}{what[1:]}\n")
        if grows is None:
            parts.append(_OWN)
        parts += [_table(mine), ""]
        if grows is not None:
            found = {field: exponent(mine, grows, field) for field in ("seconds", "peak_mb")}
            texts = [
                f"{name} {'-' if value is None else f'{round(value, 2) + 0:.2f}'}"
                for name, value in zip(("seconds", "memory"), found.values(), strict=True)
            ]
            parts.append(f"Exponents in {grows}: {', '.join(texts)}.\n")
    return "\n".join(parts)


def _table(rows: list[Row]) -> str:
    lines = ["| racks | pools | factories | demands | seconds | memory |", "|--:|--:|--:|--:|--:|--:|"]
    for row in rows:
        numbers = [f"{row[name]:,}" for name in ("racks", "pools", "factories")]
        if row["seconds"] is None:
            numbers += ["-", "given up", "-"]
        else:
            numbers += [f"{row['demands']:,}", f"{row['seconds']:.3g} s", f"{row['peak_mb']:,.0f} MB"]
        lines.append(f"| {' | '.join(numbers)} |")
    return "\n".join(lines)


def write(rows: list[Row], folder: Path = FOLDER) -> None:
    """Write scaling.json, scaling.md and scaling.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(row) for row in rows)
    (folder / "scaling.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    (folder / "scaling.md").write_text(page(rows), encoding="utf-8")
    picture(rows, folder / "scaling.svg")


def picture(rows: list[Row], file: Path) -> None:
    """Seconds and memory over what grows, both axes logarithmic."""
    figure, axes = pyplot().subplots(2, 2, figsize=(9, 6), sharex="col", sharey="row", layout="constrained")
    for column, grows in enumerate(("racks", "pools")):
        for axis, field, label in zip(axes[:, column], ("seconds", "peak_mb"), ("s", "MB"), strict=True):
            for i, (line, (what, along)) in enumerate(LINES.items()):
                points = sorted((r[grows], r[field]) for r in rows if r["line"] == line and r[field])
                if (points and along in (grows, None)) or (line == "diagonal" and points):
                    style = "o--" if along is None else "o-"
                    axis.plot(*zip(*points, strict=True), style, label=what, color=f"C{i}")
            axis.set(xscale="log", yscale="log", ylabel=label if not column else "")
            axis.grid(visible=True, which="both", alpha=0.2)
        axes[1, column].set(xlabel=grows)
    labelled = {
        label: handle
        for axis in axes.flat
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(labelled.values(), labelled.keys(), loc="outside lower center", ncols=2)
    save(figure, file)
