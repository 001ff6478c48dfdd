"""Better plans than the greedy engine's, and what is proved about them, from a process of their own.

No cycle waits for it. A cycle asks, is told how far it has come, and is woken when there is more. One
question is worked on at a time, and it is finished although another is asked meanwhile: in a fleet where
somebody always changes something no plan would ever be there otherwise, and most of what it says still holds.
Of those that are asked meanwhile the newest comes next.
"""

import asyncio
import logging
import math
import traceback
from collections.abc import Callable, Hashable
from dataclasses import fields, replace
from functools import partial
from typing import Any, Final, Protocol

import numpy as np

from aifactory.decide.place.placed import Asked, Placed, Stopped, Trouble
from aifactory.shell.failures import backoff
from aifactory.shell.machine import memory
from aifactory.shell.metrics import Metrics
from aifactory.shell.process import NoAnswer, Worker
from aifactory.shell.settings import Settings
from aifactory_solver import Certificate, Problem, Solution, certify, solve

logger = logging.getLogger(__name__)

_LONG: Final = 10.0  # seconds of patience from which it is told that a plan is being computed,
_ROUNDED: Final = 10  # and to what: a number that changes with each pool would be written for each pool


class _Question:
    """What a cycle asked, and how far the answer has come."""

    def __init__(self, asked: Asked, since: float) -> None:
        self.asked = asked
        self.since = since  # the time of the event loop when the first was asked that this answers
        self.placed = Placed(asked=asked)

    @property
    def answered(self) -> bool:
        """Whether there is a plan, or none will come."""
        return bool(self.placed.solutions) or self.placed.trouble is not None

    @property
    def done(self) -> bool:
        """Whether more will not come."""
        return self.placed.certificate is not None or self.placed.trouble is not None


class Wakes(Protocol):
    """Wakes the loop; `wish`: for somebody who waits for a place, to which what is only said gives way."""

    def __call__(self, *, wish: bool = False) -> None:
        """Wake it."""


class Planner:
    """Asks one process. Made and used in one event loop, but for `place`."""

    def __init__(
        self,
        wake: Wakes,
        metrics: Metrics,
        settings: Settings,
        *,
        solver: Callable[[Problem], Solution] = solve,
        certifier: Callable[[Problem, Solution], Certificate] = certify,
    ) -> None:
        self._wake = wake
        self._metrics = metrics
        self._settings = settings
        self._solver, self._certifier = solver, certifier
        self._loop = asyncio.get_running_loop()
        self._worker = Worker(memory() * settings.solver_memory_percent // 100)
        self._last: _Question | None = None  # that was answered
        self._now: _Question | None = None  # that is worked on
        self._next: _Question | None = None
        self._work: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._failures = 0  # in a row
        self._stopped = False
        self.news = 0
        """How often there was something new to say: more of an answer, or that a wait is over."""

    def place(self, asked: Asked) -> Placed:
        """How far better plans have come. For a thread beside the loop."""
        key = asked.question  # it takes a while at 5 GW
        answer = asyncio.run_coroutine_threadsafe(self._ask(asked, key), self._loop)
        return answer.result()()  # so does what an earlier answer means

    async def stop(self) -> None:
        """End the process and all work. Whoever asks afterwards, from a thread that nobody can stop, is told
        nothing.
        """
        self._stopped, self._next = True, None
        if self._alarm is not None:
            self._alarm.cancel()
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait((self._work,))
        await self._worker.end()

    async def _ask(self, asked: Asked, key: Hashable) -> Callable[[], Placed]:
        if self._stopped:
            return Placed
        known = (it for it in (self._last, self._now, self._next) if it and it.asked.question == key)
        question = next(known, None) or _Question(asked, self._loop.time())
        if question.done or (question is self._now and not self._cut_off):
            self._next = None
        elif question is not self._next:
            self._put_next(question)
        if question.answered:
            self._last = question
            placed = question.placed
            return lambda: placed
        patience = self._settings.patience + self._settings.patience_per_pool * len(asked.case.pools)
        soon = self._soon(patience)
        within = math.ceil(patience / _ROUNDED) * _ROUNDED if soon and patience >= _LONG else 0
        if self._last is None or not self._last.placed.solutions:
            return partial(Placed, soon=soon, within=within)
        return partial(self._last.placed.earlier, soon=soon, within=within)

    @property
    def _cut_off(self) -> bool:
        """Whether what is worked on makes way just now."""
        return self._work is not None and self._work.cancelling() > 0

    def _put_next(self, question: _Question) -> None:
        """Have a question answered, or only proved, once the one under way has been answered."""
        if self._next is not None:
            question.since = min(question.since, self._next.since)
        self._next = question
        if self._now is None:
            self._begin()
        elif self._now.answered and self._work is not None and not self._cut_off:
            self._work.cancel()  # nobody needs a proof about an answer to what is asked no more

    def _soon(self, patience: float) -> bool:
        """Whether a plan may come in time; if so, whoever waits for it is woken when the time is over."""
        waiting = [it.since for it in (self._now, self._next) if it is not None and not it.answered]
        if not waiting:
            return False
        until = min(waiting) + patience
        if self._loop.time() >= until:
            return False
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(until, self._tell_all)
        return True

    def _tell_all(self) -> None:
        """Who waits has waited long enough."""
        self.news += 1
        self._wake(wish=True)

    def _begin(self) -> None:
        """Begin with the next question, if there is one."""
        self._now, self._next = self._next, None
        self._work = None
        if self._now is not None and self._now.done:
            self._now = None  # it was given up just as it was asked once more
        if self._now is not None:
            self._work = asyncio.create_task(self._answer(self._now), name="planner")
            self._work.add_done_callback(lambda _: self._begin())

    async def _answer(self, question: _Question) -> None:
        """Answer a question; the process is warm afterwards only if it has answered all."""
        done = False
        try:
            await self._plan(question)
            done = True
        except TimeoutError:
            said = f"the solver was cut off after {self._settings.solver_seconds:.0f} s"
            self._give_up(question, Trouble(Stopped.TIMED_OUT, said))
        except NoAnswer as error:
            self._give_up(question, Trouble(Stopped.FAILED, str(error)), error.trace)
        except Exception as error:  # a bug of ours: whoever waits for a plan must not wait for ever
            said = f"the solver could not be asked ({type(error).__name__}: {error})"
            self._give_up(question, Trouble(Stopped.FAILED, said), traceback.format_exc())
        finally:
            if not done:
                await self._worker.end()

    async def _plan(self, question: _Question) -> None:
        if self._failures > 1:  # in a row: what the world asks changes all the time, and why it fails may not
            await asyncio.sleep(backoff(self._failures - 1, self._settings))
        began, problems = self._loop.time(), question.asked.problems
        if not question.answered:
            async with asyncio.timeout(self._settings.solver_seconds):
                found = [await self._worker.call(self._solver, problem) for problem in problems]
            if not all(map(_is_solution, found)):
                raise NoAnswer("the solver gave something else than a plan")
            self._failures = 0
            self._metrics.solved(self._loop.time() - began)
            self._tell(question, replace(question.placed, solutions=tuple(found)))
        if self._next is not None:
            return
        async with asyncio.timeout(self._settings.solver_seconds):
            solution = question.placed.solutions[0]
            certificate = await self._worker.call(self._certifier, problems[0], solution)
        if not isinstance(certificate, Certificate):
            raise NoAnswer("the solver gave something else than a certificate")
        self._tell(question, replace(question.placed, certificate=certificate))

    def _give_up(self, question: _Question, trouble: Trouble, trace: str = "") -> None:
        what = "nothing is proved" if question.placed.solutions else "the greedy engine decides"
        logger.warning("%s: %s%s", what, trouble.message, f"\n{trace}" if trace else "")
        self._failures += 1
        self._metrics.cut_off(trouble.reason)
        self._tell(question, replace(question.placed, trouble=trouble))

    def _tell(self, question: _Question, placed: Placed) -> None:
        """Say how far it has come, to the next cycle."""
        question.placed = placed
        self._last = question
        self.news += 1
        self._wake(wish=placed.certificate is None)


def _is_solution(given: Any) -> bool:
    """Whether it is a solution in form. The checker judges all else."""
    arrays = [getattr(given, field.name) for field in fields(Solution)] if isinstance(given, Solution) else []
    return bool(arrays) and all(isinstance(it, np.ndarray) and it.dtype == np.int64 for it in arrays)
