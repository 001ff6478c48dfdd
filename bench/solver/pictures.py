"""The pictures of docs/explanation/solver.md, made from real runs: `python -m bench.solver.pictures`.

They show M, many priorities, seed 1. Nothing in them was measured by a clock: the same solver draws the same
files. Weighted GPUs count 256, 64, 16, 4 and 1 from the highest band to the lowest.
"""

import argparse
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from aifactory_solver import improve
from aifactory_solver.bands import bands
from aifactory_solver.certificate import Certifier
from aifactory_solver.moves import forced_moves
from aifactory_solver.problem import Array, Ints, Problem, Solution
from aifactory_solver.relax.bound import Bound, Prices, Scenarios
from aifactory_solver.relax.engine import aim_at_all
from aifactory_solver.relax.pdhg import CHECK, Pdhg
from aifactory_solver.relax.relaxation import Relaxation
from aifactory_solver.relax.simplex import simplex
from bench.solver.cases import FIRST, Named, case, world
from bench.solver.drawing import BANDS, INK, ON_COLOUR, OTHER, OURS, PEER, pyplot, save
from bench.solver.greedy import best_fit
from bench.solver.instances import SCALES
from bench.solver.measure import demand_by_band, measure
from bench.solver.mps import relaxed
from bench.solver.runs import ROCKS, EngineRun, watched

FOLDER = Path(__file__).parents[2] / "docs" / "images"
EVENT = "quota-20"
ITERATIONS = 4000  # of PDHG
NAMES = tuple(f"band {k}" + (" (highest)" if k == 1 else "") for k in range(1, len(BANDS) + 1))


def main() -> None:
    """Draw all pictures into docs/images."""
    parser = argparse.ArgumentParser(prog="python -m bench.solver.pictures", description=main.__doc__)
    parser.add_argument("--scale", choices=tuple(SCALES), default="M")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    draw(options.scale, options.folder)


def draw(scale: str, folder: Path) -> None:
    """Draw all pictures of a scale."""
    for name, figure in PICTURES.items():
        save(figure(scale), folder / f"solver-{name}.svg")


@cache
def _problem(scale: str, event: str = FIRST) -> Problem:
    return case(Named(scale, "many", 1, event)).problem


@cache
def _runs(scale: str, event: str = FIRST) -> tuple[tuple[EngineRun, ...], Solution]:
    """The engine's runs, and what `solve` makes of them."""
    with watched() as runs:
        best = improve.solve(_problem(scale, event), np)
    return tuple(runs), best


@cache
def _bounds(scale: str) -> tuple[Ints, float]:
    """What is proved of the first plan: (5,) GPUs by band, and weighted GPUs."""
    certifier = Certifier(_problem(scale), _runs(scale)[1], simplex)
    return np.asarray([band.bound for band in certifier.certificate().bands]), certifier.weighted()


def watts_by_band(problem: Problem, solution: Solution) -> Ints:
    """(D, 5) watts that the pools of each band draw in each domain and below it."""
    band, watts = bands(problem), np.zeros((problem.domains, len(BANDS)), dtype=np.int64)
    for pools, cells, power in (
        (problem.row_pool, problem.row_cell, solution.kept * problem.row_watts),
        (
            solution.new_pool,
            solution.new_cell,
            solution.new_units * problem.cell_watts[solution.new_cell],
        ),
    ):
        np.add.at(watts, (problem.cell_domain[cells], band[pools]), power)
    return _with_those_below(problem, watts)


def _with_those_below(problem: Problem, amounts: Ints) -> Ints:
    """Sums over whole subtrees of ``amounts`` (D, ...) that hang on each domain itself."""
    for d in range(problem.domains - 1, -1, -1):  # children come after their parents
        if problem.parent[d] >= 0:
            amounts[problem.parent[d]] += amounts[d]
    return amounts


# One factory as a tree


def tree(scale: str) -> Any:
    """The factory with the median number of domains, by the engine alone and by the whole solver."""
    problem, (runs, best) = _problem(scale), _runs(scale)
    racks = np.zeros(problem.domains, dtype=np.int64)
    np.add.at(racks, problem.cell_domain, problem.cell_units * problem.cell_watts)
    racks = _with_those_below(problem, racks)
    sizes = np.bincount(problem.factory)
    chosen = int(np.argsort(sizes, kind="stable")[sizes.size // 2])
    root = int(np.flatnonzero((problem.parent < 0) & (problem.factory == chosen))[0])
    levels = _levels(scale, chosen)
    plt = pyplot()
    figure, axes = plt.subplots(2, 1, figsize=(7.5, 4.2), layout="constrained")
    plans = (("the engine alone", runs[0].plan), ("led by the relaxation", best))
    for axis, (title, plan) in zip(axes, plans, strict=True):
        _icicle(axis, problem, root, racks, watts_by_band(problem, plan))
        axis.set_yticks(range(0, -len(levels), -1), levels)
        axis.set_title(title)
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in BANDS]
    handles.append(plt.Line2D([], [], color=INK, linewidth=2))
    figure.legend(handles, (*NAMES, "limit"), loc="outside lower center", ncols=6)
    return figure


def _levels(scale: str, factory: int) -> tuple[str, ...]:
    """What the domains of each level of a factory are called, from the top."""
    factories = sorted(world(Named(scale, "many", 1)).factories, key=lambda it: it.metadata.name)
    paths = [domain.path.split("/") for domain in factories[factory].spec.power.domains]
    deepest = max(map(len, paths), default=0)
    names = ({path[-1] for path in paths if len(path) == k} for k in range(1, deepest + 1))
    return ("quota", *(", ".join(sorted(some)) for some in names))


def _icicle(axis: Any, problem: Problem, root: int, racks: Ints, used: Ints) -> None:
    """Boxes as wide as all racks below would draw, filled with what each band does, with the limit."""
    layer, y = [(root, 0.0)], 0
    while layer:
        spans: list[list[tuple[float, float]]] = [[] for _ in BANDS]  # (start, width) by band
        below, limits = [], []
        for d, start in layer:
            ends = start + np.cumsum(used[d])
            for k in np.flatnonzero(used[d]).tolist():
                spans[k].append((float(ends[k] - used[d, k]), float(used[d, k])))
            limits.append(start + min(int(problem.limit[d]), int(racks[d])))
            at = start
            for child in np.flatnonzero(problem.parent == d).tolist():
                below.append((child, at))
                at += float(racks[child])
        for colour, some in zip(BANDS, spans, strict=True):
            axis.broken_barh(some, (y - 0.4, 0.8), color=colour, linewidth=0)
        boxes = [(start, float(racks[d])) for d, start in layer]
        axis.broken_barh(boxes, (y - 0.4, 0.8), facecolor="none", edgecolor=INK, linewidth=0.5)
        axis.vlines(limits, y - 0.48, y + 0.48, color=INK, linewidth=2)
        layer, y = below, y - 1
    axis.set(xticks=[], xlim=(-0.002 * racks[root], 1.002 * racks[root]))
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)


# What is served


def served(scale: str) -> Any:
    """Share of what each band wishes for that three methods serve, and the bound."""
    problem, (runs, best), (bound, _) = _problem(scale), _runs(scale), _bounds(scale)
    wished = np.maximum(1, demand_by_band(problem))
    plans = (
        ("greedy, best fit", best_fit(problem), PEER),
        ("the engine alone", runs[0].plan, OTHER),
        ("solve", best, OURS),
    )
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(7.5, 2.9), layout="constrained")
    at, width = np.arange(len(BANDS)), 0.26
    for i, (name, plan, colour) in enumerate(plans):
        share = 100 * np.asarray(measure(problem, plan).minima_by_band) / wished
        bars = axis.bar(at + (i - 1) * width, share, width * 0.92, label=name, color=colour)
        axis.bar_label(bars, [f"{n:.0f}" for n in share], label_type="center", size=8, color=ON_COLOUR)
    axis.hlines(100 * bound / wished, at - 0.42, at + 0.42, color=INK, linewidth=2, label="proved bound")
    axis.set_xticks(at, NAMES)
    axis.set(ylim=(0, 104), ylabel="% of the GPUs wished for")
    figure.legend(loc="outside lower center", ncols=4)
    return figure


# How the plan gets better


def rounds(scale: str) -> Any:
    """GPUs that each run of the engine leaves unserved below the bound, by band."""
    problem, (runs, best), (bound, _) = _problem(scale), _runs(scale), _bounds(scale)
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(7.5, 3.2), layout="constrained")
    top = 0.0
    for i, run in enumerate(runs):
        found = measure(problem, run.plan)
        lacks = np.maximum(0, bound - np.asarray(found.minima_by_band))
        below = np.concatenate(([0], np.cumsum(lacks)))
        hatch = "///" if run.role == ROCKS else None
        for colour, first, amount in zip(BANDS, below, lacks, strict=False):
            axis.bar(i, amount, 0.72, first, color=colour, hatch=hatch, linewidth=0)
        lines = [f"{int(below[-1]):,}"]
        lines += [f"{found.inversions} kept out"] if found.inversions else []
        lines += ["chosen"] if run.plan is best else []
        axis.text(i, below[-1], "\n".join(lines), ha="center", va="bottom", size=7.5)
        top = max(top, float(below[-1]))
    axis.set_xticks(range(len(runs)), [run.role.replace(" ", "\n", 1) for run in runs])
    axis.set(ylim=(0, 1.12 * top), ylabel="GPUs below the bound")
    axis.yaxis.set_major_formatter("{x:,.0f}")
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in BANDS]
    figure.legend(handles, NAMES, loc="outside lower center", ncols=5)
    return figure


# What is proved


class _Recorded(Bound):
    """A bound that notes what it finds at each look."""

    def __init__(self, relaxation: Relaxation) -> None:
        super().__init__(relaxation, np)
        self.found: list[float] = []

    def __call__(self, prices: Prices, scenarios: Scenarios, whole: tuple[int, ...] = ()) -> Array:
        bound = super().__call__(prices, scenarios, whole)
        self.found.append(float(bound[0]))
        return bound


def bound(scale: str) -> Any:
    """How far the bounds are above what the plan serves: PDHG's, look by look, and that of the simplex."""
    problem, (_, best) = _problem(scale), _runs(scale)
    relaxation = relaxed(problem)
    aim = aim_at_all(relaxation.bands)
    scenario = Scenarios(relaxation.slots, relaxation.limit, aim.weight, aim.floor)
    one = Scenarios(*(np.asarray(side)[None] for side in vars(scenario).values()))
    method = Pdhg(relaxation, np)
    method.bound = looks = _Recorded(relaxation)
    method.solve(one, tolerance=0.0, iterations=ITERATIONS)
    exact = float(Bound(relaxation, np)(simplex(relaxation, aim).prices, scenario))
    plan = measure(problem, best).weighted
    above = 100 * (np.asarray([*looks.found, exact]) / plan - 1)
    figure, axis = pyplot().subplots(figsize=(7.5, 2.9), layout="constrained")
    done = CHECK * np.arange(1, len(looks.found) + 1)
    axis.plot(done, above[:-1], color=PEER, linewidth=1, label="PDHG, at each look")
    axis.plot(done, np.minimum.accumulate(above[:-1]), color=OURS, label="PDHG, the least so far")
    axis.axhline(above[-1], color=INK, linestyle="--", linewidth=1.2, label="simplex")
    axis.set(xlabel="iterations", xlim=(0, done[-1]), ylabel="% above what the plan serves", ylim=0)
    axis.grid(visible=True, alpha=0.25)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


# An event


def event(scale: str) -> Any:
    """The largest factory loses a fifth of its quota: its watts before and after, and who moves."""
    problem, (_, after) = _problem(scale, EVENT), _runs(scale, EVENT)
    anew = best_fit(problem)
    nothing = np.zeros(0, dtype=np.int64)
    before = Solution(problem.row_units, nothing, nothing, nothing)
    used = [watts_by_band(problem, plan) for plan in (before, after)]
    root = int(np.argmax(used[0].sum(axis=1) - problem.limit))
    plt = pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 2.6), layout="constrained")
    for y, watts in enumerate(used):
        start = 0.0
        for colour, amount in zip(BANDS, (watts[root] / 1e6).tolist(), strict=True):
            left.barh(y, amount, 0.6, start, color=colour, linewidth=0)
            start += amount
    left.axvline(problem.limit[root] / 1e6, color=INK, linewidth=2)
    left.set_yticks((0, 1), ("before", "after"))
    left.set(xlabel="MW of the factory that lost a fifth; line: its new limit", ylim=(1.5, -0.5))
    moves = (
        ("cannot be\navoided", forced_moves(problem, after), INK),
        ("solve", measure(problem, after).moved, OURS),
        ("all placed\nanew", measure(problem, anew).moved, PEER),
    )
    bars = right.barh(range(3), [n for _, n, _ in moves], 0.6, color=[colour for *_, colour in moves])
    right.bar_label(bars, [f"{n:,}" for _, n, _ in moves], padding=3, size=8)
    right.xaxis.set_major_formatter("{x:,.0f}")
    right.set_yticks(range(3), [name for name, *_ in moves])
    right.set(xlabel="GPUs moved", ylim=(2.5, -0.5), xlim=(0, 1.15 * max(1, *(n for _, n, _ in moves))))
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in BANDS]
    figure.legend(handles, NAMES, loc="outside lower center", ncols=5)
    return figure


PICTURES: dict[str, Callable[[str], Any]] = {
    "tree": tree,
    "served": served,
    "rounds": rounds,
    "bound": bound,
    "event": event,
}

if __name__ == "__main__":
    main()
