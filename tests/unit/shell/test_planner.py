"""The planner on real processes: in time, late, never, and nonsense; and nothing is left behind."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import generate_latest

from aifactory.decide.placed import Placed, Stopped
from aifactory.shell.metrics import Metrics
from aifactory.shell.planner import Planner
from aifactory_solver import Problem, digest, solve
from unit.shell import solvers
from unit.shell.children import children as children_of
from unit.solver.build import World

LONG = 120.0  # seconds that no test takes
Ask = Callable[..., Any]


def problem(pools: int = 2) -> Problem:
    world = World().factory("a").slots("a", 10, "one").slots("a", 10, "two")
    world.pool("flexible", 10, systems=("one", "two"))
    for k in range(1, pools):
        world.pool(f"bound-{k}", 10, systems=("one",))
    return world.problem()


def children() -> set[int]:
    return children_of(os.getpid())


class Asked:
    """A planner, and how often it woke the loop."""

    def __init__(self, **settings: Any) -> None:
        self.metrics = Metrics()
        self.planner = Planner(self._wake, self.metrics, **{"wait": LONG, "limit": LONG} | settings)
        self.wakes = 0
        self._woken = asyncio.Event()

    def _wake(self) -> None:
        self.wakes += 1
        self._woken.set()

    async def ask(self, *problems: Problem) -> Placed:
        """Ask as a cycle does: in a thread beside the event loop."""
        return await asyncio.to_thread(self.planner.place, problems or (problem(),))

    async def woken(self) -> None:
        async with asyncio.timeout(LONG):
            await self._woken.wait()
        self._woken.clear()

    def shown(self, name: str) -> float:
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@pytest.fixture
async def made() -> AsyncIterator[Callable[..., Asked]]:
    """Make planners. Once they have stopped no process, no thread and no task is left."""
    before, threads, planners = children(), set(threading.enumerate()), []

    def make(**settings: Any) -> Asked:
        planners.append(Asked(**settings))
        return planners[-1]

    yield make
    for it in planners:
        await it.planner.stop()
    assert children() == before
    assert asyncio.all_tasks() <= {asyncio.current_task()}
    left = {t for t in threading.enumerate() if not t.name.startswith("asyncio_")} - threads
    for thread in left:
        thread.join(LONG)  # asyncio's own, which had been waiting for the process


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "gate"
    os.mkfifo(path)
    monkeypatch.setenv(solvers.GATE, str(path))
    return path


Make = Callable[..., Asked]


async def test_a_plan_in_time_is_given_and_the_certificate_wakes_the_loop_once(made: Make) -> None:
    it = made()
    placed = await it.ask()
    (solution,) = placed.solutions
    expected = solve(problem())
    assert all(np.array_equal(getattr(solution, f.name), getattr(expected, f.name)) for f in fields(expected))
    await it.woken()
    again = await it.ask()
    assert again.solutions is placed.solutions
    assert str(again.certificate) == "proved through priority 0 (100% of all wished GPUs)"
    assert it.wakes == 1
    assert it.shown("aifactory_solve_seconds") > 0


async def test_a_late_plan_wakes_the_loop_and_is_there_for_the_same_problem(made: Make, gate: Path) -> None:
    it = made(solver=solvers.gated, certifier=solvers.gated_certify, wait=0.01)
    assert await it.ask() == Placed()
    assert await it.ask() == Placed()  # asked again: nothing is begun anew, and nobody waits any more
    assert it.wakes == 0
    await asyncio.to_thread(gate.write_bytes, b"")
    await it.woken()
    placed = await it.ask()
    assert placed.solutions
    assert placed.certificate is None
    await asyncio.to_thread(gate.write_bytes, b"")
    await it.woken()
    assert (await it.ask()).certificate
    assert it.wakes == 2


async def test_the_process_is_kept_warm(made: Make) -> None:
    it, before = made(), children()
    await it.ask()
    await it.woken()
    first = children() - before
    await it.ask(problem(3))
    assert children() - before == first
    assert len(first) == 1


async def test_several_problems_are_answered_together(made: Make) -> None:
    placed = await made().ask(problem(1), problem(2))
    assert [s.new_units.sum() for s in placed.solutions] == [10, 15]


async def test_a_solver_that_hangs_is_cut_off_and_the_next_problem_is_tried(made: Make) -> None:
    it, before = made(solver=solvers.hang_with_one_pool), children()
    vars(it.planner)["_limit"] = 4.0
    placed = await it.ask(problem(1))
    assert placed.solutions == ()
    assert placed.trouble
    assert placed.trouble.reason == Stopped.TIMED_OUT
    assert placed.trouble.message == "the solver was cut off after 4 s"
    assert it.shown('aifactory_solves_cut_off_total{reason="SolverTimedOut"}') == 1
    assert await it.ask(problem(1)) == placed  # at once: the same problem is not tried again
    vars(it.planner)["_limit"] = LONG
    assert (await it.ask(problem(2))).solutions
    assert len(children() - before) == 1  # of the one that hung nothing is left
    assert it.shown('aifactory_solves_cut_off_total{reason="SolverTimedOut"}') == 1


@pytest.mark.parametrize(
    ("solver", "message"),
    [
        (solvers.die, "the solver's process ended with exit code 7"),
        (solvers.die_within_an_answer, "the solver's process ended with exit code 7"),
        (solvers.babble, "the solver's process gave no answer (UnpicklingError)"),
        (solvers.babble_without_end, "the solver's process gave no answer (ValueError)"),
        (solvers.fail, "the solver failed (ArithmeticError: no way)"),
        (solvers.nothing, "the solver gave something else than a plan"),
        (solvers.floats, "the solver gave something else than a plan"),
    ],
)
async def test_a_solver_that_dies_or_answers_nonsense_is_given_up(
    made: Make, solver: Callable[..., Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    it, before = made(solver=solver), children()
    placed = await it.ask()
    assert placed.solutions == ()
    assert placed.trouble
    assert (placed.trouble.reason, placed.trouble.message) == (Stopped.FAILED, message)
    assert f"the safe plan is used: {message}" in caplog.text
    assert it.shown('aifactory_solves_cut_off_total{reason="SolverFailed"}') == 1
    assert await it.ask() == placed
    assert it.wakes == 0
    await it.planner.stop()
    assert children() == before


async def test_an_answer_that_stops_in_the_middle_is_cut_off(made: Make) -> None:
    placed = await made(solver=solvers.hang_within_an_answer, limit=1.0).ask()
    assert placed.trouble
    assert placed.trouble.reason == Stopped.TIMED_OUT


@pytest.mark.parametrize(
    ("certifier", "reason"),
    [
        (solvers.hang_certifying_one_pool, Stopped.TIMED_OUT),
        (solvers.die, Stopped.FAILED),
        (solvers.nothing, Stopped.FAILED),
        (solvers.fail, Stopped.FAILED),
    ],
)
async def test_a_plan_stays_in_use_if_nothing_can_be_proved_about_it(
    made: Make, certifier: Callable[..., Any], reason: Stopped
) -> None:
    it = made(certifier=certifier)
    if reason is Stopped.TIMED_OUT:
        await it.ask()  # a process that is warm answers in time on a busy machine, too
        await it.woken()
        it.wakes = 0
        vars(it.planner)["_limit"] = 4.0
    placed = await it.ask(problem(1))
    assert placed.solutions
    assert placed.trouble is None
    await it.woken()
    then = await it.ask(problem(1))
    assert then.solutions is placed.solutions
    assert then.certificate is None
    assert then.trouble
    assert then.trouble.reason == reason
    assert it.wakes == 1


async def test_a_new_question_ends_the_work_on_the_one_before(made: Make, gate: Path) -> None:
    it, before = made(solver=solvers.gated_with_one_pool, wait=0.01), children()
    assert await it.ask(problem(1)) == Placed()
    await asyncio.to_thread(gate.write_bytes, b"")  # it has begun
    (first,) = children() - before
    assert await it.ask(problem(2)) == Placed()
    await it.woken()
    assert (await it.ask(problem(2))).solutions
    (second,) = children() - before
    assert second != first
    while (await it.ask(problem(2))).certificate is None:
        await it.woken()
    # Nobody is told of what nobody asks any more, and that is no failure.
    assert it.wakes == 2
    assert it.shown('aifactory_solves_cut_off_total{reason="SolverTimedOut"}') == 0
    assert it.shown('aifactory_solves_cut_off_total{reason="SolverFailed"}') == 0


async def test_of_many_questions_only_the_newest_is_answered(made: Make) -> None:
    it, before = made(solver=solvers.hang_with_one_pool, wait=0.0), children()
    for pools in (1, 2, 3, 1, 4):
        assert await it.ask(problem(pools)) == Placed()
    while (await it.ask(problem(4))).certificate is None:
        await it.woken()
    assert it.wakes == 2
    assert len(children() - before) == 1


async def test_what_is_printed_gets_not_between_the_answers(made: Make) -> None:
    assert (await made(solver=solvers.chatty).ask()).solutions


async def test_nothing_is_left_of_a_solver_that_hangs_when_the_planner_stops(made: Make) -> None:
    it = made(solver=solvers.hang, wait=0.01)
    assert await it.ask() == Placed()
    await it.planner.stop()


async def test_the_event_loop_turns_while_a_solver_computes(made: Make, gate: Path) -> None:
    it = made(solver=solvers.gated)
    asking = asyncio.create_task(it.ask())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not asking.done()
    await asyncio.to_thread(gate.write_bytes, b"")
    assert (await asking).solutions


def test_it_ends_with_the_operator_even_if_that_was_killed() -> None:
    script = (
        "import asyncio, os, signal\n"
        "from aifactory.shell.metrics import Metrics\n"
        "from aifactory.shell.planner import Planner\n"
        "from unit.shell import solvers\n"
        "from unit.shell.test_planner import children, problem\n"
        "async def main():\n"
        "    planner = Planner(print, Metrics(), solver=solvers.hang, wait=0.01)\n"
        "    await asyncio.to_thread(planner.place, (problem(),))\n"
        "    while not children():\n"
        "        await asyncio.sleep(0)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    path = os.pathsep.join(filter(None, sys.path))
    # The solver's process holds these pipes too: they are only at their end when it is gone.
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        timeout=LONG,
        check=False,
    )
    assert done.returncode == -9


def test_a_problem_is_the_same_only_if_all_of_it_is() -> None:
    one = problem()
    assert digest(one) == digest(replace(problem()))
    assert digest(one) != digest(one, one)
    seen = {digest(one)}
    for field in fields(one):
        value = getattr(one, field.name)
        if isinstance(value, np.ndarray) and value.size:
            changed: Any = value.copy()
            changed.flat[-1] = not changed.flat[-1] if changed.dtype == np.bool_ else changed.flat[-1] + 1
        else:
            changed = (*value, ()) if isinstance(value, tuple) else np.append(value, value.dtype.type(1))
        seen.add(digest(replace(one, **{field.name: changed})))
    assert len(seen) == len(fields(one)) + 1
