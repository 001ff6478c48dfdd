"""A pool's status: where its GPUs are, or why it waits. Names no other tenant's pool."""

from datetime import datetime
from typing import Any

from aifactory.api import names
from aifactory.api.pool_status import PoolPrinted
from aifactory.api.quantity import show_power
from aifactory.decide.conditions import conditions
from aifactory.decide.model.plan import Placing, StatusWrite
from aifactory.decide.phrases import cut, tally
from aifactory.decide.report.places import placements_status
from aifactory.decide.report.pool_conditions import verdicts
from aifactory.decide.report.pool_facts import PoolFacts


def pool_status(facts: PoolFacts, stamp: str, now: datetime) -> StatusWrite:
    """The status of a pool."""
    pool = facts.pool
    meta, before = pool.metadata, pool.status.wire()
    status: dict[str, Any] = {
        "observedGeneration": meta.generation,
        "gpus": facts.placed,
        "readyGpus": facts.ready,
        **facts.out_of_use,
        "selector": f"{names.LABEL_POOL}={meta.name},{names.LABEL_POOL_NAMESPACE}={facts.key.namespace}",
        "watts": tally(sum(p.watts for p in facts.placings)),
        "placedUnder": stamp,
        **placements_status(facts.placings),
        "printed": {
            "where": cut(_where(facts.placings), PoolPrinted, "where"),
            "power": show_power(sum(p.watts for p in facts.placings)),
            "waits": cut(_waits(facts), PoolPrinted, "waits"),
        },
        "conditions": conditions(verdicts(facts), before.get("conditions", []), meta.generation, now),
    }
    if facts.why:
        status["waiting"] = facts.why.wire()
    return StatusWrite("GPUPool", facts.key.namespace, meta.name, status)


def _where(placings: tuple[Placing, ...]) -> str:
    if not placings:
        return ""
    first = f"{placings[0].factory}/{placings[0].domain}".rstrip("/")
    return first if len(placings) == 1 else f"{first} and {len(placings) - 1} more"


def _waits(facts: PoolFacts) -> str:
    """What a pool waits for, in a few words, and what it keeps where that is less than its minimum."""
    if facts.why is None:
        return "KeepsOldPlace" if facts.keeps_old else ""
    runs = facts.ready if facts.placed and not facts.has_minimum and not facts.going else 0
    return f"{facts.why.printed}, keeps {runs} GPUs" if runs else facts.why.printed
