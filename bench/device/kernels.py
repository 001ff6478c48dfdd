"""How long an iteration of PDHG takes, plain, fused and as a CUDA graph, for one and many scenarios."""

from dataclasses import dataclass

import numpy as np

from bench.device.place import Asked, Place, numpy_place, seconds

_STEP = 40  # iterations between two looks at the bound, which are part of the time
_ENOUGH = 1.0  # seconds that are measured
_PASSES = 7  # over x in an iteration: reads here, anchor, writes there; reads all three, writes here
_SECTOR = 8  # float32 numbers that come from memory together
_COPY = 1 << 28  # bytes
_CPU_BATCH = 8  # scenarios that NumPy is measured with at most


@dataclass(frozen=True)
class Line:
    """One line of the table; None where the device's memory does not suffice."""

    where: str
    version: str
    batch: int
    microseconds: float | None  # an iteration of all scenarios
    share: float | None  # of the bandwidth of a copy that the least traffic would take


def bandwidth(where: Place) -> float:
    """Bytes a second that a copy of a large array reads and writes, the best of five."""
    xp = where.xp
    source, target = (xp.zeros(_COPY // 4, dtype=xp.float32) for _ in range(2))
    source[...] = 1.0  # zeros that nobody wrote need not be anywhere

    def copy() -> None:
        target[...] = source

    return 2 * _COPY / min(seconds(where, copy)[0] for _ in range(5))


def least_traffic(asked: Asked, batch: int) -> int:
    """Bytes that an iteration has to move: sectors of x in which some demand may use some offer."""
    may = asked.relaxation.demands.may_use.reshape(-1)
    whole = np.zeros(-(-may.size // _SECTOR) * _SECTOR, dtype=np.bool_)
    whole[: may.size] = may
    sectors = int(whole.reshape(-1, _SECTOR).any(axis=1).sum())
    return batch * _PASSES * sectors * _SECTOR * 4


def measured(where: Place, asked: Asked, batches: list[int]) -> list[Line]:
    """All lines: the device's versions, and NumPy on the same machine for small batches."""
    found = []
    for place in [where] if where.cupy is None else [where, numpy_place()]:
        speed = bandwidth(place)
        for batch in batches:
            for version in place.versions:
                if place.cupy is not None or batch <= _CPU_BATCH:
                    each = _iteration(place, version, asked, batch)
                    share = each and least_traffic(asked, batch) / each / speed
                    name = "NumPy" if place.cupy is None else "CuPy"
                    found.append(Line(name, version, batch, each and each * 1e6, share))
                    place.free()
    return found


def _iteration(where: Place, version: str, asked: Asked, batch: int) -> float | None:
    """Seconds an iteration: what more of them take, so that beginning and end do not count."""
    scenarios = asked.scenarios(batch)

    def run(steps: int) -> float:
        solver = where.solver(version, asked.relaxation)
        return seconds(where, lambda: solver.solve(scenarios, tolerance=-1.0, iterations=steps * _STEP))[0]

    try:
        run(1)  # kernels are compiled
        few = min(run(2) for _ in range(2))
        steps = int(np.clip(_ENOUGH / few, 2, 100))
        return max(0.0, run(2 + steps) - few) / (steps * _STEP)
    except where.out_of_memory:
        return None
