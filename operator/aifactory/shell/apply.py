"""Carries out a Plan, in stages, so that every promise holds wherever it is cut short.

1. Generations seen, what is about to be ordered, and finalizers. Limits come into force before anything is
   ordered under them, and nothing stands whose object could vanish unnoticed. Where such a write fails,
   nothing is ordered there.
2. Releases: call off, drain, evict, hold, delete.
3. Upkeep and orders, in the order of the plan.
4. The other statuses.
5. Events, of what is in a status by now: otherwise the next cycle would tell it again.

Within a stage a few writes are under way at once, started in the plan's order. Any of them may be lost:
every order's power is free as observed, even if no other order and no release happens; each release stands
for itself; and the next cycle decides from what it finds. Pools are served in their order up to the few
writes that were under way, and what a pool lacks of its minimum is then asked for again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, TypeVar

from aifactory.backends.port import Backend, Mandate
from aifactory.decide.plan import (
    CallOff,
    Delete,
    Drain,
    Event,
    Evict,
    Finalizer,
    Hold,
    Order,
    Plan,
    Relabel,
    StatusWrite,
)
from aifactory.decide.world import World
from aifactory.shell import events
from aifactory.shell.client import ApiError, KubernetesClient
from aifactory.shell.failures import TOLD
from aifactory.shell.fingerprint import News
from aifactory.shell.lease import Leadership
from aifactory.shell.memory import Memory
from aifactory.shell.metrics import Metrics
from aifactory.shell.objects import Key, Objects, key_of

logger = logging.getLogger(__name__)
T = TypeVar("T")
Release = CallOff | Drain | Evict | Hold | Delete

AT_ONCE: Final = 8  # writes under way; more made an API server on two cores no faster
# A write without an answer takes seconds. One object may do that, through a slow webhook, and must not stop
# the others; an API server that is away must not hold a cycle up for hours.
MOST_UNANSWERED: Final = 5
ORDERING: Final = 30.0  # seconds of orders after which the statuses have their turn
PATIENCE: Final = (
    10.0  # seconds after which a plan gives way to a user's new wish; statuses have as many again
)
_UNANSWERED: Final = (0, 429, 503, 504)
_PASSED_BY: Final = (404, 409)  # the world has changed: the next cycle sees it
_NOT_EVICTED: Final = (429, 500)  # a budget allows it not yet; two budgets never will


class Cut(Exception):  # noqa: N818 - as it reads in `except Cut`
    """This process leads no more; the rest of the plan is another one's."""


class _LeftOff(Exception):  # noqa: N818 - no error at all
    """The rest of the plan is left to the next cycle."""


class _Superseded(_LeftOff):
    """A user wants something new."""


@dataclass
class Summary:
    """What came of a plan's writes."""

    done: int = 0
    passed_by: int = 0  # their object was gone or had changed
    refused: int = 0  # evictions
    failed: int = 0
    unanswered: int = 0  # of those that failed
    left_off: bool = False  # a user wants something new, it is time to say how far it has come, or to go on
    reasons: dict[tuple[str, int, str], list[str]] = field(default_factory=dict)  # why, with all messages

    @property
    def stuck(self) -> bool:
        """Whether there was something to do and none of it could be done."""
        return not self.done and bool(self.passed_by or self.failed)


class Applier:
    """Carries out plans."""

    def __init__(
        self,
        *,
        client: KubernetesClient,
        backends: Mapping[str, Backend],
        leadership: Leadership,
        memory: Memory,
        metrics: Metrics,
        news: News,
        superseded: Callable[[], bool] = lambda: False,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._backends = backends
        self._leadership = leadership
        self._memory = memory
        self._metrics = metrics
        self._news = news
        self._superseded = superseded
        self._failures = memory.failures
        self._beat = beat  # a sign of life with every write

    async def apply(self, plan: Plan, world: World, term: int) -> Summary:
        """Carry out a plan that was decided on this world in a term of leadership; returns what came of it.

        Raises Cut where this process leads no more, or has led in another term since.
        """
        self._term = term
        self._patient_until = asyncio.get_running_loop().time() + PATIENCE
        summary, objects = Summary(), Objects(self._client, world, self._news)
        self._kind_of = {
            factory.metadata.name: kind
            for factory in world.factories
            for kind in factory.spec.backend.given()
        }
        self._factory_of = {node.name: node.factory for node in world.nodes}
        self._untold: list[Event] = []
        known = (write for write in plan.statuses if self._failures.knows(write) and objects.differs(write))
        summary.left_off = self._failures.begin(world, chain(plan.actions, known))
        missing: set[Key] = set()
        try:
            try:
                # 1. Generations seen, what is about to be ordered, and finalizers.
                first = [write for write in plan.statuses if write.first and objects.differs(write)]
                missing |= {key_of(write) for write in await self._all(first, objects.write_status, summary)}
                holds = [action for action in plan.actions if isinstance(action, Finalizer)]
                missing |= {key_of(hold) for hold in await self._all(holds, objects.write_finalizer, summary)}

                # 2. Releases.
                releases = [a for a in plan.actions if isinstance(a, Release)]
                self._new_refusals(releases)
                await self._all(releases, self._release, summary)

                # 3. Upkeep and orders.
                self._orders_until = asyncio.get_running_loop().time() + ORDERING
                wanted = self._failures.probes(allowed(plan, missing))
                await self._all(self._in_time(wanted, summary), self._provision, summary)
            except _Superseded:
                # Where somebody always wishes for something, everybody still has to hear how far it has come.
                self._patient_until = asyncio.get_running_loop().time() + PATIENCE

            # 4. The other statuses.
            rest = [
                write for write in plan.statuses if objects.differs(write) and key_of(write) not in missing
            ]
            missing |= {key_of(write) for write in await self._all(rest, objects.write_status, summary)}

            # 5. Events.
            told = [event for event in plan.events if key_of(event) not in missing]
            told += self._untold
            await self._all(told, lambda event: self._post(event, objects), summary)
        except _LeftOff:
            pass
        finally:
            for (what, status, _), messages in summary.reasons.items():
                more = f" (and {len(messages) - 1} more like it)" if len(messages) > 1 else ""
                logger.error("%s failed: %s %s%s", what, status or "", messages[0], more)
        return summary

    def _in_time(self, orders: Iterable[Order | Relabel], summary: Summary) -> Iterator[Order | Relabel]:
        """Orders until it is time for the statuses; the next cycle goes on."""
        for order in orders:
            if asyncio.get_running_loop().time() >= self._orders_until:
                summary.left_off = True
                return
            yield order

    async def _all(
        self, items: Iterable[T], write: Callable[[T], Awaitable[None]], summary: Summary
    ) -> list[T]:
        """Write all items, a few at once, started in their order; those that were not written."""
        left, undone = iter(items), []
        cut: Exception | None = None

        async def work() -> None:
            nonlocal cut
            for item in left:
                cut = cut or self._cut(summary)
                if cut:
                    return
                if not await self._one(item, write, summary):
                    undone.append(item)

        # No task group: where one write ends the stage, those under way still come to their end.
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        if cut:
            raise cut
        return undone

    def _cut(self, summary: Summary) -> Exception | None:
        """Why nothing more may be written now; asked before every single write, which costs nothing."""
        if not self._leadership.holds() or self._leadership.term != self._term:
            return Cut("no longer leading")
        if summary.unanswered >= MOST_UNANSWERED:
            return _LeftOff()
        # Thousands of orders take minutes. Whoever lowers a limit meanwhile need not wait for them.
        if asyncio.get_running_loop().time() >= self._patient_until and self._superseded():
            summary.left_off = True
            return _Superseded()
        return None

    async def _one(self, item: T, write: Callable[[T], Awaitable[None]], summary: Summary) -> bool:
        """Make one write; whether it was made."""
        what = type(item).__name__
        retried = not isinstance(item, Event)
        if retried and self._failures.waits(item):
            return False
        self._beat()
        try:
            await write(item)
        except ApiError as error:
            if isinstance(item, Evict) and error.status in _NOT_EVICTED:
                self._memory.refusals[item.pod.node] = error.message
                summary.refused += 1
                outcome = "refused"
            elif error.status in _PASSED_BY:
                logger.debug("%s passed by: %s", what, error)
                summary.passed_by += 1
                outcome = "passed_by"
                if isinstance(item, Order):
                    self._failures.failed(item, error.message)
            else:
                reason = (what, error.status, error.reason)
                summary.reasons.setdefault(reason, []).append(error.message)
                summary.failed += 1
                summary.unanswered += error.status in _UNANSWERED
                outcome = "failed"
                if retried and self._failures.failed(item, error.message) == TOLD:
                    self._say(item, error.message)
        except Exception as error:
            logger.exception("%s failed", what)  # one object must not stop the others
            summary.failed += 1
            outcome = "failed"
            if retried:
                self._failures.failed(item, f"{type(error).__name__}: {error}")
        else:
            summary.done += 1
            outcome = "done"
            if retried and self._failures.done(item):
                summary.left_off = True  # others that waited for it may come now, and statuses have changed
        self._metrics.wrote(what, outcome)
        logger.debug("%s: %s", outcome, named(item))
        return outcome == "done"

    def _say(self, item: object, message: str) -> None:
        """What cannot stand in an object's status, for that is what fails, is told by an event."""
        if isinstance(item, StatusWrite | Finalizer):
            what = "status" if isinstance(item, StatusWrite) else "finalizer"
            says = f"Its {what} cannot be written: {message}"
            self._untold.append(
                Event(item.kind, item.namespace, item.name, "WriteRefused", says, warning=True)
            )

    def _new_refusals(self, releases: Iterable[Release]) -> None:
        """Forget what was said of nodes that are asked again now."""
        for release in releases:
            if isinstance(release, Evict):
                self._memory.refusals.pop(release.pod.node, None)

    async def _release(self, action: Release) -> None:
        match action:
            case CallOff(node=node):
                await self._driver(node.factory).call_off(action)
            case Drain(node=node):
                await self._driver(node.factory).drain(action)
            case Evict(pod=pod):
                await self._driver(self._factory_of[pod.node]).evict(action)
            case Hold(node=node):
                await self._driver(node.factory).hold(action)
            case Delete(node=node):
                await self._driver(node.factory).delete(action)

    async def _provision(self, action: Order | Relabel) -> None:
        if isinstance(action, Relabel):
            await self._driver(action.node.factory).relabel(action)
            return
        factory = action.wish.slot.factory
        node = await self._driver(factory).create(action, Mandate(self._leadership.identity, self._term))
        self._memory.ordered(self._kind_of[factory], node)

    def _driver(self, factory: str) -> Backend:
        return self._backends[self._kind_of[factory]]

    async def _post(self, event: Event, objects: Objects) -> None:
        await events.post(self._client, event, objects, self._leadership.identity)


def named(item: object) -> str:
    """What a write is about, for the log."""
    match item:
        case Order(wish=wish, pool=pool):
            return f"{type(item).__name__} {wish.slot.node_name} for {pool}"
        case Drain(node=node, cause=cause):
            return f"Drain {node.name} ({cause}) of {node.stamp.pool if node.stamp else None}"
        case Relabel(node=node) | CallOff(node=node) | Hold(node=node) | Delete(node=node):
            return f"{type(item).__name__} {node.name}"
        case Evict(pod=pod):
            return f"Evict {pod.namespace}/{pod.name} from {pod.node}"
        case StatusWrite() | Finalizer() | Event():
            return f"{type(item).__name__} {item.kind} {item.namespace}/{item.name}".replace(" /", " ")
    return type(item).__name__


def allowed(plan: Plan, missing: Set[Key]) -> list[Order | Relabel]:
    """The upkeep and the orders of a plan, without those that rest on a write that was not made.

    A pool that may not be ordered in one factory is not ordered in any: its minimum comes whole.
    """
    wanted = [action for action in plan.actions if isinstance(action, Order | Relabel)]
    barred = {
        action.pool
        for action in wanted
        if isinstance(action, Order)
        and not missing.isdisjoint(
            (Key("AIFactory", "", action.wish.slot.factory), Key("GPUPool", *action.pool))
        )
    }
    return [action for action in wanted if not (isinstance(action, Order) and action.pool in barred)]
