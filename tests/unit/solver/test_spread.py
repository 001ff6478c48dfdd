"""Spread, by its rules: how units are split, what a loss does, and what a pool keeps when a place is lost."""

from unit.solver.build import World


def places(*watts: int) -> World:
    """Factories a, b, c ... each with a limit."""
    made = World()
    for name, limit in zip("abcdef", watts, strict=False):
        made.factory(name, limit).slots(name, 100)
    return made


def test_a_spread_pool_is_split_evenly_enough() -> None:
    plan = places(50, 50, 50).pool("p", 7, spread=3).solve()
    assert sorted(plan.holds("p").values()) in ([1, 3, 3], [2, 2, 3])


def test_a_spread_pool_needs_its_places() -> None:
    assert places(50, 50).pool("p", 7, minimum=0, spread=3).solve().total("p") == 0
    assert places(50, 50, 1).pool("p", 3, spread=3).solve().holds("p") == {"a": 1, "b": 1, "c": 1}


def test_a_wish_for_fewer_units_than_places_never_fits() -> None:
    assert places(50, 50, 50).pool("p", 2, spread=3).solve().total("p") == 0


def test_a_spread_pool_of_nothing_gives_up_all() -> None:
    made = places(5, 5).pool("p", 0, spread=2).stands("p", "a", 1).stands("p", "b", 1)
    assert made.solve().total("p") == 0


def test_what_a_limit_leaves_of_a_spread_pool_is_not_above_its_wish() -> None:
    """Two locked units and one in another place is a share, but one too many."""
    made = places(5, 1).pool("p", 2, minimum=0, spread=2)
    made.stands("p", "a", 2, locked=True).stands("p", "b", 2)
    assert made.solve().holds("p") == {"a": 2}


def test_the_minimum_of_a_spread_pool_is_a_unit_in_each_place() -> None:
    made = places(1, 1, 1).pool("p", 9, minimum=1, spread=3)
    assert made.solve().total("p") == 3


def test_numbers_that_no_split_allows_are_skipped() -> None:
    # Of at most 3, 3 and 1 units, 7 are 3 + 3 + 1, but 6 would need three times 2.
    assert places(3, 3, 1).pool("p", 7, minimum=3, spread=3).solve().total("p") == 7
    assert places(3, 3, 1).pool("p", 6, minimum=3, spread=3).solve().total("p") == 5
    assert places(2, 3, 1).pool("p", 9, minimum=3, spread=3).solve().total("p") == 5


def test_a_spread_pool_that_loses_one_place_keeps_the_others() -> None:
    # What it keeps is not free for others, though it could not stand there alone.
    made = places(1, 0, 2).pool("waits", 1, priority=2).pool("p", 2, priority=1, spread=2)
    made.stands("p", "a", 1).stands("p", "b", 1)
    plan = made.solve()
    assert plan.kept("p") == {"a": 1}
    assert plan.new("p") == {"c": 1}
    assert plan.holds("waits") == {"c": 1}


def test_a_spread_pool_that_loses_one_place_keeps_the_others_where_a_lower_pool_has_to_go() -> None:
    made = places(1, 0, 1).pool("p", 2, priority=2, spread=2)
    made.pool("low", 1, priority=1, preemptible=True)
    made.stands("p", "a", 1).stands("p", "b", 1).stands("low", "c", 1)
    plan = made.solve()
    assert plan.kept("p") == {"a": 1}
    assert plan.new("p") == {"c": 1}


def test_a_spread_pool_that_loses_one_place_stays_on_its_system() -> None:
    """Placed anew it would go to the system that it would rather have."""
    made = World()
    for name in "abcde":
        made.factory(name, 0 if name == "b" else 9).slots(name, 2, "two" if name in "de" else "one")
    made.pool("p", 4, spread=2, systems=("two", "one")).stands("p", "a", 2, "one").stands("p", "b", 2, "one")
    plan = made.solve()
    assert plan.kept("p") == {"a": 2}
    assert plan.new("p") == {"c": 2}


def test_a_spread_pool_that_finds_no_other_place_leaves_all_of_them() -> None:
    made = places(1, 0).pool("p", 2, priority=2, spread=2).pool("low", 1, priority=1)
    made.stands("p", "a", 1).stands("p", "b", 1)
    plan = made.solve()
    assert plan.total("p") == 0
    assert plan.holds("low") == {"a": 1}


def test_a_loss_does_not_shrink_a_spread_pool() -> None:
    made = places(50, 50).pool("p", 6, minimum=2, spread=2).stands("p", "a", 4)
    plan = made.solve()
    assert plan.kept("p") == {"a": 4}
    assert set(plan.new("p")) <= {"b"}
    made.factory("b", 0)
    assert made.solve().holds("p") == {"a": 4}


def test_domains_of_all_factories_count_as_places() -> None:
    made = World()
    for path in ("a/hall-1", "a/hall-2", "b/hall"):
        made.factory(path[0]).domain(path, 4).slots(path, 9)
    plan = made.pool("p", 12, spread=3, over="hall").solve()
    assert plan.holds("p") == {"a/hall-1": 4, "a/hall-2": 4, "b/hall": 4}
