"""Better plans than the safe ones, and what is proved about them, from a process of their own.

A cycle asks, and waits a short while. What comes later, for the very same problems, wakes the loop. Only the
newest question is kept: whoever asks a new one ends the work on the one before.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np

from aifactory.decide.placed import Placed, Stopped, Trouble
from aifactory.shell.metrics import Metrics
from aifactory.shell.process import NoAnswer, Worker
from aifactory_solver import Certificate, Problem, Solution, certify, digest, solve

logger = logging.getLogger(__name__)

WAIT: Final = 2.0  # seconds that a cycle waits for a better plan before it uses the safe one
LIMIT: Final = 120.0  # seconds after which a plan or a certificate is given up


class _Question:
    """What one cycle asked, and how far the answer has come."""

    def __init__(self, key: bytes, problems: tuple[Problem, ...], until: float) -> None:
        self.key = key
        self.problems = problems
        self.until = until  # the time of the event loop up to which cycles wait
        self.placed = Placed()
        self.answered = asyncio.Event()  # with a plan, or never
        self.waiting = 0  # cycles


class Planner:
    """Asks one process. Made and used in one event loop, but for `place`."""

    def __init__(
        self,
        wake: Callable[[], None],
        metrics: Metrics,
        *,
        solver: Callable[[Problem], Solution] = solve,
        certifier: Callable[[Problem, Solution], Certificate] = certify,
        wait: float = WAIT,
        limit: float = LIMIT,
    ) -> None:
        self._wake = wake
        self._metrics = metrics
        self._solver, self._certifier = solver, certifier
        self._wait, self._limit = wait, limit
        self._loop = asyncio.get_running_loop()
        self._worker = Worker()
        self._one_at_a_time = asyncio.Lock()
        self._question: _Question | None = None
        self._work: asyncio.Task[None] | None = None

    def place(self, problems: tuple[Problem, ...]) -> Placed:
        """How far better plans have come; waits for them a short while. For a thread beside the loop."""
        asked = self._ask(digest(*problems), problems)
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()

    async def stop(self) -> None:
        """End the process and all work."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait((self._work,))
        await self._worker.end()

    async def _ask(self, key: bytes, problems: tuple[Problem, ...]) -> Placed:
        question = self._question
        if question is None or question.key != key:
            question = self._question = _Question(key, problems, self._loop.time() + self._wait)
            if self._work is not None:
                self._work.cancel()
            self._work = asyncio.create_task(self._answer(question), name="planner")
        question.waiting += 1
        try:
            async with asyncio.timeout_at(question.until):
                await question.answered.wait()
        except TimeoutError:
            pass
        finally:
            question.waiting -= 1
        return question.placed

    async def _answer(self, question: _Question) -> None:
        """Answer a question; the process is warm afterwards only if it has answered all."""
        async with self._one_at_a_time:
            done = False
            try:
                await self._plan(question)
                done = True
            except TimeoutError:
                said = f"the solver was cut off after {self._limit:.0f} s"
                self._give_up(question, Trouble(Stopped.TIMED_OUT, said))
            except NoAnswer as error:
                self._give_up(question, Trouble(Stopped.FAILED, str(error)), error.trace)
            finally:
                if not done:
                    await self._worker.end()

    async def _plan(self, question: _Question) -> None:
        began = self._loop.time()
        async with asyncio.timeout(self._limit):
            solutions = [await self._worker.call(self._solver, problem) for problem in question.problems]
        if not all(map(_is_solution, solutions)):
            raise NoAnswer("the solver gave something else than a plan")
        self._metrics.solved(self._loop.time() - began)
        self._tell(question, Placed(tuple(solutions)))
        async with asyncio.timeout(self._limit):
            certificate = await self._worker.call(self._certifier, question.problems[0], solutions[0])
        if not isinstance(certificate, Certificate):
            raise NoAnswer("the solver gave something else than a certificate")
        self._tell(question, replace(question.placed, certificate=certificate))

    def _give_up(self, question: _Question, trouble: Trouble, trace: str = "") -> None:
        what = "nothing is proved" if question.placed.solutions else "the safe plan is used"
        logger.warning("%s: %s%s", what, trouble.message, f"\n{trace}" if trace else "")
        self._metrics.cut_off(trouble.reason)
        self._tell(question, replace(question.placed, trouble=trouble))

    def _tell(self, question: _Question, placed: Placed) -> None:
        """Say how far it has come, to the cycle that waits for it or else to the next one."""
        question.placed = placed
        question.answered.set()
        if not question.waiting:
            self._wake()


def _is_solution(given: Any) -> bool:
    """Whether it is a solution in form. The checker judges all else."""
    arrays = [getattr(given, field.name) for field in fields(Solution)] if isinstance(given, Solution) else []
    return bool(arrays) and all(isinstance(it, np.ndarray) and it.dtype == np.int64 for it in arrays)
