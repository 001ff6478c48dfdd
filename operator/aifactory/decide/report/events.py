"""Events: what has changed, told once, to whom it concerns."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aifactory.decide.conditions import reason_of
from aifactory.decide.model.case import Case
from aifactory.decide.model.plan import Action, CallOff, Cause, Delete, Drain, Event, StatusWrite
from aifactory.decide.model.world import PoolKey
from aifactory.decide.phrases import counted, listed
from aifactory.decide.report.held_up import refusal
from aifactory.decide.report.reasons import PLANNING
from aifactory.decide.report.refused import REASONS

_LISTED = 3


def transitions(
    before: Sequence[Mapping[str, Any]], write: StatusWrite, watched: Iterable[str]
) -> tuple[Event, ...]:
    """Events for the watched conditions whose status or reason changed, each reason once.

    Of conditions that were not there before only those are told that need somebody. A condition that stays
    true is not news, but for Ready. Nor is it that a plan is being computed: what comes of it is told, as if
    nothing had been said before.
    """
    now = write.status["conditions"]
    stalled = reason_of(now, "Stalled")[0] == "True"
    alarming = stalled or reason_of(now, "WithinLimits")[0] == "False"
    events: dict[str, Event] = {}
    for kind in watched:
        was, (status, reason) = reason_of(before, kind), reason_of(now, kind)
        if reason == PLANNING:
            continue
        if was[1] == PLANNING:
            was = ("", "")
        needs_somebody = status == "False" and stalled
        news = was[0] != "" or needs_somebody
        if was == (status, reason) or not news or (kind != "Ready" and was[0] == status == "True"):
            continue
        said = next(condition["message"] for condition in now if condition["type"] == kind)
        message = write.told.get(kind, said)
        warning = (status == "False" and alarming) or reason in REASONS
        event = Event(write.kind, write.namespace, write.name, reason, message, warning=warning)
        events.setdefault(reason, event)
    return tuple(events.values())


def release_events(case: Case, actions: Iterable[Action]) -> tuple[Event, ...]:
    """One event for each pool and cause, when its nodes begin to drain against its own spec's wish, one when
    that is called off, and one when nodes go with their pods.
    """
    begun: dict[tuple[PoolKey, Cause], list[str]] = defaultdict(list)
    timed_out: dict[PoolKey, list[str]] = defaultdict(list)
    kept: dict[PoolKey, list[str]] = defaultdict(list)
    for action in actions:
        stamp = action.node.stamp if isinstance(action, Drain | CallOff | Delete) else None
        if stamp is None or stamp.pool is None:
            continue
        if isinstance(action, Drain) and stamp.draining_since is None and action.cause is not Cause.SPEC:
            begun[stamp.pool, action.cause].append(action.node.name)
        if isinstance(action, CallOff):
            kept[stamp.pool].append(action.node.name)
        if isinstance(action, Delete) and action.forced:
            timed_out[stamp.pool].append(action.node.name)
    events = [
        Event("GPUPool", *pool, str(cause), f"Being released: {_listed(nodes)}.", warning=True)
        for (pool, cause), nodes in begun.items()
    ]
    events += [
        Event("GPUPool", *pool, "DrainCalledOff", f"Kept after all: {_listed(nodes)}.")
        for pool, nodes in kept.items()
    ]
    for pool, nodes in timed_out.items():
        said = (refusal(case, node, pool.namespace) for node in nodes if node in case.world.refusals)
        why_not = next(said, "they did not leave in time")
        message = f"Deleted with their pods after the drain timeout: {_listed(nodes)}: {why_not}"
        events.append(Event("GPUPool", *pool, "DrainTimedOut", message, warning=True))
    return tuple(events)


def _listed(nodes: list[str]) -> str:
    return f"{counted(len(nodes), 'node')} ({listed(nodes, _LISTED)})"
