"""The relaxation's matrix and its transpose as products, on any array namespace, for many scenarios."""

from typing import NamedTuple

import numpy as np

from aifactory_solver.problem import Array, Ints
from aifactory_solver.relax.relaxation import Relaxation


class Primal(NamedTuple):
    """Columns: x (..., D, U) and z (..., L)."""

    x: Array
    z: Array


class Dual(NamedTuple):
    """Rows: of demands (..., D), offers (..., U), cell classes (..., B), domain classes (..., K), bands."""

    demand: Array
    offer: Array
    slot: Array
    watt: Array
    floor: Array


class Matrix:
    """Rows of watts are divided by ``largest``, the watts of the largest unit, so that entries are alike."""

    def __init__(self, relaxation: Relaxation, xp: Array) -> None:
        demands, offers, classes = relaxation.demands, relaxation.offers, relaxation.classes
        self.xp = xp
        self.largest = float(classes.watts.max(initial=1))
        watts = classes.watts[offers.pair_cell] / self.largest
        pairs = np.arange(offers.pair_cell.size)
        chain = relaxation.chain[offers.pair_cell]
        below = np.nonzero(chain < classes.domains)
        self.gain = self.floats(relaxation.gain)
        self.may = self.floats(demands.may_use)
        self._watts = self.floats(watts)
        self._band, self._pair_offer, self._pair_cell = map(
            self.ints, (demands.band, offers.pair_offer, offers.pair_cell)
        )
        self._of_offer = self._table(offers.pair_offer, pairs, offers.count)
        self._of_cell = self._table(offers.pair_cell, pairs, classes.cells)
        self._below = self._table(chain[below], below[0], classes.domains)
        self._of_band = self._table(demands.band, np.arange(demands.count), relaxation.bands)
        self._chain = self.ints(chain)
        # Sums of the absolute values in columns and rows, from which the step sizes come.
        depth = (chain < classes.domains).sum(axis=1)
        served = relaxation.gain.sum(axis=1)
        self.columns = Primal(
            self.floats(np.where(demands.may_use, 2 * relaxation.gain + 1, 1)), self.floats(2 + watts * depth)
        )
        rows = (
            served,
            demands.may_use.sum(axis=0) + np.bincount(offers.pair_offer, minlength=offers.count),
            np.bincount(offers.pair_cell, minlength=classes.cells),
            np.bincount(chain[below], weights=watts[below[0]], minlength=classes.domains),
            np.bincount(demands.band, weights=served, minlength=relaxation.bands),
        )
        self.rows = Dual(*(self.floats(np.maximum(row, 1e-6)) for row in rows))

    def floats(self, values: object) -> Array:
        """As float32 on the namespace."""
        return self.xp.asarray(np.asarray(values, dtype=np.float32))

    def ints(self, values: Ints) -> Array:
        """As int64 on the namespace."""
        return self.xp.asarray(np.asarray(values, dtype=np.int64))

    def forward(self, at: Primal) -> Dual:
        """Rows from columns."""
        xp = self.xp
        served = xp.sum(self.gain * at.x, axis=-1)
        return Dual(
            demand=served,
            offer=xp.sum(at.x, axis=-2) - self._sums(at.z, self._of_offer),
            slot=self._sums(at.z, self._of_cell),
            watt=self._sums(at.z * self._watts, self._below),
            floor=-self._sums(served, self._of_band),
        )

    def backward(self, at: Dual) -> Primal:
        """Columns from rows."""
        xp = self.xp
        worth = at.demand - xp.take(at.floor, self._band, axis=-1)
        x = self.gain * xp.expand_dims(worth, axis=-1) + xp.expand_dims(at.offer, axis=-2)
        z = xp.take(at.slot, self._pair_cell, axis=-1) - xp.take(at.offer, self._pair_offer, axis=-1)
        return Primal(x, z + self._watts * self._sums(at.watt, self._chain))

    def _table(self, key: Ints, element: Ints, groups: int) -> Array:
        """(groups, widest) the elements of each group, filled up with an index one past the last."""
        order = np.argsort(key, kind="stable")
        sizes = np.bincount(key, minlength=groups)
        rank = np.arange(key.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        table = np.full(
            (groups, max(1, int(sizes.max(initial=0)))), int(element.max(initial=-1)) + 1, np.int64
        )
        table[key[order], rank] = element[order]
        return self.ints(table)

    def _sums(self, values: Array, table: Array) -> Array:
        """(..., groups) sums of the values that each row of the table names."""
        xp, ahead = self.xp, values.shape[:-1]
        padded = xp.concat([values, xp.zeros((*ahead, 1), dtype=values.dtype)], axis=-1)
        each = xp.take(padded, xp.reshape(table, (-1,)), axis=-1)
        return xp.sum(xp.reshape(each, (*ahead, *table.shape)), axis=-1)
