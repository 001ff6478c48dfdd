"""What a pool's conditions say. Each is a chain of small functions: the first that speaks is the verdict.

Ready: are the GPUs of its minimum ready? Placed: has its minimum a place? Provisioned: does each node that
was placed exist? And how it goes on: Reconciling while something is under way, Stalled where nothing will
come of waiting, and neither where all is well. The last of each chain always speaks.
"""

from collections.abc import Callable, Sequence
from typing import Final

from aifactory.decide.conditions import Verdict
from aifactory.decide.phrases import counted, listed
from aifactory.decide.report import refused
from aifactory.decide.report.held_up import FINAL
from aifactory.decide.report.pool_facts import PoolFacts
from aifactory.decide.report.reasons import PLANNING, Why

Speaks = Callable[[PoolFacts], Verdict | None]


def verdicts(facts: PoolFacts) -> list[Verdict]:
    """All conditions of a pool."""
    said = [_first(chain, facts) for chain in (READY, PLACED, PROVISIONED)]
    progress = _progress(facts, said[0])
    return said if progress is None else [*said, progress]


def _first(chain: Sequence[Speaks], facts: PoolFacts) -> Verdict:
    return next(verdict for speaks in chain if (verdict := speaks(facts)))


# Ready


def ready_deleting(facts: PoolFacts) -> Verdict | None:
    """Somebody deleted it."""
    if facts.pool.metadata.deletion_timestamp is None:
        return None
    return Verdict("Ready", False, "Deleting", f"Being released: {counted(facts.going, 'unit')}.")


def ready_but_refused(facts: PoolFacts) -> Verdict | None:
    """Its minimum is ready, and a write for it fails."""
    if not facts.is_ready or not facts.refused:
        return None
    why = refused.reason(facts.refused)
    return Verdict("Ready", True, why.reason, f"{_ready_numbers(facts)} {why.message}")


def ready(facts: PoolFacts) -> Verdict | None:
    """Its minimum is ready."""
    if not facts.is_ready:
        return None
    reason = "PartlyPlaced" if facts.placed < facts.pool.spec.gpus else "Ready"
    return Verdict("Ready", True, reason, _ready_numbers(facts))


def ready_waits(facts: PoolFacts) -> Verdict | None:
    """Its minimum has no place."""
    if facts.has_minimum or not facts.why:
        return None
    return Verdict("Ready", False, *_waiting(facts, facts.why))


def ready_refused(facts: PoolFacts) -> Verdict | None:
    """A write that it waits for fails."""
    return Verdict("Ready", False, *refused.reason(facts.refused)) if facts.refused else None


def ready_slow(facts: PoolFacts) -> Verdict | None:
    """Nodes should be ready by now."""
    if not facts.slow:
        return None
    late = f"Not ready after 15 minutes: {counted(facts.slow, 'node')}. {_ready_numbers(facts)}"
    return Verdict("Ready", False, "NodesNotReady", late)


def ready_cordoned(facts: PoolFacts) -> Verdict | None:
    """Nodes are kept from new pods by somebody, and no others are on their way up."""
    starting = facts.ordered > 0 or facts.out_of_use["notReadyNodes"] > facts.slow
    if not facts.shut or starting:
        return None
    nodes = f"{counted(len(facts.shut), 'node')} ({listed(facts.shut, 3)})"
    shut = f"Ready but cordoned or labelled by somebody: {nodes}. {_ready_numbers(facts)}"
    return Verdict("Ready", False, "NodesCordoned", shut)


def ready_soon(facts: PoolFacts) -> Verdict | None:
    """Nodes are on their way up."""
    return Verdict("Ready", False, "NodesStarting", _ready_numbers(facts))


READY: Final[tuple[Speaks, ...]] = (
    ready_deleting,
    ready_but_refused,
    ready,
    ready_waits,
    ready_refused,
    ready_slow,
    ready_cordoned,
    ready_soon,
)


def _ready_numbers(facts: PoolFacts) -> str:
    wish = facts.pool.spec.gpus
    whole = f" for {wish} that are wanted, in whole units" if facts.placed > wish else ""
    return f"{facts.ready} of {max(wish, facts.placed)} GPUs are ready, {facts.placed} are placed{whole}."


def _waiting(facts: PoolFacts, why: Why) -> tuple[str, str]:
    """(reason, message) of a pool whose minimum is not placed."""
    if facts.gives_way:
        return "Releasing", f"Being released: {counted(facts.going, 'unit')}. {why.message}"
    if facts.placed:
        still = f"What it has still runs: {facts.ready} of {facts.placed} placed GPUs are ready."
        return why.reason, f"{still} {why.message}"
    return why.reason, why.message


# Placed


def placed_waits(facts: PoolFacts) -> Verdict | None:
    """Its minimum has no place, and why is known."""
    if facts.has_minimum or not facts.why:
        return None
    return Verdict("Placed", False, *_waiting(facts, facts.why))


def placed_no_more(facts: PoolFacts) -> Verdict | None:
    """Its minimum has no place, for what it had is released."""
    return None if facts.has_minimum else Verdict("Placed", False, "Releasing", _placed_numbers(facts))


def placed_as_before(facts: PoolFacts) -> Verdict | None:
    """It stands where its changed spec does not want it."""
    if not facts.keeps_old:
        return None
    keeps = f"The new spec fits nowhere yet. {_placed_numbers(facts)} {facts.advice}".strip()
    return Verdict("Placed", True, "KeepsOldPlace", keeps)


def placed_where_none_would(facts: PoolFacts) -> Verdict | None:
    """It stands where its factory's changed spec no longer fits it."""
    if not facts.no_longer_matches:
        return None
    changed = "The factory changed, and new units would not go where some of the pool's stand."
    return Verdict("Placed", True, "NoLongerMatches", f"{changed} {_placed_numbers(facts)}")


def placed(facts: PoolFacts) -> Verdict | None:
    """Its minimum has a place."""
    reason = "PartlyPlaced" if facts.placed < facts.pool.spec.gpus else "Placed"
    return Verdict("Placed", True, reason, _placed_numbers(facts))


PLACED: Final[tuple[Speaks, ...]] = (
    placed_waits,
    placed_no_more,
    placed_as_before,
    placed_where_none_would,
    placed,
)


def _placed_numbers(facts: PoolFacts) -> str:
    return f"{facts.placed} of {max(facts.pool.spec.gpus, facts.placed)} GPUs are placed."


# Provisioned


def provisioned_stuck(facts: PoolFacts) -> Verdict | None:
    """Nodes are missing, and nothing is done about it."""
    if not facts.stuck or not any(placing.missing for placing in facts.placings):
        return None
    return Verdict("Provisioned", False, *facts.stuck)


def provisioned_refused(facts: PoolFacts) -> Verdict | None:
    """Nodes are ordered in vain."""
    if not facts.ordered or not facts.refused:
        return None
    return Verdict("Provisioned", False, *refused.reason(facts.refused))


def provisioned_soon(facts: PoolFacts) -> Verdict | None:
    """Nodes are ordered."""
    if not facts.ordered:
        return None
    there = f"{facts.nodes - facts.ordered} of {facts.nodes} nodes exist."
    return Verdict("Provisioned", False, "Ordering", there)


def provisioned_nothing(facts: PoolFacts) -> Verdict | None:
    """It wants nodes and has none."""
    if facts.nodes or not facts.pool.spec.gpus:
        return None
    return Verdict("Provisioned", False, "NothingPlaced", "No node is placed.")


def provisioned_in_part(facts: PoolFacts) -> Verdict | None:
    """All nodes exist, without what their sites do not grant."""
    if not facts.left_off:
        return None
    return Verdict("Provisioned", True, "PartlyAsWished", f"{_node_numbers(facts)} {facts.left_off}")


def provisioned(facts: PoolFacts) -> Verdict | None:
    """All nodes exist."""
    return Verdict("Provisioned", True, "Provisioned", _node_numbers(facts))


PROVISIONED: Final[tuple[Speaks, ...]] = (
    provisioned_stuck,
    provisioned_refused,
    provisioned_soon,
    provisioned_nothing,
    provisioned_in_part,
    provisioned,
)


def _node_numbers(facts: PoolFacts) -> str:
    return f"{facts.nodes} of {facts.nodes} nodes exist."


# How it goes on


def under_way(facts: PoolFacts) -> Verdict | None:
    """Orders or releases are open, and nothing final is in their way."""
    orders = facts.ordered and not refused.is_final(facts.refused)
    releases = facts.going and not _overdue(facts)
    return Verdict("Reconciling", True, *_under_way(facts)) if orders or releases else None


def stalled_refused(facts: PoolFacts, ready: Verdict) -> Verdict | None:
    """A write that it waits for has failed too often."""
    if not facts.refused or not refused.is_final(facts.refused):
        return None
    return Verdict("Stalled", True, *refused.reason(facts.refused))


def stalled_stuck(facts: PoolFacts, ready: Verdict) -> Verdict | None:
    """Nodes are missing or have to go, and nothing is done about it."""
    return Verdict("Stalled", True, *facts.stuck) if facts.stuck else None


def stalled_overdue(facts: PoolFacts, ready: Verdict) -> Verdict | None:
    """A release is held up for good."""
    return Verdict("Stalled", True, *facts.hindered) if facts.hindered and _overdue(facts) else None


def planning(facts: PoolFacts, ready: Verdict) -> Verdict | None:
    """It waits for a better plan."""
    if not facts.why or facts.why.reason != PLANNING:
        return None
    return Verdict("Reconciling", True, PLANNING, facts.why.message)


def stalled_waits(facts: PoolFacts, ready: Verdict) -> Verdict | None:
    """It has no place, or not all that it wishes for."""
    if not facts.why:
        return None
    if ready.reason in (facts.why.reason, "NodesCordoned"):
        return stalled_as_ready_says(facts, ready)
    return Verdict("Stalled", True, facts.why.reason, facts.why.message)


def stalled_as_ready_says(facts: PoolFacts, ready: Verdict) -> Verdict | None:
    """Nodes are kept from new pods by somebody, or should be ready by now."""
    if not facts.why and ready.reason != "NodesCordoned" and not facts.slow:
        return None
    return Verdict("Stalled", True, ready.reason, ready.message)


def starting(facts: PoolFacts, ready: Verdict) -> Verdict | None:
    """Nodes are on their way up."""
    return Verdict("Reconciling", True, "NodesStarting", ready.message)


UNREADY: Final[tuple[Callable[[PoolFacts, Verdict], Verdict | None], ...]] = (
    stalled_refused,
    stalled_stuck,
    stalled_overdue,
    planning,
    stalled_waits,
    stalled_as_ready_says,
    starting,
)


def _progress(facts: PoolFacts, ready: Verdict) -> Verdict | None:
    """How it goes on; None where all is well."""
    if (open_writes := under_way(facts)) or ready.status:
        return open_writes
    return next(verdict for speaks in UNREADY if (verdict := speaks(facts, ready)))


def _overdue(facts: PoolFacts) -> bool:
    return facts.hindered is not None and facts.hindered.reason in FINAL


def _under_way(facts: PoolFacts) -> tuple[str, str]:
    parts = []
    if facts.ordered:
        parts.append(f"Ordered, or waiting for room that is being vacated: {counted(facts.ordered, 'node')}.")
    if facts.going:
        parts.append(f"Being released: {counted(facts.going, 'unit')}.")
    if facts.hindered:
        parts.append(facts.hindered.message)
    if facts.refused:
        why, message, _ = refused.reason(facts.refused)
        return why, " ".join([*parts, message])
    reason = facts.hindered.reason if facts.hindered else "Ordering" if facts.ordered else "Releasing"
    return reason, " ".join(parts)
