"""Pools in a wave that spread over the domains of a level."""

from typing import TYPE_CHECKING

import numpy as np

from aifactory_solver.batch.rooms import ceil, pick_rows, units_at
from aifactory_solver.problem import Array
from aifactory_solver.strict.layout import FACTORIES

if TYPE_CHECKING:
    from aifactory_solver.batch.waves import Wave


class SpreadOverDomains:
    """The first pool of each window that spreads over the domains of a level; others of them must wait.

    What its factories could carry depends on its own share, so it has to be counted for it alone.
    """

    def __init__(self, wave: "Wave") -> None:
        """Sets what the wave knows of such pools."""
        xp, asks = wave.xp, wave.asks
        self.xp, self.rooms, self.fleet, self.turns = xp, wave.rooms, wave.fleet, wave.turns
        level = pick_rows(xp, asks.level, wave.who)
        mine = level >= 0
        self.first = mine & (xp.cumulative_sum(xp.astype(mine, xp.int64), axis=-1) == 1)
        wave.known = wave.known & (~mine | self.first)
        first = self.first[:, :, None]
        need = xp.sum(xp.where(first, wave.need, 0), axis=1)  # (N, J)
        offer = xp.sum(xp.where(first, wave.offer + 1, 0), axis=1) - 1
        places, level = (xp.sum(xp.where(self.first, it, 0), axis=1) for it in (wave.places, level))
        caps = ones = xp.zeros_like(wave.caps[:, 0, ...])  # (N, J, F)
        self.shares: list[
            tuple[int, int, Array]
        ] = []  # system, level, (N, 1) share of the pool if it is on it
        for s, over in asks.over:
            on = (offer == asks.offers.index((s, FACTORIES))) & (level == over)[:, None]
            if bool(xp.any(on)):
                share = xp.sum(xp.where(on, ceil(xp, need, places[:, None]), 0), axis=-1)[:, None]
                self.shares.append((s, over, share))
                for_it = xp.astype(on, xp.int64)[:, :, None]
                by_factory = slice(self.fleet.factories)
                for_one = self.rooms.capped(s, over, xp.minimum(share, 1))[:, None, by_factory]
                for_all = self.rooms.capped(s, over, share)[:, None, by_factory]
                ones, caps = ones + for_it * for_one, caps + for_it * for_all
        may = pick_rows(xp, asks.may, wave.who)[:, :, None, :] * xp.astype(first, xp.int64)[:, :, :, None]
        mine = mine[:, :, None, None]
        wave.caps = xp.where(mine, caps[:, None, :, :] * may, wave.caps)
        wave.ones = xp.where(mine, ones[:, None, :, :] * may, wave.ones)

    def units(self, wave: "Wave", mine: Array) -> Array:
        """(N, C) the units in factories that are ``mine`` (N, F): one in each of k places, then the rest."""
        xp, fleet, rooms = self.xp, self.fleet, self.rooms
        found = xp.zeros_like(rooms.free)
        roots = fleet.ints(np.arange(fleet.factories))
        for s, over, share in self.shares:
            on = mine & (wave.given == wave.asks.offers.index((s, FACTORIES)))
            firsts, amount = (xp.where(on, it, 0) for it in (wave.firsts, wave.amount))
            m = rooms.capped(s, over, xp.minimum(share, 1))
            ones = fleet.pour(units_at(fleet, roots, firsts), m, rooms.below(s, over))
            after = rooms.without(ones)
            m = after.capped(s, over, share - fleet.totals(ones))
            found = (
                found + ones + fleet.pour(units_at(fleet, roots, amount - firsts), m, after.below(s, over))
            )
        return found

    def taken(self, wave: "Wave") -> Array:
        """(N, F) whether a factory was given to these pools."""
        xp = self.xp
        turn = xp.sum(xp.where(self.first, self.turns + 1, 0), axis=1) - 1
        return (wave.amount > 0) & (wave.turn == turn[:, None])
