"""Merges identical siblings: domains and cells that no rule could tell apart become one class.

Two domains are alike if they have one parent class, level and limit, and if what hangs on them and below them
is alike, so a permutation of them changes nothing. The mean of a plan over all permutations is a fractional
plan of the classes, and the other way round: the relaxation loses nothing by merging.
"""

from dataclasses import dataclass

import numpy as np

from aifactory_solver.problem import Ints, Problem


@dataclass(frozen=True, eq=False)
class Classes:
    """Sizes: K domain classes, parents before children, and B cell classes, open cells only."""

    of_domain: Ints  # (D,) class of each domain
    of_cell: Ints  # (C,) class of each cell, -1 where it is closed
    parent: Ints  # (K,) class above, -1 for a factory
    hangs_on: Ints  # (B,) domain class
    system: Ints  # (B,)
    factory: Ints  # (B,)
    watts: Ints  # (B,) of a unit
    example: Ints  # (B,) one of its cells

    @property
    def domains(self) -> int:
        """K."""
        return int(self.parent.shape[0])

    @property
    def cells(self) -> int:
        """B."""
        return int(self.hangs_on.shape[0])

    def per_domain(self, values: Ints) -> Ints:
        """(K,) sums of ``values`` (D,)."""
        total = np.zeros(self.domains, dtype=np.int64)
        np.add.at(total, self.of_domain, values)
        return total

    def per_cell(self, values: Ints) -> Ints:
        """(B,) sums of ``values`` (C,) over open cells."""
        total = np.zeros(self.cells, dtype=np.int64)
        open_ = self.of_cell >= 0
        np.add.at(total, self.of_cell[open_], values[open_])
        return total


def classify(problem: Problem) -> Classes:
    """Find the classes. What stands plays no part, so they hold for every state of a fleet."""
    kinds = _kinds(problem)
    of_domain = np.zeros(problem.domains, dtype=np.int64)
    parent: list[int] = []
    known: dict[tuple[int, int], int] = {}
    for d, above in enumerate(problem.parent.tolist()):
        key = (int(of_domain[above]), kinds[d]) if above >= 0 else (-1 - d, kinds[d])
        if key not in known:
            known[key] = len(parent)
            parent.append(key[0] if above >= 0 else -1)
        of_domain[d] = known[key]
    of_cell = np.full(problem.cells, -1, dtype=np.int64)
    cells: dict[tuple[int, int, bool], int] = {}
    example: list[int] = []
    for c in np.flatnonzero(problem.cell_open).tolist():
        place = (int(of_domain[problem.cell_domain[c]]), *_own(problem, c))
        if place not in cells:
            cells[place] = len(example)
            example.append(c)
        of_cell[c] = cells[place]
    examples = np.asarray(example, dtype=np.int64)
    return Classes(
        of_domain=of_domain,
        of_cell=of_cell,
        parent=np.asarray(parent, dtype=np.int64),
        hangs_on=of_domain[problem.cell_domain[examples]],
        system=problem.cell_system[examples],
        factory=problem.factory[problem.cell_domain[examples]],
        watts=problem.cell_watts[examples],
        example=examples,
    )


def _own(problem: Problem, cell: int) -> tuple[int, bool]:
    """What tells a cell from others on its domain; watts are alike in a factory."""
    return int(problem.cell_system[cell]), bool(problem.cell_fabric[cell] >= 0)


def _kinds(problem: Problem) -> list[int]:
    """(D,) an identity of each domain's whole subtree."""
    below: list[list[int]] = [[] for _ in range(problem.domains)]
    cells: list[list[tuple[int, bool, int]]] = [[] for _ in range(problem.domains)]
    for c in np.flatnonzero(problem.cell_open).tolist():
        cells[int(problem.cell_domain[c])].append((*_own(problem, c), int(problem.cell_units[c])))
    known: dict[tuple[object, ...], int] = {}
    kinds = [0] * problem.domains
    levels, limits, parents = problem.level.tolist(), problem.limit.tolist(), problem.parent.tolist()
    for d in range(problem.domains - 1, -1, -1):
        key = (levels[d], limits[d], tuple(sorted(below[d])), tuple(sorted(cells[d])))
        kinds[d] = known.setdefault(key, len(known))
        if parents[d] >= 0:
            below[parents[d]].append(kinds[d])
    return kinds
