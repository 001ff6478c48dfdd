"""Conditions after Kubernetes' conventions: stable times, no writes where nothing changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from aifactory.api.conditions import Condition
from aifactory.decide.phrases import cut


@dataclass(frozen=True)
class Verdict:
    """One condition as it is judged now."""

    type: str
    status: bool | None  # None: unknown
    reason: str
    message: str = ""
    told: str = ""  # what events say instead, where others may read them


class Said(NamedTuple):
    """The end of a verdict: why, and what events say instead where others may read them."""

    reason: str
    message: str
    told: str = ""


def conditions(
    verdicts: Sequence[Verdict], before: Sequence[Mapping[str, Any]], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The verdicts as conditions; the transition time moves only when the status does."""
    past = {condition["type"]: condition for condition in before}
    result = []
    for verdict in verdicts:
        status = {True: "True", False: "False", None: "Unknown"}[verdict.status]
        old = past.get(verdict.type)
        since = old["lastTransitionTime"] if old and old["status"] == status else stamp(now)
        result.append(
            {
                "type": verdict.type,
                "status": status,
                "reason": verdict.reason,
                "message": cut(verdict.message, Condition, "message"),
                "lastTransitionTime": since,
                "observedGeneration": generation,
            }
        )
    return result


def stamp(when: datetime) -> str:
    """A time as Kubernetes writes it, in whole seconds."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def reason_of(before: Sequence[Mapping[str, Any]], kind: str) -> tuple[str, str]:
    """(status, reason) of a condition before; empty where there was none."""
    for condition in before:
        if condition["type"] == kind:
            return str(condition["status"]), str(condition["reason"])
    return "", ""
