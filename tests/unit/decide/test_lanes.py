"""Limits are enforced at once; who waits for a place waits for a better plan as long as one may come."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifactory.decide.model.build import build
from aifactory.decide.model.plan import Drain, Order, Plan
from aifactory.decide.place.lanes import choose
from aifactory.decide.place.placed import Asked, Placed, Placer, nothing_yet
from aifactory_solver import certify, solve
from thorough import sample
from unit.decide.build import boxes, factory, pool
from unit.decide.fleets import SITES, some_factory, some_pool
from unit.decide.operated import Cluster, cluster

DFW = factory("dfw", boxes=2, cubes=2)
# The greedy engine gives the flexible pool its first system, which is the only one of the other pool.
FLEXIBLE = pool("a/flexible", boxes(2), systems=("box", "cube"))
LARGE = factory("dfw", boxes=200, quota=10_000)
TIGHT = factory("dfw", boxes=12, quota=40)  # for four boxes
BOUND = pool("b/bound", boxes(2), systems=("box",))


def soon(asked: Asked) -> Placed:
    return Placed(soon=True)


def solved(asked: Asked) -> Placed:
    """A full answer, as it is later when the case is another one."""
    solutions = tuple(map(solve, asked.problems))
    return Placed(solutions, certify(asked.problems[0], solutions[0]), asked=asked)


class Late:
    """A solver that has answered a question once and for all."""

    def __init__(self, *, still: bool = False) -> None:
        self.answer: Placed | None = None
        self.still = still  # whether another answer may come soon

    def __call__(self, asked: Asked) -> Placed:
        self.answer = self.answer or solved(asked)
        if self.answer.asked is not None and self.answer.asked.question == asked.question:
            return self.answer
        return Placed(self.answer.solutions, asked=self.answer.asked, soon=self.still)


def ordered(it: Cluster, placer: object = soon) -> set[str]:
    """The pools for which something is ordered now; it is carried out."""
    plan = it.decide(placer)  # type: ignore[arg-type]
    it.carry_out(plan)
    it.tick()
    return {str(action.pool) for action in plan.actions if isinstance(action, Order)}


def test_who_waits_for_a_place_waits_for_the_better_plan() -> None:
    it = cluster(DFW, FLEXIBLE, BOUND)
    assert ordered(it) == ordered(it) == set()
    assert ordered(it, solved) == {"a/flexible", "b/bound"}


def test_who_has_waited_long_enough_is_served_all_the_same() -> None:
    it = cluster(DFW, FLEXIBLE, BOUND)
    assert ordered(it) == set()
    assert ordered(it, nothing_yet) == {"a/flexible"}


def test_who_waits_for_the_better_plan_is_told_nothing_yet() -> None:
    it = cluster(DFW, FLEXIBLE, BOUND)
    ordered(it)
    assert "conditions" not in it.statuses.get("a/flexible", {})
    assert it.says("dfw", "Certified") == "False: Solving"


def long(asked: Asked) -> Placed:
    return Placed(soon=True, within=40)


def brief(it: Cluster, placer: Placer = nothing_yet) -> Plan:
    """What is decided after a decision that took too long; it is carried out."""
    plan = it.decide(placer, brief=True)
    it.carry_out(plan)
    it.tick()
    return plan


def test_where_a_better_plan_takes_long_who_has_nothing_says_that_it_is_being_computed() -> None:
    it = cluster(DFW, FLEXIBLE, BOUND)
    assert ordered(it, long) == set()
    for path in ("a/flexible", "b/bound"):
        assert it.says(path, "Ready") == it.says(path, "Placed") == "False: Planning"
        assert (it.says(path, "Reconciling"), it.says(path, "Stalled")) == ("True: Planning", "")
        assert "decided on after about 40 s" in it.tells(path, "Ready")
        assert it.statuses[path]["waiting"]["reason"] == "Planning"
    # The same is not said twice, and it is no event, nor is its end.
    again = it.decide(long)
    assert not it.writes(again)
    assert not again.events
    plan = it.decide(solved)
    assert not plan.events
    it.carry_out(plan)
    for path in ("a/flexible", "b/bound"):
        assert it.says(path, "Placed") == "True: Placed"
        assert "waiting" not in it.statuses[path]


def test_what_a_pool_was_told_is_not_taken_back_while_another_plan_is_being_computed() -> None:
    train = pool("a/train", boxes(2), at_least=boxes(1))
    it = cluster(TIGHT, train, pool("b/large", boxes(9)), pool("c/large", boxes(9))).settle()
    said = it.says("b/large", "Ready")
    assert said == "False: InsufficientPower"
    it.edit("c/large", gpus=boxes(8)).edit("a/train", gpus=boxes(3))
    ordered(it, long)
    assert it.says("b/large", "Ready") == said
    assert it.says("a/train", "Placed") == "True: PartlyPlaced"  # it holds something
    assert it.says("c/large", "Ready") == "False: Planning"  # it wishes for something else
    ordered(it, solved)
    assert it.says("c/large", "Stalled") == "True: InsufficientPower"


def test_who_is_not_placed_by_the_better_plan_says_why_and_not_that_it_is_being_computed() -> None:
    it = cluster(TIGHT, pool("b/large", boxes(9)))
    ordered(it, long)
    assert it.says("b/large", "Reconciling") == "True: Planning"
    ordered(it, solved)
    assert (it.says("b/large", "Stalled"), it.says("b/large", "Reconciling")) == (
        "True: InsufficientPower",
        "",
    )


def test_a_brief_decision_places_nobody_by_itself_and_says_so() -> None:
    it = cluster(LARGE, pool("a/train", boxes(2)))
    for _ in range(3):
        assert not [action for action in brief(it).actions if isinstance(action, Order)]
    assert it.says("a/train", "Reconciling") == "True: Planning"
    assert "after about" not in it.tells("a/train", "Ready")
    brief(it, solved)
    assert it.gpus("a/train") == (boxes(2),)
    assert it.says("dfw", "Certified").startswith("True: ")


def test_a_brief_decision_goes_on_with_what_was_adopted() -> None:
    it = cluster(DFW, FLEXIBLE, BOUND)
    it.carry_out(it.decide(solved), stop_after=3)
    it.tick()
    for _ in range(4):
        brief(it)
    assert it.gpus("a/flexible", "b/bound") == (boxes(2), boxes(2))


def test_a_brief_decision_meets_a_lowered_limit_and_finds_another_place_for_who_loses_one() -> None:
    it = cluster(factory("dfw", boxes=4), pool("a/train", boxes(4), at_least=boxes(1))).settle()
    it.apply(pool("b/late", boxes(2), priority=1)).edit("dfw", quota=20)
    assert sum(isinstance(action, Drain) for action in brief(it).actions) == 2
    it = cluster(factory("dfw", boxes=4), factory("sjc", boxes=4), pool("a/train", boxes(2))).settle()
    (site,) = {place.split("/")[0] for place in it.units("a/train")}
    it.edit(site, drain=True)
    assert {str(action.pool) for action in brief(it).actions if isinstance(action, Order)} == {"a/train"}


def test_a_brief_decision_uses_no_plan_that_the_checker_refuses() -> None:
    it = cluster(DFW, FLEXIBLE, BOUND)
    asked = Asked(build(it.world()))
    answer = solved(asked)
    (solution,) = answer.solutions
    spoilt = replace(solution, new_units=solution.new_units + 100)
    choice = choose(asked, replace(answer, solutions=(spoilt,), asked=None), None, brief=True)
    assert (choice.solution.new_units.size, choice.answer.certificate) == (0, None)
    assert choice.answer.trouble


def test_a_few_gpus_that_fit_are_given_at_once() -> None:
    it = cluster(LARGE, pool("a/train", boxes(2)))
    assert ordered(it) == {"a/train"}


def test_a_few_gpus_that_fit_are_not_given_ahead_of_a_higher_priority() -> None:
    it = cluster(LARGE, pool("a/train", boxes(2)), pool("b/large", boxes(90), priority=1))
    assert ordered(it) == set()
    it = cluster(LARGE, pool("a/train", boxes(2), priority=2), pool("b/large", boxes(90)))
    assert ordered(it) == {"a/train"}


def test_a_few_gpus_that_another_pool_would_have_to_give_up_are_not_given_at_once() -> None:
    it = cluster(LARGE, factory("sjc", boxes=4), pool("a/low", boxes(4), preemptible=True, only_in=("sjc",)))
    it.settle().apply(pool("b/high", boxes(2), priority=1, only_in=("sjc",)))
    before = it.nodes_of("a/low")
    for _ in range(3):
        assert ordered(it) == set()
    assert it.nodes_of("a/low") == before
    for _ in range(3):
        ordered(it, solved)
    assert it.gpus("b/high") == (boxes(2),)


@pytest.mark.parametrize("placer", [soon, nothing_yet])
def test_a_lowered_limit_is_met_at_once_whoever_waits(placer: object) -> None:
    it = cluster(factory("dfw", boxes=4), pool("a/train", boxes(4), at_least=boxes(1))).settle()
    it.apply(pool("b/late", boxes(2), priority=1)).edit("dfw", quota=20)
    plan = it.decide(placer)  # type: ignore[arg-type]
    assert sum(isinstance(action, Drain) for action in plan.actions) == 2


def test_who_loses_its_place_to_a_drain_finds_another_one_at_once() -> None:
    it = cluster(factory("dfw", boxes=4), factory("sjc", boxes=4), pool("a/train", boxes(2))).settle()
    (site,) = {place.split("/")[0] for place in it.units("a/train")}
    it.edit(site, drain=True)
    assert ordered(it) == {"a/train"}


def test_nobody_grows_ahead_of_the_better_plan() -> None:
    it = cluster(
        factory("dfw", boxes=4), pool("a/one", boxes(2)), pool("b/grows", boxes(4), at_least=boxes(1))
    )
    it.settle()
    assert it.gpus("b/grows") == (boxes(2),)
    it.remove("a/one")
    for _ in range(4):
        assert ordered(it) == set()
    assert ordered(it, solved) == {"b/grows"}


def test_orders_of_the_adopted_plan_go_on_while_something_else_is_asked() -> None:
    it = cluster(DFW, FLEXIBLE, BOUND)
    it.carry_out(it.decide(solved), stop_after=3)
    it.tick().apply(pool("c/new", boxes(2)))
    assert ordered(it) <= {"a/flexible", "b/bound"}
    for _ in range(4):
        ordered(it)
    assert it.gpus("a/flexible", "b/bound", "c/new") == (boxes(2), boxes(2), 0)


def test_an_answer_to_what_was_asked_before_leads_whoever_is_in_it() -> None:
    it, late = cluster(DFW, FLEXIBLE, BOUND), Late(still=True)
    late.answer = solved(Asked(build(it.world())))
    it.tick().apply(pool("c/new", boxes(2)))
    assert ordered(it, late) == {"a/flexible", "b/bound"}
    assert it.settle().gpus("a/flexible", "b/bound", "c/new") == (boxes(2), boxes(2), 0)


def test_an_answer_that_comes_after_others_were_served_mends_what_can_be_mended() -> None:
    it = cluster(factory("dfw", boxes=4, cubes=2), FLEXIBLE, BOUND)
    late = Late()
    late.answer = solved(Asked(build(it.world())))
    it.carry_out(it.decide(nothing_yet), stop_after=3)
    it.tick()
    for _ in range(6):
        ordered(it, late)
    assert it.gpus("a/flexible", "b/bound") == (boxes(2), boxes(2))


def test_nothing_is_claimed_as_proved_of_a_plan_that_is_not_the_proved_one() -> None:
    """What was adopted can be no more, although nobody asks for anything else."""
    it = cluster(DFW, FLEXIBLE, BOUND)
    asked = Asked(build(it.world()))
    answer = solved(asked)
    first = choose(asked, answer, None)
    adopted = first.adopted(asked.case, first.solution)
    assert choose(asked, answer, adopted).answer.certificate
    spoilt = replace(adopted, units={where: units + 100 for where, units in adopted.units.items()})
    other = choose(asked, answer, spoilt)
    assert (other.followed, other.answer.certificate) == (False, None)


def test_an_edit_that_decides_nothing_asks_nothing_new() -> None:
    it = cluster(DFW, FLEXIBLE, BOUND).settle()
    before = build(it.world()).question
    it.edit("dfw", labels={"touched": "1"}).edit("a/flexible", drain_timeout=601)
    assert build(it.world()).question == before
    changes: tuple[dict[str, Any], ...] = ({"quota": 30}, {"drain": True}, {"paused": True}, {"boxes": 3})
    for change in changes:
        assert build(it.edit("dfw", **change).world()).question != before
        it.apply(DFW)
    for change in (
        {"priority": 1},
        {"gpus": 8},
        {"systems": ("cube",)},
        {"pack": "Fabric"},
        {"paused": True},
    ):
        assert build(it.edit("a/flexible", **change).world()).question != before
        it.apply(FLEXIBLE)


def test_how_far_a_plan_was_carried_out_is_no_new_question() -> None:
    it = cluster(factory("dfw", boxes=4), pool("a/train", boxes(3)), pool("b/late", boxes(2)))
    before = build(it.world()).question
    for _ in range(12):
        it.carry_out(it.decide(), stop_after=1)
        it.tick()
        assert build(it.world()).question == before
    it.lose(it.nodes_of("a/train")[0])
    assert build(it.world()).question == before


class Slow:
    """A solver that is asked each time and answers now and then, as the planner does."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.last: Placed | None = None
        self.now: Asked | None = None

    def __call__(self, asked: Asked) -> Placed:
        self.now = self.now or asked
        if self.dice.random() < 0.3:
            self.last, self.now = solved(self.now), None
        last = self.last
        if last is not None and last.asked is not None and last.asked.question == asked.question:
            return last
        late = self.dice.random() < 0.1
        return Placed(last.solutions if last else (), asked=last.asked if last else None, soon=not late)


@settings(deadline=None, max_examples=sample(30))
@given(st.integers(0, 10_000))
def test_whenever_plans_come_limits_hold_and_it_settles_where_nobody_is_left_out(seed: int) -> None:
    """Every plan is judged, and every write; at rest the checker finds nobody who could be served."""
    dice, it = Random(seed), Cluster()
    slow = Slow(dice)
    it.boot, it.linger = dice.choice((1, 3)), dice.choice((0, 1, 2))
    for name in SITES[: dice.randint(1, 3)]:
        it.apply(some_factory(dice, name))
    for number in range(dice.randint(4, 12)):
        it.tick().apply(some_pool(dice, f"tenant-{number % 3}/pool-{number}"))
    quiet = 0
    for turn in range(120):
        if turn in (5, 10):
            it.apply(some_pool(dice, f"tenant-9/late-{turn}"))
        if turn == 8:
            it.edit(SITES[0], quota=dice.randint(0, 200))
        made = it.carry_out(it.decide(slow), stop_after=dice.randint(1, 6))
        it.tick()
        quiet = 0 if made or it.pending else quiet + 1
        if quiet > 12 and turn > 20:
            break
    else:
        raise AssertionError("it never settles")
    it.settle()
