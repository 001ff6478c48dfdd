"""Makes a world that fails as small as it can, and says it in the words of `build`."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from aifactory_solver.check import validate
from aifactory_solver.problem import Bools, Problem, Topology, Wrong
from bench.solver.cut import cut


def shrunk(problem: Problem, fails: Callable[[Problem], bool], seconds: float) -> Problem:
    """The smallest world found in time that still fails, in fewer pools, rows, cells, domains and units."""
    until, tried = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        for number, candidate in enumerate(_smaller(problem)):
            if number >= tried and _possible(candidate) and fails(candidate):
                problem, tried = candidate, number
                break
        else:
            if not tried:
                break
            tried = 0  # once more from the beginning: what was needed then may not be any more
    return problem


def _possible(problem: Problem) -> bool:
    try:
        validate(problem)
    except Wrong:
        return False
    return True


def _smaller(problem: Problem) -> Iterator[Problem]:
    for pool in range(problem.pools):
        yield cut(problem, pools=_all_but(problem.pools, pool))
    for row in range(problem.rows):
        yield cut(problem, rows=_all_but(problem.rows, row))
    for cell in range(problem.cells):
        if cell not in problem.row_cell:
            yield cut(problem, cells=_all_but(problem.cells, cell))
    for domain in reversed(range(problem.domains)):
        held = (problem.cell_domain == domain).any() or (problem.cell_fabric == domain).any()
        if not held and domain not in problem.parent and problem.parent[domain] >= 0:
            yield cut(problem, domains=_all_but(problem.domains, domain))
    for name in ("row_leave", "row_locked", "frozen", "changed", "uprooted", "preemptible"):
        for index in np.flatnonzero(getattr(problem, name)).tolist():
            yield _with(problem, name, index, False)
    for name in ("cell_leaving", "leaving_watts", "fixed_watts", "purpose", "displaced"):
        for index in np.flatnonzero(getattr(problem, name)).tolist():
            yield _with(problem, name, index, 0)
    for name in ("cell_units", "row_units", "limit", "need", "minimum", "row_watts"):
        for index, value in enumerate(getattr(problem, name).tolist()):
            for less in {value // 2, value - 1}:
                if 0 <= less < value:
                    yield _with(problem, name, index, less)
    for pool in np.flatnonzero(problem.topology).tolist():
        plain = _with(problem, "topology", pool, int(Topology.NONE))
        yield _with(_with(plain, "topology_level", pool, -1), "spread", pool, 0)


def _all_but(size: int, one: int) -> Bools:
    mask = np.ones(size, np.bool_)
    mask[one] = False
    return mask


def _with(problem: Problem, name: str, index: int, value: int | bool) -> Problem:
    array = getattr(problem, name).copy()
    array[index] = value
    return replace(problem, **{name: array})


# In words


def in_words(problem: Problem) -> str:
    """The world as calls of the builder, a line each."""
    paths = _paths(problem)
    lines = ["World()"]
    for domain, path in enumerate(paths):
        more = _given(fixed=(problem.fixed_watts[domain], 0), leaving=(problem.leaving_watts[domain], 0))
        lines.append(f".domain({path!r}, {problem.limit[domain]}{more})")
    for cell in range(problem.cells):
        fabric = int(problem.cell_fabric[cell])
        more = _given(
            fabric=(None if fabric < 0 else paths[fabric], paths[problem.cell_domain[cell]]),
            is_open=(problem.cell_open[cell], True),
            leaving=(problem.cell_leaving[cell], 0),
        )
        what = f"{paths[problem.cell_domain[cell]]!r}, {problem.cell_units[cell]}, {_system(problem, cell)!r}"
        lines.append(f".slots({what}, watts={problem.cell_watts[cell]}{more})")
    lines += [_pool(problem, pool) for pool in range(problem.pools)]
    for row in range(problem.rows):
        cell = int(problem.row_cell[row])
        what = f"'p{problem.row_pool[row]}', {paths[problem.cell_domain[cell]]!r}, {problem.row_units[row]}"
        more = _given(
            watts=(problem.row_watts[row], problem.cell_watts[cell]),
            locked=(problem.row_locked[row], False),
            leave=(problem.row_leave[row], False),
            fits=(problem.row_fits[row], True),
        )
        lines.append(f".stands({what}, {_system(problem, cell)!r}{more})")
    systems = ", ".join(f"s{number} {gpus}" for number, gpus in enumerate(problem.system_gpus.tolist()))
    return "\n".join([*lines, f"# GPUs of a unit: {systems}"])


def _pool(problem: Problem, pool: int) -> str:
    kind, level = Topology(int(problem.topology[pool])), f"level {problem.topology_level[pool]}"
    by_level = kind in (Topology.DOMAIN, Topology.SPREAD_DOMAIN)
    place = level if by_level else kind.name.lower().removeprefix("spread_")
    spread = int(problem.spread[pool])
    allowed: Bools = problem.allowed[pool]
    more = _given(
        minimum=(problem.minimum[pool], problem.need[pool]),
        priority=(problem.priority[pool], 0),
        purpose=(problem.purpose[pool], 1),
        age=(problem.age[pool], pool),
        preemptible=(problem.preemptible[pool], False),
        frozen=(problem.frozen[pool], False),
        changed=(problem.changed[pool], False),
        uprooted=(problem.uprooted[pool], False),
        displaced=(problem.displaced[pool], 0),
        pack=(None if spread or not kind else place, None),
        spread=(spread, 0),
        over=(place if spread else "factory", "factory"),
        factories=(np.flatnonzero(allowed).tolist() if not allowed.all() else None, None),
    )
    systems = tuple(f"s{system}" for system in problem.systems[pool])
    return f".pool('p{pool}', {problem.need[pool]}, systems={systems}{more})"


def _given(**pairs: tuple[Any, Any]) -> str:
    """Keywords that differ from their defaults."""
    plain = {
        name: (value.item() if isinstance(value, np.generic) else value, usual)
        for name, (value, usual) in pairs.items()
    }
    return "".join(f", {name}={value!r}" for name, (value, usual) in plain.items() if value != usual)


def _system(problem: Problem, cell: int) -> str:
    return f"s{problem.cell_system[cell]}"


def _paths(problem: Problem) -> list[str]:
    """Names: a factory f0, below it the level and a number, f0/2-1 for the domain 1 of level 2."""
    paths: list[str] = []
    for domain, parent in enumerate(problem.parent.tolist()):
        own = f"{problem.level[domain]}-{domain}"
        paths.append(f"f{problem.factory[domain]}" if parent < 0 else f"{paths[parent]}/{own}")
    return paths
