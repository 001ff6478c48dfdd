"""The one loop: it decides for all pools and all factories together, again and again."""

import asyncio
import logging
import math
from collections.abc import Mapping
from time import monotonic

from aifactory.backends import Backend
from aifactory.decide import Decision, Given, Plan, begin, finish, tell
from aifactory.decide.model.world import World
from aifactory.decide.report.explained import Reasons
from aifactory.shell.apply import Applier
from aifactory.shell.beside import Hangs, TooLong, beside
from aifactory.shell.client import WRITE_SECONDS, ApiError, KubernetesClient
from aifactory.shell.effort import Effort
from aifactory.shell.failures import backoff
from aifactory.shell.fingerprint import News
from aifactory.shell.gather import gather, look_at
from aifactory.shell.heartbeat import Heartbeat
from aifactory.shell.lease import Leadership
from aifactory.shell.memory import Memory
from aifactory.shell.metrics import Metrics
from aifactory.shell.planner import Planner
from aifactory.shell.rest import LONGEST, Rest
from aifactory.shell.settings import Settings
from aifactory.shell.wake import Wake
from aifactory.shell.writes import LeadershipLost, Summary

logger = logging.getLogger(__name__)


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
            settings=settings,
            superseded=lambda: wake.wished,
            urgent=lambda: wake.urgent,
            beat=lambda: heartbeat.expect(settings.slowest_cycle),
        )
        self._term = 0  # of the last cycle
        self._said: frozenset[str] = frozenset()
        self._troubles = 0  # cycles in a row that failed or got nowhere
        self._effort = Effort(settings.decision_seconds)
        self._rest: Rest | None = None
        self._quiet = asyncio.Event()  # no write is under way
        self._quiet.set()

    async def run(self) -> None:
        """Run cycles while leading, until cancelled. No failure of a cycle ends it, but one that cannot end:
        raises Hangs, for only a new process is rid of what hangs.
        """
        settings = self._settings
        while True:
            if not self._leadership.holds():
                self._heartbeat.expect(math.inf)  # a follower waits as long as the leader lives
                self._heartbeat.cycle(failed=False)
                await self._leadership.taken()
            self._heartbeat.expect(settings.slowest_cycle)
            try:
                again = await self._cycle()
            except Hangs:
                raise
            except Exception as error:  # a cycle must not end the loop, whatever it is
                self._troubles += 1
                self._heartbeat.cycle(failed=True)
                pause = max(
                    backoff(self._troubles, settings), error.after if isinstance(error, ApiError) else 0.0
                )
                if isinstance(error, TooLong):
                    brief = self._effort.cut_off()
                    logger.error("cycle failed, only what is forced is decided for %.0f s: %s", brief, error)
                elif isinstance(error, ApiError | LeadershipLost):
                    logger.error("cycle failed, again in %.1f s: %s", pause, error)
                else:
                    logger.exception("cycle failed, again in %.1f s", pause)
                self._heartbeat.expect(settings.longest_backoff + settings.slowest_cycle)
                await asyncio.sleep(pause)
            else:
                self._heartbeat.cycle(failed=False)
                self._heartbeat.expect(settings.resync + settings.slowest_cycle)
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
            self._term, self._rest = term, None
        # 2. Gather.
        with self._metrics.phase("gather"):
            world = await gather(self._client, self._backends, self._memory)
        gathered, news, before = clock(), self._planner.news, (self._memory.adopted, self._memory.reasons)
        if self._rest is not None and self._rest.holds(world, news, gathered):
            self._metrics.at_rest()
            return self._rest.until - gathered
        self._rest = None
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
                decision = await beside(lambda: tell(decision), self._effort.seconds)
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
        # A write without an answer may still land. It is there, or never, when the world is read again.
        pause = WRITE_SECONDS if summary.may_land else 0.0
        if summary.stuck and summary.unanswered:
            pause = max(pause, summary.after, backoff(self._troubles, self._settings))
            logger.error("no write was answered, again in %.1f s", pause)
        await asyncio.sleep(pause)
        if summary.left_off or (self._memory.reasons.open and not decision.given.brief):
            return 0.0
        # No watch tells of a write that was not made, nor that a backend can be listed again.
        due = [self._memory.failures.seconds, plan.again_after, self._effort.brief or None]
        if summary.passed_by or world.unknown:
            due.append(backoff(max(1, self._troubles), self._settings))
        again = min((seconds for seconds in due if seconds is not None), default=None)
        same = before == (self._memory.adopted, self._memory.reasons)
        rests = same and summary.nothing and not world.unknown and not decision.given.brief
        until = gathered + min(LONGEST, math.inf if again is None else again)
        self._rest = Rest(world, news, until) if rests else None
        return again

    async def _decide(self, world: World) -> Decision:
        loop, memory = asyncio.get_running_loop(), self._memory

        def look(world: World, nodes: frozenset[str]) -> World:
            looked = look_at(world, nodes, self._backends, memory)
            return asyncio.run_coroutine_threadsafe(looked, loop).result()

        now, place = self._client.clock.now(), self._planner.place
        brief = self._effort.brief > 0
        given = Given(world, now, place, look, memory.adopted, memory.reasons, brief=brief)
        return await beside(lambda: begin(given), self._effort.seconds)

    async def _report(self, decision: Decision) -> tuple[Plan, Reasons]:
        """Say what pools say, with reasons while nobody wants anything new and for a while."""
        if decision.given.brief:
            return decision.plan, decision.given.reasons
        began, settings = monotonic(), self._settings

        def more() -> bool:
            spent = monotonic() - began
            at_least = settings.explaining_at_least if not self._wake.urgent else 0.0
            return spent < settings.explaining and (spent < at_least or not self._wake.wished)

        return await beside(lambda: finish(decision, more), self._effort.seconds)

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
