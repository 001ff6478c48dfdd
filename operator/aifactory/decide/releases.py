"""Releases under way: how long they may take, and what holds them up."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from aifactory.decide import refused
from aifactory.decide.case import Case
from aifactory.decide.conditions import stamp
from aifactory.decide.fleet import Unit
from aifactory.decide.plan import SLOW_START
from aifactory.decide.words import listed
from aifactory.decide.world import Node, Written

OVERDUE = "ReleaseOverdue"
FINAL = (OVERDUE, refused.REASON[Written.RELEASE])  # somebody has to look
_UNOWNED = timedelta(seconds=600)  # for nodes whose pool object is gone, or makes no sense
_LISTED = 3


def drain_timeout(case: Case, unit: Unit) -> timedelta:
    """How long a unit's nodes may drain, from their cordon."""
    pool = case.declared.get(unit.pool) if unit.pool else None
    return timedelta(seconds=pool.spec.drain_timeout_seconds) if pool else _UNOWNED


def began(node: Node, now: datetime) -> datetime | None:
    """Since when a node drains; None where it does not. A time that is still to come is taken for now."""
    return min(node.stamp.draining_since, now) if node.stamp and node.stamp.draining_since else None


def overdue(case: Case, unit: Unit, now: datetime) -> bool:
    """Whether nodes of a unit should be gone long since: something else holds them."""
    latest = drain_timeout(case, unit) + SLOW_START
    return any(since is not None and now - since >= latest for since in (began(n, now) for n in unit.nodes))


def hindrance(case: Case, units: Iterable[Unit], now: datetime) -> tuple[str, str] | None:
    """(reason, message) of what holds up the release of units, None where nothing does.

    `ReleaseOverdue` and `ReleaseRefused` need somebody to look; `DrainBlocked` ends by itself, at the latest
    with the timeout.
    """
    units = tuple(units)
    late: list[str] = []
    blocked: list[tuple[Node, Unit, str]] = []
    for unit in units:
        if overdue(case, unit, now):
            late += [node.name for node in unit.nodes]
            continue
        for node in unit.nodes:
            since = began(node, now)
            if since is not None and node.name in case.world.refusals:
                blocked.append((node, unit, stamp(since + drain_timeout(case, unit))))
    if late:
        return (
            OVERDUE,
            "Still there 15 minutes after their drain timeout: "
            f"{listed(late, _LISTED)}. "
            "Something else holds them, such as a finalizer on the Node or a backend that does not answer.",
        )
    if failure := refused.of_nodes(case, (node.name for unit in units for node in unit.nodes)):
        return refused.reason(failure)
    if blocked:
        node, first, ends_at = blocked[0]
        watts = sum({unit.slot: unit.watts for _, unit, _ in blocked}.values())
        refusal = case.world.refusals[node.name]
        message = f"{watts} W wait for pods on {node.name} ({first.pool}) that may not be evicted yet, "
        message += f"until {ends_at}: {refusal}"
        return "DrainBlocked", message
    return None
