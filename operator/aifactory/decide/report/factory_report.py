"""A factory's status: the limit in force, what is committed, what binds, and what is in the way."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from aifactory.api.factory import AIFactory
from aifactory.api.factory_status import FactoryPrinted
from aifactory.api.quantity import show_power
from aifactory.decide.act.ledger import Ledger
from aifactory.decide.act.ordered import Ordered
from aifactory.decide.conditions import Verdict, conditions
from aifactory.decide.model.case import Case
from aifactory.decide.model.energy import energy_status
from aifactory.decide.model.fleet import State, Unit, out_of_use
from aifactory.decide.model.plan import SLOW_START, FactoryPrices, Placing, StatusWrite
from aifactory.decide.model.world import Failure, PoolKey
from aifactory.decide.phrases import counted, cut, tally
from aifactory.decide.place.assign import Assignment
from aifactory.decide.report import refused
from aifactory.decide.report.blockers import Site, blocker
from aifactory.decide.report.held_up import FINAL, hindrance
from aifactory.decide.report.prices import prices_status
from aifactory.decide.report.unplaced import unplaced

_TIGHTEST = 3


def factory_status(
    case: Case,
    factory: AIFactory,
    ledger: Ledger,
    assignment: Assignment,
    placings: Mapping[PoolKey, Sequence[Placing]],
    *,
    claim: Ordered,
    proof: Verdict,
    prices: FactoryPrices | None,
    now: datetime,
) -> StatusWrite:
    """The status of a factory whose spec makes sense. `placings` are those in it.

    `claim` is what is ordered there now, which the ledger has as committed; `proof` is what is proved about
    the whole plan.
    """
    meta, before = factory.metadata, factory.status.wire()
    name, layout = meta.name, case.layouts[meta.name]
    first = case.first_domain[name]
    units = list(case.fleet.of_factory.get(name, ()))
    here = [p for ps in placings.values() for p in ps]
    committed = int(ledger.committed[first])
    planned = sum(p.planned_watts for p in here)
    reserved, limit = committed - claim.watts + planned, layout.instances[0].limit
    going = [u for us in assignment.go.values() for u in us if u.slot.factory == name]
    if name not in case.locked:
        going += [unit for unit in units if unit.state is State.LEAVING]
    failure = refused.of_factory(case, name, placings)
    ready, within, *passing = _verdicts(
        case, factory, ledger, units, going, claim=claim, failure=failure, now=now
    )
    verdicts = [ready, within, proof, *passing]
    tightest = _tightest(case, name, ledger)
    ready_gpus = sum(unit.ready_gpus for unit in units)
    placed, wanted_nodes = sum(p.gpus for p in here), sum(p.nodes for p in here)
    status: dict[str, Any] = {
        "observedGeneration": meta.generation,
        "power": {
            "limit": limit,
            "committed": tally(committed),
            "reserved": tally(reserved),
            "free": max(0, limit - reserved),
        },
        "tightest": tightest,
        "nodes": claim.nodes
        + sum(len(unit.nodes) or unit.size * (unit.claimed_ready is not None) for unit in units),
        "readyNodes": sum(node.serves for unit in units for node in unit.nodes),
        **out_of_use(units),
        "wantedNodes": wanted_nodes,
        "gpus": claim.gpus + sum(unit.gpus for unit in units),
        "readyGpus": ready_gpus,
        "wantedGpus": placed,
        "pools": len(placings),
        "printed": {
            "limit": show_power(limit),
            "committed": show_power(committed),
            "free": show_power(max(0, limit - reserved)),
            "tightest": cut(_print_tightest(tightest, committed, limit), FactoryPrinted, "tightest"),
        },
        "conditions": conditions(verdicts, before.get("conditions", []), meta.generation, now),
    }
    if prices is not None:
        status["prices"] = prices_status(prices)
    if others := unplaced(case, name, assignment):
        status["unplaced"] = others
    if energy := energy_status(factory.spec, sum(p.watts for p in here)):
        status["energy"] = energy
    first_sight = factory.status.observed_generation != meta.generation
    told = {verdict.type: verdict.told for verdict in verdicts if verdict.told}
    return StatusWrite("AIFactory", "", name, status, first=first_sight or claim.nodes > 0, told=told)


def _tightest(case: Case, name: str, ledger: Ledger) -> list[dict[str, Any]]:
    layout, first = case.layouts[name], case.first_domain[name]
    loaded = []
    for i, instance in enumerate(layout.instances):
        committed = int(ledger.committed[first + i])
        if i and committed:
            loaded.append((-committed * 10**6 // max(instance.limit, 1), i, instance, committed))
    loaded.sort(key=lambda entry: entry[:2])
    return [
        {"domain": instance.name, "limit": instance.limit, "committed": tally(committed)}
        for _, _, instance, committed in loaded[:_TIGHTEST]
    ]


def _print_tightest(tightest: list[dict[str, Any]], committed: int, limit: int) -> str:
    if not tightest or committed * tightest[0]["limit"] >= tightest[0]["committed"] * limit:
        return f"quota {100 * committed // limit} %" if limit else "quota 0 W"
    top = tightest[0]
    return f"{top['domain']} {100 * top['committed'] // max(top['limit'], 1)} %"


def _verdicts(
    case: Case,
    factory: AIFactory,
    ledger: Ledger,
    units: list[Unit],
    going: list[Unit],
    *,
    claim: Ordered,
    failure: Failure | None,
    now: datetime,
) -> list[Verdict]:
    within = _within_limits(case, factory, ledger, going, now)
    hindered = hindrance(case, going, now)
    overdue = hindered is not None and hindered[0] in FINAL
    blocked = blocker(Site(case, factory, units)) or (hindered if overdue else None)
    if blocked is None and failure is not None:
        blocked = refused.reason(failure)
    if blocked is not None:
        ready = Verdict("Ready", False, *blocked)
    elif within.status:
        paused = Verdict("Ready", True, "Paused", "Planned and reported; nothing is done while it is paused.")
        planned = Verdict("Ready", True, "AsPlanned", "Everything here is as planned.")
        ready = paused if factory.spec.paused else planned
    else:
        ready = Verdict("Ready", False, within.reason, within.message, within.told)
    verdicts = [ready, within]
    ordered = claim.nodes if failure is None else 0  # what is refused is only tried
    starting = ordered + sum(not n.ready and now - n.created < SLOW_START for u in units for n in u.nodes)
    if (going or starting) and not overdue:
        parts = [f"Being released: {counted(len(going), 'unit')}."] if going else []
        parts += [f"Not ready yet: {counted(starting, 'node')}."] if starting else []
        parts += [hindered[1]] if hindered else []
        reason = hindered[0] if hindered else "Releasing" if going else "NodesStarting"
        verdicts.append(Verdict("Reconciling", True, reason, " ".join(parts)))
    elif not ready.status:
        verdicts.append(Verdict("Stalled", True, ready.reason, ready.message))
    return verdicts


def _within_limits(
    case: Case, factory: AIFactory, ledger: Ledger, going: list[Unit], now: datetime
) -> Verdict:
    layout, first = case.layouts[factory.metadata.name], case.first_domain[factory.metadata.name]
    over = [
        (int(ledger.committed[first + i]) - instance.limit, instance)
        for i, instance in enumerate(layout.instances)
        if ledger.committed[first + i] > instance.limit
    ]
    if not over:
        return Verdict("WithinLimits", True, "WithinLimits", "Committed power is at or below every limit.")
    excess, instance = max(over, key=lambda entry: entry[0])
    where = instance.name or "the quota"
    message = f"{where}: {excess} W above its limit of {instance.limit} W"
    if factory.spec.paused:
        return Verdict(
            "WithinLimits", False, "Paused", f"{message}; the factory is paused, so nothing is shed."
        )
    if hindered := hindrance(case, going, now):
        told = f"{message}; {hindered.told}"
        return Verdict("WithinLimits", False, hindered.reason, f"{message}; {hindered.message}", told)
    if going:
        return Verdict("WithinLimits", False, "Shedding", f"{message}; units are being released.")
    return Verdict("WithinLimits", False, "OverLimit", f"{message}; nothing is left there to shed.")
