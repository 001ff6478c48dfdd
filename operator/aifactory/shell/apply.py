"""Carries out a Plan, in stages, so that every promise holds wherever it is cut short.

What is done:

1. Releases: call off, drain, evict, hold, delete. They wait for nobody and give way to nobody.
2. Generations seen, what is about to be ordered, and finalizers. Limits come into force before anything is
   ordered under them, and nothing stands whose object could vanish unnoticed. Where such a write fails,
   nothing is ordered there.
3. Orders in the order of the plan, upkeep of what stands, and the statuses that are known, namespace by
   namespace in turns; one of each after the other. So who has got something hears of it before another one's
   thousand orders, and nobody waits for the labels of a whole fleet that a new version sets anew.

What is said, once it is known why pools wait:

4. The other statuses, in turns as well.

Each status is followed by the events that it tells of: from then on the next cycle does not tell them again.

Within a stage a few writes are under way at once, started in the plan's order; those that failed before come
last, so that an object that never answers holds up no other. Any of them may be lost: every order's power is
free as observed, even if no other order and no release happens; each release stands for itself; and the next
cycle decides from what it finds. Pools are served in their order up to the few writes that were under way,
and what a pool lacks of its minimum is then asked for again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Set
from typing import TypeVar

from aifactory.backends.port import Backend, Mandate
from aifactory.decide.model.plan import (
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
    Release,
    StatusWrite,
)
from aifactory.decide.model.world import World
from aifactory.decide.report.fair import in_turns
from aifactory.shell import events
from aifactory.shell.beside import beside
from aifactory.shell.client import KubernetesClient
from aifactory.shell.fingerprint import News
from aifactory.shell.lease import Leadership
from aifactory.shell.memory import Memory
from aifactory.shell.metrics import Metrics
from aifactory.shell.objects import Key, Objects, key_of
from aifactory.shell.settings import Settings
from aifactory.shell.writes import Summary, Superseded, Writes

T = TypeVar("T")


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
        settings: Settings,
        superseded: Callable[[], bool] = lambda: False,
        urgent: Callable[[], bool] = lambda: False,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._backends = backends
        self._leadership = leadership
        self._memory = memory
        self._metrics = metrics
        self._news = news
        self._settings = settings
        self._superseded, self._urgent = superseded, urgent
        self._beat = beat

    def begin(self, world: World, term: int, decided: float = 0.0) -> "Round":
        """A plan that was decided on this world in a term of leadership is to be carried out.

        ``decided`` is how many seconds it took to read the world and to decide.
        """
        return Round(
            world=world,
            term=term,
            # Half of the time goes into what comes of a decision, however long it took.
            patience=max(self._settings.yields_after, decided),
            settings=self._settings,
            client=self._client,
            backends=self._backends,
            leadership=self._leadership,
            memory=self._memory,
            news=self._news,
            writes=Writes(
                leads=lambda: self._leadership.holds() and self._leadership.term == term,
                superseded=self._superseded,
                urgent=self._urgent,
                beat=self._beat,
                memory=self._memory,
                metrics=self._metrics,
                settings=self._settings,
            ),
        )


class Round:
    """One plan that is carried out: first `release`, then `act`, and `tell` once the reasons are known.

    Each raises LeadershipLost where this process leads no more, or has led in another term since.
    """

    def __init__(
        self,
        *,
        world: World,
        term: int,
        patience: float,
        settings: Settings,
        client: KubernetesClient,
        backends: Mapping[str, Backend],
        leadership: Leadership,
        memory: Memory,
        news: News,
        writes: Writes,
    ) -> None:
        self._world, self._term = world, term
        self._patience, self._settings = patience, settings
        self._client = client
        self._backends = backends
        self._leadership = leadership
        self._memory, self._failures = memory, memory.failures
        self._writes = writes
        self._objects = Objects(client, world, news)
        self._kind_of = {f.metadata.name: kind for f in world.factories for kind in f.spec.backend.given()}
        self._factory_of = {node.name: node.factory for node in world.nodes}
        self._unsaid: set[Key] = set()  # whose status could not be written
        self._events: dict[Key, list[Event]] = {}  # that are still to be posted
        self._heard: set[tuple[Key, str]] = set()  # who was told of what, by events
        self._begun = False
        self._released: set[tuple[type, str]] = set()  # the releases that were made

    @property
    def summary(self) -> Summary:
        """What has come of it so far."""
        return self._writes.summary

    async def release(self, plan: Plan) -> None:
        """Release what is to be released. Nothing else of the plan need be there yet."""
        self._failures.begin(self._world)
        self._begun = True
        releases = [action for action in plan.actions if isinstance(action, Release)]
        self._new_refusals(releases)
        self._released = set(map(_about, releases))
        # 1. Releases.
        await self._writes.all(self._known_last(releases), self._release)

    async def act(self, plan: Plan) -> None:
        """Do the rest of what is to be done, and say what is known."""
        if not self._begun:
            await self.release(plan)
        self.summary.left_off = self._failures.keep(plan.actions) or self.summary.left_off
        objects, releases = self._objects, (it for it in plan.actions if isinstance(it, Release))
        await beside(lambda: objects.read(plan.statuses))
        if not self._released.issuperset(map(_about, releases)):
            self.summary.left_off = True  # it was decided anew meanwhile
        self._tell_of(plan)
        try:
            # 2. Generations seen, what is about to be ordered, and finalizers.
            until = self._until()
            first = [write for write in plan.statuses if write.first and objects.differs(write)]
            missing = await self._all(self._known_last(first), self._say, until)
            holds = [action for action in plan.actions if isinstance(action, Finalizer)]
            missing |= await self._all(self._known_last(holds), objects.write_finalizer, until)

            # 3. Orders, upkeep, and what is known. A status that failed before is left for later.
            orders = self._in_time(self._known_last(self._failures.probes(allowed(plan, missing))))
            upkeep = self._known_last([action for action in plan.actions if isinstance(action, Relabel)])
            known = [write for write in self._untold(plan) if not self._failures.knows(write)]
            turns = in_turns(known, lambda write: write.namespace)
            mixed: Iterator[Order | Relabel | StatusWrite] = alternately(orders, upkeep, turns)
            await self._all(mixed, self._provision_or_say, self._until())
        except Superseded:
            pass

    async def tell(self, plan: Plan) -> None:
        """Say the rest of what is to be said."""
        await beside(lambda: self._objects.read(plan.statuses))
        self._tell_of(plan)
        self.summary.left_off |= self._failures.keep_statuses(
            [write for write in plan.statuses if self._objects.differs(write)]
        )
        try:
            until = self._until()
            turns = in_turns(self._untold(plan), lambda write: write.namespace)
            untold = self._unsaid | await self._all(self._known_last(turns), self._say, until)
            # What is to be told of objects whose status says it already, or cannot.
            left = [event for key, its in self._events.items() if key not in untold for event in its]
            left = in_turns([*left, *self._writes.untold], lambda event: event.namespace)
            await self._writes.all(left, self._post, until)
        except Superseded:
            pass
        finally:
            self.summary.log()

    def _until(self) -> float:
        """The time from which on what begins now gives way to a new wish."""
        return _now() + self._patience

    def _untold(self, plan: Plan) -> list[StatusWrite]:
        """The statuses that are still to be written."""
        return [w for w in plan.statuses if self._objects.differs(w) and key_of(w) not in self._unsaid]

    async def _all(self, items: Iterable[T], write: Callable[[T], Awaitable[None]], until: float) -> set[Key]:
        """Make all writes; the resources of ours whose were not made, or not even tried."""
        undone, untried = await self._writes.all(items, write, until)
        self._unsaid |= {key_of(it) for it in undone if isinstance(it, StatusWrite)}
        return {key_of(it) for it in (*undone, *untried) if isinstance(it, StatusWrite | Finalizer)}

    def _tell_of(self, plan: Plan) -> None:
        """Have a plan's events posted, each when its time has come."""
        self._events.clear()
        for event in plan.events:
            key = key_of(event)
            if (key, event.reason) not in self._heard:
                self._events.setdefault(key, []).append(event)

    def _known_last(self, items: list[T]) -> list[T]:
        """The same, with those last that have failed before."""
        return sorted(items, key=self._failures.knows)

    def _in_time(self, orders: Iterable[Order]) -> Iterator[Order]:
        """Orders until it is time for the statuses; the next cycle goes on."""
        end = _now() + self._settings.ordering
        for order in orders:
            if _now() >= end:
                self.summary.left_off = True
                return
            yield order

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

    async def _say(self, write: StatusWrite) -> None:
        await self._objects.write_status(write)
        key = key_of(write)
        for event in self._events.pop(key, ()):
            self._heard.add((key, event.reason))
            await self._writes.follow(event, self._post)

    async def _provision_or_say(self, action: Order | Relabel | StatusWrite) -> None:
        if isinstance(action, StatusWrite):
            await self._say(action)
            return
        if isinstance(action, Relabel):
            await self._driver(action.node.factory).relabel(action)
            return
        factory = action.spec.slot.factory
        node = await self._driver(factory).create(action, Mandate(self._leadership.identity, self._term))
        self._memory.ordered(self._kind_of[factory], node)

    def _driver(self, factory: str) -> Backend:
        return self._backends[self._kind_of[factory]]

    async def _post(self, event: Event) -> None:
        await events.post(self._client, event, self._objects, self._leadership.identity)


def _about(release: Release) -> tuple[type, str]:
    """What a release is, and of what."""
    return type(release), release.pod.uid if isinstance(release, Evict) else release.node.uid


def alternately(*streams: Iterable[T]) -> Iterator[T]:
    """One of each in turn, and what is left of any."""
    left = [iter(stream) for stream in streams]
    while left:
        for it in tuple(left):
            try:
                yield next(it)
            except StopIteration:
                left.remove(it)


def _now() -> float:
    return asyncio.get_running_loop().time()


def allowed(plan: Plan, missing: Set[Key]) -> list[Order]:
    """The orders of a plan, without those that rest on a write that was not made.

    A pool that may not be ordered in one factory is not ordered in any: its minimum comes whole.
    """
    orders = [action for action in plan.actions if isinstance(action, Order)]
    barred = {
        order.pool
        for order in orders
        if not missing.isdisjoint(
            (Key("AIFactory", "", order.spec.slot.factory), Key("GPUPool", *order.pool))
        )
    }
    return [order for order in orders if order.pool not in barred]
