"""What a decision says: the statuses and the events of all objects."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from aifactory.decide.act.ledger import Ledger
from aifactory.decide.act.ordered import Ordered, ordered
from aifactory.decide.conditions import Verdict, conditions
from aifactory.decide.guard import Guard, name_of
from aifactory.decide.model.case import Case
from aifactory.decide.model.plan import Action, Event, FactoryPrices, Placing, Plan, StatusWrite
from aifactory.decide.model.world import PoolKey, Refused, key_of
from aifactory.decide.phrases import counted, listed
from aifactory.decide.place.assign import Assignment, assign
from aifactory.decide.place.checked import checked
from aifactory.decide.place.placed import certified
from aifactory.decide.report.decision import Decision
from aifactory.decide.report.events import release_events, transitions
from aifactory.decide.report.explained import More, Reasons, explained
from aifactory.decide.report.factory_report import factory_status
from aifactory.decide.report.placings import placings
from aifactory.decide.report.pool_facts import pool_facts
from aifactory.decide.report.pool_report import pool_status
from aifactory.decide.report.prices import factory_prices
from aifactory.decide.report.reasons import Why, planning, said_before
from aifactory_solver import digest

Placings = Mapping[PoolKey, tuple[Placing, ...]]
Report = tuple[tuple[StatusWrite, ...], tuple[Event, ...]]


def factory_statuses(
    case: Case,
    assignment: Assignment,
    placed: Placings,
    actions: tuple[Action, ...],
    *,
    guard: Guard,
    proof: Verdict,
    prices: Mapping[str, FactoryPrices],
    now: datetime,
) -> Report:
    """The statuses and the events of all factories, and of what makes no sense."""
    statuses: list[StatusWrite] = []
    events: list[Event] = []
    ledger = Ledger(case)
    claims = ordered(case, ledger, actions)
    there: dict[str, dict[PoolKey, list[Placing]]] = defaultdict(lambda: defaultdict(list))
    for key, its in placed.items():
        for placing in its:
            there[placing.factory][key].append(placing)
    for factory in sorted(case.world.factories, key=lambda f: f.metadata.name):
        with guard.about(name_of(factory)):
            name = factory.metadata.name
            claim, worth = claims.get(name, Ordered()), prices.get(name)
            write = factory_status(
                case,
                factory,
                ledger,
                assignment,
                there[name],
                claim=claim,
                proof=proof,
                prices=worth,
                now=now,
            )
            statuses.append(write)
            events += transitions(
                factory.status.wire().get("conditions", []), write, ("Ready", "WithinLimits")
            )
    for refused in case.world.refused:
        write = _refused(refused, now)
        statuses.append(write)
        events += transitions(refused.status.get("conditions", []), write, ("Ready",))  # type: ignore[arg-type]
    return tuple(statuses), tuple(events)


def pool_statuses(
    case: Case,
    assignment: Assignment,
    placed: Placings,
    reasons: Reasons,
    *,
    guard: Guard,
    now: datetime,
    meanwhile: Mapping[PoolKey, Why],
    only: Collection[PoolKey] | None = None,
) -> Report:
    """The statuses and the events of all pools, or of some.

    Where nobody knows yet why a pool waits, it says what it said before, or else what it says ``meanwhile``.
    One below its minimum that has nothing to say is left out: it keeps the status that it has.
    """
    statuses: list[StatusWrite] = []
    events: list[Event] = []
    for pool in sorted(case.world.pools, key=key_of):
        key = key_of(pool)
        if only is not None and key not in only:
            continue
        with guard.about(name_of(pool)):
            mine, alive, advice = placed.get(key, ()), key in case.index, reasons.advice.get(key, "")
            has = sum(p.gpus for p in mine)
            lacks = alive and has < pool.spec.gpus
            why = (reasons.of(case, key) or said_before(pool)) if lacks else None
            if lacks and why is None and not mine:
                why = meanwhile.get(key)
            if why is not None and not why.message.endswith(advice):
                why = replace(why, message=f"{why.message} {advice}")
            facts = pool_facts(case, assignment, pool, mine, why=why, advice=advice, now=now)
            write = pool_status(facts, case.stamps[key][0] if alive else pool.status.placed_under, now)
            if why is not None or not lacks or has >= pool.spec.minimum:
                statuses.append(write)
                events += transitions(pool.status.wire().get("conditions", []), write, ("Ready", "Placed"))
    return tuple(statuses), tuple(events)


def with_statuses(decision: Decision) -> Decision:
    """The decision with what is said and claimed, as far as the reasons are known. Raises Broken."""
    case, plan, answer, guard = decision.case, decision.plan, decision.answer, Guard()
    now, assignment = decision.given.now, decision.assignment
    prices = factory_prices(case, answer.certificate.prices if answer.certificate else None)
    statuses, events = factory_statuses(
        case,
        assignment,
        plan.placings,
        plan.actions,
        guard=guard,
        proof=certified(answer),
        prices=prices,
        now=now,
    )
    of_pools, events_of_pools = pool_statuses(
        case,
        assignment,
        plan.placings,
        decision.given.reasons,
        guard=guard,
        now=now,
        meanwhile=_meanwhile(decision),
    )
    guard.judge()
    plan = replace(
        plan,
        statuses=(*statuses, *of_pools),
        events=(*events, *events_of_pools, *release_events(case, plan.actions)),
        prices=prices,
    )
    return replace(decision, plan=plan, told=True)


def _meanwhile(decision: Decision) -> Mapping[PoolKey, Why]:
    """What pools say that wait for a better plan.

    Each says it once and another thing afterwards, which are two writes more: so only where it takes long.
    """
    within = decision.answer.within
    if not within and not decision.given.brief:
        return {}
    return dict.fromkeys(decision.waiting, planning(0 if decision.given.brief else within))


def with_reasons(decision: Decision, more: More) -> tuple[Plan, Reasons]:
    """The decision's plan with the statuses of the pools for which a reason was worked out. Raises Broken."""
    case, plan, guard, before = decision.case, decision.plan, Guard(), decision.given.reasons
    lacking, fallen = [], set()
    for key, pool in zip(case.index, case.pools, strict=True):
        has = sum(p.gpus for p in plan.placings.get(key, ()))
        if has < pool.spec.gpus:
            lacking.append(key)
        if has < pool.spec.minimum and pool.status.gpus:
            fallen.add(key)
    reasons = explained(
        case,
        decision.solution,
        lacking,
        fallen,
        before=before,
        more=more,
        guard=guard,
        hurry=bool(decision.waiting),
    )
    reasons = _advised(decision, reasons, before, more)
    new = {
        key
        for key in case.index
        if reasons.of(case, key) != before.of(case, key) or reasons.advice.get(key) != before.advice.get(key)
    }
    statuses, events = pool_statuses(
        case,
        decision.assignment,
        plan.placings,
        reasons,
        guard=guard,
        now=decision.given.now,
        meanwhile=_meanwhile(decision),
        only=new,
    )
    guard.judge()
    about = {("GPUPool", *key) for key in new}
    kept = tuple(write for write in plan.statuses if (write.kind, write.namespace, write.name) not in about)

    def anew(event: Event) -> bool:
        return (event.kind, event.namespace, event.name) in about

    told = tuple(event for event in plan.events if not anew(event))
    plan = replace(
        plan,
        statuses=(*kept, *statuses),
        events=(*told, *events, *filter(anew, release_events(case, plan.actions))),
    )
    return plan, reasons


def _advised(decision: Decision, reasons: Reasons, before: Reasons, more: More) -> Reasons:
    """The reasons with what would be done if nothing were paused; as before while there is no time."""
    case, answer = decision.unpaused, decision.answer
    if case is None:
        return reasons
    better = answer.solutions[1] if answer.solutions else None
    asked = (case.question, digest(case.problem, *([better] if better else [])))
    if decision.waiting or asked == before.advice_asked or (reasons.open and not more()):
        return replace(reasons, advice_asked=before.advice_asked, advice=before.advice)
    solution, _ = checked(case.problem, better)
    assignment = assign(case, solution, decision.given.now)
    advice = {}
    for pool in case.pools:
        then = placings(case, assignment, key_of(pool))
        if _shape(then) != _shape(decision.plan.placings.get(key_of(pool), ())):
            where = listed(
                [f"{counted(p.units, 'unit')} in {p.factory}/{p.domain}".rstrip("/") for p in then]
            )
            advice[key_of(pool)] = f"If nothing were paused it would have {where or 'nothing'}."
    return replace(reasons, advice_asked=asked, advice=advice)


def _shape(placed: tuple[Placing, ...]) -> list[tuple[str, str, str, int]]:
    return [(p.factory, p.domain, p.system, p.units) for p in placed]


def _refused(refused: Refused, now: datetime) -> StatusWrite:
    """The status of an object that makes no sense: what it said before, and why it is not followed.

    Limits that are not followed are not in force: a factory's generation counts as seen only once it is read.
    """
    before = refused.status.get("conditions", [])
    verdicts = [
        Verdict("Ready", False, "InvalidSpec", refused.message),
        Verdict("Stalled", True, "InvalidSpec", refused.message),
    ]
    status = {
        **refused.status,
        **({"observedGeneration": refused.metadata.generation} if refused.kind == "GPUPool" else {}),
        "conditions": conditions(verdicts, before, refused.metadata.generation, now),  # type: ignore[arg-type]
    }
    return StatusWrite(refused.kind, refused.namespace, refused.name, status)
