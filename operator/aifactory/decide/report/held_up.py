"""What holds up the release of units."""

from collections.abc import Iterable
from datetime import datetime

from aifactory.decide.conditions import Said, stamp
from aifactory.decide.model.case import Case
from aifactory.decide.model.draining import began, drain_timeout, overdue, pods_of_others
from aifactory.decide.model.fleet import Unit
from aifactory.decide.model.world import Node, Written
from aifactory.decide.phrases import counted, listed
from aifactory.decide.report import refused

OVERDUE = "ReleaseOverdue"
FINAL = (OVERDUE, refused.REASON[Written.RELEASE])  # somebody has to look
_LISTED = 3


def refusal(case: Case, node: str, reader: str | None) -> str:
    """Why pods may not leave a node yet, for who reads one namespace, or for the platform's own people.

    What was said about a pod of another namespace names its budget, so only the number of such pods is told.
    """
    last = case.world.refusals[node]
    if reader in (None, last.namespace):
        return last.message
    others = pods_of_others(case, node, reader or "")
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
        others = reader is not None and pods_of_others(case, failure.node, reader)
        return said._replace(message=said.told) if others else said
    if blocked:
        node, first, ends_at = blocked[0]
        watts = sum({unit.slot: unit.watts for _, unit, _ in blocked}.values())
        end = f"that may not be evicted yet, until {ends_at}"
        waits = f"{watts} W wait for pods on {node.name}"
        message = f"{waits} ({first.pool}) {end}: {refusal(case, node.name, reader)}"
        return Said("DrainBlocked", message, f"{waits} {end}.")
    return None
