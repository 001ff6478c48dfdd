"""Places lists of pools into many rooms at once, in strict priority.

In a wave the next few pools of each list see the room as it is when the wave begins. One after another they
choose among the factories that nobody before them in the wave has touched: there it still is so. A pool that
fits only with others of them waits for the next wave, and what it could use is shut for those behind it. A
pool that fits nowhere never will, since room only shrinks. So the outcome is one of placing the pools one by
one in their order: it keeps strict priority.

All numbers are integers, so the outcome is the same on every namespace. Sizes as in `rooms`; Q pools of a
list, W of them in a wave, J systems of a pool.
"""

from dataclasses import dataclass

import numpy as np

from aifactory_solver.batch.asks import Asks, Beside
from aifactory_solver.batch.rooms import NEVER, Rooms, Tree, ceil, exclusive, pick_rows, units_at
from aifactory_solver.batch.spread import SpreadOverDomains
from aifactory_solver.problem import Array, Ints
from aifactory_solver.strict.layout import EVERY, FACTORIES

_WINDOW = 16  # pools of a list that look for room in one wave


@dataclass(frozen=True, eq=False)
class Placed:
    """What was placed, on the namespace: K numbers of units by scenario, pool and cell, int64."""

    served: Array  # (N, Q) bool: has its units
    scenario: Array  # (K,)
    turn: Array  # (K,) which of the scenario's list
    cell: Array  # (K,)
    units: Array  # (K,) at least 1


def place(rooms: Rooms, pools: Ints, beside: Beside | None = None) -> Placed:
    """Place pools in their order, each with its minimum or not at all, on the first system where it fits.

    ``pools`` (N, Q) are the scenarios' lists, on the host, -1 where one is shorter; ``beside`` says where
    they ask for less, beside units that stay. A packed pool goes to the factory whose roomiest group is the
    tightest that takes it, there into the tightest group. Others choose a factory likewise, or several,
    the roomiest first.
    """
    fleet, xp = rooms.fleet, rooms.xp
    asks = Asks(fleet, pools, beside)
    done = asks.who == asks.nobody
    served = xp.zeros_like(done)
    parts = [[fleet.ints(np.zeros(0, np.int64))] for _ in range(4)]
    while fleet.factories and not bool(xp.all(done)):
        turns = xp.argsort(xp.astype(done, xp.int64), axis=-1, stable=True)
        wave = Wave(rooms, asks, turns[:, : min(_WINDOW, turns.shape[1])], done)
        served = served | _put_back(xp, turns, wave.served)
        done = done | _put_back(xp, turns, wave.served | wave.hopeless)
        added = wave.units()
        rooms = rooms.without(added)
        scenario, at = xp.nonzero(added)
        turn = _pick(xp, wave.turn, scenario, xp.take(fleet.cell_rank, at))
        entry = scenario, turn, xp.take(fleet.cell_at, at), _pick(xp, added, scenario, at)
        for part, more in zip(parts, entry, strict=True):
            part.append(more)
    return Placed(served, *(xp.concat(part) for part in parts))


class Wave:
    """One wave: who is served from which factories, and who fits nowhere any more."""

    def __init__(self, rooms: Rooms, asks: Asks, turns: Array, done: Array) -> None:
        """The next pools of each list, as ``turns`` (N, W) say, those that are ``done`` (N, Q) left out."""
        xp = self.xp = rooms.xp
        self.rooms, self.fleet, self.asks, self.turns = rooms, rooms.fleet, asks, turns
        who = xp.take_along_axis(asks.who, turns, axis=-1)
        self.who = xp.where(xp.take_along_axis(done, turns, axis=-1), asks.nobody, who)
        self.asking = self.who != asks.nobody
        self.need = self._mine(asks.units)  # (N, W, J)
        self.offer = pick_rows(xp, asks.offer, self.who)
        self.places = pick_rows(xp, asks.places, self.who)
        self.known = self.asking
        room = self._room()
        self.column = xp.take_along_axis(asks.column, turns, axis=-1) if asks.beside else turns * 0 - 1
        self.caps, self.ones = self._beside(room) if asks.beside else self._bounded(room)
        self.spread = SpreadOverDomains(self) if asks.over else None
        fits = self._able(self.caps, self.ones, self.need, self.places[:, :, None])
        self.hopeless = self.known & ~xp.any(fits, axis=-1)
        self._choose()

    def _mine(self, values: Array) -> Array:
        """(N, W, ...) of values (N, Q, ...)."""
        xp, (count, size) = self.xp, values.shape[:2]
        at = self.turns + size * self.fleet.ints(np.arange(count))[:, None]
        return pick_rows(xp, xp.reshape(values, (count * size, *values.shape[2:])), at)

    def _room(self) -> Array:
        """(N, W, J, F) units that fit in each factory, of a packed pool in one group."""
        xp, rooms, offers = self.xp, self.rooms, self.asks.offers
        best = [rooms.best(*offer) for offer in offers]
        table = xp.stack([*best, xp.zeros_like(rooms.left[:, : self.fleet.factories])], axis=1)
        table = xp.reshape(table, (-1, self.fleet.factories))
        scenario = self.fleet.ints(np.arange(rooms.count))[:, None, None]
        room = pick_rows(xp, table, self.offer + (len(best) + 1) * scenario)
        return room * pick_rows(xp, self.asks.may, self.who)[:, :, None, :]

    def _bounded(self, room: Array, held: Array | int = 0, total: Array | int = 0) -> tuple[Array, Array]:
        """(N, W, J, F): the most units that a pool may add in a factory, and 1 where a spread one may.

        A spread pool has ``held`` (N, W, 1, F) units there already, ``total`` (N, W, 1, 1) in all.
        """
        xp, need = self.xp, self.need[:, :, :, None]
        places = pick_rows(xp, self.asks.places, self.who)[:, :, None, None]
        packed = pick_rows(xp, self.asks.packed, self.who)[:, :, None, None]
        share = xp.where(places > 0, ceil(xp, need, places, total) - held, NEVER)
        caps = xp.where((packed == 1) & (room < need), 0, xp.minimum(room, xp.maximum(share, 0)))
        return caps, xp.minimum(caps, xp.minimum(places, 1))

    def _beside(self, room: Array) -> tuple[Array, Array]:
        """The same beside what pools keep, to which packed pools are bound."""
        xp, asks = self.xp, self.asks
        held = self._mine(asks.held)[:, :, None, :]
        packed = pick_rows(xp, asks.packed, self.who)[:, :, None, None] == 1
        room = xp.where(packed & xp.any(held > 0, axis=-1, keepdims=True) & (held == 0), 0, room)
        factory = xp.argmax(held[:, :, 0, :], axis=-1)
        for k, (system, kind) in enumerate(asks.offers):
            if kind != FACTORIES:
                fits = self.rooms.fits(system, kind)
                column = xp.minimum(xp.maximum(self.column, 0), fits.shape[2] - 1)  # of another offer, maybe
                at = factory * fits.shape[2] + column
                fit = xp.take_along_axis(xp.reshape(fits, (fits.shape[0], -1)), at, axis=-1)
                bound = (self.column >= 0)[:, :, None] & (self.offer == k)
                room = xp.minimum(room, xp.where(bound, fit[:, :, None], NEVER)[:, :, :, None])
        caps, ones = self._bounded(room, held, xp.sum(held, axis=-1, keepdims=True))
        ones = xp.where(held > 0, 0, ones)
        there = xp.sum(xp.astype(held > 0, xp.int64), axis=-1)[:, :, 0]
        self.places = xp.maximum(self.places - there, 0)
        return caps, ones

    def _able(self, caps: Array, ones: Array, need: Array, places: Array) -> Array:
        """(..., J) whether a pool fits into factories (..., J, F)."""
        xp = self.xp
        return (xp.sum(caps, axis=-1) >= need) & (xp.sum(ones, axis=-1) >= places)

    def _choose(self) -> None:
        """Go through the window, pool by pool."""
        xp, zero = self.xp, self.xp.zeros_like(self.caps[:, 0, 0, ...])
        shut = zero > 0  # (N, F) touched in this wave, or wanted by somebody who waits
        self.amount = self.firsts = self.turn = zero  # (N, F) units given; ones in own places; to whose turn
        self.given = zero + len(self.asks.offers)  # (N, F) of which offer
        self.bound = zero - 1  # (N, F) in which of its groups it has to be
        served = []
        for i in range(self.turns.shape[1]):
            open_ = xp.astype(~shut, xp.int64)[:, None, :]
            caps, ones, need, places = (
                self.caps[:, i, ...],
                self.ones[:, i, ...],
                self.need[:, i, ...],
                self.places[:, i],
            )
            fits = self._able(caps * open_, ones * open_, need, places[:, None]) & self.known[:, i][:, None]
            fit = xp.any(fits, axis=-1)
            j = xp.argmax(xp.astype(fits, xp.int64), axis=-1)
            only = (self.fleet.ints(np.arange(need.shape[1])) == j[:, None]) & fit[:, None]
            chosen = xp.astype(only, xp.int64)
            caps_j, ones_j = (xp.sum(it * open_ * chosen[:, :, None], axis=1) for it in (caps, ones))
            # What nobody asks for counts as NEVER: no product of it.
            need_j, offer_j = (xp.sum(xp.where(only, it, 0), axis=1) for it in (need, self.offer[:, i, ...]))
            amount, firsts = _share_out(xp, caps_j, ones_j, need_j, xp.where(fit, places, 0))
            taken = amount > 0
            self.amount = self.amount + amount
            self.firsts = self.firsts + firsts
            self.turn = xp.where(taken, self.turns[:, i][:, None], self.turn)
            self.given = xp.where(taken, offer_j[:, None], self.given)
            self.bound = xp.where(taken, self.column[:, i][:, None], self.bound)
            waits = (self.asking[:, i] & ~fit)[:, None]
            shut = shut | taken | (waits & (xp.any(caps > 0, axis=1) | ~self.known[:, i][:, None]))
            served.append(fit)
        self.served = xp.stack(served, axis=1)

    def units(self) -> Array:
        """(N, C) the units that were given, in the order of the forest."""
        xp, fleet, rooms = self.xp, self.fleet, self.rooms
        found = xp.zeros_like(rooms.free)
        roots = fleet.ints(np.arange(fleet.factories))
        spread = self.spread.taken(self) if self.spread else xp.zeros_like(self.amount) > 0
        given: dict[Tree, Array] = {}
        for k, (system, kind) in enumerate(self.asks.offers):
            amount = xp.where((self.given == k) & ~spread, self.amount, 0)
            if not bool(xp.any(amount > 0)):
                continue
            if kind == FACTORIES:
                parts = [((system, EVERY), roots, amount)]
            else:
                parts = self._in_groups(system, kind, amount)
            for tree, places, units in parts:
                by_domain = units_at(fleet, places, units)
                given[tree] = given[tree] + by_domain if tree in given else by_domain
        for tree, by_domain in given.items():
            found = found + fleet.pour(by_domain, rooms.m(tree), rooms.slots(tree))
        return found + self.spread.units(self, spread) if self.spread else found

    def _in_groups(self, system: int, kind: int, amount: Array) -> list[tuple[Tree, Array, Array]]:
        """By tree the (N, F) places of the tightest groups that take these amounts, and the amounts."""
        xp, fits = self.xp, self.rooms.fits(system, kind)
        tight = xp.argmin(xp.where(fits >= amount[:, :, None], fits, NEVER), axis=-1)
        tight = xp.where(self.bound >= 0, self.bound, tight)
        parts, before = [], 0
        for tree, table in self.fleet.groups(system, kind):
            columns = self.fleet.ints(np.arange(before, before + table.shape[1]))
            chosen = xp.astype(columns == tight[:, :, None], xp.int64)  # (N, F, groups)
            parts.append((tree, xp.sum(chosen * table, axis=-1), xp.sum(chosen, axis=-1) * amount))
            before += table.shape[1]
        return parts


# Small steps


def _pick(xp: Array, table: Array, row: Array, column: Array) -> Array:
    """(K,) the entries of a table (N, M) at rows and columns (K,)."""
    return xp.take(xp.reshape(table, (-1,)), row * table.shape[1] + column)


def _put_back(xp: Array, turns: Array, flags: Array) -> Array:
    """(N, Q) the flags (N, W) of the first ``turns`` (N, Q) in the order of the list, False for others."""
    rest = xp.zeros_like(turns[:, flags.shape[1] :]) > 0
    return xp.take_along_axis(xp.concat([flags, rest], axis=-1), xp.argsort(turns, axis=-1), axis=-1)


def _share_out(xp: Array, caps: Array, ones: Array, need: Array, places: Array) -> tuple[Array, Array]:
    """(N, F) units that each factory gives of ``need`` (N,), and which of them are firsts in their places.

    ``caps`` (N, F) are the most that each may give, ``ones`` the most firsts. The tightest factory that takes
    all, else the roomiest first; spread over ``places`` (N,) the firsts are chosen before all others.
    """
    need, places = need[:, None], places[:, None]
    takes = (caps >= need) & (need > 0) & (places == 0)
    tightest = xp.argmin(xp.where(takes, caps, NEVER), axis=-1)[:, None]
    one = xp.where(takes & (exclusive(xp, xp.ones_like(caps)) == tightest), need, 0)
    order = xp.argsort(-caps, axis=-1, stable=True)
    caps, ones = (xp.take_along_axis(it, order, axis=-1) for it in (caps, ones))
    firsts = _fill(xp, places, ones)
    amount = firsts + _fill(xp, need - places, caps - firsts)
    back = xp.argsort(order, axis=-1)
    amount, firsts = (xp.take_along_axis(it, back, axis=-1) for it in (amount, firsts))
    return xp.where(xp.any(takes, axis=-1)[:, None], one, amount), firsts


def _fill(xp: Array, amount: Array, most: Array) -> Array:
    """Share an amount (N, 1) out in the order of the last axis, to each its ``most`` (N, F)."""
    return xp.minimum(xp.maximum(amount - exclusive(xp, most), 0), most)
