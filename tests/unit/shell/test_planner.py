"""The planner on real processes: in time, late, never, and nonsense; and nothing is left behind."""

import asyncio
import os
import resource
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import generate_latest

from aifactory.decide.model.build import build
from aifactory.decide.place.adopted import adopt
from aifactory.decide.place.placed import Asked, Placed, Stopped
from aifactory.shell.metrics import Metrics
from aifactory.shell.planner import Planner
from aifactory.shell.settings import Settings
from aifactory_solver import solve
from controlplane import wait_until
from unit.decide.build import boxes, factory, pool
from unit.decide.operated import cluster
from unit.shell import solvers
from unit.shell.children import children as children_of

LONG = 120.0  # seconds that no test takes
MEMORY = 512 * 2**20  # bytes that a solver may use; to be started takes a fifth of it
Ask = Callable[..., Any]


def asked(pools: int = 2, seconds: int = 0) -> Asked:
    """What a cycle asks: so many pools of a factory, as it is so many seconds after it was made."""
    it = cluster(factory("a", boxes=10, cubes=10), pool("t/flexible", boxes(10), systems=("box", "cube")))
    for k in range(1, pools):
        it.apply(pool(f"t/bound-{k}", boxes(10), systems=("box",)))
    it.tick(seconds)
    return Asked(build(it.world()))


def children() -> set[int]:
    return children_of(os.getpid())


class Questions:
    """A planner, and how often it woke the loop."""

    def __init__(self, **settings: Any) -> None:
        self.metrics = Metrics()
        chosen = {name: settings.pop(name) for name in Settings.model_fields.keys() & settings.keys()}
        at_leisure = {"patience": LONG, "solver_seconds": LONG}
        self.planner = Planner(self._wake, self.metrics, Settings(**at_leisure | chosen), **settings)
        self.wakes = self.wishes = 0
        self._woken = asyncio.Event()

    def cut_off_after(self, seconds: float) -> None:
        """Have what is asked from now on cut off after so long."""
        known: Settings = vars(self.planner)["_settings"]
        vars(self.planner)["_settings"] = known.model_copy(update={"solver_seconds": seconds})

    def _wake(self, *, wish: bool = False) -> None:
        self.wakes += 1
        self.wishes += wish
        self._woken.set()

    async def ask(self, what: Asked | None = None) -> Placed:
        """Ask as a cycle does: in a thread beside the event loop."""
        return await asyncio.to_thread(self.planner.place, what or asked())

    async def woken(self) -> None:
        async with asyncio.timeout(LONG):
            await self._woken.wait()
        self._woken.clear()

    async def answer(self, what: Asked | None = None) -> Placed:
        """Ask until this is answered, as a loop does."""
        what = what or asked()
        while not _answers(placed := await self.ask(what), what):
            await self.woken()
        return placed

    async def proof(self, what: Asked | None = None) -> Placed:
        """Ask until something is proved, or nothing will be."""
        while (placed := await self.answer(what)).certificate is None and placed.trouble is None:
            await self.woken()
        return placed

    def shown(self, name: str) -> float:
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def _answers(placed: Placed, what: Asked) -> bool:
    return placed.asked is not None and placed.asked.question == what.question


@pytest.fixture
async def made() -> AsyncIterator[Callable[..., Questions]]:
    """Make planners. Once they have stopped no process, no thread and no task is left."""
    before, threads, planners = children(), set(threading.enumerate()), []

    def make(**settings: Any) -> Questions:
        planners.append(Questions(**settings))
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


Make = Callable[..., Questions]


async def test_a_plan_wakes_the_loop_and_so_does_what_is_proved_about_it(made: Make) -> None:
    it = made()
    first = await it.ask()
    assert (first.solutions, first.soon) == ((), True)  # at once: nobody waits
    placed = await it.answer()
    (solution,) = placed.solutions
    expected = solve(asked().case.problem)
    assert all(np.array_equal(getattr(solution, f.name), getattr(expected, f.name)) for f in fields(expected))
    again = await it.proof()
    assert again.solutions is placed.solutions
    assert str(again.certificate) == "proved through priority 0 (100% of all wished GPUs)"
    assert (it.wakes, it.wishes) == (2, 1)  # nobody waits for a proof
    assert it.shown("aifactory_solve_seconds") > 0


async def test_who_waits_has_waited_long_enough_after_a_while(made: Make, gate: Path) -> None:
    it = made(solver=solvers.gated, patience=0.1)
    assert (await it.ask()).soon
    await it.woken()
    assert not (await it.ask()).soon
    # And is told when it comes all the same.
    await asyncio.to_thread(gate.write_bytes, b"")
    assert (await it.answer()).solutions


async def test_how_far_an_answer_was_carried_out_makes_no_new_question(made: Make) -> None:
    it = made()
    placed = await it.proof(asked())
    assert await it.ask(asked(seconds=60)) is placed
    assert it.wakes == 2


async def test_the_process_is_kept_warm(made: Make) -> None:
    it, before = made(), children()
    await it.proof()
    first = children() - before
    await it.proof(asked(3))
    assert children() - before == first
    assert len(first) == 1


async def test_things_as_they_would_be_are_answered_along(made: Make) -> None:
    what = Asked(asked(1).case, asked(2).case)
    placed = await made().answer(what)
    assert [s.new_units.sum() for s in placed.solutions] == [10, 20]


async def test_a_solver_that_hangs_is_cut_off_and_the_next_question_is_tried(made: Make) -> None:
    it, before = made(solver=solvers.hang_with_one_pool), children()
    it.cut_off_after(4.0)
    placed = await it.answer(asked(1))
    assert (placed.solutions, placed.soon) == ((), False)
    assert placed.trouble
    assert placed.trouble.reason == Stopped.TIMED_OUT
    assert placed.trouble.message == "the solver was cut off after 4 s"
    assert it.shown('aifactory_solves_cut_off_total{reason="SolverTimedOut"}') == 1
    assert await it.ask(asked(1)) == placed  # the same question is not tried again
    it.cut_off_after(LONG)
    assert (await it.answer(asked(2))).solutions
    assert len(children() - before) == 1  # of the one that hung nothing is left
    assert it.shown('aifactory_solves_cut_off_total{reason="SolverTimedOut"}') == 1


@pytest.mark.parametrize(
    ("solver", "message"),
    [
        (solvers.die, "the solver's process ended with exit code 7"),
        (solvers.die_within_an_answer, "the solver's process ended with exit code 7"),
        (solvers.babble, "the solver's process gave no answer (UnpicklingError)"),
        (solvers.babble_without_end, "the solver's process gave no answer (ValueError)"),
        (solvers.abort, "the solver's process was ended by SIGABRT, as where memory runs out"),
        (solvers.fail, "the solver failed (ArithmeticError: no way)"),
        (solvers.nothing, "the solver gave something else than a plan"),
        (solvers.floats, "the solver gave something else than a plan"),
    ],
)
async def test_a_solver_that_dies_or_answers_nonsense_is_given_up(
    made: Make, solver: Callable[..., Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    it, before = made(solver=solver), children()
    placed = await it.answer()
    assert (placed.solutions, placed.soon) == ((), False)
    assert placed.trouble
    assert (placed.trouble.reason, placed.trouble.message) == (Stopped.FAILED, message)
    assert f"the greedy engine decides: {message}" in caplog.text
    assert it.shown('aifactory_solves_cut_off_total{reason="SolverFailed"}') == 1
    assert await it.ask() == placed
    assert it.wakes == 1
    await it.planner.stop()
    assert children() == before


async def test_a_solver_that_fails_again_and_again_is_not_started_for_every_change(
    made: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    monkeypatch.setenv(solvers.GATE, str(started))
    it = made(
        solver=solvers.die_and_leave_a_mark, first_backoff=2 * LONG, longest_backoff=2 * LONG, patience=1
    )
    for pools in (1, 2):
        assert (await it.answer(asked(pools))).trouble
    await it.ask(asked(3))
    while (await it.ask(asked(3))).soon:
        await it.woken()
    assert started.read_text() == "xx"


@pytest.mark.parametrize("glutton", [solvers.hoard_at_first, solvers.seize_at_first])
async def test_a_solver_that_needs_too_much_memory_fails_alone_and_the_next_question_is_tried(
    made: Make, glutton: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    enough = tmp_path / "enough"
    monkeypatch.setenv(solvers.GATE, str(enough))
    monkeypatch.setattr("aifactory.shell.planner.memory", lambda: 2 * MEMORY)
    it, before = made(solver=glutton, solver_memory_percent=50), children()
    placed = await it.answer(asked(1))
    assert (placed.solutions, placed.soon) == ((), False)
    assert placed.trouble
    says = f"the solver's process needs more than the {MEMORY // 2**20} MiB of memory that it may use"
    assert (placed.trouble.reason, placed.trouble.message) == (Stopped.FAILED, says)
    enough.touch()
    assert (await it.answer(asked(2))).solutions
    assert len(children() - before) == 1


async def test_a_question_for_which_there_is_no_room_says_so(made: Make) -> None:
    it, before = made(), children()
    await it.proof(asked(1))
    (solver,) = children() - before
    resource.prlimit(solver, resource.RLIMIT_DATA, (0, 0))
    large = asked(2)
    vars(large.case.problem)["allowed"] = np.zeros((2, 2**24), dtype=np.bool_)
    placed = await it.answer(large)
    assert placed.trouble
    assert "MiB of memory that it may use" in placed.trouble.message
    assert (await it.answer(asked(3))).solutions


async def test_the_kernel_would_take_the_solver_first(made: Make) -> None:
    it, before = made(), children()
    await it.answer()
    (solver,) = children() - before
    said = await asyncio.to_thread(Path(f"/proc/{solver}/oom_score_adj").read_text)
    assert int(said) == 1000


async def test_a_bug_in_asking_makes_nobody_wait_for_ever(
    made: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> None:
        raise KeyError("pool")

    monkeypatch.setattr("aifactory.shell.process.Worker.call", broken)
    placed = await made().answer()
    assert (placed.solutions, placed.soon) == ((), False)
    assert placed.trouble
    assert placed.trouble.message == "the solver could not be asked (KeyError: 'pool')"
    assert "Traceback" in caplog.text


async def test_an_answer_that_stops_in_the_middle_is_cut_off(made: Make) -> None:
    placed = await made(solver=solvers.hang_within_an_answer, solver_seconds=1.0).answer()
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
        await it.proof()  # a process that is warm answers in time on a busy machine, too
        it.cut_off_after(4.0)
    placed = await it.answer(asked(1))
    assert placed.solutions
    then = await it.proof(asked(1))
    assert then.solutions is placed.solutions
    assert then.certificate is None
    assert then.trouble
    assert then.trouble.reason == reason


async def test_a_question_is_answered_although_another_one_is_asked_meanwhile(made: Make, gate: Path) -> None:
    it, before = made(solver=solvers.gated_with_one_pool), children()
    await it.ask(asked(1))
    assert (await it.ask(asked(2))).soon
    await asyncio.to_thread(gate.write_bytes, b"")
    await it.woken()
    earlier = await it.ask(asked(2))
    assert earlier.solutions
    assert earlier.asked
    assert earlier.asked.question == asked(1).question
    assert (earlier.certificate, earlier.soon) == (None, True)  # nobody needs a proof of that any more
    assert (await it.proof(asked(2))).certificate
    assert len(children() - before) == 1
    assert it.shown('aifactory_solves_cut_off_total{reason="SolverTimedOut"}') == 0


async def test_a_proof_that_nobody_needs_any_more_makes_way(made: Make) -> None:
    it, before = made(certifier=solvers.hang_certifying_one_pool), children()
    await it.answer(asked(1))
    assert (await it.proof(asked(2))).certificate
    assert len(children() - before) == 1
    assert it.shown('aifactory_solves_cut_off_total{reason="SolverTimedOut"}') == 0
    assert it.shown('aifactory_solves_cut_off_total{reason="SolverFailed"}') == 0


@pytest.mark.parametrize("others", [(2,), (2, 1, 2), (2, 3)])
async def test_a_question_that_comes_back_is_proved_although_its_proof_had_made_way(
    made: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: tuple[int, ...]
) -> None:
    marker = tmp_path / "began"
    monkeypatch.setenv(solvers.GATE, str(marker))
    it, before = made(certifier=solvers.hang_certifying_once), children()
    placed = await it.answer(asked(1))
    await asyncio.to_thread(wait_until, marker.exists, "its proof has begun")
    for pools in others:
        await it.ask(asked(pools))
    assert (await it.ask(asked(1))).solutions is placed.solutions
    then = await it.proof(asked(1))
    assert then.certificate
    assert then.solutions is placed.solutions  # nothing is solved anew
    assert len(children() - before) == 1


async def test_of_many_questions_that_are_asked_meanwhile_only_the_newest_is_answered(
    made: Make, gate: Path
) -> None:
    it = made(solver=solvers.gated_with_one_pool)
    for pools in (1, 2, 3, 5, 4):
        await it.ask(asked(pools))
    await asyncio.to_thread(gate.write_bytes, b"")
    await it.proof(asked(4))
    assert it.wakes == 3  # two answers and one proof


async def test_what_is_asked_once_more_before_anything_else_was_begun_is_not_asked_twice(
    made: Make, gate: Path
) -> None:
    it = made(solver=solvers.gated_with_one_pool)
    for pools in (1, 2, 1):
        await it.ask(asked(pools))
    await asyncio.to_thread(gate.write_bytes, b"")
    await it.proof(asked(1))
    assert it.wakes == 2  # an answer and a proof


async def test_the_wait_counts_from_the_first_question_that_is_still_open(made: Make, gate: Path) -> None:
    it = made(solver=solvers.gated, patience=0.1)
    await it.ask(asked(2))
    await it.woken()
    assert not (await it.ask(asked(1))).soon  # one who asks something new each second does not put it off
    await asyncio.to_thread(gate.write_bytes, b"")
    await it.woken()
    await asyncio.to_thread(gate.write_bytes, b"")
    assert (await it.answer(asked(1))).solutions


async def test_what_an_earlier_answer_means_is_worked_out_by_who_asks_and_not_in_the_loop(
    made: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ten thousand pools it takes a while, and the Lease has to be renewed."""
    threads = list[threading.Thread]()

    def noted(*what: Any) -> Any:
        threads.append(threading.current_thread())
        return adopt(*what)

    monkeypatch.setattr("aifactory.decide.place.placed.adopt", noted)
    it = made()
    await it.proof(asked(1))
    assert (await it.ask(asked(2))).means
    assert threads
    assert threading.current_thread() not in threads


async def test_what_is_printed_gets_not_between_the_answers(made: Make) -> None:
    assert (await made(solver=solvers.chatty).answer()).solutions


async def test_who_asks_once_it_has_stopped_is_told_nothing_and_begins_nothing(made: Make) -> None:
    """The thread of a cycle may still ask while the operator ends."""
    it, before = made(solver=solvers.hang), children()
    await it.ask()
    await it.planner.stop()
    assert await it.ask(asked(1)) == await it.ask() == Placed()
    assert asyncio.all_tasks() <= {asyncio.current_task()}
    assert children() == before


async def test_nothing_is_left_of_a_solver_that_hangs_when_the_planner_stops(made: Make) -> None:
    it = made(solver=solvers.hang)
    await it.ask()
    await it.planner.stop()


def test_it_ends_with_the_operator_even_if_that_was_killed() -> None:
    script = (
        "import asyncio, os, signal\n"
        "from aifactory.shell.metrics import Metrics\n"
        "from aifactory.shell.planner import Planner\n"
        "from aifactory.shell.settings import Settings\n"
        "from unit.shell import solvers\n"
        "from unit.shell.test_planner import asked, children\n"
        "async def main():\n"
        "    planner = Planner(lambda **_: None, Metrics(), Settings(), solver=solvers.hang)\n"
        "    await asyncio.to_thread(planner.place, asked())\n"
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
