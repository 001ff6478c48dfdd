"""Domain instances out of service, in both shapes, and what makes no sense but freezes nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifactory.api.power import unknown_instances
from aifactory.api.reading import parse_factory
from aifactory.cli.admission import admit
from unit.api.bad_objects import FACTORY, changed
from unit.decide.build import BOX_WATTS, boxes, factory, pool
from unit.decide.count import committed
from unit.decide.operated import settled

NAMES = st.sampled_from(["hall", "hall-2", "row", "row-1", "pdu", "a-12"])
SEGMENTS = st.sampled_from(
    ["hall", "hall-1", "hall-2", "hall-3", "row", "row-1", "row-2", "pdu-2", "a-12", "a-12-2"]
)


@pytest.mark.parametrize("shape", ["out_of_service", "maintenance"])
def test_both_shapes_empty_a_domain_and_let_it_fill_again(shape: str) -> None:
    it = settled(factory("dfw", halls=2, boxes=2), pool("a/train", boxes(3), at_least=boxes(1)))
    it.edit("dfw", **{shape: ("hall-2",)}).settle()
    assert it.units("a/train") == {"dfw/hall": 2}
    it.edit("dfw", **{shape: ()}).settle()
    assert sum(it.units("a/train").values()) == 3


def test_one_shape_does_not_end_what_the_other_says() -> None:
    it = settled(factory("dfw", halls=3, boxes=1), pool("a/train", boxes(3), at_least=boxes(1)))
    it.edit("dfw", out_of_service=("hall-2",), maintenance=("hall-3",)).settle()
    assert it.units("a/train") == {"dfw/hall": 1}
    it.edit("dfw", out_of_service=()).settle()
    assert it.units("a/train") == {"dfw/hall": 1, "dfw/hall-2": 1}


@pytest.mark.parametrize("shape", ["out_of_service", "maintenance"])
def test_an_instance_that_does_not_exist_freezes_nothing_and_is_told(shape: str) -> None:
    it = settled(factory("dfw", halls=2, boxes=2), pool("a/train", boxes(4), at_least=boxes(1)))
    it.edit("dfw", quota=2 * BOX_WATTS, **{shape: ("hall-9", "hall-2")}).settle()
    assert committed(it.factories["dfw"], it.nodes.values())[""] == 2 * BOX_WATTS
    assert it.units("a/train") == {"dfw/hall": 2}
    assert it.says("dfw", "Ready") == "False: UnknownInstance"
    assert "hall-9" in it.tells("dfw", "Ready")
    assert it.says("dfw", "WithinLimits") == "True: WithinLimits"
    it.edit("dfw", **{shape: ("hall-2",)}).settle()
    assert it.says("dfw", "Ready") == "True: AsPlanned"


def test_a_quota_that_carries_no_unit_is_in_force_and_told() -> None:
    it = settled(factory("dfw", boxes=4), pool("a/train", boxes(2)))
    it.edit("dfw", quota=BOX_WATTS - 1).settle()
    assert it.nodes_of("a/train") == []
    assert it.says("dfw", "Ready") == "False: QuotaTooSmall"
    assert f"{BOX_WATTS - 1} W" in it.tells("dfw", "Ready")
    assert f"{BOX_WATTS} W" in it.tells("dfw", "Ready")


@pytest.mark.parametrize("words", [{"quota": 0}, {"quota": BOX_WATTS}, {"quota": 1, "boxes": 0}])
def test_an_outage_and_a_site_without_racks_are_no_mistakes(words: dict[str, int]) -> None:
    it = settled(factory("dfw", boxes=4).but(**words))
    assert it.says("dfw", "Ready") == "True: AsPlanned"


def test_overhead_and_pue_count_in_what_a_quota_carries() -> None:
    it = settled(factory("dfw", boxes=4, quota=2 * BOX_WATTS, pue="2", overhead=10))
    assert it.says("dfw", "Ready") == "False: QuotaTooSmall"


@settings(deadline=None)
@given(
    st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.integers(1, 3), max_size=6),
    st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join),
)
def test_the_rule_at_apply_and_ours_say_the_same(domains: dict[str, int], listed: str) -> None:
    power = [{"path": path, "count": count, "limit": 1} for path, count in domains.items()]
    words = {"spec.power.domains": power, "spec.racks": [], "spec.outOfService": [listed]}
    obj = changed(FACTORY, words)
    problems = admit(obj).problems
    if any(problem.path == "spec.power.domains" for problem in problems):
        return

    ours = bool(unknown_instances(parse_factory(obj).spec.power, [listed]))
    assert bool(problems) == ours
