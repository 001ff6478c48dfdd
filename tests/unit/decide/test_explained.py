"""Reasons take time: what is done never waits for them, each is worked out once, and everybody has a turn."""

from collections import Counter
from importlib import import_module
from typing import Any

import pytest

from aifactory.decide import Given, Plan, begin, finish, tell
from aifactory.decide.model.world import PoolKey
from aifactory.decide.place.checked import checked
from aifactory.decide.report.explained import Reasons
from aifactory.decide.report.fair import in_turns
from aifactory.decide.report.reasons import searched
from unit.decide.build import boxes, factory, pool
from unit.decide.operated import Cluster, cluster
from unit.decide.rooms import module_of

FULL = (factory("dfw", boxes=4), pool("a/full", boxes(4), priority=9))
FLOOD = tuple(pool(f"b/flood-{n:02}", boxes(1 + n % 4), priority=8) for n in range(20))


def never() -> bool:
    return False


def flooded() -> Cluster:
    """A factory that is full, twenty pools of one tenant that wait, and one of another."""
    it = cluster(*FULL).settle()
    return it.apply(*FLOOD, pool("z/late", boxes(2)))


def said(plan: Plan) -> dict[str, Any]:
    return {f"{w.namespace}/{w.name}": w.status for w in plan.statuses if w.kind == "GPUPool"}


def rounds(it: Cluster, before: Reasons = Reasons()) -> list[tuple[Plan, Reasons]]:  # noqa: B008
    """Reports with time for a single reason each, until all are known."""
    found = []
    while True:
        plan, before = finish(begin(Given(it.world(), it.now, reasons=before)), more=never)
        found.append((plan, before))
        if not before.open:
            return found
        assert len(found) <= len(it.objects)


def test_in_the_end_everybody_has_heard_what_a_decision_with_all_time_says() -> None:
    it = flooded()
    last, _ = rounds(it)[-1]
    assert said(last) == said(it.decide())


def test_who_has_no_reason_yet_keeps_the_status_that_it_has() -> None:
    it = flooded()
    (first, known), *_ = rounds(it)
    assert known.open == len(FLOOD)
    assert said(first).keys() == {"a/full", "b/flood-00"}


def test_whoever_leads_next_takes_no_reason_back_that_it_has_not_worked_out_itself() -> None:
    it = cluster(*FULL, pool("a/grows", boxes(6), at_least=0), pool("b/waits", boxes(2))).settle()
    assert all("waiting" in it.statuses[path] for path in ("a/grows", "b/waits"))
    assert it.writes(tell(begin(Given(it.world(), it.now))).plan) == []


def test_a_tenant_with_one_pool_does_not_wait_for_one_with_many() -> None:
    plans = [plan for plan, _ in rounds(flooded())]
    assert "z/late" in said(plans[1])


def test_what_is_done_does_not_depend_on_what_is_explained() -> None:
    it = cluster(*FULL, *FLOOD)
    (first, _), *_ = rounds(it)
    assert first.actions == it.decide().actions != ()


def test_a_reason_is_worked_out_once_while_nothing_else_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    it, sought = flooded(), Counter[PoolKey]()

    def counted(case: Any, explainer: Any, key: PoolKey) -> Any:
        sought[key] += 1
        return searched(case, explainer, key)

    monkeypatch.setattr(import_module(module_of("explained")), "searched", counted)
    _, known = rounds(it)[-1]
    assert set(sought.values()) == {1}
    plan, again = finish(begin(Given(it.world(), it.now, reasons=known)))
    assert set(sought.values()) == {1}
    assert (again.turn, again.open) == (known.turn, 0)
    assert said(plan).keys() >= {"z/late", "b/flood-00"}
    # Another question: all of them are worked out again, and say meanwhile what they said.
    it.edit("dfw", boxes=5)
    plan, again = finish(begin(Given(it.world(), it.now, reasons=known)), more=never)
    assert sum(sought.values()) == len(sought) + 1
    assert again.open > 0
    assert said(plan)["z/late"]["waiting"]["reason"] == "InsufficientUnits"


def test_an_edited_pool_is_not_told_why_it_waited_before() -> None:
    it = flooded()
    _, known = rounds(it)[-1]
    it.edit("z/late", gpus=boxes(9))
    plans = []
    for _ in range(2):
        plan, known = finish(begin(Given(it.world(), it.now, reasons=known)), more=never)
        plans.append(plan)
    for plan in plans:
        now = said(plan).get("z/late")
        assert now is None or now["waiting"]["reason"] == "NeverFits"
    assert "z/late" in said(plans[-1])


def test_an_elastic_pool_is_told_what_it_has_before_why_it_has_no_more() -> None:
    it = cluster(*FULL).settle().apply(*FLOOD, factory("sjc", boxes=1))
    it.apply(pool("z/elastic", boxes(2), at_least=boxes(1), only_in=("sjc",), priority=10)).settle()
    it.edit("dfw", boxes=5)  # all reasons are asked for again
    plan, _ = finish(begin(Given(it.world(), it.now)), more=never)
    assert said(plan)["z/elastic"]["gpus"] == boxes(1)


def test_a_pool_that_has_lost_its_place_is_told_at_once() -> None:
    it = cluster(factory("dfw", boxes=4), pool("y/spare", boxes(4), preemptible=True)).settle()
    it.apply(*FLOOD)
    plan, reasons = finish(begin(Given(it.world(), it.now)), more=never)
    assert reasons.open
    assert said(plan)["y/spare"]["waiting"]["reason"] == "InsufficientUnits"
    assert it.settle().says("y/spare", "Ready") == "False: InsufficientUnits"


def test_a_pool_that_waits_is_written_nothing_to_but_its_status() -> None:
    it = flooded()
    assert it.decide().actions == ()
    it.settle()
    assert it.objects["z/late"].metadata.finalizers == ()


def test_turns() -> None:
    assert in_turns(["a1", "a2", "a3", "b1", "c1", "b2"], lambda it: it[0]) == [
        *("a1", "b1", "c1"),
        *("a2", "b2"),
        "a3",
    ]


def test_what_would_be_if_nothing_were_paused_is_worked_out_once_and_after_all_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = flooded().apply(factory("sjc", boxes=4, paused=True))
    solved = Counter[str]()

    def counted(problem: Any, *rest: Any) -> Any:
        solved["of what is paused"] += 1
        return checked(problem, *rest)

    monkeypatch.setattr(import_module(module_of("statuses")), "checked", counted)
    first = finish(begin(Given(it.world(), it.now)), more=never)
    assert (first[1].open > 0, solved.total()) == (True, 0)
    last, known = rounds(it)[-1]
    message = said(last)["b/flood-03"]["waiting"]["message"]
    assert message.endswith("If nothing were paused it would have 4 units in sjc/hall.")
    solved.clear()
    plan, _ = finish(begin(Given(it.world(), it.now, reasons=known)))
    assert solved.total() == 0
    assert said(plan)["b/flood-03"] == said(last)["b/flood-03"]
