"""One decision, step by step."""

from dataclasses import replace
from datetime import datetime

import numpy as np

from aifactory.decide.act.actions import DRAIN_POLL_SECONDS, MOST_ORDERS, act, release
from aifactory.decide.guard import Broken, Guard, culprits, name_of, without
from aifactory.decide.model.build import build
from aifactory.decide.model.case import Case
from aifactory.decide.model.fleet import State
from aifactory.decide.model.plan import (
    SLOW_START,
    Action,
    Order,
    Placing,
    Plan,
    Release,
)
from aifactory.decide.model.world import PoolKey, World, Written, key_of
from aifactory.decide.place.assign import assign
from aifactory.decide.place.called_off import called_off
from aifactory.decide.place.checked import checked
from aifactory.decide.place.goes_first import exchanged, unsure
from aifactory.decide.place.lanes import choose
from aifactory.decide.place.placed import Asked, Placed, Placer, nothing_yet
from aifactory.decide.report.decision import Decision, Given
from aifactory.decide.report.explained import More, Reasons, always
from aifactory.decide.report.placings import placings
from aifactory.decide.report.refused import is_final
from aifactory.decide.report.statuses import with_reasons, with_statuses
from aifactory_solver import Solution, check, gpus_by_pool
from aifactory_solver.collector import paused
from aifactory_solver.problem import Wrong

ORDER_AGAIN_SECONDS = 1.0  # where more is to be ordered than one cycle may
STRANGER_POLL_SECONDS = 60.0  # nodes that are not ours are not watched, and one of them may go


def decide(world: World, now: datetime, placer: Placer = nothing_yet, *, acting: bool = True) -> Plan:
    """Decide for all pools and all factories together. The same world and solutions give the same plan.

    It is decided as for the first time, with all reasons. Without ``acting`` only placings and statuses are
    made, as a planner without a cluster needs them.
    """
    plan, _ = finish(begin(Given(world, now, placer, done=None if acting else ())))
    return plan


@paused()
def begin(given: Given) -> Decision:
    """The first part of a decision: what is released. No limit has to wait for all else that is done or said.

    An object about which anything goes wrong is left aside, as one that makes no sense.
    """
    log: list[str] = []
    while True:
        try:
            decision = _begin(given)
        except Broken as broken:
            world, more = without(given.world, broken)
            given = replace(given, world=world)
            log += more
        else:
            plan = decision.plan
            return replace(decision, plan=replace(plan, log=(*log, *plan.log)))


@paused()
def tell(decision: Decision) -> Decision:
    """The second part: what else is done, and what is said, with the reasons that are known.

    It may be a decision anew, without an object of which nothing can be said.
    """
    try:
        return with_statuses(_whole(decision))
    except Broken as broken:
        world, log = without(decision.case.world, broken)
        again = tell(begin(replace(decision.given, world=world)))
        return replace(again, plan=replace(again.plan, log=(*log, *again.plan.log)))


@paused()
def finish(decision: Decision, more: More = always) -> tuple[Plan, Reasons]:
    """The last part: the whole plan, and the reasons that are known by now.

    ``more`` is asked whether there is time for another reason. A pool that is to say why it waits, which
    nobody knows yet, keeps the status that it has.
    """
    decision = decision if decision.told else tell(decision)
    try:
        return with_reasons(decision, more)
    except Broken as broken:
        world, log = without(decision.case.world, broken)
        plan = decision.plan
        again = begin(replace(decision.given, world=world, adopted=plan.adopted, done=plan.actions))
        plan, reasons = finish(again, more)
        return replace(plan, log=(*log, *plan.log)), reasons


def _begin(given: Given) -> Decision:
    # 1. The world as arrays, also as it would be if nothing were paused.
    world, now = given.world, given.now
    try:
        case = build(world)
    except Exception:
        if (broken := culprits(world, build)) is None:
            raise
        raise broken from None
    case = case if given.brief else _around(case)
    world = case.world
    unpaused = build(world, paused=False) if _paused(world) and not given.brief else None
    # 2. Solve, and let code that shares nothing with the solver judge the answer.
    asked = Asked(case, unpaused)
    choice = choose(asked, given.placer(asked), given.adopted, brief=given.brief)
    solution, answer, log = choice.solution, choice.answer, choice.log
    if kept := called_off(case, solution, choice.again):
        case, solution, log = kept.case, kept.solution, (*log, *kept.log)
        answer = Placed()  # it was about another question
    if given.done is None and given.look and (nodes := unsure(case, solution)):
        # Reading the pods of all nodes each time would cost more than a second try now and then.
        return _begin(replace(given, world=given.look(given.world, nodes), look=None))
    solution = _checked_exchange(case, solution)
    # 3. From counts to named units, and to what is released now.
    assignment = assign(case, solution, now)
    actions = release(case, assignment, now) if given.done is None else given.done
    plan = Plan(placings={}, actions=actions, adopted=choice.adopted(case, solution), log=log)
    return Decision(plan, case, unpaused, solution, answer, assignment, given, waiting=choice.waiting)


def _whole(decision: Decision) -> Decision:
    """The decision with all that is done, and where everybody stands. Raises Broken."""
    case, assignment, given, guard = decision.case, decision.assignment, decision.given, Guard()
    actions = act(case, assignment, given.now, guard) if given.done is None else given.done
    placed: dict[PoolKey, tuple[Placing, ...]] = {}
    for pool in case.world.pools:
        with guard.about(name_of(pool)):
            placed[key_of(pool)] = placings(case, assignment, key_of(pool))
    guard.judge()
    again_after = _again_after(case, actions, given.now)
    return replace(
        decision,
        plan=replace(decision.plan, placings=placed, actions=actions, again_after=again_after),
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
    """GPUs that each pool has by the greedy plan, and how many of them it keeps."""
    solution, _ = checked(case.problem)
    _, kept, new = gpus_by_pool(case.problem, solution)
    return list(zip((kept + new).tolist(), kept.tolist(), strict=True))


def _paused(world: World) -> bool:
    return any(f.spec.paused for f in world.factories) or any(p.spec.paused for p in world.pools)


def _again_after(case: Case, actions: tuple[Action, ...], now: datetime) -> float | None:
    """When something is due that no watch will tell: pods that leave, nodes that do not become ready."""
    due = []
    leaving = (unit for unit in case.fleet.units if unit.state is State.LEAVING)
    # What is ordered is watched; pods that leave are not.
    releases = any(isinstance(action, Release) for action in actions)
    if releases or any(unit.slot.factory not in case.locked for unit in leaving):
        due.append(DRAIN_POLL_SECONDS)
    if sum(isinstance(action, Order) for action in actions) >= MOST_ORDERS:
        due.append(ORDER_AGAIN_SECONDS)
    if any(stray.stranger for stray in case.fleet.strays):
        due.append(STRANGER_POLL_SECONDS)
    for unit in case.fleet.units:
        for node in unit.nodes:
            if not node.ready and node.created + SLOW_START > now:
                due.append((node.created + SLOW_START - now).total_seconds())
    return min(due, default=None)
