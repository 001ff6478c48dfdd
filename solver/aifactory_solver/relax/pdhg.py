"""The relaxation by restarted Halpern PDHG on any array namespace, many scenarios at once.

Primal-dual hybrid gradient (Chambolle and Pock 2011) with diagonal step sizes (Pock and Chambolle 2011), in
the restarted Halpern form with reflection and a primal weight (Applegate et al., arXiv 2106.04756 and
2106.12711; Lu and Yang, arXiv 2407.16144). It needs products with the matrix only: multiply, add, take, sum.

Iterates are float32. That is no certificate: bounds are recomputed from the prices in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aifactory_solver.problem import Array
from aifactory_solver.relax.bound import Bound, Prices, Scenarios
from aifactory_solver.relax.engine import MISSED, Aim, Optimum
from aifactory_solver.relax.matrix import Dual, Matrix, Primal
from aifactory_solver.relax.relaxation import Relaxation

# Of the method, in whatever form it iterates: `fused` has them in its kernels.
CHECK = 40  # iterations between two looks at the bound
SUFFICIENT, NECESSARY, LONG = 0.2, 0.8, 0.36  # when to restart
TINY = 1e-12  # lengths that count as none
_CAUTION = 0.1  # of the first primal weight: measured, primal steps are better longer at first
_NO_FLOOR = 1e18  # as the right-hand side of a floor that is not asked for

Point = tuple[Primal, Dual]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was found for each scenario, on the namespace."""

    bound: Array  # (N,) the least bound that was seen, float64
    prices: Prices  # that give it
    targets: Array  # (N, D, U) units
    state: Point  # to begin from when little has changed
    iterations: int


class Pdhg:
    """PDHG for one relaxation; its scenarios share everything but right-hand sides and aims."""

    def __init__(self, relaxation: Relaxation, xp: Array) -> None:
        self.xp, self.relaxation = xp, relaxation
        self.matrix = Matrix(relaxation, xp)
        self.bound = Bound(relaxation, xp)

    def solve(
        self, scenarios: Scenarios, *, tolerance: float, iterations: int, warm: Point | None = None
    ) -> Outcome:
        """Iterate until bound and served differ by the relative ``tolerance`` in every scenario."""
        xp, matrix = self.xp, self.matrix
        count = int(scenarios.slots.shape[0])
        scale = np.asarray(scenarios.weight, dtype=np.float64).max(axis=1, keepdims=True)
        weight = matrix.floats(scenarios.weight / scale)
        worth = xp.expand_dims(xp.take(weight, matrix.ints(self.relaxation.demands.band), axis=-1), axis=-1)
        cost = worth * matrix.gain
        sides = self._sides(scenarios, count)
        first, omega = warm or self._origin(count), self._weight(cost, sides)
        here, anchor = first, first
        age, last, before = (xp.zeros(count, dtype=xp.float32) for _ in range(3))
        best, there, done = None, first, 0
        for done in range(1, iterations + 1):
            there = self._step(here, cost, sides, omega)
            residual = self._norm(_map(lambda a, b: a - b, there, here), omega)
            last = xp.where(age == 0, residual, last)
            restart = (residual <= SUFFICIENT * last) | (age >= LONG * done)
            restart = (restart | ((residual <= NECESSARY * last) & (residual > before))) & (age > 0)
            before = xp.where(restart, xp.zeros_like(residual), residual)
            # Halpern: a step of twice the length, drawn back towards the anchor ever less.
            a = (age + 1) / (age + 2)
            onward = _map(
                lambda t, h, z, a=a: _by(a, t) * (2 * t - h) + (1 - _by(a, t)) * z, there, here, anchor
            )
            omega = xp.where(restart, self._rebalanced(there, anchor, omega), omega)
            anchor = _map(lambda t, z, r=restart: xp.where(_by(r, t), t, z), there, anchor)
            here = _map(lambda t, o, r=restart: xp.where(_by(r, t), t, o), there, onward)
            age = xp.where(restart, xp.zeros_like(age), age + 1)
            if done % CHECK == 0 or done == iterations:
                best, gap = self._look(best, there, scenarios, sides, scale)
                if gap <= tolerance:
                    break
        assert best is not None
        return Outcome(*best, there[0].x, there, done)

    # One step

    def _step(self, at: Point, cost: Array, sides: Dual, omega: Array) -> Point:
        xp, matrix = self.xp, self.matrix
        (x, z), dual = at
        slope = matrix.backward(dual)
        x1 = xp.maximum(x - (slope.x - cost) / (matrix.columns.x * _by(omega, x)), _zero(xp)) * matrix.may
        z1 = xp.maximum(z - slope.z / (matrix.columns.z * _by(omega, z)), _zero(xp))
        ahead = matrix.forward(Primal(2 * x1 - x, 2 * z1 - z))
        moved = [
            xp.maximum(y + (k - q) * _by(omega, y) / rows, _zero(xp))
            for y, k, q, rows in zip(dual, ahead, sides, matrix.rows, strict=True)
        ]
        moved[4] = xp.minimum(moved[4], xp.asarray(MISSED, dtype=xp.float32))
        return Primal(x1, z1), Dual(*moved)

    def _norm(self, delta: Point, omega: Array) -> Array:
        """(N,) the length of a step in the metric of the step sizes."""
        primal, dual = self._squares(delta)
        return self.xp.sqrt(omega * primal + dual / omega)

    def _squares(self, delta: Point) -> tuple[Array, Array]:
        xp, matrix = self.xp, self.matrix
        (x, z), dual = delta
        primal = xp.sum(matrix.columns.x * x * x, axis=(-2, -1)) + xp.sum(matrix.columns.z * z * z, axis=-1)
        parts = [xp.sum(rows * y * y, axis=-1) for y, rows in zip(dual, matrix.rows, strict=True)]
        return primal, sum(parts[1:], parts[0])

    def _rebalanced(self, there: Point, anchor: Point, omega: Array) -> Array:
        """The primal weight, halfway (in logarithms) to how far the duals moved against the primals."""
        xp = self.xp
        primal, dual = self._squares(_map(lambda a, b: a - b, there, anchor))
        ratio = xp.sqrt((dual + TINY) / (primal + TINY))
        known = (primal > TINY) & (dual > TINY)
        return xp.where(known, xp.sqrt(omega * ratio), omega)

    # Beginning and end

    def _sides(self, scenarios: Scenarios, count: int) -> Dual:
        matrix, demands, offers = self.matrix, self.relaxation.demands, self.relaxation.offers
        # A floor that is not asked for has to be missed for free: no side at all.
        floor = np.where(scenarios.floor > 0, -np.asarray(scenarios.floor, dtype=np.float64), _NO_FLOOR)
        rows = (
            np.broadcast_to(demands.need, (count, demands.count)),
            np.zeros((count, offers.count)),
            scenarios.slots,
            np.asarray(scenarios.limit) / matrix.largest,
            floor,
        )
        return Dual(*(matrix.floats(row) for row in rows))

    def _origin(self, count: int) -> Point:
        xp, relaxation = self.xp, self.relaxation
        demands, offers, classes = relaxation.demands, relaxation.offers, relaxation.classes
        columns = [(demands.count, offers.count), (offers.pair_cell.size,)]
        rows = [demands.count, offers.count, classes.cells, classes.domains, relaxation.bands]
        return (
            Primal(*(xp.zeros((count, *shape), dtype=xp.float32) for shape in columns)),
            Dual(*(xp.zeros((count, size), dtype=xp.float32) for size in rows)),
        )

    def _weight(self, cost: Array, sides: Dual) -> Array:
        """(N,) a first primal weight: how large prices may be against how large amounts may be."""
        xp, matrix = self.xp, self.matrix
        prices = xp.sum(cost * cost / matrix.columns.x, axis=(-2, -1))
        known = zip(sides[:4], matrix.rows[:4], strict=True)
        amounts = [xp.sum(q * q / rows, axis=-1) for q, rows in known]
        return _CAUTION * xp.sqrt((prices + TINY) / (sum(amounts[1:], amounts[0]) + TINY))

    def _look(
        self,
        best: tuple[Array, Prices] | None,
        at: Point,
        scenarios: Scenarios,
        rows: Dual,
        scale: Array,
    ) -> tuple[tuple[Array, Prices], float]:
        """The least bound so far, and how far it is from what the iterate serves and breaks, relatively."""
        xp, matrix = self.xp, self.matrix
        primal, dual = at
        size = xp.asarray(scale, dtype=xp.float64)
        wide = [xp.astype(y, xp.float64) * size for y in dual]
        prices = Prices(wide[2], wide[3] / matrix.largest, wide[4])
        bound = self.bound(prices, scenarios)
        if best is not None:
            better = bound < best[0]
            kept = zip(_prices(prices), _prices(best[1]), strict=True)
            prices = Prices(*(xp.where(_by(better, new), new, old) for new, old in kept))
            bound = xp.where(better, bound, best[0])
        load = matrix.forward(primal)
        weight = xp.asarray(np.asarray(scenarios.weight, dtype=np.float64))
        served = xp.sum(weight * -xp.astype(load.floor, xp.float64), axis=-1)
        over = xp.zeros_like(bound)
        units = xp.sum(primal.z, axis=-1)
        for k, q in zip(load[:4], rows[:4], strict=True):
            beyond = xp.sum(xp.maximum(k - q, _zero(xp)), axis=-1) / (xp.sum(q, axis=-1) + units + 1)
            over = xp.maximum(over, xp.astype(beyond, xp.float64))
        gap = xp.maximum(xp.abs(bound - served) / xp.maximum(bound, xp.ones_like(bound)), over)
        return (bound, prices), float(xp.max(gap))


def pdhg(relaxation: Relaxation, aim: Aim, xp: Array = np) -> Optimum:
    """Solve one scenario, as every engine does."""
    sides = (relaxation.slots, relaxation.limit, aim.weight, aim.floor)
    one = Scenarios(*(np.asarray(side)[None] for side in sides))
    found = Pdhg(relaxation, xp).solve(one, tolerance=2e-4, iterations=4000)
    prices = Prices(*(_host(price)[0] for price in _prices(found.prices)))
    return Optimum(prices, _host(found.targets)[0].astype(np.float64))


def _prices(prices: Prices) -> tuple[Array, Array, Array]:
    return prices.slot, prices.watt, prices.floor


def _map(what: Callable[..., Array], *points: Point) -> Point:
    primal = (what(*each) for each in zip(*(point[0] for point in points), strict=True))
    dual = (what(*each) for each in zip(*(point[1] for point in points), strict=True))
    return Primal(*primal), Dual(*dual)


def _by(scalars: Array, like: Array) -> Array:
    """(N,) shaped so that it multiplies an (N, ...) array."""
    return scalars[(..., *([None] * (like.ndim - 1)))]


def _zero(xp: Array) -> Array:
    return xp.asarray(0.0, dtype=xp.float32)


def _host(array: Array) -> Array:
    return np.asarray(array.get() if hasattr(array, "get") else array)
