"""One object stops nobody: whatever goes wrong about one is its own InvalidSpec, and the others go on."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from aifactory.api.reading import Invalid, parse_factory
from aifactory.decide import Plan, decide
from aifactory.decide.model.plan import Order
from aifactory.decide.model.world import Stamp
from unit.decide.build import boxes, factory, pool
from unit.decide.operated import Cluster, cluster, status_of
from unit.decide.rooms import module_of

BAD = "bad"


def about(args: tuple[Any, ...]) -> bool:
    """Whether a call is about the bad object."""
    for it in args:
        meta = getattr(it, "metadata", None) or getattr(getattr(it, "pool", None), "metadata", None)
        if BAD in (getattr(meta, "name", ""), getattr(it, "name", "")):
            return True
    return False


def sow(monkeypatch: pytest.MonkeyPatch, module: str, function: str) -> None:
    """A function of the decision fails for the bad object, and for no other."""
    owner = import_module(module_of(module))
    sound: Callable[..., Any] = getattr(owner, function)

    def broken(*args: Any, **kwargs: Any) -> Any:
        if about(args):
            raise OverflowError("int too big to convert")
        return sound(*args, **kwargs)

    monkeypatch.setattr(owner, function, broken)


def reason(plan: Plan, path: str) -> str:
    says = {c["type"]: c for c in status_of(plan, path)["conditions"]}
    return f"{says['Ready']['reason']}: {says['Ready']['message']}"


def ordered(plan: Plan) -> set[str]:
    return {str(action.pool) for action in plan.actions if isinstance(action, Order)}


def fleet() -> Cluster:
    return cluster(
        factory("dfw", boxes=4),
        factory(BAD, boxes=4),
        pool("a/train", boxes(2)),
        pool(f"b/{BAD}", boxes(1)),
        pool("c/serve", boxes(2)),
    )


BUILDING = [("build", "lay_out"), ("build", "known_stamps")]
REPORTING = [("statuses", f) for f in ("pool_facts", "pool_status", "factory_status")]


@pytest.mark.parametrize(("module", "function"), [*BUILDING, *REPORTING])
def test_what_goes_wrong_about_one_object_is_its_own(
    module: str, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = fleet()
    sow(monkeypatch, module, function)
    plan = decide(it.world(), it.now)
    others = {"a/train", "c/serve"}
    assert others <= ordered(plan)
    bad = [path for path in (BAD, f"b/{BAD}") if reason(plan, path).startswith("InvalidSpec")]
    assert len(bad) in (1, 2)
    for path in bad:
        assert "OverflowError: int too big to convert" in reason(plan, path)
        assert path not in ordered(plan)
    assert not any(reason(plan, path).startswith("InvalidSpec") for path in others | {"dfw"})
    # Whoever runs it is told where: a bug is not swept away.
    assert any("Traceback" in line and BAD in line for line in plan.log)


def test_a_node_that_would_not_be_known_again_is_never_ordered(monkeypatch: pytest.MonkeyPatch) -> None:
    it = fleet()
    sane = property(lambda stamp: stamp.pool is None or stamp.pool.name != BAD)
    monkeypatch.setattr(Stamp, "sane", sane)
    plan = decide(it.world(), it.now)
    assert ordered(plan) == {"a/train", "c/serve"}
    assert "would not be known again" in reason(plan, f"b/{BAD}")


def test_what_stands_of_an_object_that_goes_wrong_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    it = fleet().settle()
    before = dict(it.nodes)
    it.edit(f"b/{BAD}", gpus=0)
    sow(monkeypatch, "statuses", "pool_status")
    plan = decide(it.world(), it.now)
    assert plan.actions == ()
    assert it.nodes == before


def test_what_is_ordered_stays_claimed_where_a_reason_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    it = cluster(factory("dfw", boxes=4), pool("a/train", boxes(2)), pool(f"b/{BAD}", boxes(9)))
    sow(monkeypatch, "explained", "searched")
    plan = decide(it.world(), it.now)
    assert reason(plan, f"b/{BAD}").startswith("InvalidSpec")
    orders = [action for action in plan.actions if isinstance(action, Order)]
    assert len(orders) == 2
    assert status_of(plan, "dfw")["nodes"] == len(orders)


def test_what_no_object_is_to_blame_for_is_not_swept_away(monkeypatch: pytest.MonkeyPatch) -> None:
    it = fleet()

    def fails(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(import_module("aifactory.decide.decide"), "assign", fails)
    with pytest.raises(ZeroDivisionError):
        decide(it.world(), it.now)


HUGE = {"systems": {"box": {"maxWatts": "1T"}}, "energy": {"pricePerMWh": "1M", "carbonGramsPerKWh": 100_000}}


def test_energy_beyond_64_bits_only_ends_ties() -> None:
    it = cluster(factory("dfw", boxes=4), factory("big", quota="1T", pue="10", boxes=4, **HUGE))
    it.apply(pool("a/train", boxes(6), at_least=0)).settle()
    assert it.gpus("a/train") == (boxes(4),)
    assert it.says("big", "Ready") == "False: QuotaTooSmall"  # and nothing worse


def test_racks_whose_watts_fit_no_sum_are_refused_and_stop_nobody() -> None:
    group = {"domain": "hall", "system": "box", "count": 10_000, "nodesPerRack": 256}
    it = cluster(factory("dfw", boxes=4), pool("a/train", boxes(2)))
    big = factory("big", groups=(group,), **HUGE)
    with pytest.raises(Invalid, match=r"spec.racks: all racks together may draw at most \d+ W"):
        parse_factory(big.manifest())
    it.apply(factory("big", boxes=1)).spoil("big", "too many watts").settle()
    assert it.gpus("a/train") == (boxes(2),)
    # The most that is allowed leaves every sum of a whole fleet in bounds.
    parse_factory(big.but(groups=({**group, "count": 3, "nodesPerRack": 166},)).manifest())
