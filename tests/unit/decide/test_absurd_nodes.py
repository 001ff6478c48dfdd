"""Whatever a node says of itself, in labels and annotations of ours: everybody else is decided as before."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aifactory.api import names
from aifactory.decide import Plan, decide
from aifactory.decide.model.plan import Complete
from unit.decide.build import boxes, factory, pool, racks
from unit.decide.operated import settled
from unit.decide.state import Labelled

LABELS = sorted(
    value
    for key, value in vars(names).items()
    if key.startswith("LABEL_") and isinstance(value, str) and "/" in value
)
ANNOTATIONS = sorted(value for key, value in vars(names).items() if key.startswith("ANNOTATION_"))
NUMBERS = ("0", "-1", "1", "3", "256", "257", "20000", "1000000", "9" * 30, "1e9", "NaN", "0x10", "٣", "1_0")
TIMES = (
    "9999-12-31T23:59:59.999999+00:00",
    "9999-12-31",
    "9000-12-31T23:59:59-23:59",
    "8999-01-01T00:00:00Z",
    "1970-01-01T00:00:00+23:59",
    "0001-01-01T00:00:00+00:00",
    "2026-01-01T00:00:00",
    "now",
)
WORDS = (
    "",
    "true",
    "false",
    "ord",
    "dfw",
    "a",
    "t",
    "hall",
    "hall-2",
    "hall/row",
    "../..",
    "x" * 5000,
    ",,,",
    "=:",
    "\x00",
)
VALUES = st.sampled_from([*NUMBERS, *TIMES, *WORDS]) | st.text(max_size=20)
SHAPES = st.sampled_from(NUMBERS).map(
    lambda n: dict.fromkeys((names.ANNOTATION_NODES, names.ANNOTATION_GPUS), n)
)
SECONDS = 1.0  # of processor time; a plan of this fleet takes hundredths


# Two sites, each with a pool of its own, one of them on racks.
FLEET = settled(
    factory("dfw", boxes=2, racks=2),
    factory("ord", boxes=4),
    pool("a/t", boxes(2), only_in=("dfw",)),
    pool("a/r", racks(1), systems=("rack",), only_in=("dfw",)),
    pool("b/t", boxes(2), only_in=("ord",)),
)
VICTIMS = [FLEET.nodes_of("a/t")[0], FLEET.nodes_of("a/r")[0]]


def saying(
    node: Labelled, labels: Mapping[str, str], annotations: Mapping[str, str], **changes: Any
) -> Labelled:
    """The node as it is read when it says this."""
    labels, annotations = {**node.labels, **labels}, {**node.annotations, **annotations}
    return replace(node, labels=labels, annotations=annotations, **changes)


def others(plan: Plan) -> list[object]:
    """What a plan does and says that is about `ord` and its pool."""
    writes = [w for w in plan.statuses if w.name == "ord" or (w.namespace, w.name) == ("b", "t")]
    return writes + [action for action in plan.actions if "ord." in repr(action)]


BEFORE = others(FLEET.decide())


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(VICTIMS),
    st.dictionaries(st.sampled_from(LABELS), VALUES, max_size=3),
    st.dictionaries(st.sampled_from(ANNOTATIONS), VALUES, max_size=3) | SHAPES,
    st.booleans(),
)
def test_no_value_on_a_node_stops_or_slows_the_decision_for_others(
    victim: str, labels: dict[str, str], annotations: dict[str, str], cordoned: bool
) -> None:
    it = FLEET.copy()
    it.nodes[victim] = saying(it.nodes[victim], labels, annotations, unschedulable=cordoned)
    world = it.world()
    began = time.process_time()
    plan = decide(world, it.now)
    assert time.process_time() - began < SECONDS
    assert plan.log == ()
    assert others(plan) == BEFORE


@pytest.mark.parametrize("count", [257, 20_000, 1_000_000])
def test_a_unit_is_never_larger_than_a_rack_can_be(count: int) -> None:
    """Each of its nodes would be looked for, and ordered again."""
    it = FLEET.copy()
    node = it.nodes[VICTIMS[1]]
    shape = {names.ANNOTATION_NODES: str(count), names.ANNOTATION_GPUS: str(count)}
    it.nodes[node.name] = saying(node, {}, shape)
    began = time.process_time()
    plan = decide(it.world(), it.now)
    assert time.process_time() - began < SECONDS
    assert not any(isinstance(action, Complete) for action in plan.actions)


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(days=365 * 6000)], ids=str)
def test_a_drain_that_is_to_begin_in_the_future_has_begun_now(ahead: timedelta) -> None:
    """Else its node would stay for ever, also where a limit has fallen."""
    words = {"busy": True, "budgets": frozenset({"a/t"})}
    it = settled(factory("dfw", boxes=2), pool("a/t", boxes(2), drain_timeout=60), **words)
    it.edit("a/t", gpus=boxes(1)).cycle()
    (name,) = (node.name for node in it.nodes.values() if node.drains)
    it.change(name, annotations={names.ANNOTATION_DRAINING_SINCE: (it.now + ahead).isoformat()})
    began = it.now
    it.settle()
    assert name not in it.nodes
    assert timedelta(seconds=60) <= it.now - began <= timedelta(seconds=70)
