"""Why a pool waits: the reason and the numbers."""

from typing import Any

import pytest

from unit.decide.build import PLENTY, Factory, Pool, boxes, factory, pool, racks
from unit.decide.operated import settled

DFW = factory("dfw", boxes=4)


def waiting(*things: Factory | Pool) -> dict[str, Any]:
    """status.waiting of the last pool."""
    made = settled(*things)
    found = made.statuses[things[-1].path]["waiting"]  # type: ignore[union-attr]
    assert isinstance(found, dict)
    return found


# Reasons


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        (pool("a/t", only_in=("nowhere",)), "NoSuchFactory"),
        (pool("a/t", where={"region": "moon"}), "NoSuchFactory"),
        (pool("a/t", not_in=("dfw",)), "NoSuchFactory"),
        (pool("a/t", systems=("abacus",)), "UnknownSystem"),
        (pool("a/t", boxes(4)), "InsufficientUnits"),
        (pool("a/t", boxes(5)), "NeverFits"),
        (pool("a/t", paused=True), "Paused"),
        (pool("a/t", pack="hall/row"), "NeverFits"),
        (pool("a/t", boxes(2), spread=3), "NeverFits"),
        (pool("a/t", systems=("cube",)), "NeverFits"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_every_waiting_pool_says_why(wish: Pool, reason: str) -> None:
    made = settled(DFW, pool("b/there"), wish)
    assert made.statuses["a/t"]["waiting"]["reason"] == reason
    assert made.says("a/t", "Stalled") == f"True: {reason}"


@pytest.mark.parametrize(
    ("site", "reason"),
    [
        (DFW.but(quota=35), "InsufficientPower"),
        (DFW.but(hall=35), "InsufficientPower"),
        (DFW.but(drain=True), "OutOfService"),
        (DFW.but(out_of_service=("hall",)), "OutOfService"),
        (DFW.but(paused=True), "Paused"),
        (DFW.but(boxes=3), "InsufficientUnits"),
    ],
    ids=["quota", "hall", "drain", "out-of-service", "paused", "units"],
)
def test_it_says_what_about_the_factory_is_in_the_way(site: Factory, reason: str) -> None:
    assert waiting(site, pool("b/there"), pool("a/t", boxes(3)))["reason"] == reason


# Numbers


def test_the_limit_that_binds_is_named_with_what_is_short() -> None:
    found = waiting(
        factory("dfw", halls=2, hall=45, quota=PLENTY, boxes=9),
        pool("b/there", boxes(2)),
        pool("a/t", boxes(7)),
    )
    # 45 W carry four boxes, and two stand: six of seven fit, and 5 W are left in each hall for the last.
    assert found["reason"] == "InsufficientPower"
    assert found["factory"] == "dfw"
    assert found["domain"] in ("hall-1", "hall-2")
    assert found["limit"] == 45
    assert found["needed"] - found["free"] == found["shortWatts"] == 5


def test_the_quota_is_named_by_its_factory_alone() -> None:
    found = waiting(DFW.but(quota=35), pool("b/there", boxes(2)), pool("a/t", boxes(2)))
    assert found["factory"] == "dfw"
    assert found.get("domain", "") == ""
    assert (found["limit"], found["free"], found["needed"], found["shortWatts"]) == (35, 15, 20, 5)
    assert "the quota of dfw carried 5 W more" in found["message"]


def test_missing_units_are_counted() -> None:
    found = waiting(DFW, pool("b/there", boxes(3)), pool("a/t", boxes(4)))
    assert (found["reason"], found["shortUnits"]) == ("InsufficientUnits", 3)


def test_units_are_missed_in_each_place_that_lacks_them() -> None:
    site = factory("dfw", halls=2, boxes=5)
    there = [pool(f"b/there-{number}", boxes(4), pack="hall") for number in (1, 2)]
    found = waiting(site, *there, pool("a/t", boxes(6), spread=2, over="hall"))
    assert (found["reason"], found["shortUnits"]) == ("InsufficientUnits", 4)
    for hall in ("hall-1", "hall-2"):
        assert f"2 more units were free in dfw/{hall}" in found["message"]


def test_a_long_change_stays_readable() -> None:
    """A place for each of forty units: the first of them are named, and the message fits into a status."""
    site = factory("dfw", halls=40, hall=10, boxes=9)
    found = waiting(site, pool("b/there", boxes(40)), pool("a/t", boxes(40), spread=40, over="hall"))
    assert found["message"].count("carried") == 12
    assert "and so on in 28 more places" in found["message"]
    assert len(found["message"]) < 2048


def test_a_pool_that_never_fits_below_a_limit_names_the_limit() -> None:
    found = waiting(DFW.but(hall=30), pool("a/t", boxes(4)))
    assert (found["domain"], found["limit"], found["shortWatts"]) == ("hall", 30, 10)


def test_a_pool_that_is_larger_than_all_there_is_counts_what_is_missing() -> None:
    found = waiting(DFW, pool("b/there"), pool("a/t", boxes(6)))
    assert (found["reason"], found["shortUnits"]) == ("NeverFits", 6 - 4)  # were nothing else there


def test_whose_room_would_do_is_said_by_priority() -> None:
    there = [pool("b/low", boxes(1), priority=1), pool("b/high", boxes(2), priority=7)]
    found = waiting(DFW, *there, pool("a/t", boxes(3), priority=3))
    assert found["heldByPriority"] == 7
    assert found["message"].endswith("Room for the missing 2 units is held by pools of priority 7 or lower.")
    found = waiting(DFW, *there, pool("a/t", boxes(2), priority=3))
    assert found["heldByPriority"] == 1


@pytest.mark.parametrize("wish", [boxes(4), boxes(9)])
def test_nobody_is_in_the_way_of_what_would_not_fit_anyway(wish: int) -> None:
    found = waiting(DFW.but(quota=35), pool("b/there"), pool("a/t", wish))
    assert "heldByPriority" not in found
    assert "held by" not in found["message"]


def test_growth_that_waits_says_why_too() -> None:
    found = waiting(DFW.but(quota=30), pool("b/there"), pool("a/t", boxes(3), at_least=boxes(2)))
    assert (found["reason"], found["shortWatts"]) == ("InsufficientPower", 10)


def test_a_pool_that_has_all_it_wants_waits_for_nothing() -> None:
    made = settled(DFW, pool("a/t", boxes(5)))
    assert "waiting" in made.statuses["a/t"]
    made.edit("dfw", boxes=5).settle()
    assert "waiting" not in made.statuses["a/t"]


def test_the_change_is_needed_to_the_last_watt() -> None:
    made = settled(DFW.but(quota=35), pool("b/there", boxes(2)), pool("a/t", boxes(2)))
    short = made.statuses["a/t"]["waiting"]["shortWatts"]
    assert made.copy().edit("dfw", quota=35 + short - 1).settle().gpus("a/t") == (0,)
    assert made.copy().edit("dfw", quota=35 + short).settle().gpus("a/t") == (boxes(2),)


def test_racks_wait_for_the_power_of_whole_racks() -> None:
    made = settled(factory("dfw", quota=70, racks=2), pool("a/t", racks(1) + 1, systems=("rack",)))
    assert made.statuses["a/t"]["waiting"]["shortWatts"] == 10
    assert made.edit("dfw", quota=80).settle().gpus("a/t") == (racks(2),)


# Words


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (pool("a/t", systems=("bax",)), "No factory that may take the pool knows bax. Did you mean box?"),
        (pool("a/t", systems=("h100",)), "Did you mean hgx-h100"),
        (pool("a/t", systems=("abacus",)), "knows abacus."),
        (
            pool("a/t", pack="hall/rwo"),
            "No factory that may take the pool has a domain hall/rwo. Did you mean hall/row?",
        ),
        (pool("a/t", spread=2, over="cage"), "No factory that may take the pool has a domain cage."),
        (pool("a/t", where={"region": "moon"}), "no factory matches spec.factories"),
    ],
    ids=str,
)
def test_what_does_not_exist_is_said_and_what_may_be_meant(wish: Pool, says: str) -> None:
    assert says in waiting(factory("dfw", rows=2, boxes=2), wish)["message"]


def test_where_there_is_no_factory_none_is_looked_for() -> None:
    assert waiting(pool("a/t"))["message"] == "No factory may take the pool: there is no AIFactory."


def test_growth_names_what_its_next_unit_lacks() -> None:
    found = waiting(DFW.but(quota=15, boxes=2), pool("a/t", boxes(3), at_least=0))
    assert (found["reason"], found["shortWatts"]) == ("InsufficientPower", 5)
    assert "The next one would fit if the quota of dfw carried 5 W more" in found["message"]


def test_growth_that_never_gets_a_unit_more_never_fits() -> None:
    found = waiting(DFW.but(boxes=2), pool("a/t", boxes(3), at_least=0))
    assert found["reason"] == "NeverFits"
