"""Writes that failed: when each may be made again, and what is told to whoever waits for it."""

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, NamedTuple

from aifactory.decide.model.plan import (
    CallOff,
    Delete,
    Drain,
    Evict,
    Finalizer,
    Hold,
    Order,
    Relabel,
    StatusWrite,
)
from aifactory.decide.model.world import Failure, Node, PoolKey, Slot, World, Written, key_of
from aifactory.shell.settings import DEFAULTS, Settings

TOLD: Final = 2  # times that a write has to fail
_TOGETHER: Final = 4  # of its back-off, one part in so many is the step that the next try is rounded up to
_SHUT: Final = 3  # times after which a slot that alone is refused counts as taken
_LONGEST: Final = 512  # characters of the server's words


def backoff(failures: int, settings: Settings) -> float:
    """Seconds to wait after so many failures in a row: twice as long each time, with jitter."""
    return _most(failures, settings) * random.uniform(0.5, 1.0)


def _most(failures: int, settings: Settings) -> float:
    return min(settings.longest_backoff, settings.first_backoff * 2.0 ** (min(failures, 30) - 1))


class Attempt(NamedTuple):
    """What fails or is done together: all orders of a pool in a factory, the release of a node, a status."""

    what: Written
    factory: str = ""
    pool: PoolKey | None = None
    node: str = ""


@dataclass
class _Failed:
    tries: int = 0  # rounds in which it failed
    round: int = 0  # the last of them
    last: float = 0.0
    due: float = 0.0  # not to be tried before
    message: str = ""

    def again(self, number: int, now: float, message: str, after: float, settings: Settings) -> None:
        """Count a failure, once in each round.

        What is due at about the same time is due together. Of a thousand objects that are refused once a
        minute one would else be due every few hundredths of a second, and cycle would follow cycle.
        """
        if self.round != number:
            self.tries += 1
            most = _most(self.tries, settings)
            pause, step = max(after, most * random.uniform(0.5, 1.0 - 1.0 / _TOGETHER)), most / _TOGETHER
            self.due = math.ceil((now + pause) / step) * step if step else now + pause
        self.round, self.last = number, now
        self.message = message[:_LONGEST]


@dataclass
class _Slot:
    """A slot that an order was refused for."""

    slot: Slot
    attempt: Attempt
    failed: _Failed = field(default_factory=_Failed)
    others: bool = False  # other orders of the same pool in the same factory were taken since


class Failures:
    """All writes that failed, until they are made or nobody wants them any more. A round is one plan."""

    def __init__(self, settings: Settings = DEFAULTS, clock: Callable[[], float] = monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._round = 0
        self._due: float | None = None
        self._known: dict[Attempt, _Failed] = {}
        self._slots: dict[str, _Slot] = {}
        self._probed: set[Attempt] = set()  # orders of which one is to tell for all
        self._taken: set[Attempt] = set()  # of which orders were taken in this round
        self._nodes: dict[str, Node] = {}
        self._pools: set[PoolKey] = set()

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._slots.clear()

    def begin(self, world: World) -> None:
        """Begin a round."""
        self._round, self._due = self._round + 1, None
        self._taken.clear()
        self._probed.clear()
        self._nodes = {node.name: node for node in world.nodes}
        self._pools = {key_of(pool) for pool in world.pools}

    def keep(self, wanted: Iterable[object]) -> bool:
        """Keep what is wanted still; `wanted` is all that a round does. What is not any more has not failed.

        But for orders: where one was refused, the plan may go round it for a while. And but for statuses, see
        `keep_statuses`. Returns whether anything is over that was told, and that this round still tells.
        """
        if not self._known and not self._slots:
            return False
        told = self.told()
        pools, old = self._pools, self._clock() - self._settings.refusal_remembered
        still = {self._attempt(item) for item in wanted}

        def stays(attempt: Attempt, failed: _Failed) -> bool:
            if attempt.what is Written.ORDER:
                return attempt in still or (attempt.pool in pools and failed.last > old)
            return attempt in still or attempt.what is Written.STATUS

        self._known = {attempt: it for attempt, it in self._known.items() if stays(attempt, it)}
        self._slots = {name: it for name, it in self._slots.items() if stays(it.attempt, it.failed)}
        return self.told() != told

    def keep_statuses(self, wanted: Iterable[StatusWrite]) -> bool:
        """Keep only the failures of statuses that are wanted still; returns as `begin` does."""
        told, still = self.told(), {self._attempt(write) for write in wanted if self.knows(write)}
        gone = [it for it in self._known if it.what is Written.STATUS and it not in still]
        for attempt in gone:
            del self._known[attempt]
        return self.told() != told

    def waits(self, item: object) -> bool:
        """Whether it is too early to make a write again. What fails in a round stops no other in it."""
        due = max((failed.due for failed in self._about(item) if failed.round < self._round), default=0.0)
        if due <= self._clock():
            return False
        self._wake_at(due)
        return True

    def knows(self, item: object) -> bool:
        """Whether a write has failed."""
        return self._attempt(item) in self._known

    def probes(self, orders: list[Order]) -> list[Order]:
        """Without the orders of pools that were refused in a factory, but for one there, to see whether it is
        still so.

        Nothing of such a pool is ordered elsewhere either, for its minimum comes whole; but for a minimum of
        which nothing is refused, while growth is.
        """
        probes: dict[Attempt, Order] = {}
        least = {order.pool for order in orders if not order.growth and self.knows(order)}
        for order in orders:
            if self.knows(order):
                probes.setdefault(self._attempt(order), order)
        self._probed = set(probes)
        pools = {order.pool for order in probes.values()}
        kept = {id(order) for order in probes.values()}

        def passes(order: Order) -> bool:
            if order.pool not in pools or id(order) in kept:
                return True
            return not order.growth and order.pool not in least

        return [order for order in orders if passes(order)]

    def failed(self, item: object, message: str, after: float = 0.0) -> int:
        """Note a failure; how often it has failed by now. For ``after`` seconds at least it is not tried."""
        attempt, now = self._attempt(item), self._clock()
        failed = self._known.setdefault(attempt, _Failed())
        failed.again(self._round, now, message, after, self._settings)
        if isinstance(item, Order):
            name = item.spec.slot.node_name
            slot = self._slots.setdefault(name, _Slot(item.spec.slot, attempt))
            slot.failed.again(self._round, now, message, after, self._settings)
            slot.others = slot.others or attempt in self._taken
        self._wake_at(failed.due)
        return failed.tries

    def done(self, item: object) -> bool:
        """Note that a write was made; whether others waited for that, or statuses told of its failure."""
        attempt = self._attempt(item)
        told = attempt in self._known and self._known[attempt].tries >= TOLD
        if attempt.what is Written.ORDER:
            self._known.pop(attempt, None)
            self._taken.add(attempt)
            for it in self._slots.values():
                it.others = it.others or it.attempt == attempt
        elif attempt in self._known and self._known[attempt].round != self._round:
            del self._known[attempt]
        if isinstance(item, Order):
            self._slots.pop(item.spec.slot.node_name, None)
        return told or attempt in self._probed

    @property
    def seconds(self) -> float | None:
        """Until the first write of this round that waits is due again."""
        return None if self._due is None else max(0.0, self._due - self._clock())

    def told(self) -> tuple[Failure, ...]:
        """What has failed again, and the slots that alone are refused."""
        found = [
            Failure(*attempt, tries=failed.tries, message=failed.message)
            for attempt, failed in self._known.items()
            if failed.tries >= TOLD
        ]
        found += [
            Failure(*it.attempt, tries=it.failed.tries, message=it.failed.message, slot=it.slot)
            for it in self._slots.values()
            if it.others and it.failed.tries >= _SHUT
        ]
        return tuple(sorted(found, key=repr))

    def _wake_at(self, due: float) -> None:
        self._due = due if self._due is None else min(self._due, due)

    def _about(self, item: object) -> list[_Failed]:
        found = [self._known[attempt]] if (attempt := self._attempt(item)) in self._known else []
        if isinstance(item, Order) and (it := self._slots.get(item.spec.slot.node_name)):
            found.append(it.failed)
        return found

    def _attempt(self, item: object) -> Attempt:
        match item:
            case Order(spec=spec, pool=pool):
                return Attempt(Written.ORDER, spec.slot.factory, pool)
            case Evict(pod=pod):
                return Attempt(Written.RELEASE, *_whose(self._nodes.get(pod.node)), pod.node)
            case Drain(node=node) | CallOff(node=node) | Hold(node=node) | Delete(node=node):
                return Attempt(Written.RELEASE, *_whose(node), node.name)
            case Relabel(node=node):
                return Attempt(Written.UPDATE, *_whose(node), node.name)
            case StatusWrite(kind=kind) | Finalizer(kind=kind):
                what = Written.FINALIZER if isinstance(item, Finalizer) else Written.STATUS
                if kind == "GPUPool":
                    return Attempt(what, pool=PoolKey(item.namespace, item.name))
                return Attempt(what, factory=item.name)
        raise TypeError(f"{type(item).__name__} is no write")


def _whose(node: Node | None) -> tuple[str, PoolKey | None]:
    return (node.factory, node.stamp.pool if node.stamp else None) if node else ("", None)
