"""Takes from limits and slots what whole units can never use, so that the relaxation does not count on it."""

import numpy as np

from aifactory_solver.problem import Ints, Problem

_MIXES = 4096  # combinations of unit counts that are tried for one kind of domain
_AT_ONCE = 1 << 18  # of them, for how many domains at once


def tighten(problem: Problem, left: Ints, free: Ints) -> tuple[Ints, Ints]:
    """Watts (D,) and slots (C,) that whole units could use of what is ``left`` (D,) and ``free`` (C,).

    A row of 2,600 kW takes seventeen racks of 150 kW and not 17.3 of them.
    """
    layers = _layers(problem.parent)
    room = np.maximum(left, 0)
    for layer in layers[1:]:
        room[layer] = np.minimum(room[layer], room[problem.parent[layer]])
    watts = np.maximum(problem.cell_watts, 1)
    slots = np.where(problem.cell_open, np.maximum(free, 0), 0)
    slots = np.minimum(slots, room[problem.cell_domain] // watts)
    kinds = sorted(
        {(int(f), int(w)) for f, w in zip(problem.factory[problem.cell_domain], watts, strict=True)}
    )
    # (D, S) units of each system that hang below a domain
    units = np.zeros((problem.domains, problem.system_gpus.shape[0]), dtype=np.int64)
    np.add.at(units, (problem.cell_domain, problem.cell_system), slots)
    each = np.zeros_like(units)
    if kinds:
        open_ = np.flatnonzero(problem.cell_open)
        by_factory = np.zeros((problem.allowed.shape[1], units.shape[1]), dtype=np.int64)
        by_factory[problem.factory[problem.cell_domain[open_]], problem.cell_system[open_]] = watts[open_]
        each = by_factory[problem.factory]
    usable = np.zeros(problem.domains, dtype=np.int64)
    for layer in reversed(layers):
        own = np.zeros(problem.domains, dtype=np.int64)
        np.add.at(own, problem.cell_domain, slots * watts)
        usable[layer] += own[layer]
        usable[layer] = np.minimum(usable[layer], room[layer])
        usable[layer] = _whole(usable[layer], units[layer], each[layer])
        above = problem.parent[layer]
        inner = above >= 0
        np.add.at(usable, above[inner], usable[layer][inner])
        np.add.at(units, above[inner], units[layer][inner])
    return usable, slots


def _whole(room: Ints, units: Ints, watts: Ints) -> Ints:
    """(N,) the most watts up to ``room`` that whole units make: (N, S) how many of each there are."""
    best = room.copy()
    present = units > 0
    pattern, group = np.unique(present, axis=0, return_inverse=True)
    for i, systems in enumerate(pattern):
        rows = np.flatnonzero(group.reshape(-1) == i)
        chosen = np.flatnonzero(systems)
        if not chosen.size:
            best[rows] = 0
            continue
        most = np.minimum(units[rows][:, chosen], room[rows, None] // watts[rows][:, chosen])
        # The system with the most units is filled up last, all mixes of the others are tried.
        tops = most.max(axis=0)
        last = int(np.argmax(tops))
        others = [k for k in range(chosen.size) if k != last]
        if int(np.prod([tops[k] + 1 for k in others])) > _MIXES:
            continue
        mixes = (
            np.stack([n.reshape(-1) for n in np.indices([int(tops[k]) + 1 for k in others])], axis=1)
            if others
            else np.zeros((1, 0), dtype=np.int64)
        )
        w = watts[rows][:, chosen]
        for some in np.array_split(np.arange(rows.size), -(-rows.size * len(mixes) // _AT_ONCE)):
            used = mixes @ w[some][:, others].T  # (X, N)
            rest = room[rows[some]] - used
            valid = (rest >= 0) & (mixes[:, None] <= most[some][:, others]).all(axis=2)
            fill = np.minimum(most[some, last], np.maximum(rest, 0) // w[some, last])
            best[rows[some]] = np.where(valid, used + fill * w[some, last], 0).max(axis=0)
    return best


def _layers(parent: Ints) -> list[Ints]:
    depth = np.zeros_like(parent)
    for d, above in enumerate(parent.tolist()):
        if above >= 0:
            depth[d] = depth[above] + 1
    return [np.flatnonzero(depth == k) for k in range(int(depth.max(initial=-1)) + 1)]
