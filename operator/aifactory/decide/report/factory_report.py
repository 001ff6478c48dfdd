"""A factory's status: the limit in force, what is committed, what binds, and what is in the way."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from aifactory.api import names
from aifactory.api.factory import AIFactory
from aifactory.api.factory_status import FactoryPrinted
from aifactory.api.quantity import show_power
from aifactory.api.systems import systems_of
from aifactory.decide.act.ledger import Ledger
from aifactory.decide.act.ordered import Ordered
from aifactory.decide.conditions import Said, Verdict, conditions
from aifactory.decide.model.case import Case
from aifactory.decide.model.energy import energy_status
from aifactory.decide.model.fleet import State, Unit, out_of_use
from aifactory.decide.model.layout import smallest_unit
from aifactory.decide.model.plan import SLOW_START, FactoryPrices, Placing, StatusWrite
from aifactory.decide.model.world import Failure, PoolKey
from aifactory.decide.phrases import counted, cut, listed, tally
from aifactory.decide.place.assign import Assignment
from aifactory.decide.report import refused
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
    blockers = _blockers(case, factory, units)
    if hindered and overdue:
        blockers.append(hindered)
    if failure is not None:
        blockers.append(refused.reason(failure))
    if blockers:
        ready = Verdict("Ready", False, *blockers[0])
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


def _blockers(case: Case, factory: AIFactory, units: list[Unit]) -> list[Said]:
    """Everything that needs somebody's action."""
    name, layout = factory.metadata.name, case.layouts[factory.metadata.name]
    found: list[Said] = []
    if case.world.resources_going:
        found.append(
            Said("ResourcesGoing", "Our own resource definitions are being deleted: nothing is changed.")
        )
    missing = [case.world.not_installed.get(kind, "") for kind in factory.spec.backend.given()]
    if any(missing):
        found.append(Said("BackendNotInstalled", f"{missing[0]} Nothing is changed here."))
    elif name in case.world.unknown:
        found.append(
            Said("Unknown", "The backend cannot be listed: nothing is changed, power counts as last seen.")
        )
    if not set(factory.spec.backend.given()) <= case.world.backends:
        given = ", ".join(factory.spec.backend.given())
        found.append(
            Said(
                "BackendNotSupported",
                f"This version cannot drive {given}, only {', '.join(sorted(case.world.backends))}.",
            )
        )
    if factory.metadata.deletion_timestamp is not None and units:
        found.append(
            Said(
                "Deleting",
                f"Still here: {counted(len(units), 'unit')}; set spec.drain: true to empty the factory.",
            )
        )
    systems = systems_of(factory.spec.systems)
    unknown = sorted({racks.system for racks in factory.spec.racks if racks.system not in systems})
    if unknown:
        found.append(Said("UnknownSystem", f"No such system: {listed(unknown)}. Define it in spec.systems."))
    limited = [it.domain for it in factory.spec.power.limits]
    nowhere = {
        "spec.power.limits": [path for path in limited if names.canonical(path) not in layout.by_path],
        "out of service": [it for it in factory.spec.closed if names.canonical(it) not in layout.by_path],
    }
    if parts := [f"{field}: {listed(paths)}" for field, paths in nowhere.items() if paths]:
        allowed = "allowed are instances of a domain; all else is followed."
        found.append(Said("UnknownInstance", f"Found {'; '.join(parts)}; {allowed}"))
    quota, smallest = layout.instances[0].limit, smallest_unit(layout)
    if 0 < quota < smallest:
        found.append(
            Said(
                "QuotaTooSmall",
                f"The quota carries {quota} W of IT power, and the smallest unit draws {smallest} W: nothing "
                "can stand here. 100M is 100 MW; 0 is an outage.",
            )
        )
    strays = sorted(node.name for node in case.fleet.strays if node.factory == name and not node.stranger)
    if strays:
        found.append(Said("Stray", f"Nodes with our labels in no slot of ours: {listed(strays)}."))
    lost = sorted({str(u.pool) for u in units if u.state is State.HELD and u.pool is not None})
    if lost:
        found.append(
            Said(
                "PoolsLost",
                "Units stand for pools that went with their resource definition; apply them again: "
                f"{listed(lost)}.",
                f"Units stand for {counted(len(lost), 'pool')} that went with their resource definition.",
            )
        )
    taken = sorted(node.name for node in case.fleet.strays if node.factory == name and node.stranger)
    if taken:
        found.append(
            Said(
                "NameTaken",
                "Nodes that are not ours have the names of slots here, which are not used and count their "
                f"power: {listed(taken)}.",
            )
        )
    gone = [
        u
        for u in units
        if u.state is State.STANDING
        and not layout.offers(u.slot.path, u.slot.system, u.slot.rack, u.slot.slot)
    ]
    if gone:
        where = sorted({f"{u.slot.path or name} ({u.slot.system}) of {u.pool}" for u in gone})
        lacks = f"The spec has no rack for {counted(len(gone), 'unit')} here"
        found.append(
            Said(
                "InTheWay",
                f"{lacks}: {listed(where)}.",
                f"{lacks}.",
            )
        )
    return found
