"""When a limit falls: only priority decides who gives way, and each does the mildest that suffices."""

import pytest

from aifactory.decide.model.plan import Order
from unit.decide.build import boxes, factory, pool, racks
from unit.decide.operated import settled, status_of

SITE = factory("dfw", boxes=8)


def test_the_lowest_priority_gives_way_first() -> None:
    it = settled(SITE, *(pool(f"a/p{i}", boxes(2), priority=i) for i in (2, 0, 3, 1)))
    it.edit("dfw", quota=60).settle()
    assert it.gpus("a/p0", "a/p1", "a/p2", "a/p3") == (0, boxes(2), boxes(2), boxes(2))
    it.edit("dfw", quota=20).settle()
    assert it.gpus("a/p0", "a/p1", "a/p2", "a/p3") == (0, 0, 0, boxes(2))


def test_preemptible_does_not_protect() -> None:
    it = settled(
        SITE, pool("a/firm", boxes(4), priority=0), pool("b/soft", boxes(4), priority=1, preemptible=True)
    )
    assert it.edit("dfw", quota=40).settle().gpus("a/firm", "b/soft") == (0, boxes(4))


def test_who_has_free_room_elsewhere_moves_there() -> None:
    it = settled(SITE, pool("a/low", boxes(4)), pool("b/high", boxes(4), priority=1))
    it.apply(factory("sjc", boxes=4)).edit("dfw", quota=40).settle()
    assert it.units("a/low") == {"sjc/hall": 4}
    assert it.units("b/high") == {"dfw/hall": 4}


def test_who_cannot_move_shrinks_to_its_minimum() -> None:
    it = settled(SITE, pool("a/low", boxes(4), at_least=boxes(1)), pool("b/high", boxes(4), priority=1))
    it.edit("dfw", quota=60).settle()
    assert it.gpus("a/low", "b/high") == (boxes(2), boxes(4))
    it.edit("dfw", quota=50).settle()
    assert it.gpus("a/low", "b/high") == (boxes(1), boxes(4))


def test_who_cannot_shrink_enough_goes_whole() -> None:
    it = settled(SITE, pool("a/low", boxes(4), at_least=boxes(2)), pool("b/high", boxes(4), priority=1))
    it.edit("dfw", quota=50).settle()
    assert it.gpus("a/low", "b/high") == (0, boxes(4))


def test_only_then_the_next_priority_is_asked() -> None:
    it = settled(
        SITE,
        pool("a/low", boxes(2)),
        pool("b/middle", boxes(3), at_least=boxes(1), priority=1),
        pool("c/high", boxes(3), at_least=boxes(1), priority=2),
    )
    it.edit("dfw", quota=40).settle()
    assert it.gpus("a/low", "b/middle", "c/high") == (0, boxes(1), boxes(3))


@pytest.mark.parametrize(
    ("first", "second"),
    [("DataProcessing", "Training"), ("Training", "Inference"), ("DataProcessing", "Inference")],
)
def test_among_equals_purpose_decides(first: str, second: str) -> None:
    it = settled(SITE, pool("a/one", boxes(4), purpose=first), pool("b/two", boxes(4), purpose=second))
    assert it.edit("dfw", quota=40).settle().gpus("a/one", "b/two") == (0, boxes(4))
    it = settled(SITE, pool("b/two", boxes(4), purpose=second), pool("a/one", boxes(4), purpose=first))
    assert it.edit("dfw", quota=40).settle().gpus("a/one", "b/two") == (0, boxes(4))


def test_then_the_younger_gives_way() -> None:
    it = settled(SITE, pool("b/older", boxes(4)), pool("a/younger", boxes(4)))
    assert it.edit("dfw", quota=40).settle().gpus("b/older", "a/younger") == (boxes(4), 0)


def test_a_whole_pool_goes_where_its_topology_leaves_no_smaller_choice() -> None:
    it = settled(factory("dfw", halls=2, boxes=4), pool("a/train", boxes(8), at_least=boxes(8)))
    assert it.edit("dfw", hall=30).settle().gpus("a/train") == (0,)


def test_one_exceeded_row_moves_units_within_the_factory() -> None:
    site = factory("dfw", halls=1, rows=2, boxes=4)
    it = settled(site, pool("a/train", boxes(4)))
    assert it.units("a/train") == {"dfw/hall/row": 4}
    it.edit("dfw", row=20).settle()
    assert it.units("a/train") == {"dfw/hall/row": 2, "dfw/hall/row-2": 2}


def test_who_is_displaced_may_preempt_elsewhere() -> None:
    it = settled(
        SITE,
        factory("sjc", boxes=4),
        pool("a/soft", boxes(4), preemptible=True, only_in=("sjc",)),
        pool("b/high", boxes(8), priority=1, only_in=("dfw",)),
        pool("c/moved", boxes(4), priority=2, only_in=("dfw",)),
    )
    assert it.gpus("b/high", "c/moved") == (boxes(8), 0)
    it.edit("c/moved", only_in=()).settle()
    assert it.gpus("a/soft", "c/moved") == (0, boxes(4))


def test_outside_the_exceeded_domain_who_is_not_preemptible_stays() -> None:
    it = settled(
        SITE,
        factory("sjc", boxes=4),
        pool("a/firm", boxes(4), only_in=("sjc",)),
        pool("b/high", boxes(4), priority=9),
    )
    assert it.units("b/high") == {"dfw/hall": 4}
    it.edit("dfw", quota=0).settle()
    assert it.gpus("a/firm", "b/high") == (boxes(4), 0)


def test_a_raised_overhead_acts_as_a_lowered_limit() -> None:
    it = settled(SITE.but(quota=80), pool("a/low", boxes(4)), pool("b/high", boxes(4), priority=1))
    it.edit("dfw", overhead=10).settle()
    assert it.gpus("a/low", "b/high") == (0, boxes(4))


def test_raised_watts_of_a_system_act_as_a_lowered_limit() -> None:
    it = settled(SITE.but(quota=80), pool("a/low", boxes(4)), pool("b/high", boxes(4), priority=1))
    it.edit("dfw", systems={"box": {"maxWatts": 20}}).settle()
    assert it.gpus("a/low", "b/high") == (0, boxes(4))


def test_a_raised_pue_acts_as_a_lowered_limit() -> None:
    it = settled(SITE.but(quota=96, pue="1.2"), pool("a/low", boxes(4)), pool("b/high", boxes(4), priority=1))
    it.edit("dfw", pue="1.25").settle()  # 96 W at the meter: from 80 W of IT power to 76 W
    assert it.gpus("a/low", "b/high") == (0, boxes(4))


def test_racks_are_shed_whole() -> None:
    it = settled(factory("dfw", racks=4), pool("a/train", racks(4), at_least=racks(1), systems=("rack",)))
    it.edit("dfw", quota=119).settle()
    assert it.gpus("a/train") == (racks(2),)


def test_everything_goes_in_an_outage() -> None:
    it = settled(SITE, pool("a/one", boxes(4), priority=5), pool("b/two", boxes(4), at_least=0))
    assert it.edit("dfw", quota=0).settle().gpus("a/one", "b/two") == (0, 0)


def test_all_come_back_when_the_limit_does() -> None:
    it = settled(SITE, pool("a/one", boxes(4), priority=5), pool("b/two", boxes(4), at_least=0))
    it.edit("dfw", quota=0).settle()
    assert it.edit("dfw", quota=80).settle().gpus("a/one", "b/two") == (boxes(4), boxes(4))


def test_the_factory_says_that_it_sheds() -> None:
    it = settled(SITE, pool("a/train", boxes(8), at_least=0), linger=2)
    it.edit("dfw", quota=30)
    for _ in range(2):
        plan = it.decide()
        says = {c["type"]: c for c in status_of(plan, "dfw")["conditions"]}
        assert (says["WithinLimits"]["status"], says["WithinLimits"]["reason"]) == ("False", "Shedding")
        assert "Reconciling" in says
        assert "Stalled" not in says
        it.carry_out(plan)
        it.tick()
    assert it.settle().says("dfw", "WithinLimits") == "True: WithinLimits"


def test_what_waits_for_an_excess_to_fall_is_not_ordered_meanwhile() -> None:
    it = settled(SITE.but(quota=40), pool("a/train", boxes(4), at_least=0, preemptible=True))
    it.edit("dfw", quota=20).apply(pool("b/high", boxes(1), priority=9))
    assert not any(isinstance(a, Order) for a in it.decide().actions)
    assert it.settle().gpus("a/train", "b/high") == (boxes(1), boxes(1))


def test_a_limit_touches_who_is_not_preemptible_only_as_far_as_it_forces() -> None:
    it = settled(SITE.but(quota=40), pool("a/firm", boxes(4), at_least=0))
    it.edit("dfw", quota=20).apply(pool("b/high", boxes(1), priority=9)).settle()
    assert it.gpus("a/firm", "b/high") == (boxes(2), 0)
