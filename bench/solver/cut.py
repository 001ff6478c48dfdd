"""A part of a problem, as a problem."""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from aifactory_solver.problem import Bools, Ints, Problem

DOMAIN = ("parent", "limit", "level", "factory", "fixed_watts", "leaving_watts")
POOL = (
    *("need", "minimum", "priority", "purpose", "age", "preemptible", "frozen", "changed", "uprooted"),
    *("displaced", "topology", "topology_level", "spread", "allowed"),
)


def cut(
    problem: Problem,
    *,
    factories: Bools | None = None,
    domains: Bools | None = None,
    cells: Bools | None = None,
    pools: Bools | None = None,
    rows: Bools | None = None,
) -> Problem:
    """The problem with these factories, domains, cells, pools and rows alone, numbered anew.

    Each mask has one entry for each of the whole; None is all. What belongs to something that goes, goes
    along: the domains of a factory, the cells of a domain, the rows of a cell or a pool. A fabric that goes
    is -1 afterwards.
    """
    sizes = problem.allowed.shape[1], problem.domains, problem.cells, problem.pools, problem.rows
    f, d, c, p, r = (
        np.ones(size, np.bool_) if mask is None else mask
        for mask, size in zip((factories, domains, cells, pools, rows), sizes, strict=True)
    )
    d = d & f[problem.factory]
    c = c & d[problem.cell_domain]
    r = r & c[problem.row_cell] & p[problem.row_pool]
    chosen = {**dict.fromkeys(DOMAIN, d), **dict.fromkeys(POOL, p)}
    chosen |= {field.name: c for field in fields(problem) if field.name.startswith("cell_")}
    chosen |= {field.name: r for field in fields(problem) if field.name.startswith("row_")}
    parts: dict[str, Any] = {name: getattr(problem, name)[mask] for name, mask in chosen.items()}
    for name, mask in (
        ("factory", f),
        *((name, d) for name in ("parent", "cell_domain", "cell_fabric")),
        ("row_cell", c),
        ("row_pool", p),
    ):
        parts[name] = _renumbered(mask)[parts[name]]
    parts["allowed"] = problem.allowed[np.ix_(p, f)]
    parts["systems"] = tuple(problem.systems[pool] for pool in np.flatnonzero(p).tolist())
    return replace(problem, **parts)


def _renumbered(mask: Bools) -> Ints:
    """(N + 1,) the new number of each, -1 for what goes, and at the end for none."""
    return np.append(np.where(mask, np.cumsum(mask) - 1, -1), -1)
