"""Writes that failed: when they are made again, and what is told of them."""

from dataclasses import replace

import pytest

from aifactory.api.reading import parse_pool
from aifactory.backends.nodes import read_node
from aifactory.decide.model.plan import Cause, Drain, Finalizer, Order, StatusWrite
from aifactory.decide.model.world import Node, PoolKey, Slot, World, Written
from aifactory.shell.failures import Failures
from aifactory.shell.settings import DEFAULTS
from unit.api.bad_objects import POOL
from unit.shell.made import created, wish_of

LONGEST = DEFAULTS.longest_backoff
KEY = PoolKey("default", "pool")


def order(slot: int, factory: str = "dfw") -> Order:
    return Order(wish_of(Slot(factory, "hall", "box", 1, slot)), KEY)


class Rounds:
    """Failures with a clock that stands, and rounds of writes."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.failures = Failures(clock=lambda: self.now)
        self.world = World(pools=(parse_pool(POOL),), nodes=(read_node(created()),))

    def round(self, *items: object, fail: tuple[object, ...] = (), say: str = "no") -> list[object]:
        """Make the writes that do not wait; those in `fail` fail. What was tried."""
        self.failures.begin(self.world)
        self.failures.keep(items)
        self.failures.keep_statuses([item for item in items if isinstance(item, StatusWrite)])
        tried = []
        for item in items:
            if self.failures.waits(item):
                continue
            tried.append(item)
            if item in fail:
                self.failures.failed(item, say)
            else:
                self.failures.done(item)
        return tried

    def later(self, seconds: float = LONGEST) -> None:
        self.now += seconds


STATUS = StatusWrite("AIFactory", "", "dfw", {})
NODE: Node = read_node(created())
DRAIN = Drain(NODE, NODE.created, Cause.SPEC)


def test_a_write_that_failed_waits_longer_each_time_and_up_to_a_minute() -> None:
    it, waits = Rounds(), []
    for _ in range(12):
        assert it.round(STATUS, fail=(STATUS,)) == [STATUS]
        seconds = it.failures.seconds
        assert seconds is not None
        waits.append(seconds)
        assert it.round(STATUS) == []
        assert it.failures.seconds == seconds
        it.later(seconds)
    assert all(2**n / 2 <= wait <= 2**n for n, wait in enumerate(waits[:6]))
    assert all(LONGEST / 2 <= wait <= LONGEST for wait in waits[6:])


def test_many_that_fail_for_ever_are_tried_again_in_few_cycles() -> None:
    """A hundred pools, say, whose statuses a webhook refuses: cycle does not follow cycle for that."""
    it = Rounds()
    many = [StatusWrite("GPUPool", f"team-{n % 7}", f"pool-{n}", {}) for n in range(100)]
    began, cycles = it.now, 0
    while it.now < began + 1200:
        it.round(*many, fail=(*many,))
        cycles += 1
        seconds = it.failures.seconds
        assert seconds
        it.later(seconds)
    assert cycles <= 1200 / (LONGEST / 4) + 4 * 7


def test_a_server_that_wants_to_be_left_alone_is() -> None:
    it = Rounds()
    it.failures.begin(it.world)
    it.failures.failed(STATUS, "busy", 30.0)
    assert it.failures.seconds == 30.0
    it.later(29)
    assert it.round(STATUS) == []
    it.later(1)
    assert it.round(STATUS) == [STATUS]


def test_what_was_told_and_is_over_asks_for_another_plan() -> None:
    it = Rounds()
    for _ in range(2):
        it.round(DRAIN, STATUS, fail=(DRAIN, STATUS))
        it.later()
    it.failures.begin(it.world)
    assert not it.failures.keep((DRAIN, STATUS))
    assert it.failures.done(DRAIN)
    assert not it.failures.done(DRAIN)
    it.failures.begin(it.world)
    assert not it.failures.keep(())  # whether the status is wanted is not known yet
    assert not it.failures.keep_statuses([STATUS])
    assert it.failures.keep_statuses([])
    assert not it.failures.keep_statuses([])


def test_others_do_not_wait_for_it() -> None:
    it = Rounds()
    it.round(STATUS, DRAIN, fail=(STATUS,))
    assert it.round(STATUS, DRAIN) == [DRAIN]


def test_it_is_told_from_the_second_time_until_it_is_made() -> None:
    it = Rounds()
    it.round(DRAIN, fail=(DRAIN,))
    assert it.failures.told() == ()
    it.later()
    it.round(DRAIN, fail=(DRAIN,), say="not today")
    (failure,) = it.failures.told()
    assert (failure.what, failure.node, failure.tries, failure.message) == (
        Written.RELEASE,
        NODE.name,
        2,
        "not today",
    )
    it.later()
    it.round(DRAIN)
    assert it.failures.told() == ()


def test_what_nobody_wants_any_more_has_not_failed() -> None:
    it = Rounds()
    for _ in range(3):
        it.round(DRAIN, STATUS, fail=(DRAIN, STATUS))
        it.later()
    it.round(DRAIN, fail=(DRAIN,))
    assert [failure.what for failure in it.failures.told()] == [Written.RELEASE]


def test_many_orders_that_are_refused_at_once_are_one_failure() -> None:
    it, orders = Rounds(), [order(slot) for slot in range(1, 9)]
    it.round(*orders, fail=(*orders,))
    assert it.failures.told() == ()
    assert it.failures.probes([*orders, order(1, "sjc")]) == orders[:1]
    other = replace(order(1, "sjc"), pool=PoolKey("b", "other"))
    assert it.failures.probes([*orders, other]) == [orders[0], other]
    it.later()
    it.round(orders[0], fail=(orders[0],))
    (failure,) = it.failures.told()
    assert (failure.factory, failure.pool, failure.tries, failure.slot) == ("dfw", KEY, 2, None)


def test_growth_that_is_refused_holds_up_no_minimum() -> None:
    it, growth = Rounds(), [replace(order(slot, "sjc"), growth=True) for slot in (1, 2)]
    it.round(*growth, fail=(*growth,))
    least = [order(1), order(2)]
    assert it.failures.probes([*least, *growth]) == [*least, growth[0]]
    more = replace(order(3), growth=True)
    assert it.failures.probes([*least, more, *growth]) == [*least, growth[0]]
    # A minimum of which a part is refused is not ordered in parts.
    assert it.failures.probes([*least, order(3, "sjc")]) == [order(3, "sjc")]


def test_what_fails_in_a_round_stops_no_other_in_it() -> None:
    it, orders = Rounds(), [order(slot) for slot in range(1, 9)]
    assert it.round(*orders, fail=(orders[0],)) == orders


def test_orders_go_out_again_as_soon_as_one_is_taken() -> None:
    it, orders = Rounds(), [order(slot) for slot in range(1, 9)]
    for _ in range(4):
        it.round(orders[0], fail=(orders[0],))
        it.later()
    it.round(orders[0])
    assert it.failures.told() == ()
    assert it.round(*orders[1:]) == orders[1:]


@pytest.mark.parametrize("first", [(1, 2), (2, 1)])
def test_a_slot_that_alone_is_refused_is_told_as_such(first: tuple[int, int]) -> None:
    it = Rounds()
    it.round(*map(order, first), fail=(order(1),))
    for _ in range(2):
        it.later()
        it.round(order(1), fail=(order(1),))
    slots = [failure.slot for failure in it.failures.told()]
    assert Slot("dfw", "hall", "box", 1, 1) in slots
    # Another one is taken in its place: what is left is the slot alone.
    it.later()
    it.round(order(3))
    assert [failure.slot for failure in it.failures.told()] == [order(1).spec.slot]
    # It is not shut for ever.
    it.later(DEFAULTS.refusal_remembered + 1)
    it.round()
    assert it.failures.told() == ()


def test_a_factory_that_refuses_is_remembered_while_the_plan_goes_round_it() -> None:
    it = Rounds()
    for _ in range(3):
        it.round(order(1), fail=(order(1),))
        it.later()
    it.round(order(1, "sjc"))
    assert [failure.factory for failure in it.failures.told()] == ["dfw"]
    gone = replace(it.world, pools=())
    it.failures.begin(gone)
    it.failures.keep(())
    assert it.failures.told() == ()


def test_a_pools_own_writes_are_told_as_the_pools() -> None:
    it, hold = Rounds(), Finalizer("GPUPool", "default", "pool", add=True)
    for _ in range(2):
        it.round(hold, fail=(hold,))
        it.later()
    (failure,) = it.failures.told()
    assert (failure.what, failure.factory, failure.pool) == (Written.FINALIZER, "", KEY)


def test_the_servers_words_are_bounded() -> None:
    it = Rounds()
    for _ in range(2):
        it.round(STATUS, fail=(STATUS,), say="x" * 10_000)
        it.later()
    assert len(it.failures.told()[0].message) <= 512
