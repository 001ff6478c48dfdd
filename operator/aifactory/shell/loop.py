"""The one loop: it decides for all pools and all factories together, again and again."""

import asyncio
import logging
import math
import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final, TypeVar

from aifactory.backends import Backend
from aifactory.decide import Decision, Given, Plan, begin, report, tell
from aifactory.decide.explained import Reasons
from aifactory.decide.world import World
from aifactory.shell.apply import Applier
from aifactory.shell.client import WRITE_SECONDS, ApiError, KubernetesClient
from aifactory.shell.failures import LONGEST_BACKOFF, backoff
from aifactory.shell.fingerprint import News
from aifactory.shell.gather import gather, look_at
from aifactory.shell.heartbeat import Heartbeat
from aifactory.shell.lease import Leadership
from aifactory.shell.memory import Memory
from aifactory.shell.metrics import Metrics
from aifactory.shell.planner import Planner
from aifactory.shell.settings import Settings
from aifactory.shell.wake import Wake
from aifactory.shell.writes import Cut, Summary

logger = logging.getLogger(__name__)
T = TypeVar("T")

EXPLAINING: Final = 5.0  # seconds of a cycle in which reasons are worked out; the next one goes on
EXPLAINING_AT_LEAST: Final = 0.5  # seconds, where a user wants something new meanwhile
SLOWEST: Final = 600.0  # seconds that a cycle may take before the process counts as hung


class Loop:
    """Wake, gather, decide, act, report."""

    def __init__(
        self,
        *,
        client: KubernetesClient,
        backends: Mapping[str, Backend],
        leadership: Leadership,
        wake: Wake,
        planner: Planner,
        heartbeat: Heartbeat,
        metrics: Metrics,
        news: News,
        memory: Memory,
        settings: Settings,
    ) -> None:
        self._settings = settings
        self._client = client
        self._backends = backends
        self._leadership = leadership
        self._wake = wake
        self._planner = planner
        self._heartbeat = heartbeat
        self._metrics = metrics
        self._memory = memory
        self._applier = Applier(
            client=client,
            backends=backends,
            leadership=leadership,
            memory=self._memory,
            metrics=metrics,
            news=news,
            superseded=lambda: wake.wished,
            urgent=lambda: wake.urgent,
            beat=lambda: heartbeat.expect(SLOWEST),
        )
        self._term = 0  # of the last cycle
        self._said: frozenset[str] = frozenset()
        self._troubles = 0  # cycles in a row that failed or got nowhere
        self._quiet = asyncio.Event()  # no write is under way
        self._quiet.set()

    async def run(self) -> None:
        """Run cycles while leading, until cancelled. No failure of a cycle ends it."""
        while True:
            if not self._leadership.holds():
                self._heartbeat.expect(math.inf)  # a follower waits as long as the leader lives
                self._heartbeat.cycle(failed=False)
                await self._leadership.taken()
            self._heartbeat.expect(SLOWEST)
            try:
                again = await self._cycle()
            except Exception as error:  # a cycle must not end the loop, whatever it is
                self._troubles += 1
                self._heartbeat.cycle(failed=True)
                pause = backoff(self._troubles)
                if isinstance(error, ApiError | Cut):
                    logger.error("cycle failed, again in %.1f s: %s", pause, error)
                else:
                    logger.exception("cycle failed, again in %.1f s", pause)
                self._heartbeat.expect(LONGEST_BACKOFF + SLOWEST)
                await asyncio.sleep(pause)
            else:
                self._heartbeat.cycle(failed=False)
                self._heartbeat.expect(self._settings.resync + SLOWEST)
                # 1. Wake: something has changed, or something is due.
                await self._wake.wait(again)

    async def settled(self, seconds: float) -> bool:
        """Wait for the writes that are under way to come to their end; whether they have."""
        try:
            async with asyncio.timeout(seconds):
                await self._quiet.wait()
        except TimeoutError:
            return False
        return True

    async def _cycle(self) -> float | None:
        """Run one cycle; returns in how many seconds the next one is due, if nothing changes."""
        clock = asyncio.get_running_loop().time
        began, term = clock(), self._leadership.term
        if term != self._term:
            self._memory.clear()  # another one may have led meanwhile
            self._term = term
        # 2. Gather.
        with self._metrics.phase("gather"):
            world = await gather(self._client, self._backends, self._memory)
        gathered = clock()
        # 3. Decide, beside the event loop: the lease has to be renewed meanwhile.
        with self._metrics.phase("decide"):
            decision = await self._decide(world)
            self._memory.adopted = decision.plan.adopted
        decided = clock()
        work = self._applier.begin(world, term, decided - began)
        self._quiet.clear()
        try:
            # 4. Act. No release waits for what is said.
            with self._metrics.phase("act"):
                await work.release(decision.plan)
                decision = await beside(lambda: tell(decision))
                self._memory.adopted = decision.plan.adopted
                await work.act(decision.plan)
            acted = clock()
            # 5. Report. Only now is worked out why pools wait: no limit waits for reasons.
            with self._metrics.phase("report"):
                plan, self._memory.reasons = await self._report(decision)
                await work.tell(plan)
        finally:
            self._quiet.set()
        summary = work.summary
        self._metrics.cycle_ended(plan)
        took = (gathered - began, decided - gathered, acted - decided, clock() - acted)
        self._tell(plan, summary, took)
        self._troubles = self._troubles + 1 if summary.stuck or world.unknown else 0
        if summary.unanswered:
            # Such a write may still land. It has to be there, or never, when the world is read again.
            await asyncio.sleep(WRITE_SECONDS)
        if summary.left_off or self._memory.reasons.open:
            return 0.0
        # No watch tells of a write that was not made, nor that a backend can be listed again.
        due = [self._memory.failures.seconds, plan.again_after]
        if summary.passed_by or world.unknown:
            due.append(backoff(max(1, self._troubles)))
        return min((seconds for seconds in due if seconds is not None), default=None)

    async def _decide(self, world: World) -> Decision:
        loop, memory = asyncio.get_running_loop(), self._memory

        def look(world: World, nodes: frozenset[str]) -> World:
            looked = look_at(world, nodes, self._backends, memory)
            return asyncio.run_coroutine_threadsafe(looked, loop).result()

        now, place = self._client.clock.now(), self._planner.place
        given = Given(world, now, place, look, memory.adopted, memory.reasons)
        return await beside(lambda: begin(given))

    async def _report(self, decision: Decision) -> tuple[Plan, Reasons]:
        """Say what pools say, with reasons while nobody wants anything new and for a while."""
        began = monotonic()

        def more() -> bool:
            spent = monotonic() - began
            at_least = EXPLAINING_AT_LEAST if not self._wake.urgent else 0.0
            return spent < EXPLAINING and (spent < at_least or not self._wake.wished)

        return await beside(lambda: report(decision, more))

    def _tell(self, plan: Plan, summary: Summary, took: tuple[float, float, float, float]) -> None:
        """Log what is new. The same plan says the same again in every cycle."""
        said = frozenset(plan.log)
        for line in plan.log:
            if line not in self._said:
                logger.info("%s", line)
        self._said = said
        busy = summary.done or summary.failed
        logger.log(
            logging.INFO if busy else logging.DEBUG,
            "cycle: %d writes, %d passed by, %d evictions refused, %d failed%s; "
            "gather %.2f s, decide %.2f s, act %.2f s, report %.2f s",
            *(summary.done, summary.passed_by, summary.refused, summary.failed),
            ", left off" if summary.left_off else "",
            *took,
        )


async def beside(work: Callable[[], T]) -> T:
    """Run `work` in a thread and return its result.

    Not `asyncio.to_thread`: nobody can stop a thread, and the process would not end before its executor's
    threads have; a daemon thread ends with the process.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if result.cancelled():
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        value, error = None, None
        try:
            value = work()
        except BaseException as raised:
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, name="decide", daemon=True).start()
    return await result
