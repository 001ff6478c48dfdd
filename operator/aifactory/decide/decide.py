"""One decision, step by step."""

from dataclasses import replace
from datetime import datetime

import numpy as np

from aifactory.decide.actions import DRAIN_POLL_SECONDS, act
from aifactory.decide.adopted import adopt, resumed
from aifactory.decide.assign import Assignment, assign
from aifactory.decide.build import build
from aifactory.decide.called_off import called_off
from aifactory.decide.case import Case
from aifactory.decide.checked import checked
from aifactory.decide.conditions import Verdict, conditions
from aifactory.decide.events import release_events, transitions
from aifactory.decide.factory_report import factory_status
from aifactory.decide.fleet import State
from aifactory.decide.goes_first import exchanged, unsure
from aifactory.decide.guard import Broken, Guard, culprits, name_of, without
from aifactory.decide.ledger import Ledger
from aifactory.decide.ordered import Ordered, ordered
from aifactory.decide.placed import Placed, Placer, Stopped, Trouble, certified, nothing_yet
from aifactory.decide.placings import placings
from aifactory.decide.plan import (
    SLOW_START,
    Action,
    Adopted,
    CallOff,
    Delete,
    Drain,
    Event,
    Evict,
    FactoryPrices,
    Hold,
    Placing,
    Plan,
    StatusWrite,
)
from aifactory.decide.pool_report import pool_facts, pool_status
from aifactory.decide.prices import factory_prices
from aifactory.decide.refused import is_final
from aifactory.decide.why import Why, why
from aifactory.decide.words import counted, listed
from aifactory.decide.world import PoolKey, Refused, World, Written, key_of
from aifactory_solver import Explainer, Solution, check, gpus_by_pool
from aifactory_solver.collector import paused
from aifactory_solver.problem import Wrong

STRANGER_POLL_SECONDS = 60.0  # nodes that are not ours are not watched, and one of them may go

_Placings = dict[PoolKey, tuple[Placing, ...]]


@paused()
def decide(
    world: World,
    now: datetime,
    placer: Placer = nothing_yet,
    adopted: Adopted | None = None,
    *,
    acting: bool = True,
) -> Plan:
    """Decide for all pools and all factories together. The same world and solutions give the same plan.

    ``placer`` is asked once for better plans than the safe ones, which are used where it has none.
    ``adopted`` is what the plan before this one meant: while nothing else is asked, that is carried on with.
    Without ``acting`` only placings and statuses are made, as a planner without a cluster needs them.
    An object about which anything goes wrong is left aside, as one that makes no sense.
    """
    log: list[str] = []
    while True:
        try:
            plan = _decide(world, now, placer, adopted, acting=acting)
        except Broken as broken:
            world, more = without(world, broken)
            log += more
        else:
            return replace(plan, log=(*log, *plan.log))


def _decide(world: World, now: datetime, placer: Placer, adopted: Adopted | None, *, acting: bool) -> Plan:
    # 1. The world as arrays, also as it would be if nothing were paused.
    try:
        case = build(world)
    except Exception:
        if (broken := culprits(world, build)) is None:
            raise
        raise broken from None
    case = _around(case)
    world = case.world
    cases = (case, build(world, paused=False)) if _paused(world) else (case,)
    # 2. Solve, and let code that shares nothing with the solver judge the answer.
    answer = placer(tuple(each.problem for each in cases))
    better = answer.solutions[0] if answer.solutions else None
    before = resumed(case, adopted)
    solution, log = checked(case.problem, better, before)
    if better is not None and log:
        answer = Placed(trouble=Trouble(Stopped.FAILED, "the checker refused a better one"))
    if kept := called_off(case, solution):
        case, solution, log = kept.case, kept.solution, (*log, *kept.log)
        answer = Placed()  # it was about another question
    open_choice = unsure(case, solution)
    solution = _checked_exchange(case, solution)
    # 3. From counts to named units, and to what is done now.
    assignment = assign(case, solution, now)
    guard = Guard()
    actions = act(case, assignment, now, guard) if acting else ()
    placed: _Placings = {}
    for pool in world.pools:
        with guard.about(name_of(pool)):
            placed[key_of(pool)] = placings(case, assignment, key_of(pool))
    # 4. What would be done if nothing were paused.
    advice = _advice(cases[1], answer, placed, now) if len(cases) > 1 else {}
    # 5. Why pools wait, and the statuses.
    explainer = Explainer(case.problem, solution)
    prices = factory_prices(case, answer.certificate.prices if answer.certificate else None)
    statuses, events = _report(
        case,
        explainer,
        assignment,
        placed,
        advice,
        actions=actions,
        guard=guard,
        proof=certified(answer),
        prices=prices,
        now=now,
    )
    guard.judge()
    events = (*events, *release_events(case, actions))
    return Plan(
        placings=placed,
        actions=actions,
        statuses=statuses,
        events=events,
        prices=prices,
        adopted=adopt(case, solution),
        unsure=open_choice if acting else frozenset(),
        log=log,
        again_after=_again_after(case, actions, now),
    )


def _checked_exchange(case: Case, solution: Solution) -> Solution:
    """The plan with what should go first going, where the checker lets it pass."""
    other = exchanged(case, solution)
    if np.array_equal(other.kept, solution.kept):  # all else follows from that
        return solution
    try:
        check(case.problem, other)
    except Wrong:
        return solution
    return other


def _around(case: Case) -> Case:
    """The case without the factories that refuse a pool's orders, if it gets as much and keeps as much so."""
    refusing = frozenset(
        (f.pool, f.factory)
        for f in case.world.failures
        if f.what is Written.ORDER and f.pool and f.pool in case.index and not f.slot and is_final(f)
    )
    if not refusing:
        return case
    around = build(replace(case.world, closed=refusing))
    here, there = (_gpus(each) for each in (case, around))
    worse = {pool for pool, _ in refusing if _less(there[case.index[pool]], here[case.index[pool]])}
    kept = frozenset((pool, factory) for pool, factory in refusing if pool not in worse)
    return build(replace(case.world, closed=kept)) if worse else around


def _less(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return any(a < b for a, b in zip(one, other, strict=True))


def _gpus(case: Case) -> list[tuple[int, int]]:
    """GPUs that each pool has by the safe plan, and how many of them it keeps."""
    solution, _ = checked(case.problem)
    _, kept, new = gpus_by_pool(case.problem, solution)
    return list(zip((kept + new).tolist(), kept.tolist(), strict=True))


def _paused(world: World) -> bool:
    return any(f.spec.paused for f in world.factories) or any(p.spec.paused for p in world.pools)


def _advice(case: Case, answer: Placed, placed: _Placings, now: datetime) -> dict[PoolKey, str]:
    """For each pool that something paused holds back: where it would stand otherwise, as in the case."""
    solution, _ = checked(case.problem, answer.solutions[1] if answer.solutions else None)
    assignment = assign(case, solution, now)
    advice = {}
    for pool in case.pools:
        then = placings(case, assignment, key_of(pool))
        if _shape(then) != _shape(placed.get(key_of(pool), ())):
            where = listed(
                [f"{counted(p.units, 'unit')} in {p.factory}/{p.domain}".rstrip("/") for p in then]
            )
            advice[key_of(pool)] = f"If nothing were paused it would have {where or 'nothing'}."
    return advice


def _shape(placed: tuple[Placing, ...]) -> list[tuple[str, str, str, int]]:
    return [(p.factory, p.domain, p.system, p.units) for p in placed]


def _report(
    case: Case,
    explainer: Explainer,
    assignment: Assignment,
    placed: _Placings,
    advice: dict[PoolKey, str],
    *,
    actions: tuple[Action, ...],
    guard: Guard,
    proof: Verdict,
    prices: dict[str, FactoryPrices],
    now: datetime,
) -> tuple[tuple[StatusWrite, ...], tuple[Event, ...]]:
    statuses: list[StatusWrite] = []
    events: list[Event] = []
    ledger = Ledger(case)
    claims = ordered(case, ledger, actions)
    for factory in sorted(case.world.factories, key=lambda f: f.metadata.name):
        with guard.about(name_of(factory)):
            name = factory.metadata.name
            claim, worth = claims.get(name, Ordered()), prices.get(name)
            write = factory_status(
                case, factory, ledger, assignment, placed, claim=claim, proof=proof, prices=worth, now=now
            )
            statuses.append(write)
            events += transitions(
                factory.status.wire().get("conditions", []), write, ("Ready", "WithinLimits")
            )
    for pool in sorted(case.world.pools, key=key_of):
        with guard.about(name_of(pool)):
            key = key_of(pool)
            mine = placed.get(key, ())
            alive = key in case.index
            lacks = alive and sum(p.gpus for p in mine) < pool.spec.gpus
            reason = _with_advice(why(case, explainer, key), advice.get(key)) if lacks else None
            facts = pool_facts(case, assignment, pool, mine, why=reason, advice=advice.get(key, ""), now=now)
            write = pool_status(facts, case.stamps[key][0] if alive else pool.status.placed_under, now)
            statuses.append(write)
            events += transitions(pool.status.wire().get("conditions", []), write, ("Ready", "Placed"))
    for refused in case.world.refused:
        write = _refused(refused, now)
        statuses.append(write)
        events += transitions(refused.status.get("conditions", []), write, ("Ready",))  # type: ignore[arg-type]
    return tuple(statuses), tuple(events)


def _with_advice(reason: Why, advice: str | None) -> Why:
    return replace(reason, message=f"{reason.message} {advice}") if advice else reason


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


def _again_after(case: Case, actions: tuple[Action, ...], now: datetime) -> float | None:
    """When something is due that no watch will tell: pods that leave, nodes that do not become ready."""
    due = []
    leaving = (unit for unit in case.fleet.units if unit.state is State.LEAVING)
    # What is ordered is watched; pods that leave are not.
    releases = any(isinstance(action, CallOff | Drain | Evict | Hold | Delete) for action in actions)
    if releases or any(unit.slot.factory not in case.locked for unit in leaving):
        due.append(DRAIN_POLL_SECONDS)
    if any(stray.stranger for stray in case.fleet.strays):
        due.append(STRANGER_POLL_SECONDS)
    for unit in case.fleet.units:
        for node in unit.nodes:
            if not node.ready and node.created + SLOW_START > now:
                due.append((node.created + SLOW_START - now).total_seconds())
    return min(due, default=None)
