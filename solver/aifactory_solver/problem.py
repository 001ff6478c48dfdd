"""What the solver is asked and what it answers: frozen arrays.

Sizes: D domains, C cells, S systems, R standing rows, P pools, F factories, L levels.
All integers are int64, all power is IT watts, all money is in millionths of a currency unit.
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Array = Any  # an array of whatever namespace was injected


class Topology(IntEnum):
    """How the units of one pool must stand together or apart."""

    NONE = 0  # anywhere, in several factories too
    FACTORY = 1  # all in one factory
    FABRIC = 2  # all on one fabric
    DOMAIN = 3  # all under one domain of the pool's level
    SPREAD_FACTORY = 4  # over at least `spread` factories
    SPREAD_DOMAIN = 5  # over at least `spread` domains of the pool's level, of all factories


@dataclass(frozen=True, eq=False)
class Problem:
    """One planning problem.

    Domains form a forest, parents before children; a root is a factory and its limit the quota.
    A cell is a set of identical slots: one rack group's racks or nodes in one domain instance.
    A standing row is a number of units of one pool in one cell with one power per unit; all rows of
    a pool that stand on one system have that system's GPUs per unit.

    A unit counts in its cell's domain and in every domain above. What nobody may touch (stray nodes,
    nodes of factories that cannot be seen) is `fixed_watts`; what is being switched off is
    `leaving_watts` and `cell_leaving`: its room may be planned for, but is not there yet.
    """

    # Domains
    parent: Ints  # (D,) index of the domain above, -1 for a factory
    limit: Ints  # (D,) watts that the domain may carry
    level: Ints  # (D,) identity of the domain's path in the spec, shared by all factories; -1 for a factory
    factory: Ints  # (D,) which factory it belongs to, 0..F-1
    fixed_watts: Ints  # (D,) watts of untouchable load that hang on exactly this domain
    leaving_watts: Ints  # (D,) watts being switched off that hang on exactly this domain

    # Cells
    cell_domain: Ints  # (C,)
    cell_fabric: Ints  # (C,) domain that is the cell's fabric; -1 where the fabric is no longer known
    cell_system: Ints  # (C,) 0..S-1
    cell_units: Ints  # (C,) slots that are free, leaving or held by standing rows
    cell_leaving: Ints  # (C,) of them, held by units that are being switched off
    cell_watts: Ints  # (C,) watts of a new unit; one number for each factory and system
    cell_cost: Ints  # (C,) money a day of a new unit
    cell_carbon: Ints  # (C,) grams a day of a new unit
    cell_open: Bools  # (C,) may take new units

    # Systems
    system_gpus: Ints  # (S,) GPUs of a unit

    # What stands
    row_pool: Ints  # (R,)
    row_cell: Ints  # (R,)
    row_units: Ints  # (R,) at least 1
    row_watts: Ints  # (R,) watts of each unit, at least cell_watts unless the cell is closed
    row_locked: Bools  # (R,) nothing may change it (a paused factory)
    row_leave: Bools  # (R,) has to be emptied (a drain, a domain or unit out of service)
    row_fits: Bools  # (R,) is where the pool's present spec allows it to be

    # Pools
    need: Ints  # (P,) GPUs wished
    minimum: Ints  # (P,) GPUs below which it takes nothing; at most need
    priority: Ints  # (P,)
    purpose: Ints  # (P,) 0 DataProcessing, 1 Training, 2 Inference: who gives way first among equals
    age: Ints  # (P,) rank, 0 is the oldest; no two alike
    preemptible: Bools  # (P,) lower priority than somebody's: may be taken from
    frozen: Bools  # (P,) paused: keeps what it holds, asks for nothing
    changed: Bools  # (P,) its own spec asks for something else than what stands: may move as a whole
    uprooted: (
        Bools  # (P,) some of its units are being released: below its minimum it is re-placed or goes whole
    )
    displaced: Ints  # (P,) units being released because a limit or a drain forced the pool
    topology: Ints  # (P,) Topology
    topology_level: Ints  # (P,) level for DOMAIN and SPREAD_DOMAIN, else -1
    spread: Ints  # (P,) places for SPREAD_*, else 0
    systems: tuple[tuple[int, ...], ...]  # (P,) acceptable systems, best first
    allowed: Bools  # (P, F) factories where it may take new units

    @property
    def domains(self) -> int:
        """D."""
        return int(self.parent.shape[0])

    @property
    def cells(self) -> int:
        """C."""
        return int(self.cell_domain.shape[0])

    @property
    def rows(self) -> int:
        """R."""
        return int(self.row_pool.shape[0])

    @property
    def pools(self) -> int:
        """P."""
        return int(self.need.shape[0])


@dataclass(frozen=True, eq=False)
class Solution:
    """An answer: how much of each standing row stays, and what is added."""

    kept: Ints  # (R,) units of each standing row that stay, 0..row_units
    new_pool: Ints  # (N,)
    new_cell: Ints  # (N,)
    new_units: Ints  # (N,) at least 1; no (pool, cell) twice


class Wrong(ValueError):  # noqa: N818 - reads as it is used: "raise Wrong(...)"
    """A problem or solution that cannot be: the message says which rule it breaks, where, by how much."""

    def __init__(self, message: str, pools: frozenset[int] = frozenset()) -> None:
        """The message, and the pools that it names."""
        super().__init__(message)
        self.pools = pools


def digest(*parts: Problem | Solution) -> bytes:
    """The same for the same problems and solutions only."""
    found = blake2b()
    for part in parts:
        for field in fields(part):
            value = getattr(part, field.name)
            if isinstance(value, np.ndarray):
                found.update(f"{field.name} {value.dtype} {value.shape} ".encode())
                found.update(np.ascontiguousarray(value).data)
            else:
                found.update(f"{field.name} {value!r} ".encode())
    return found.digest()
