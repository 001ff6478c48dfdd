"""Problems that cannot be, and plans that are no answer to their problem."""

from collections.abc import Iterator

import numpy as np

from aifactory_solver.check.facts import SPREAD, Tree
from aifactory_solver.problem import Bools, Ints, Problem, Solution, Topology, Wrong

_DOMAIN = ("parent", "limit", "level", "factory", "fixed_watts", "leaving_watts")
_CELL = (
    "cell_domain",
    "cell_fabric",
    "cell_system",
    "cell_units",
    "cell_leaving",
    "cell_watts",
    "cell_cost",
    "cell_carbon",
)
_ROW = ("row_pool", "row_cell", "row_units", "row_watts")
_POOL = ("need", "minimum", "priority", "purpose", "age", "displaced", "topology", "topology_level", "spread")
_FLAGS = {
    "cell_open": "cell_domain",
    "row_locked": "row_pool",
    "row_leave": "row_pool",
    "row_fits": "row_pool",
    "preemptible": "need",
    "frozen": "need",
    "changed": "need",
    "uprooted": "need",
}
_INT32 = np.iinfo(np.int32)
_MOST_WATTS = 2**62
_LISTED = 20


def validate(problem: Problem) -> None:
    """Raise ``Wrong`` for a problem that no fleet could give, with all that is wrong with it."""
    found = list(_shapes(problem))
    found = found or list(_ranges(problem))
    for part in (_domains, _cells, _rows, _pools):
        found = found or list(part(problem))
    if found:
        raise Wrong(listed(found))


def listed(found: list[str]) -> str:
    """The lines as one message, the first few of them if there are many."""
    more = len(found) - _LISTED
    return "\n".join([*found[:_LISTED], f"and {more} more"] if more > 0 else found)


def misshapen(problem: Problem, solution: Solution) -> Iterator[str]:
    """Say where the plan's arrays do not answer the problem: length, type, range, a pair given twice."""
    arrays = {
        "kept": (solution.kept, problem.rows),
        "new_pool": (solution.new_pool, solution.new_pool.size),
        "new_cell": (solution.new_cell, solution.new_pool.size),
        "new_units": (solution.new_units, solution.new_pool.size),
    }
    lines = [line for name, (array, size) in arrays.items() for line in _array("form", name, array, (size,))]
    yield from lines
    if lines:
        return
    yield from _between("form", "kept", solution.kept, 0, problem.row_units)
    yield from _between("form", "new_pool", solution.new_pool, 0, problem.pools - 1)
    yield from _between("form", "new_cell", solution.new_cell, 0, problem.cells - 1)
    yield from _between("form", "new_units", solution.new_units, 1, None)
    pairs = np.stack((solution.new_pool, solution.new_cell), axis=1)
    for (pool, cell), times in zip(*np.unique(pairs, axis=0, return_counts=True), strict=True):
        if times > 1:
            yield f"form: pool {pool} has {times} new placements in cell {cell}, at most 1 is allowed"


# Arrays


def _array(rule: str, name: str, array: Ints | Bools, shape: tuple[int, ...]) -> Iterator[str]:
    kind = np.bool_ if name in _FLAGS or name == "allowed" else np.int64
    if array.dtype != kind:
        yield f"{rule}: {name} is {array.dtype}, must be {np.dtype(kind)}"
    if array.shape != shape:
        yield f"{rule}: {name} has shape {array.shape}, must have {shape}"


def _between(rule: str, name: str, array: Ints, low: int, high: Ints | int | None) -> Iterator[str]:
    top = _MOST_WATTS if high is None else high
    for index in np.flatnonzero((array < low) | (array > top)).tolist():
        most = "" if high is None else f", at most {np.broadcast_to(np.asarray(top), array.shape)[index]}"
        yield f"{rule}: {name}[{index}] is {array[index]}, must be at least {low}{most}"


def _shapes(problem: Problem) -> Iterator[str]:
    for names, size in (
        (_DOMAIN, problem.domains),
        (_CELL, problem.cells),
        (_ROW, problem.rows),
        (_POOL, problem.pools),
    ):
        for name in names:
            yield from _array("problem", name, getattr(problem, name), (size,))
    for name, like in _FLAGS.items():
        yield from _array("problem", name, getattr(problem, name), getattr(problem, like).shape)
    yield from _array("problem", "system_gpus", problem.system_gpus, problem.system_gpus.shape[:1])
    factories = int(np.sum(problem.parent < 0))
    yield from _array("problem", "allowed", problem.allowed, (problem.pools, factories))
    if len(problem.systems) != problem.pools:
        yield f"problem: systems has {len(problem.systems)} entries, must have {problem.pools}"


def _ranges(problem: Problem) -> Iterator[str]:
    domains, cells, pools = problem.domains - 1, problem.cells - 1, problem.pools - 1
    systems, factories = problem.system_gpus.size - 1, problem.allowed.shape[1] - 1
    for name, low, high in (
        ("parent", -1, np.arange(problem.domains) - 1),
        ("limit", 0, None),
        ("level", -1, None),
        ("factory", 0, factories),
        ("fixed_watts", 0, None),
        ("leaving_watts", 0, None),
        ("cell_domain", 0, domains),
        ("cell_fabric", -1, domains),
        ("cell_system", 0, systems),
        ("cell_units", 0, None),
        ("cell_leaving", 0, problem.cell_units),
        ("cell_watts", 1, None),
        ("cell_cost", 0, None),
        ("cell_carbon", 0, None),
        ("system_gpus", 1, None),
        ("row_pool", 0, pools),
        ("row_cell", 0, cells),
        ("row_units", 1, None),
        ("row_watts", 1, None),
        ("need", 0, None),
        ("minimum", 0, problem.need),
        ("priority", int(_INT32.min), int(_INT32.max)),
        ("purpose", 0, 2),
        ("age", 0, None),
        ("displaced", 0, None),
        ("topology", 0, max(Topology)),
        ("topology_level", -1, None),
        ("spread", 0, None),
    ):
        yield from _between("problem", name, getattr(problem, name), low, high)


# Meaning


def _domains(problem: Problem) -> Iterator[str]:
    parent, level, factory = problem.parent, problem.level, problem.factory
    roots = np.flatnonzero(parent < 0)
    if sorted(factory[roots].tolist()) != list(range(roots.size)):
        yield f"problem: the roots are factories {factory[roots].tolist()}, must be 0 to {roots.size - 1}"
    above: dict[int, int] = {}
    for domain in range(problem.domains):
        if (level[domain] < 0) != (parent[domain] < 0):
            yield f"problem: domain {domain} has level {level[domain]} and parent {parent[domain]}"
        elif parent[domain] >= 0:
            if factory[domain] != factory[parent[domain]]:
                yield f"problem: domain {domain} is in factory {factory[domain]}, its parent in another"
            path = int(level[parent[domain]])
            first = above.setdefault(int(level[domain]), path)
            if first != path:
                yield f"problem: domain {domain} of level {level[domain]} is on level {path}, not {first}"


def _cells(problem: Problem) -> Iterator[str]:
    tree = Tree(problem.parent)
    for cell in np.flatnonzero(problem.cell_fabric >= 0).tolist():
        if problem.cell_fabric[cell] not in tree.chain(int(problem.cell_domain[cell])):
            yield f"problem: cell {cell} does not lie under its fabric {problem.cell_fabric[cell]}"
    watts: dict[tuple[int, int], int] = {}
    for cell in np.flatnonzero(problem.cell_open).tolist():
        key = int(problem.factory[problem.cell_domain[cell]]), int(problem.cell_system[cell])
        first = watts.setdefault(key, int(problem.cell_watts[cell]))
        if problem.cell_watts[cell] != first:
            own = int(problem.cell_watts[cell])
            yield f"problem: cell {cell} counts {own} W a unit, others of its system and factory {first} W"


def _rows(problem: Problem) -> Iterator[str]:
    cell = problem.row_cell
    less = problem.cell_open[cell] & (problem.row_watts < problem.cell_watts[cell])
    for row in np.flatnonzero(less).tolist():
        yield f"problem: row {row} counts {problem.row_watts[row]} W a unit, less than its cell {cell[row]}"
    held = problem.cell_leaving.copy()
    stays = ~problem.row_leave | problem.row_locked
    np.add.at(held, cell[stays], problem.row_units[stays])
    for where in np.flatnonzero(held > problem.cell_units).tolist():
        yield f"problem: cell {where} holds {held[where]} units in {problem.cell_units[where]} slots"
    system = np.full(problem.pools, -1)
    system[problem.row_pool] = problem.cell_system[cell]
    for row in np.flatnonzero(system[problem.row_pool] != problem.cell_system[cell]).tolist():
        yield f"problem: row {row} stands on another system than other rows of pool {problem.row_pool[row]}"
    carried = [problem.fixed_watts, problem.leaving_watts, problem.row_units * problem.row_watts]
    carried.append(problem.cell_units * problem.cell_watts)
    if sum(float(np.sum(part, dtype=np.float64)) for part in carried) > _MOST_WATTS:
        yield "problem: all watts together do not fit in 62 bits"


def _pools(problem: Problem) -> Iterator[str]:
    if np.unique(problem.age).size != problem.pools:
        yield "problem: two pools have one age"
    for pool in range(problem.pools):
        kind = int(problem.topology[pool])
        if (kind in SPREAD) != (problem.spread[pool] > 0):
            yield f"problem: pool {pool} of topology {kind} has spread {problem.spread[pool]}"
        if (kind in (Topology.DOMAIN, Topology.SPREAD_DOMAIN)) != (problem.topology_level[pool] >= 0):
            yield f"problem: pool {pool} of topology {kind} has level {problem.topology_level[pool]}"
        wanted = problem.systems[pool]
        if len(set(wanted)) < len(wanted) or not all(0 <= s < problem.system_gpus.size for s in wanted):
            yield f"problem: pool {pool} accepts systems {wanted}"
