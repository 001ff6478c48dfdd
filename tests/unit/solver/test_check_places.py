"""The checker, rules 6 and 7: systems, factories and topology; each broken on purpose."""

import pytest

from unit.solver.build import World
from unit.solver.halls import halls, mixed


def test_a_pool_ends_on_one_system() -> None:
    made = mixed().pool("p", 8, minimum=6, systems=("one", "two"))
    assert made.broken({"p": {"a one": 2, "a two": 2}}) == [
        "one system: pool 0 (priority 0) ends on systems [0, 1]"
    ]


def test_a_pool_does_not_grow_on_another_system_than_it_stands_on() -> None:
    made = mixed().pool("p", 8, minimum=2, systems=("one", "two")).stands("p", "a", 2)
    assert made.broken({"p": {"a two": 2}}) == ["one system: pool 0 (priority 0) ends on systems [0, 1]"]


def test_a_pool_gets_only_systems_that_it_lists() -> None:
    made = mixed().pool("p", 4, minimum=0, systems=("one",))
    assert made.broken({"p": {"a two": 2}}) == [
        "system: pool 0 (priority 0) gets 2 new units in cell 1 of system 1, and accepts [0]"
    ]


def test_a_pool_does_not_grow_on_a_system_that_it_no_longer_lists() -> None:
    made = mixed().pool("p", 4, minimum=2, systems=("two",)).stands("p", "a", 2, "one", fits=False)
    assert made.broken() == []
    assert made.broken({"p": {"a one": 2}}) == [
        "system: pool 0 (priority 0) gets 2 new units in cell 0 of system 0, and accepts [1]"
    ]


def test_a_pool_gets_only_factories_where_it_may_stand() -> None:
    made = mixed().pool("p", 4, minimum=0, factories=("b",))
    assert made.broken({"p": {"a": 4}}) == [
        "factory: pool 0 (priority 0) gets 4 new units in cell 0 in factory 0, where it may not stand"
    ]


@pytest.mark.parametrize(
    ("pack", "near", "far"),
    [
        ("factory", "a/hall-2/row-1", "b/hall-1/row-1"),
        ("fabric", "a/hall-1/row-2", "a/hall-2/row-1"),
        ("hall", "a/hall-1/row-2", "a/hall-2/row-1"),
        ("hall/row", "a/hall-1/row-1", "a/hall-1/row-2"),
    ],
)
def test_a_packed_pool_stays_together(pack: str, near: str, far: str) -> None:
    made = halls().pool("p", 4, minimum=2, pack=pack).stands("p", "a/hall-1/row-1", 2)
    assert made.broken({"p": {near: 2}}) == []
    (line,) = made.broken({"p": {far: 2}})
    assert line.startswith("pack: pool 0 (priority 0) ends in 2 groups, 1 is allowed: 2 in domain ")


def test_a_packed_pool_needs_a_group() -> None:
    made = World().factory("a").slots("a", 4).slots("a", 4, "two", fabric=None)
    made.pool("p", 4, minimum=0, systems=("two",), pack="fabric").pool("q", 4, minimum=0, pack="hall")
    assert made.broken({"p": {"a": 2}, "q": {"a": 4}}) == [
        "pack: pool 0 (priority 0) ends with 2 units outside any group",
        "pack: pool 1 (priority 0) ends with 4 units outside any group",
    ]


def test_a_spread_pool_stands_in_enough_places() -> None:
    made = halls().pool("p", 4, minimum=0, spread=2)
    assert made.broken({"p": {"a/hall-1/row-1": 2, "b/hall-1/row-1": 2}}) == []
    assert made.broken({"p": {"a/hall-1/row-1": 2, "a/hall-2/row-1": 2}}) == [
        "spread: pool 0 (priority 0) ends in 1 places, 1 fewer than its 2",
        "spread: pool 0 (priority 0) ends with 4 of 4 units in the place of domain 0, 2 above its share of 2",
    ]


def test_a_spread_pool_keeps_the_share_of_each_place() -> None:
    made = halls().pool("p", 6, minimum=0, spread=3, over="hall")
    sound = {"a/hall-1/row-1": 2, "a/hall-2/row-1": 2, "b/hall-1/row-2": 2}
    assert made.broken({"p": sound}) == []
    assert made.broken({"p": {**sound, "a/hall-1/row-1": 3, "b/hall-1/row-2": 1}}) == [
        "spread: pool 0 (priority 0) ends with 3 of 6 units in the place of domain 1, 1 above its share of 2"
    ]


def test_a_place_that_a_loss_left_too_large_is_left_alone() -> None:
    made = halls().pool("p", 6, minimum=0, spread=2).stands("p", "a/hall-1/row-1", 4)
    assert made.broken() == []
    assert made.broken({"p": {"b/hall-1/row-1": 1}}) == []
    assert made.broken({"p": {"b/hall-1/row-1": 1, "a/hall-1/row-2": 1}}) == [
        "spread: pool 0 (priority 0) ends with 5 of 6 units in the place of domain 0, 2 above its share of 3"
    ]


def test_a_unit_outside_any_place_stays_but_not_beside_a_changed_pools_new_ones() -> None:
    made = (
        halls().slots("a", 1).pool("p", 3, minimum=0, spread=2, over="hall").stands("p", "a", 1, fits=False)
    )
    new = {"p": {"a/hall-1/row-1": 1, "b/hall-1/row-1": 1}}
    assert made.broken(new) == []
    made.pools["p"].changed = True
    assert made.broken(new) == ["spread: pool 0 (priority 0) ends with 1 units outside any place"]


def test_giving_back_keeps_the_spread() -> None:
    made = halls().pool("p", 4, minimum=2, spread=2)
    made.stands("p", "a/hall-1/row-1", 4).stands("p", "b/hall-1/row-1", 4)
    assert made.broken(p=[2, 2]) == []
    assert made.broken(p=[3, 1]) == [
        "spread: pool 0 (priority 0) ends with 3 of 4 units in the place of domain 0, 1 above its share of 2"
    ]
    assert "spread: pool 0 (priority 0) ends in 1 places, 1 fewer than its 2" in made.broken(p=[0, 4])


def test_giving_back_skips_numbers_that_no_split_allows() -> None:
    # Of 3, 3 and 1 over three places, 6 would need 2, 2 and 2; so 5 are left: 2, 2 and 1.
    made = halls().pool("p", 6, minimum=3, spread=3, over="hall")
    made.stands("p", "a/hall-1/row-1", 3).stands("p", "a/hall-2/row-1", 3).stands("p", "b/hall-1/row-1", 1)
    assert made.broken(p=[2, 2, 1]) == []
    assert made.broken(p=[2, 1, 1]) == [
        "calm: pool 0 (priority 0) keeps 4 of 7 units, 1 fewer than the 5 that its own spec leaves it"
    ]
    made.pools["p"].minimum = 6  # and here nothing is left to shrink to
    assert made.broken() == []
