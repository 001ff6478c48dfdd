"""A pool's status: where its GPUs are, or why it waits. Names no other tenant's pool."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aifactory.api import names
from aifactory.api.pool import GPUPool
from aifactory.api.pool_status import PoolPrinted
from aifactory.api.quantity import show_power
from aifactory.decide.act.actions import completable
from aifactory.decide.act.granted import left_off
from aifactory.decide.conditions import Said, Verdict, conditions
from aifactory.decide.model.case import Case
from aifactory.decide.model.fleet import State, Unit, out_of_use
from aifactory.decide.model.plan import SLOW_START, Placing, StatusWrite
from aifactory.decide.model.world import Failure, PoolKey, key_of
from aifactory.decide.phrases import counted, cut, listed, tally
from aifactory.decide.place.assign import Assignment
from aifactory.decide.report import refused
from aifactory.decide.report.held_up import FINAL, hindrance
from aifactory.decide.report.places import placements_status
from aifactory.decide.report.reasons import PLANNING, Why


@dataclass(frozen=True)
class PoolFacts:
    """What a pool's status speaks of."""

    pool: GPUPool
    placings: tuple[Placing, ...]
    ordered: int  # nodes that are ordered now or have to wait for room
    going: int  # units on their way out
    slow: int  # nodes that should be ready by now
    shut: tuple[str, ...]  # nodes that would be ready, had nobody cordoned or labelled them
    out_of_use: dict[str, int]  # nodes that are not ready for new pods, by status field
    why: Why | None  # why it does not get all it wishes for
    keeps_old: bool  # stands where its changed spec does not want it
    no_longer_matches: bool  # stands where its factory's changed spec no longer fits it
    advice: str  # what would be done if nothing were paused
    stuck: tuple[str, str] | None  # (reason, message): something is missing or has to go, and nothing is done
    left_off: str  # what its sites do not grant of its wish
    hindered: Said | None  # what holds up a release
    refused: Failure | None  # a write that it waits for, and that fails again and again

    @property
    def key(self) -> PoolKey:
        """The pool's key."""
        return key_of(self.pool)

    @property
    def placed(self) -> int:
        """GPUs placed."""
        return sum(p.gpus for p in self.placings)

    @property
    def ready(self) -> int:
        """GPUs on ready nodes."""
        return sum(p.ready_gpus for p in self.placings)


def pool_facts(
    case: Case,
    assignment: Assignment,
    pool: GPUPool,
    placings: tuple[Placing, ...],
    *,
    why: Why | None,
    advice: str,
    now: datetime,
) -> PoolFacts:
    """Gather what is to be said about one pool."""
    key = key_of(pool)
    held = assignment.held(key)
    lost = [unit for unit in held if unit.missing]
    stays = assignment.stay.get(key, ())
    coming = sum(len(unit.missing) for unit in stays if unit.missing and completable(case, pool, unit))
    leaving = [u for u in case.fleet.of_pool.get(key, ()) if u.state is State.LEAVING]
    going = [unit for unit in leaving if unit.slot.factory not in case.locked]
    going += [*assignment.go.get(key, ()), *assignment.last.get(key, ())]
    stuck = [u for u in lost if not completable(case, pool, u)]
    stuck += [unit for unit in leaving if unit.slot.factory in case.locked]
    index = case.index.get(key)
    misfit = not case.misfits.isdisjoint(unit.slot for unit in stays)
    changed = bool(index is not None and case.problem.changed[index])
    return PoolFacts(
        pool=pool,
        placings=placings,
        ordered=sum(p.planned_nodes for p in placings) + coming,
        going=len(going),
        shut=tuple(n.name for u in held for n in u.nodes if n.ready and (n.cordoned or n.out_of_service)),
        out_of_use=out_of_use(case.fleet.of_pool.get(key, ())),
        slow=sum(not n.ready and now - n.created >= SLOW_START for unit in held for n in unit.nodes),
        why=why,
        keeps_old=misfit and changed,
        no_longer_matches=misfit and not changed,
        advice=advice,
        stuck=_stuck(case, pool, stuck) if stuck else None,
        left_off=left_off(pool, case.world.factories, placings),
        hindered=hindrance(case, going, now, reader=key.namespace),
        refused=refused.of_pool(case, key, placings),
    )


def _stuck(case: Case, pool: GPUPool, units: list[Unit]) -> tuple[str, str]:
    """Why nothing is done about units that have lost nodes or have to go."""
    names = sorted({unit.slot.factory for unit in units})
    where = f"Lost nodes, or has to go: {counted(len(units), 'unit')} in {listed(names)}"
    paused = {f.metadata.name for f in case.world.factories if f.spec.paused}
    if pool.spec.paused or set(names) <= paused:
        return (
            "Paused",
            f"{where}; nothing is done while {'the pool' if pool.spec.paused else 'it'} is paused.",
        )
    if set(names) & case.world.unknown:
        return "Unknown", f"{where}; the backend cannot be listed, so nothing is changed."
    return "InTheWay", f"{where}; the factory's spec does not let them be changed or ordered again."


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
        "conditions": conditions(_verdicts(facts), before.get("conditions", []), meta.generation, now),
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
    runs = facts.ready if 0 < facts.placed < facts.pool.spec.minimum and not facts.going else 0
    return f"{facts.why.printed}, keeps {runs} GPUs" if runs else facts.why.printed


def _gives_way(facts: PoolFacts) -> bool:
    """Whether a pool is below its minimum because its units are being released."""
    return bool(facts.going) and facts.placed < facts.pool.spec.minimum


def _waiting(facts: PoolFacts, why: Why) -> tuple[str, str]:
    """(reason, message) of a pool whose minimum is not placed."""
    if _gives_way(facts):
        return "Releasing", f"Being released: {counted(facts.going, 'unit')}. {why.message}"
    if facts.placed:
        still = f"What it has still runs: {facts.ready} of {facts.placed} placed GPUs are ready."
        return why.reason, f"{still} {why.message}"
    return why.reason, why.message


def _verdicts(facts: PoolFacts) -> list[Verdict]:
    ready, placed, provisioned = _ready(facts), _placed(facts), _provisioned(facts)
    verdicts = [ready, placed, provisioned]
    overdue = facts.hindered is not None and facts.hindered[0] in FINAL
    in_vain = refused.is_final(facts.refused)
    if (facts.ordered and not in_vain) or (facts.going and not overdue):
        verdicts.append(Verdict("Reconciling", True, *_under_way(facts)))
    elif not ready.status and in_vain and facts.refused:
        verdicts.append(Verdict("Stalled", True, *refused.reason(facts.refused)))
    elif not ready.status and facts.stuck:
        verdicts.append(Verdict("Stalled", True, *facts.stuck))
    elif not ready.status and facts.hindered and overdue:
        verdicts.append(Verdict("Stalled", True, *facts.hindered))
    elif not ready.status and facts.why and facts.why.reason == PLANNING:
        verdicts.append(Verdict("Reconciling", True, PLANNING, facts.why.message))
    elif not ready.status and facts.why:
        says_it = ready.reason in (facts.why.reason, "NodesCordoned")
        of = (ready.reason, ready.message) if says_it else (facts.why.reason, facts.why.message)
        verdicts.append(Verdict("Stalled", True, *of))
    elif ready.reason == "NodesCordoned" or (not ready.status and facts.slow):
        verdicts.append(Verdict("Stalled", True, ready.reason, ready.message))
    elif not ready.status:
        verdicts.append(Verdict("Reconciling", True, "NodesStarting", ready.message))
    return verdicts


def _ready(facts: PoolFacts) -> Verdict:
    minimum, wish = facts.pool.spec.minimum, facts.pool.spec.gpus
    whole = f" for {wish} that are wanted, in whole units" if facts.placed > wish else ""
    numbers = f"{facts.ready} of {max(wish, facts.placed)} GPUs are ready, {facts.placed} are placed{whole}."
    if facts.pool.metadata.deletion_timestamp is not None:
        return Verdict("Ready", False, "Deleting", f"Being released: {counted(facts.going, 'unit')}.")
    if facts.ready >= minimum:
        if facts.refused:
            why = refused.reason(facts.refused)
            return Verdict("Ready", True, why.reason, f"{numbers} {why.message}")
        if facts.placed < wish:
            return Verdict("Ready", True, "PartlyPlaced", numbers)
        return Verdict("Ready", True, "Ready", numbers)
    if facts.placed < minimum and facts.why:
        return Verdict("Ready", False, *_waiting(facts, facts.why))
    if facts.refused:
        return Verdict("Ready", False, *refused.reason(facts.refused))
    if facts.slow:
        return Verdict(
            "Ready",
            False,
            "NodesNotReady",
            f"Not ready after 15 minutes: {counted(facts.slow, 'node')}. {numbers}",
        )
    if facts.shut and not _starting(facts):
        nodes = f"{counted(len(facts.shut), 'node')} ({listed(facts.shut, 3)})"
        return Verdict(
            "Ready", False, "NodesCordoned", f"Ready but cordoned or labelled by somebody: {nodes}. {numbers}"
        )
    return Verdict("Ready", False, "NodesStarting", numbers)


def _starting(facts: PoolFacts) -> bool:
    """Whether nodes are still on their way up, so that time may do."""
    return facts.ordered > 0 or facts.out_of_use["notReadyNodes"] > facts.slow


def _placed(facts: PoolFacts) -> Verdict:
    minimum, wish = facts.pool.spec.minimum, facts.pool.spec.gpus
    numbers = f"{facts.placed} of {max(wish, facts.placed)} GPUs are placed."
    if facts.placed < minimum:
        if facts.why:
            return Verdict("Placed", False, *_waiting(facts, facts.why))
        return Verdict("Placed", False, "Releasing", numbers)
    if facts.keeps_old:
        return Verdict(
            "Placed",
            True,
            "KeepsOldPlace",
            f"The new spec fits nowhere yet. {numbers} {facts.advice}".strip(),
        )
    if facts.no_longer_matches:
        return Verdict(
            "Placed",
            True,
            "NoLongerMatches",
            f"The factory changed, and new units would not go where some of the pool's stand. {numbers}",
        )
    return Verdict("Placed", True, "PartlyPlaced" if facts.placed < wish else "Placed", numbers)


def _provisioned(facts: PoolFacts) -> Verdict:
    nodes = sum(p.nodes for p in facts.placings)
    if facts.stuck and any(p.missing for p in facts.placings):
        return Verdict("Provisioned", False, *facts.stuck)
    if facts.ordered and facts.refused:
        return Verdict("Provisioned", False, *refused.reason(facts.refused))
    if facts.ordered:
        return Verdict("Provisioned", False, "Ordering", f"{nodes - facts.ordered} of {nodes} nodes exist.")
    if not nodes and facts.pool.spec.gpus:
        return Verdict("Provisioned", False, "NothingPlaced", "No node is placed.")
    numbers = f"{nodes} of {nodes} nodes exist."
    if facts.left_off:
        return Verdict("Provisioned", True, "PartlyAsWished", f"{numbers} {facts.left_off}")
    return Verdict("Provisioned", True, "Provisioned", numbers)


def _under_way(facts: PoolFacts) -> tuple[str, str]:
    parts = []
    if facts.ordered:
        parts.append(f"Ordered, or waiting for room that is being vacated: {counted(facts.ordered, 'node')}.")
    if facts.going:
        parts.append(f"Being released: {counted(facts.going, 'unit')}.")
    if facts.hindered:
        parts.append(facts.hindered[1])
    if facts.refused:
        why, message, _ = refused.reason(facts.refused)
        return why, " ".join([*parts, message])
    reason = facts.hindered[0] if facts.hindered else "Ordering" if facts.ordered else "Releasing"
    return reason, " ".join(parts)
