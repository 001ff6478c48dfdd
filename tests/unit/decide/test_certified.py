"""What a factory says of how good the plan is: every case, and no write where nothing changed."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from aifactory.decide import Plan, decide
from aifactory.decide.place.placed import Asked, Placed, Placer, Stopped, Trouble, nothing_yet
from aifactory_solver import Certificate, Solution, certify, solve, solve_plainly
from unit.decide.build import boxes, factory, pool
from unit.decide.operated import Cluster, cluster, status_of

DFW = factory("dfw", boxes=2, cubes=2)
# The safe plan gives the flexible pool its first system, which is the only one of the other pool.
FLEXIBLE = pool("a/flexible", boxes(2), systems=("box", "cube"))
BOUND = pool("b/bound", boxes(2), systems=("box",))
SLOW = Trouble(Stopped.TIMED_OUT, "the solver was cut off after 120 s")
DEAD = Trouble(Stopped.FAILED, "the solver's process ended with exit code 1")


def better(asked: Asked) -> Placed:
    return Placed(tuple(map(solve, asked.problems)))


def proved(asked: Asked) -> Placed:
    solutions = tuple(map(solve, asked.problems))
    return Placed(solutions, certify(asked.problems[0], solutions[0]))


def bounded(asked: Asked) -> Placed:
    return Placed(tuple(map(solve, asked.problems)), Certificate((), 7, 8, 24, 16))


def given_up(asked: Asked) -> Placed:
    return replace(better(asked), trouble=SLOW)


def refused(asked: Asked) -> Placed:
    """Nobody keeps anything, and somebody gets too much."""
    plan = solve_plainly(asked.problems[0])
    wrong = Solution(np.zeros_like(plan.kept), plan.new_pool, plan.new_cell, plan.new_units + 100)
    return Placed((wrong, *map(solve, asked.problems[1:])))


def cycle(it: Cluster, placer: Placer) -> Plan:
    plan = decide(it.world(), it.now, placer)
    it.carry_out(plan)
    it.tick()
    return plan


@pytest.mark.parametrize(
    ("placer", "says", "tells"),
    [
        (nothing_yet, "False: Solving", "The adopted plan is in use; a better one is being computed."),
        (better, "False: Solving", "A better plan is in use; what is proved about it is being computed."),
        (proved, "True: Optimal", "proved through priority 0 (100% of all wished GPUs)"),
        (
            bounded,
            "True: Bounded",
            "proved through priority 7 (33% of all wished GPUs); in the next band at most 16 GPUs more",
        ),
        (
            lambda _: Placed(trouble=SLOW),
            "False: SolverTimedOut",
            "The adopted plan is in use: the solver was cut off after 120 s.",
        ),
        (
            lambda _: Placed(trouble=DEAD),
            "False: SolverFailed",
            "The adopted plan is in use: the solver's process ended with exit code 1.",
        ),
        (
            given_up,
            "False: SolverTimedOut",
            "A better plan is in use, nothing is proved: the solver was cut off after 120 s.",
        ),
        (refused, "False: SolverFailed", "The adopted plan is in use: the checker refused a better one."),
    ],
)
def test_every_factory_says_which_plan_is_in_use_and_what_is_proved(
    placer: Placer, says: str, tells: str
) -> None:
    it = cluster(DFW, factory("sjc", boxes=1), FLEXIBLE, BOUND)
    for _ in range(4):
        plan = cycle(it, placer)
    for path in ("dfw", "sjc"):
        assert it.says(path, "Certified") == says
        assert it.tells(path, "Certified") == tells
        assert it.says(path, "Ready").startswith("True")
    assert not any("Certified" in event.message for event in plan.events)
    # And nothing is written where nothing changed.
    assert it.writes(decide(it.world(), it.now, placer)) == []


def test_a_better_plan_is_used_where_there_is_one() -> None:
    it = cluster(DFW, FLEXIBLE, BOUND)
    assert status_of(decide(it.world(), it.now, nothing_yet), "b/bound")["gpus"] == 0
    assert status_of(decide(it.world(), it.now, better), "b/bound")["gpus"] == boxes(2)


def test_a_refused_plan_is_logged_and_the_safe_one_is_used() -> None:
    it = cluster(DFW, FLEXIBLE, BOUND)
    plan, safe = decide(it.world(), it.now, refused), decide(it.world(), it.now)
    assert plan.placings == safe.placings
    assert plan.actions == safe.actions
    assert [line.split(":")[0] for line in plan.log] == ["The checker refused the better plan"]


def test_the_time_moves_only_when_the_status_does() -> None:
    it = cluster(DFW, FLEXIBLE, BOUND)
    since = []
    for placer in (nothing_yet, better, given_up, proved, proved):
        it.tick(60)
        cycle(it, placer)
        since.append(it.conditions("dfw")["Certified"].last_transition_time)
    assert since[0] == since[1] == since[2] < since[3] == since[4]
    assert since[3] - since[0] > timedelta(seconds=100)


def test_a_world_without_pools_is_all_proved() -> None:
    it = cluster(DFW)
    cycle(it, proved)
    assert it.says("dfw", "Certified") == "True: Optimal"
    assert it.tells("dfw", "Certified") == "no pool asks for GPUs"


def test_what_would_be_if_nothing_were_paused_is_asked_along_and_comes_from_the_same_solver() -> None:
    it = cluster(DFW.but(paused=True), FLEXIBLE, BOUND)
    numbers = []

    def placer(asked: Asked) -> Placed:
        numbers.append(len(asked.problems))
        return proved(asked)

    for _ in range(3):
        cycle(it, placer)
    assert numbers == [2] * 3
    assert "2 units in dfw/hall" in it.tells("b/bound", "Stalled")
    for _ in range(3):
        cycle(it, nothing_yet)
    assert "2 units in dfw/hall" not in it.tells("b/bound", "Stalled")
    assert "2 units in dfw/hall" in it.tells("a/flexible", "Stalled")


# Shadow prices


def prices(it: Cluster, site: str) -> dict[str, str]:
    """GPUs for a MW more by domain, and for a unit more by system."""
    found = it.statuses[site].get("prices", {"domains": [], "systems": []})
    return {
        **{entry["domain"]: entry["gpusPerMegawatt"] for entry in found["domains"]},
        **{entry["system"]: entry["gpusPerUnit"] for entry in found["systems"]},
    }


def test_the_limit_that_binds_says_what_more_of_it_is_worth() -> None:
    """A box of 8 GPUs draws 10 W: 800,000 GPUs for each MW."""
    site = factory("dfw", halls=2, hall=25, boxes=9)
    it = cluster(site, factory("sjc", boxes=1), pool("a/t", boxes(4), priority=3), pool("b/late", boxes(2)))
    it.edit("a/t", only_in=("dfw",)).edit("b/late", only_in=("dfw",))
    for _ in range(4):
        cycle(it, proved)
    assert prices(it, "dfw") == {"hall-1": "800000", "hall-2": "800000"}
    found = it.statuses["dfw"]["prices"]
    assert (found["highestPriority"], found["lowestPriority"]) == (0, 0)
    assert "prices" not in it.statuses["sjc"]
    assert it.writes(decide(it.world(), it.now, proved)) == []


def test_a_system_of_which_units_are_short_says_what_one_more_is_worth() -> None:
    it = cluster(factory("dfw", boxes=2), pool("a/t", boxes(2), priority=3), pool("b/late"))
    cycle(it, proved)
    assert prices(it, "dfw") == {"box": "8"}


def test_prices_go_with_the_certificate_and_with_the_last_pool_that_waits() -> None:
    it = cluster(factory("dfw", boxes=2), pool("a/t", boxes(2), priority=3), pool("b/late"))
    cycle(it, proved)
    assert prices(it, "dfw")
    cycle(it, better)  # nothing is proved (yet)
    assert "prices" not in it.statuses["dfw"]
    cycle(it, proved)
    assert prices(it, "dfw")
    it.delete("b/late")
    cycle(it, proved)
    assert "prices" not in it.statuses["dfw"]


def test_a_status_names_the_dearest_limits_only_and_a_plan_all() -> None:
    it = cluster(factory("dfw", halls=40, hall=10, boxes=2), pool("a/t", boxes(41)))
    plan = cycle(it, proved)
    assert len(it.statuses["dfw"]["prices"]["domains"]) == 16
    assert len(plan.prices["dfw"].domains) == 40
