"""Releases under way: how long they may take, and what holds them up."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from aifactory.decide import refused
from aifactory.decide.case import Case
from aifactory.decide.conditions import Said, stamp
from aifactory.decide.fleet import Unit
from aifactory.decide.plan import SLOW_START
from aifactory.decide.words import counted, listed
from aifactory.decide.world import Node, Written, key_of

OVERDUE = "ReleaseOverdue"
FINAL = (OVERDUE, refused.REASON[Written.RELEASE])  # somebody has to look
_UNOWNED = 600  # seconds, for nodes whose pool object is gone, or makes no sense
_LISTED = 3


def drain_timeout(case: Case, unit: Unit, node: Node) -> timedelta:
    """How long a node of a unit may drain, from its cordon.

    Its pool says so, up to the most that the site gives. Pods of other namespaces have the site's least, and
    nobody has more than the site may be above a limit.
    """
    pool = case.declared.get(unit.pool) if unit.pool else None
    seconds = pool.spec.drain_timeout_seconds if pool else _UNOWNED
    if (factory := case.sites.get(unit.slot.factory)) is not None:
        seconds = min(seconds, factory.spec.longest_drain_seconds)
        if pool and _of_others(case, node.name, key_of(pool).namespace):
            seconds = max(seconds, factory.spec.foreign_drain_seconds)
        if case.is_exceeded(unit.slot):
            seconds = min(seconds, factory.spec.shed_drain_seconds)
    return timedelta(seconds=seconds)


def _of_others(case: Case, node: str, namespace: str) -> int:
    return sum(pod.namespace != namespace for pod in case.pods_on.get(node, ()))


def began(node: Node, now: datetime) -> datetime | None:
    """Since when a node drains; None where it does not. A time that is still to come is taken for now."""
    return min(node.stamp.draining_since, now) if node.stamp and node.stamp.draining_since else None


def overdue(case: Case, unit: Unit, now: datetime) -> bool:
    """Whether nodes of a unit should be gone long since: something else holds them."""
    return any(
        since is not None and now - since >= drain_timeout(case, unit, node) + SLOW_START
        for node in unit.nodes
        for since in (began(node, now),)
    )


def refusal(case: Case, node: str, reader: str | None) -> str:
    """Why pods may not leave a node yet, for who reads one namespace, or for the platform's own people.

    What was said about a pod of another namespace names its budget, so only the number of such pods is told.
    """
    last = case.world.refusals[node]
    if reader in (None, last.namespace):
        return last.message
    others = _of_others(case, node, reader or "")
    return f"{counted(others, 'pod')} of other namespaces have the time that the site gives them"


def hindrance(case: Case, units: Iterable[Unit], now: datetime, *, reader: str | None = None) -> Said | None:
    """What holds up the release of units, None where nothing does. The reader of a pool is its tenant.

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
                blocked.append((node, unit, stamp(since + drain_timeout(case, unit, node))))
    if late:
        message = (
            f"Still there 15 minutes after their drain timeout: {listed(late, _LISTED)}. "
            "Something else holds them, such as a finalizer on the Node or a backend that does not answer."
        )
        return Said(OVERDUE, message, message)
    if failure := refused.of_nodes(case, (node.name for unit in units for node in unit.nodes)):
        said = refused.reason(failure)
        others = reader is not None and _of_others(case, failure.node, reader)
        return said._replace(message=said.told) if others else said
    if blocked:
        node, first, ends_at = blocked[0]
        watts = sum({unit.slot: unit.watts for _, unit, _ in blocked}.values())
        end = f"that may not be evicted yet, until {ends_at}"
        waits = f"{watts} W wait for pods on {node.name}"
        message = f"{waits} ({first.pool}) {end}: {refusal(case, node.name, reader)}"
        return Said("DrainBlocked", message, f"{waits} {end}.")
    return None
