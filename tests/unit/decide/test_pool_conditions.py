"""Each verdict of a pool's conditions: when it speaks, and what it says; the first of a chain is told."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from aifactory.api.reading import parse_pool
from aifactory.decide.conditions import Said
from aifactory.decide.model.plan import Placing
from aifactory.decide.model.world import Failure, PoolKey, Written
from aifactory.decide.report import pool_conditions as says
from aifactory.decide.report.held_up import OVERDUE
from aifactory.decide.report.pool_facts import PoolFacts
from aifactory.decide.report.reasons import PLANNING, Why
from unit.decide.build import boxes, pool

WISH, MINIMUM = boxes(4), boxes(2)
ALIVE = parse_pool(pool("a/train", WISH, at_least=MINIMUM).manifest())
GOING = ALIVE.model_copy(
    update={"metadata": ALIVE.metadata.model_copy(update={"deletion_timestamp": datetime.now(UTC)})}
)
WHY = Why("InsufficientPower", "hall-1: 10 W short.")
STUCK = ("Paused", "Lost nodes, and nothing is done.")
SAID_OVERDUE = Said(OVERDUE, "It should be gone.")


def placing(nodes: int, ready: int, missing: int = 0) -> Placing:
    watts = 10 * nodes
    return Placing(
        "dfw", "hall", "hall", "box", nodes, nodes, boxes(nodes), watts, nodes, missing, 0, 0, boxes(ready)
    )


def failure(tries: int) -> Failure:
    return Failure(Written.ORDER, "dfw", PoolKey("a", "train"), "", tries, "no such class")


WELL = PoolFacts(
    pool=ALIVE,
    placings=(placing(4, 4),),
    ordered=0,
    going=0,
    slow=0,
    shut=(),
    out_of_use={"notReadyNodes": 0, "cordonedNodes": 0, "outOfServiceNodes": 0},
    why=None,
    keeps_old=False,
    no_longer_matches=False,
    advice="",
    stuck=None,
    left_off="",
    hindered=None,
    refused=None,
)
UP: Mapping[str, Any] = {"placings": (placing(4, 0),)}  # placed, and no node is ready
LESS: Mapping[str, Any] = {"placings": (placing(1, 1),)}  # below the minimum
NONE: Mapping[str, Any] = {"placings": ()}
Row = tuple[Mapping[str, Any], str]

# By function: what makes it the first of its chain to speak, and what it says.
TABLE: dict[Callable[..., object], Row] = {
    says.ready_deleting: ({"pool": GOING, "going": 4}, "Ready=False Deleting"),
    says.ready_but_refused: ({"refused": failure(2)}, "Ready=True OrderRefused"),
    says.ready: ({}, "Ready=True Ready"),
    says.ready_waits: ({**NONE, "why": WHY}, "Ready=False InsufficientPower"),
    says.ready_refused: ({**UP, "refused": failure(2)}, "Ready=False OrderRefused"),
    says.ready_slow: ({**UP, "slow": 1}, "Ready=False NodesNotReady"),
    says.ready_cordoned: ({**UP, "shut": ("node-1",)}, "Ready=False NodesCordoned"),
    says.ready_soon: ({**UP, "ordered": 1}, "Ready=False NodesStarting"),
    says.placed_waits: ({**NONE, "why": WHY}, "Placed=False InsufficientPower"),
    says.placed_no_more: ({**LESS, "going": 3}, "Placed=False Releasing"),
    says.placed_as_before: ({"keeps_old": True}, "Placed=True KeepsOldPlace"),
    says.placed_where_none_would: ({"no_longer_matches": True}, "Placed=True NoLongerMatches"),
    says.placed: ({"placings": (placing(3, 3),)}, "Placed=True PartlyPlaced"),
    says.provisioned_stuck: ({"placings": (placing(4, 3, 1),), "stuck": STUCK}, "Provisioned=False Paused"),
    says.provisioned_refused: ({"ordered": 1, "refused": failure(2)}, "Provisioned=False OrderRefused"),
    says.provisioned_soon: ({"ordered": 1}, "Provisioned=False Ordering"),
    says.provisioned_nothing: (NONE, "Provisioned=False NothingPlaced"),
    says.provisioned_in_part: ({"left_off": "No label of yours."}, "Provisioned=True PartlyAsWished"),
    says.provisioned: ({}, "Provisioned=True Provisioned"),
    says.under_way: ({"ordered": 1, "refused": failure(2)}, "Reconciling=True OrderRefused"),
    says.stalled_refused: ({**UP, "ordered": 1, "refused": failure(3)}, "Stalled=True OrderRefused"),
    says.stalled_stuck: ({**UP, "stuck": STUCK}, "Stalled=True Paused"),
    says.stalled_overdue: ({**LESS, "going": 1, "hindered": SAID_OVERDUE}, f"Stalled=True {OVERDUE}"),
    says.planning: ({**NONE, "why": Why(PLANNING, "A plan is made.")}, f"Reconciling=True {PLANNING}"),
    says.stalled_waits: ({**NONE, "why": WHY}, "Stalled=True InsufficientPower"),
    says.stalled_as_ready_says: ({**UP, "slow": 1}, "Stalled=True NodesNotReady"),
    says.starting: (UP, "Reconciling=True NodesStarting"),
}
CHAINS = (says.READY, says.PLACED, says.PROVISIONED, (says.under_way, *says.UNREADY))


def told(facts: PoolFacts) -> list[str]:
    return [f"{it.type}={it.status} {it.reason}" for it in says.verdicts(facts)]


def test_the_table_has_each_function_of_each_chain() -> None:
    assert list(TABLE) == [speaks for chain in CHAINS for speaks in chain]


@pytest.mark.parametrize("speaks", TABLE, ids=lambda speaks: speaks.__name__)
def test_each_says_what_it_sees(speaks: Callable[..., object]) -> None:
    changes, said = TABLE[speaks]
    facts = replace(WELL, **changes)
    assert said in told(facts)
    (chain,) = (chain for chain in CHAINS if speaks in chain)
    ready = says.verdicts(facts)[0]
    asked = [(it, (facts, ready) if it in says.UNREADY else (facts,)) for it in chain]
    assert next(it for it, about in asked if it(*about)) is speaks  # type: ignore[operator]


def test_who_is_well_says_so_and_no_more() -> None:
    assert told(WELL) == ["Ready=True Ready", "Placed=True Placed", "Provisioned=True Provisioned"]


@pytest.mark.parametrize(("one", "other"), list(product(TABLE, repeat=2)), ids=lambda it: it.__name__)
def test_whatever_comes_together_each_condition_has_one_verdict(
    one: Callable[..., object], other: Callable[..., object]
) -> None:
    """Who is not ready says whether waiting helps; who waits for nothing says neither."""
    found = says.verdicts(replace(WELL, **{**TABLE[one][0], **TABLE[other][0]}))
    kinds = [it.type for it in found]
    assert kinds[:3] == ["Ready", "Placed", "Provisioned"]
    assert kinds[3:] in ([], ["Reconciling"], ["Stalled"])
    assert kinds[3:] or found[0].status
