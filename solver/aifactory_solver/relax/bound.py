"""A bound from any prices at all, summed in float64: no solver's tolerance can make it false.

Lagrangian duality: a pool that is served pays for its slots and watts, and all together cannot pay more than
all slots and watts are worth. So for any prices y >= 0 of the rows' right-hand sides b, and any l >= 0,

    GPUs served in the band <= sum of b * y
                               + sum over pools of max(0, weight * GPUs - cost of its cheapest way to stand)
                               - sum over bands above of l * floor

with a weight of 1 in the band, l in each band above, and 0 below. It reads: over all plans that serve the
bands above at least as well as their floors say, none serves more in the band. With a weight for every band
and l = 0 it bounds the weighted sum. Where a band above is served whole its pools have no choice: each pays
its cheapest way to stand, the limit of the formula as l grows.

A pool is asked as it is, all of its minimum in whole units or nothing. The merged program takes the mean of
what its pools gain from a unit, so its own optimum is no bound. Every function takes a leading axis of
scenarios.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from aifactory_solver.problem import Array
from aifactory_solver.relax.relaxation import Relaxation


@dataclass(frozen=True, eq=False)
class Prices:
    """Dual values, each at least 0 once `clipped`."""

    slot: Array  # (..., B) of a slot of each cell class
    watt: Array  # (..., K) of a watt under each domain class
    floor: Array  # (..., bands) of a GPU that a band has to have, 0 where it has no floor


@dataclass(frozen=True, eq=False)
class Scenarios:
    """Right-hand sides and aims, on the host. A leading axis for scenarios may stand before each."""

    slots: Array  # (..., B)
    limit: Array  # (..., K) watts
    weight: Array  # (..., bands) of a GPU served
    floor: Array  # (..., bands) GPUs that a band has to have, 0 for none


class Bound:
    """The bound of one relaxation, with everything on the array namespace that does not depend on prices."""

    def __init__(self, relaxation: Relaxation, xp: Array) -> None:
        self.relaxation, self.xp = relaxation, xp
        demands, offers = relaxation.demands, relaxation.offers
        self._chain = xp.asarray(relaxation.chain.reshape(-1))
        self._watts = xp.asarray(relaxation.classes.watts.astype(np.float64))
        self._may = xp.asarray(demands.may_use)
        self._offers_of = [xp.asarray(np.flatnonzero(offers.system == s)) for s in range(self.systems)]
        able = np.flatnonzero(demands.of_pool >= 0)
        self._demand = xp.asarray(demands.of_pool[able])
        self._band = xp.asarray(demands.band[demands.of_pool[able]])
        self._gpus = xp.asarray(demands.gpus[able].astype(np.float64))
        self._units = xp.asarray(demands.units[able].astype(np.float64))
        widest = int(np.bincount(offers.pair_offer, minlength=1).max(initial=1))
        # Pairs of each offer, repeated to the same number: a minimum does not mind.
        first = np.searchsorted(offers.pair_offer, np.arange(offers.count))
        last = np.searchsorted(offers.pair_offer, np.arange(offers.count), side="right") - 1
        pairs = np.minimum(first[:, None] + np.arange(widest), last[:, None])
        self._cells = xp.asarray(offers.pair_cell[pairs].reshape(-1)) if offers.count else None
        self._shape = pairs.shape

    @cached_property
    def systems(self) -> int:
        """S."""
        return int(self.relaxation.demands.gpus_per_unit.shape[1])

    def unit_prices(self, prices: Prices) -> Array:
        """(..., B) what a unit costs in each cell class: its slot, and its watts in every domain above."""
        xp, chain = self.xp, self.relaxation.chain
        watt = self._clipped(prices.watt)
        ahead = watt.shape[:-1]
        padded = xp.concat([watt, xp.zeros((*ahead, 1), dtype=xp.float64)], axis=-1)
        above = xp.reshape(xp.take(padded, self._chain, axis=-1), (*ahead, *chain.shape))
        return self._clipped(prices.slot) + self._watts * xp.sum(above, axis=-1)

    def offer_prices(self, prices: Prices) -> Array:
        """(..., U) what a unit costs in the cheapest cell class of each offer."""
        xp, unit = self.xp, self.unit_prices(prices)
        if self._cells is None:
            return xp.zeros((*unit.shape[:-1], 0), dtype=xp.float64)
        each = xp.reshape(xp.take(unit, self._cells, axis=-1), (*unit.shape[:-1], *self._shape))
        return xp.min(each, axis=-1)

    def cheapest(self, prices: Prices) -> Array:
        """(..., pools that could stand) what the cheapest way to serve each pool's minimum costs."""
        xp, offer = self.xp, self.offer_prices(prices)
        best = None
        for s, offers in enumerate(self._offers_of):
            if not offers.shape[0]:
                continue
            may = xp.take(self._may, offers, axis=1)
            price = xp.expand_dims(xp.take(offer, offers, axis=-1), axis=-2)
            price = xp.min(xp.where(may, price, xp.asarray(xp.inf, dtype=xp.float64)), axis=-1)  # (..., D)
            units = self._units[:, s]
            some = units > 0
            cost = xp.where(some, xp.take(price, self._demand, axis=-1), xp.asarray(xp.inf, dtype=xp.float64))
            cost = cost * xp.where(some, units, xp.asarray(1.0, dtype=xp.float64))
            best = cost if best is None else xp.minimum(best, cost)
        return xp.full((*offer.shape[:-1], 0), xp.inf, dtype=xp.float64) if best is None else best

    def __call__(self, prices: Prices, scenarios: Scenarios, whole: tuple[int, ...] = ()) -> Array:
        """(...) the bound; the bands of ``whole`` have to be served whole."""
        xp = self.xp
        weight, floor, slots, limit = (
            xp.asarray(np.asarray(side, dtype=np.float64))
            for side in (scenarios.weight, scenarios.floor, scenarios.slots, scenarios.limit)
        )
        forced = xp.asarray(np.isin(np.arange(self.relaxation.bands), whole))
        floors = xp.where(forced, xp.asarray(0.0, dtype=xp.float64), self._clipped(prices.floor))
        forced = xp.take(forced, self._band)
        worth = xp.take(weight + floors, self._band, axis=-1) * self._gpus
        zero = xp.asarray(0.0, dtype=xp.float64)
        cost = self.cheapest(prices)
        pays = forced | (worth > cost)
        gains = xp.where(pays, worth - xp.where(pays, cost, zero), zero)
        rents = xp.sum(self._clipped(prices.slot) * slots, axis=-1)
        rents = rents + xp.sum(self._clipped(prices.watt) * limit, axis=-1)
        given = xp.sum(floors * floor, axis=-1)
        return rents + xp.sum(gains, axis=-1) - given

    def _clipped(self, values: Array) -> Array:
        """At least 0, in float64; what is not a number counts as 0."""
        xp = self.xp
        values = xp.asarray(values, dtype=xp.float64)
        return xp.where(xp.isfinite(values) & (values > 0), values, xp.asarray(0.0, dtype=xp.float64))
