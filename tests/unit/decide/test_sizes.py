"""What a decision costs grows with what there is, and not with what could be there."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import pytest

from aifactory.api.factory import MOST_NODES
from aifactory.api.reading import parse_factory, parse_pool
from aifactory.decide import Plan, World, decide
from aifactory.decide import decide as deciding
from aifactory.decide.act import actions
from aifactory.decide.model.layout import Slots
from aifactory.decide.model.plan import Order
from aifactory_solver.explain.stretch import Stretch
from thorough import sample
from unit.decide.build import boxes, factory, pool, racks
from unit.decide.heavy import MOST_BYTES, MOST_SECONDS, cost, worlds
from unit.decide.operated import cluster

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def planned(site: Any, *wishes: Any) -> Callable[[], Plan]:
    """A decision that can be made."""
    world = World(
        factories=(parse_factory(site.manifest()),),
        pools=tuple(parse_pool(wish.manifest()) for wish in wishes),
    )
    return lambda: decide(world, NOW)


def calls(work: Callable[[], object]) -> int:
    """Functions that are called while some work is done."""
    count = 0

    def called(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def halls(count: int, **words: Any) -> Any:
    return factory("dfw", halls=10, rows=count // 10, boxes=1, **words)


def test_work_grows_with_the_instances_and_not_faster() -> None:
    few, many = (calls(planned(halls(n), pool("a/t", boxes(1)))) for n in (1000, 4000))
    assert many < 4.4 * few


def test_what_is_out_of_service_costs_no_walk_over_all_instances() -> None:
    shut = tuple(f"hall-{1 + n % 10}/row-{1 + n}" for n in range(256))
    none, all_of_it = (
        calls(planned(halls(3000, out_of_service=paths), pool("a/t", boxes(1)))) for paths in ((), shut)
    )
    assert all_of_it < 1.2 * none


def test_slots_that_nobody_uses_cost_nothing() -> None:
    def site(count: int, nodes: int) -> Any:
        return factory(
            "dfw", groups=({"domain": "hall", "system": "box", "count": count, "nodesPerRack": nodes},)
        )

    assert MOST_NODES == 10_000 * 200
    one, most = (calls(planned(site(*size), pool("a/t", boxes(1)))) for size in ((1, 1), (10_000, 200)))
    assert most < 1.1 * one


@pytest.mark.parametrize("seed", range(100, 100 + sample(6)))
def test_what_the_schema_allows_is_decided_within_bounds(seed: int) -> None:
    """A sample; `python -m unit.decide.heavy` searches for longer. The limit is the processor's time."""
    spent = cost(next(worlds(seed)), 3 * MOST_SECONDS)
    assert spent is not None
    assert spent[1] < MOST_BYTES


def test_a_slot_is_taken_out_of_many_without_counting_them() -> None:
    slots = Slots(3, 2)
    assert [*slots] == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]
    fewer = slots.without([(1, 2), (3, 3), (4, 1), (1, 2), (0, 1), (2, 0)])
    assert [*fewer] == [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2)]
    assert len(fewer) == 5
    assert (1, 2) in slots
    assert (1, 2) not in fewer
    assert [*Slots(3, 0).without([(2, 0), (2, 1)])] == [(1, 0), (3, 0)]


def test_one_decision_orders_no_more_than_can_be_made_before_the_next() -> None:
    group = {"domain": "hall", "system": "box", "count": 10_000, "nodesPerRack": 200}
    plan = planned(factory("dfw", quota="1G", hall="1G", groups=(group,)), pool("a/t", boxes(1_000_000)))()
    assert sum(isinstance(action, Order) for action in plan.actions) == actions.MOST_ORDERS
    assert plan.again_after is not None
    assert plan.again_after <= 1


def test_no_room_is_made_up_for_a_wish_that_could_never_be_met(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be that of a million slots, one by one."""

    def fails(*_: object) -> None:
        raise AssertionError("room is made up")

    monkeypatch.setattr(Stretch, "place", fails)
    plan = planned(halls(1000), pool("a/t", 10_000_000))()
    (status,) = (write.status for write in plan.statuses if write.name == "t")
    assert status["waiting"]["reason"] == "NeverFits"
    assert status["waiting"]["shortUnits"] == 10_000_000 // boxes(1) - 1000


@pytest.mark.parametrize("most", [1, 3, 5])
def test_orders_that_are_left_to_the_next_cycle_come_then(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    for module in (actions, sys.modules[deciding.__module__]):
        monkeypatch.setattr(module, "MOST_ORDERS", most)
    it = cluster(
        factory("dfw", boxes=12, racks=2),
        pool("a/train", boxes(7), priority=1),
        pool("b/wide", boxes(6), at_least=boxes(2)),
        pool("c/rack", racks(2), systems=("rack",)),
    ).settle()
    assert it.gpus("a/train", "b/wide", "c/rack") == (boxes(7), boxes(5), racks(2))
