"""The first part of a decision has the releases, and nothing else is worked out before them."""

from importlib import import_module
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifactory.decide import begin, tell
from aifactory.decide.model.plan import Release
from thorough import sample
from unit.decide.build import boxes, factory, pool
from unit.decide.fleets import SITES, some_factory, some_pool
from unit.decide.operated import Cluster, cluster
from unit.decide.rooms import module_of


@settings(deadline=None, max_examples=sample(60))
@given(st.integers(0, 10_000))
def test_it_has_the_releases_of_the_whole_in_their_order(seed: int) -> None:
    dice, it = Random(seed), Cluster()
    for name in SITES[: dice.randint(1, 3)]:
        it.apply(some_factory(dice, name))
    for number in range(dice.randint(3, 8)):
        it.apply(some_pool(dice, f"tenant-{number % 3}/pool-{number}"))
    it.settle()
    for _ in range(6):
        match dice.choice(("quota", "pool", "broken")):
            case "quota":
                it.edit(SITES[0], quota=dice.randint(0, 200))
            case "pool":
                it.apply(some_pool(dice, f"tenant-9/late-{dice.randint(1, 2)}"))
            case "broken" if names := sorted(it.nodes):
                it.mark(dice.choice(names))
        decision = begin(it.given())
        whole = tell(decision).plan.actions
        assert decision.plan.actions == tuple(action for action in whole if isinstance(action, Release))
        it.tick().cycle()


def test_neither_orders_nor_what_pools_say_are_worked_out_before_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = cluster(factory("dfw", boxes=4), pool("a/llm", boxes(2))).settle()
    it.apply(pool("a/llm", boxes(1)), pool("a/new", boxes(1)))

    def fails(*_: object, **__: object) -> None:
        raise AssertionError("it is worked out too early")

    module = import_module(module_of("decide"))
    with monkeypatch.context() as patched:
        for name in ("act", "placings", "with_statuses"):
            patched.setattr(module, name, fails)
        assert begin(it.given()).plan.actions
