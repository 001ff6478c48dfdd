"""How long what drains may take: since when, until when, and what should be gone long since."""

from datetime import datetime, timedelta

from aifactory.decide.model.case import Case
from aifactory.decide.model.fleet import Unit
from aifactory.decide.model.plan import SLOW_START
from aifactory.decide.model.world import Node, key_of

_UNOWNED = 600  # seconds, for nodes whose pool object is gone, or makes no sense


def drain_timeout(case: Case, unit: Unit, node: Node) -> timedelta:
    """How long a node of a unit may drain, from its cordon.

    Its pool says so, up to the most that the site gives. Pods of other namespaces have the site's least, and
    nobody has more than the site may be above a limit.
    """
    pool = case.declared.get(unit.pool) if unit.pool else None
    seconds = pool.spec.drain_timeout_seconds if pool else _UNOWNED
    if (factory := case.sites.get(unit.slot.factory)) is not None:
        seconds = min(seconds, factory.spec.longest_drain_seconds)
        if pool and pods_of_others(case, node.name, key_of(pool).namespace):
            seconds = max(seconds, factory.spec.foreign_drain_seconds)
        if case.is_exceeded(unit.slot):
            seconds = min(seconds, factory.spec.shed_drain_seconds)
    return timedelta(seconds=seconds)


def pods_of_others(case: Case, node: str, namespace: str) -> int:
    """How many pods of other namespaces have to leave a node."""
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
