"""Pools that move: where a changed spec wants them, and all of it where they are asked again."""

from unit.solver.build import World


def test_a_changed_pool_moves_when_the_new_place_fits_and_not_before() -> None:
    made = World().factory("a", 5).factory("b", 4).slots("a", 9).slots("b", 9)
    made.pool("p", 5, changed=True, factories=("b",)).stands("p", "a", 5, fits=False)
    assert made.solve().holds("p") == {"a": 5}
    assert made.factory("b", 5).solve().holds("p") == {"b": 5}


def test_what_a_factory_changed_moves_nobody() -> None:
    made = World().factory("a", 5).factory("b", 5).slots("a", 9).slots("b", 9)
    made.pool("p", 5, factories=("b",)).stands("p", "a", 5, fits=False)
    assert made.solve().holds("p") == {"a": 5}


def test_what_its_minimum_lacks_comes_beside_the_old_place_where_no_place_fits_all() -> None:
    made = World().factory("a", 3).slots("a", 9).factory("b", 1).slots("b", 9)
    made.pool("p", 4, factories=("b",), changed=True).stands("p", "a", 3, fits=False)
    assert made.solve().holds("p") == {"a": 3, "b": 1}
    assert made.factory("b", 4).solve().holds("p") == {"b": 4}


def test_what_a_changed_pool_had_is_no_growth_in_its_new_place() -> None:
    """It has no minimum, and its new place is all that a higher pool lacks: like the old one it stands."""
    made = World().factory("a", 5).factory("b", 5).slots("a", 9).slots("b", 9)
    made.pool("p", 5, minimum=0, changed=True, factories=("b",)).stands("p", "a", 5, fits=False)
    made.pool("high", 6, priority=9)
    assert made.solve().holds("p") == {"b": 5}


def test_a_changed_pool_that_lost_units_to_a_drain_moves_once() -> None:
    """All of it goes to the better system at once, and not first what is missing to where more is free."""
    made = World().factory("a", 1).slots("a", 3).factory("b", 2).slots("b", 2).slots("b", 1, "node", watts=2)
    made.pool("p", 3, minimum=0, changed=True, systems=("node", "one"), factories=("b",))
    made.stands("p", "a", 1, "one", fits=False).stands("p", "a", 2, "one", leave=True, fits=False)
    assert made.solve().new("p") == {"b": 1}


# Asking again


def test_room_that_is_free_only_after_two_others_went_is_the_higher_pools() -> None:
    """Two pools leave for good, one because of the other; what the second leaves is asked for by two."""
    made = World().factory("a").domain("a/hall").domain("a/hall/x").domain("a/hall/out").domain("a/y")
    made.factory("b").slots("a/hall/x", 1).slots("a/y", 1).slots("a/hall/out", 2, is_open=False).slots("b", 1)
    made.pool("first", 2, priority=5, factories=("a",)).pool("second", 1, priority=4, factories=("b",))
    # It has lost a unit, and there is no other place in its hall: it goes, and `first` has room at last.
    made.pool("packed", 2, priority=3, pack="hall", factories=("a",))
    made.stands("packed", "a/hall/x", 1).stands("packed", "a/hall/out", 1, leave=True)
    # It has lost a unit too. It would find another, were it not for `first`; so it goes as well.
    made.pool("loose", 2, priority=2)
    made.stands("loose", "b", 1).stands("loose", "a/hall/out", 1, leave=True)
    made.pool("last", 1, priority=1, factories=("b",))
    plan = made.solve()
    assert plan.totals("first", "second", "packed", "loose", "last") == [2, 1, 0, 0, 0]


def test_a_pool_without_a_minimum_that_moved_moves_when_it_is_asked_again() -> None:
    """It leaves room that a waiting pool might use, so all are asked again; nothing of it stays behind."""
    made = World().factory("a", 2).slots("a", 3).factory("b", 3).slots("b", 3)
    made.pool("p", 3, minimum=0, priority=1, pack="factory").stands("p", "a", 3)
    assert made.solve().holds("p") == {"b": 3}
    made.pool("waits", 9)
    assert made.solve().holds("p") == {"b": 3}


def test_a_preemptible_pool_that_moved_gives_way_to_a_higher_one_in_the_same_decision() -> None:
    """What it leaves lets the first pool stand elsewhere, so that only its new place keeps out the second."""
    made = World().factory("a").domain("a/hall-1").domain("a/hall-2").factory("b").domain("b/hall-3")
    made.slots("a/hall-1", 1).slots("a/hall-2", 1).slots("b/hall-3", 4).slots("b/hall-3", 2, "two")
    made.pool("first", 4, priority=3, systems=("two", "one"), factories=("b",))
    made.pool("second", 3, priority=2, spread=3, over="hall")
    made.pool("moves", 1, priority=1, preemptible=True, changed=True, factories=("a",))
    made.stands("moves", "b/hall-3", 1, "two", fits=False)
    assert made.solve().totals("first", "second", "moves") == [2, 3, 0]
