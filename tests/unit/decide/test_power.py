"""Promise 1: power, in exact watts, at every level and on every step of the way."""

import pytest

from aifactory.decide.model.plan import Delete, Drain, Order, StatusWrite
from unit.decide.build import boxes, factory, pool, racks
from unit.decide.count import committed, excess
from unit.decide.operated import Cluster, cluster, settled, status_of


def limit_of(it: Cluster, name: str) -> int:
    power = it.factories[name].status.power
    assert power is not None
    return power.limit


# Watts are exact integers


def test_a_unit_is_rounded_up_with_its_overhead() -> None:
    # 10 W and 13.6 % are 11.36 W, so 12 W.
    it = settled(factory("dfw", overhead="13.6", boxes=4), pool("a/train", boxes(3)))
    assert it.pools["a/train"].status.watts == 3 * 12


def test_overhead_counts_with_critical_it_too() -> None:
    # 10 W and 10 % are exactly 11 W: three fit below 33 W, not below 32 W.
    it = settled(factory("dfw", quota=32, overhead=10, boxes=4), pool("a/train", boxes(4), at_least=0))
    assert it.gpus("a/train") == (boxes(2),)
    assert it.edit("dfw", quota=33).settle().gpus("a/train") == (boxes(3),)


def test_fractions_of_a_watt_in_a_system_are_kept_until_the_unit_is_rounded() -> None:
    # 9.5 W and 5 % are 9.975 W, so 10 W; rounding 9.5 up first would give 11 W.
    half = {"box": {"maxWatts": "9.5"}}
    it = settled(factory("dfw", overhead=5, boxes=4, systems=half), pool("a/train", boxes(1)))
    assert it.pools["a/train"].status.watts == 10


def test_a_limit_is_rounded_down() -> None:
    it = settled(factory("dfw", hall="29.9", boxes=4), pool("a/train", boxes(4), at_least=0))
    assert it.gpus("a/train") == (boxes(2),)


def test_the_quota_at_the_meter_is_divided_by_the_pue_and_rounded_down() -> None:
    # 100 W / 1.18 = 84.745... W of IT power.
    it = settled(factory("dfw", quota=100, pue="1.18", boxes=9), pool("a/train", boxes(9), at_least=0))
    assert limit_of(it, "dfw") == 84
    assert it.gpus("a/train") == (boxes(8),)


def test_the_quota_of_critical_it_counts_whole() -> None:
    it = settled(factory("dfw", quota="99.9", boxes=9))
    assert limit_of(it, "dfw") == 99


def test_a_limit_of_nothing_is_an_outage() -> None:
    it = settled(factory("dfw", quota=0, boxes=4), pool("a/train"))
    assert it.gpus("a/train") == (0,)
    assert it.statuses["a/train"]["waiting"]["shortWatts"] == 10
    assert it.says("dfw", "WithinLimits") == "True: WithinLimits"


def test_status_shows_exact_watts() -> None:
    it = settled(factory("dfw", quota=12_345, overhead="0.1", boxes=4), pool("a/train", boxes(2)))
    power = it.factories["dfw"].status.power
    assert power is not None
    assert (power.limit, power.committed, power.reserved, power.free) == (12_345, 22, 22, 12_323)


def test_watts_are_taken_per_factory() -> None:
    hungry = factory("sjc", quota=40, boxes=4, systems={"box": {"maxWatts": 20}})
    it = settled(factory("dfw", quota=40, boxes=4), hungry, pool("a/train", boxes(8), at_least=0))
    assert it.units("a/train") == {"dfw/hall": 4, "sjc/hall": 2}


# At every level


@pytest.mark.parametrize("level", ["quota", "hall", "row"])
def test_every_level_of_the_tree_binds(level: str) -> None:
    site = factory("dfw", rows=1, boxes=9).but(**{level: 40})
    assert settled(site, pool("a/train", boxes(9), at_least=0)).gpus("a/train") == (boxes(4),)


def test_a_unit_counts_in_each_domain_above_it() -> None:
    it = settled(factory("dfw", halls=2, rows=2, boxes=1), pool("a/train", boxes(3)))
    load = committed(it.factories["dfw"], it.nodes.values())
    assert load[""] == 30
    assert sum(load[h] for h in ("hall", "hall-2")) == 30
    assert sum(load[f"{h}/{r}"] for h in ("hall", "hall-2") for r in ("row", "row-2")) == 30


def test_a_rack_counts_whole_from_its_first_node_to_its_last() -> None:
    one_rack = pool("a/train", racks(1), systems=("rack",))
    it = settled(factory("dfw", quota=40, racks=2), one_rack, one_rack.but(path="b/next"))
    plan = it.delete("a/train").cycle()
    while len(it.nodes_of("a/train")) > 1:
        assert not [a for a in plan.actions if isinstance(a, Order)]
        plan = it.decide()
        it.carry_out(plan, stop_after=1)
    assert committed(it.factories["dfw"], it.nodes.values())[""] == 40
    assert not [a for a in it.decide().actions if isinstance(a, Order)]
    assert it.settle().gpus("b/next") == (racks(1),)


# Generations


def test_a_new_generation_is_written_before_any_order() -> None:
    it = cluster(factory("dfw", boxes=4), pool("a/train"))
    plan = it.decide()
    writes = it.writes(plan)
    seen = [isinstance(w, StatusWrite) and w.name == "dfw" for w in writes]
    ordered = [isinstance(w, Order) for w in writes]
    assert seen.index(True) < ordered.index(True)
    assert status_of(plan, "dfw")["observedGeneration"] == 1


def test_a_raised_limit_counts_only_after_it_is_written() -> None:
    it = settled(factory("dfw", quota=20, boxes=4), pool("a/train", boxes(4), at_least=0))
    it.edit("dfw", quota=40)
    plan = it.decide()
    assert isinstance(it.writes(plan)[0], StatusWrite)
    it.carry_out(plan, stop_after=1)
    assert it.factories["dfw"].status.observed_generation == 2
    assert len(it.nodes) == 2
    it.settle()
    assert len(it.nodes) == 4


def test_a_limit_that_falls_between_the_decision_and_its_writes_is_kept_in_the_next_cycle() -> None:
    it = settled(factory("dfw", quota=40, boxes=4)).apply(pool("a/train", boxes(4), at_least=0))
    plan = it.decide()
    it.edit("dfw", quota=10)
    it.carry_out(plan)
    assert it.factories["dfw"].status.observed_generation == 1
    assert not excess(it)
    assert it.settle().gpus("a/train") == (boxes(1),)


# Terminate before create


def test_a_unit_is_only_asked_for_when_its_power_is_free_as_observed() -> None:
    low, high = pool("a/low", boxes(2), preemptible=True), pool("b/high", boxes(2), priority=1)
    it = settled(factory("dfw", quota=20, boxes=4), low, linger=3).apply(high)
    seen_gone = False
    for _ in range(12):
        plan = it.decide()
        if any(isinstance(a, Order) for a in plan.actions):
            seen_gone = not it.nodes_of("a/low")
            break
        it.carry_out(plan)
        it.tick()
    assert seen_gone
    assert it.settle().gpus("a/low", "b/high") == (0, boxes(2))


def test_a_backend_that_denies_a_deletion_frees_nothing() -> None:
    low, high = pool("a/low", boxes(2), preemptible=True), pool("b/high", boxes(2), priority=1)
    it = settled(factory("dfw", quota=20, boxes=4), low, linger=3, denies=True)
    assert it.apply(high).settle().gpus("a/low", "b/high") == (0, boxes(2))


def test_what_frees_power_comes_before_what_uses_it() -> None:
    low, high = (
        pool("a/low", boxes(2), preemptible=True),
        pool("b/high", boxes(1), priority=1, only_in=("dfw",)),
    )
    it = settled(factory("dfw", quota=20, boxes=4), low, pool("c/other", boxes(1), only_in=("sjc",)))
    it.apply(high, factory("sjc", boxes=1))
    kinds = [type(a) for a in it.decide().actions if isinstance(a, Drain | Delete | Order)]
    assert kinds == sorted(kinds, key=lambda kind: kind is Order)
    assert {Drain, Order} <= set(kinds)


def test_an_excess_only_falls() -> None:
    it = settled(factory("dfw", halls=2, boxes=4), pool("a/train", boxes(8), at_least=0), linger=2)
    it.edit("dfw", quota=30)
    sizes = []
    for _ in range(12):
        it.cycle()
        sizes.append(excess(it).get(("dfw", ""), 0))
    assert sizes == sorted(sizes, reverse=True)
    assert (max(sizes), sizes[-1]) == (50, 0)
    assert it.settle().gpus("a/train") == (boxes(3),)
