"""PDHG with an iteration in three kernels instead of some two hundred, for CUDA devices.

The same method as `pdhg.py`, number for number but for the order in which floats are added; `pdhg.py` says
what it does, this one only does it with less traffic. Between two looks at the bound nothing leaves the
device, so forty iterations can be one CUDA graph.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from aifactory_solver.problem import Array
from aifactory_solver.relax.bound import Prices, Scenarios
from aifactory_solver.relax.engine import MISSED
from aifactory_solver.relax.matrix import Dual, Primal
from aifactory_solver.relax.pdhg import CHECK, LONG, NECESSARY, SUFFICIENT, TINY, Outcome, Pdhg, Point
from aifactory_solver.relax.relaxation import Relaxation

_FIXED = (
    *("GAIN", "BAND", "ROW_REACH", "Z_REACH", "CHAIN", "PAIR_CELL", "PAIR_OFFER", "PAIR_WATTS"),
    *("START", "ELEMENT", "FACTOR"),  # pairs that count in the rows of offers, cells and domains
)
_OF_SCENARIOS = (
    *("WEIGHT", "SIDE", "CONTROL", "X_HERE", "X_THERE", "X_ANCHOR", "Z_HERE", "Z_THERE", "Z_ANCHOR"),
    *("DUAL_HERE", "DUAL_THERE", "DUAL_ANCHOR", "SERVED", "TAKEN", "MOVED", "FAR", "LOAD"),
)
_SIZES = ("DEMANDS", "OFFERS", "PAIRS", "DOMAINS", "BANDS", "ROWS", "DEPTH", "CHUNK", "CHUNKS")
_CONTROL = ("OMEGA", "AGE", "FIRST", "BEFORE", "DONE", "SHARE", "CONTROLS")
_THREADS = {"step": 64, "decide": 512, "onward": 256}
_MOST_BLOCKS = 256  # of one scenario in `onward`


def source() -> str:
    """The kernels in CUDA C++: what Python and they share as enumerators, then `fused.cu`."""
    constants = {
        "SUFFICIENT": SUFFICIENT,
        "NECESSARY": NECESSARY,
        "LONG": LONG,
        "TINY": TINY,
        "MISSED": MISSED,
    }
    lines = [f"enum {{ {', '.join(names)} }};" for names in ((*_FIXED, *_OF_SCENARIOS), _SIZES, _CONTROL)]
    lines += [f"static const float {name} = {value!r}f;" for name, value in constants.items()]
    text = Path(__file__).with_name("fused.cu").read_text(encoding="utf-8")
    return "\n".join((*lines, text))


class Kernels:
    """The kernels on the current CUDA device, by CuPy; with ``graph`` repeated work is a CUDA graph."""

    def __init__(self, cupy: Any, *, graph: bool) -> None:
        self._cupy, self._graph = cupy, graph
        module = cupy.RawModule(code=source(), options=("--std=c++14",))
        self._kernels = {name: module.get_function(name) for name in _THREADS}

    def launch(
        self, kernel: str, grid: tuple[int, int], threads: int, shared: int, *arguments: Array
    ) -> None:
        """Queue one kernel in the current stream."""
        self._kernels[kernel](grid, (threads,), arguments, shared_mem=shared)

    def recorded(self, work: Callable[[], None]) -> Callable[[], None]:
        """What queues some work again, which must be launches only."""
        if not self._graph:
            return work
        # The null stream cannot record; what was recorded runs in any stream.
        stream = self._cupy.cuda.Stream(non_blocking=True)
        with stream:
            stream.begin_capture()
            work()
            graph = stream.end_capture()
        return lambda: graph.launch(self._cupy.cuda.get_current_stream())


class Fused(Pdhg):
    """`Pdhg` whose iterations are kernels. An offer takes 4 bytes of shared memory: up to 10,000 of them."""

    def __init__(self, relaxation: Relaxation, xp: Array, kernels: Kernels) -> None:
        super().__init__(relaxation, xp)
        self.kernels = kernels

    def solve(
        self, scenarios: Scenarios, *, tolerance: float, iterations: int, warm: Point | None = None
    ) -> Outcome:
        """Iterate until bound and served differ by the relative ``tolerance`` in every scenario."""
        count = int(scenarios.slots.shape[0])
        scale = np.asarray(scenarios.weight, dtype=np.float64).max(axis=1, keepdims=True)
        sides = self._sides(scenarios, count)
        arrays, iterate = self._made_ready(scenarios.weight / scale, sides, warm or self._origin(count))
        there = self._point(arrays)
        many, best, done = None, None, 0
        while done < iterations:
            steps = min(CHECK, iterations - done)
            if done and steps == CHECK:  # the first kernels of a process may not be recorded: they load
                many = many or self.kernels.recorded(lambda: _repeat(iterate, CHECK))
                many()
            else:
                _repeat(iterate, steps)
            done += steps
            best, gap = self._look(best, there, scenarios, sides, scale)
            if gap <= tolerance:
                break
        assert best is not None
        bound, prices = best
        return Outcome(bound, Prices(prices.slot, prices.watt, prices.floor), there[0].x, there, done)

    def _made_ready(
        self, weight: Array, sides: Dual, first: Point
    ) -> tuple[dict[str, Array], Callable[[], None]]:
        """Buffers for the scenarios, and what does one iteration on them."""
        xp, launch = self.xp, self.kernels.launch
        (x, z), dual = first
        count, demands, offers = x.shape
        chunk = 8 if count < 8 else 32  # demands of one block: a few scenarios need more blocks
        chunks = max(1, -(-demands // chunk))
        weights = self.matrix.floats(weight)
        band = self.matrix.ints(self.relaxation.demands.band)
        cost = xp.expand_dims(xp.take(weights, band, axis=-1), axis=-1) * self.matrix.gain
        arrays = dict(self._fixed)
        control = xp.zeros((count, len(_CONTROL) - 1), dtype=xp.float32)
        control[:, 0] = self._weight(cost, sides)
        arrays |= {"CONTROL": control, "WEIGHT": self._filled(weights)}
        arrays |= {"SIDE": self._filled(xp.concat(list(sides), axis=-1))}
        for name, value in (("X", x), ("Z", z), ("DUAL", xp.concat(list(dual), axis=-1))):
            arrays |= {f"{name}_{place}": self._filled(value) for place in ("HERE", "THERE", "ANCHOR")}
        sizes = {"SERVED": demands, "TAKEN": chunks * offers, "MOVED": chunks, "FAR": chunks}
        for name, size in (sizes | {"LOAD": self.relaxation.bands}).items():
            arrays[name] = xp.zeros((count, size), dtype=xp.float32)
        pointers = [_address(arrays[name]) for name in (*_FIXED, *_OF_SCENARIOS)]
        numbers = (*self._numbers, chunk, chunks)
        arguments = (
            xp.asarray(np.asarray(pointers, dtype=np.uint64)),
            xp.asarray(np.asarray(numbers, dtype=np.int32)),
        )
        arrays["ARGUMENTS"] = arguments  # they have to live as long as the buffers
        blocks = max(1, min(-(-demands * offers // _THREADS["onward"]), _MOST_BLOCKS))

        def iterate() -> None:
            for kernel, grid, shared in (
                ("step", (chunks, count), offers + _THREADS["step"]),
                ("decide", (count, 1), _THREADS["decide"]),
                ("onward", (blocks, count), 0),
            ):
                launch(kernel, grid, _THREADS[kernel], 4 * shared, *arguments)

        return arrays, iterate

    def _point(self, arrays: dict[str, Array]) -> Point:
        """Where an iteration has come to, as views."""
        relaxation, dual = self.relaxation, arrays["DUAL_THERE"]
        classes = relaxation.classes
        sizes = (relaxation.demands.count, relaxation.offers.count, classes.cells, classes.domains)
        a, b, c, d = np.cumsum(sizes).tolist()
        parts = (dual[:, :a], dual[:, a:b], dual[:, b:c], dual[:, c:d], dual[:, d:])
        return Primal(arrays["X_THERE"], arrays["Z_THERE"]), Dual(*parts)

    @property
    def _numbers(self) -> tuple[int, ...]:
        """The sizes but the last two, as `_SIZES` has them."""
        demands, offers, classes = self.relaxation.demands, self.relaxation.offers, self.relaxation.classes
        rows = demands.count + offers.count + classes.cells + classes.domains + self.relaxation.bands
        return (
            *(demands.count, offers.count, offers.pair_cell.size, classes.domains, self.relaxation.bands),
            *(rows, self.relaxation.chain.shape[1]),
        )

    @cached_property
    def _fixed(self) -> dict[str, Array]:
        """The matrix."""
        demands, offers, classes = self.relaxation.demands, self.relaxation.offers, self.relaxation.classes
        matrix, pairs = self.matrix, np.arange(offers.pair_cell.size)
        watts = classes.watts[offers.pair_cell] / matrix.largest
        chain = self.relaxation.chain[offers.pair_cell]
        pair, above = np.nonzero(chain < classes.domains)
        key = np.concatenate(
            (
                offers.pair_offer,
                offers.count + offers.pair_cell,
                offers.count + classes.cells + chain[pair, above],
            )
        )
        order = np.argsort(key, kind="stable")
        sizes = np.bincount(key, minlength=offers.count + classes.cells + classes.domains)
        factor = np.concatenate((-np.ones(pairs.size), np.ones(pairs.size), watts[pair]))
        ints = {
            "BAND": demands.band,
            "CHAIN": chain,
            "PAIR_CELL": offers.pair_cell,
            "PAIR_OFFER": offers.pair_offer,
            "START": np.concatenate(([0], np.cumsum(sizes))),
            "ELEMENT": np.concatenate((pairs, pairs, pair))[order],
        }
        floats = {
            "GAIN": matrix.gain,
            "ROW_REACH": self.xp.concat(list(matrix.rows), axis=-1),
            "Z_REACH": matrix.columns.z,
            "PAIR_WATTS": matrix.floats(watts),
            "FACTOR": matrix.floats(factor[order]),
        }
        made = {name: self.xp.asarray(np.ascontiguousarray(v, dtype=np.int32)) for name, v in ints.items()}
        return made | {name: self._filled(value) for name, value in floats.items()}

    def _filled(self, values: Array) -> Array:
        """A float32 array of its own, row by row in memory."""
        buffer = self.xp.zeros(values.shape, dtype=self.xp.float32)
        buffer[...] = values
        return buffer


def _repeat(work: Callable[[], None], times: int) -> None:
    for _ in range(times):
        work()


def _address(array: Array) -> int:
    return int(array.data.ptr if hasattr(array.data, "ptr") else array.ctypes.data)
