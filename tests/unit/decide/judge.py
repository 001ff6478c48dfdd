"""The promises, asked of a simulated cluster: after a single write, of a plan, and once all is settled."""

from datetime import timedelta

from aifactory.api.pool import GPUPoolSpec
from aifactory.api.systems import systems_of
from aifactory.decide import Plan
from aifactory.decide.model.plan import CallOff, Delete, Drain, Finalizer, Order, Relabel
from unit.decide.count import (
    Standing,
    committed,
    draws,
    excess,
    levels,
    locked,
    out_of_service,
    over,
    parents,
    slots_of,
    standing,
    unit_watts,
    units,
)
from unit.decide.room import below_minimum, could_grow, takable, would_fit
from unit.decide.state import Fault, State
from unit.decide.truth import factory_lies, forgotten, half_known, plan_lies, pool_lies

Excess = dict[tuple[str, str], int]


def judge_power(before: Excess, after: Excess, what: object) -> None:
    """Promise 1: no single write takes a place above a limit in force, or further above it."""
    for (factory, path), watts in after.items():
        if watts > before.get((factory, path), 0):
            where = f"{factory}/{path}".rstrip("/")
            raise Fault(f"{where} is {watts} W above its limit, after {type(what).__name__}: {what}")


def judge_claim(state: State, order: Order) -> None:
    """An order only ever makes what its factory's status counts: by that alone a factory may be deleted."""
    name = order.spec.slot.factory
    factory = state.factories[name]
    here = [n for n in state.nodes.values() if n.factory == name]
    there = (sum(len(u.nodes) for u in units(here)), committed(factory, here)[""])
    said = (factory.status.nodes, factory.status.power.committed if factory.status.power else 0)
    if said[0] < there[0] or said[1] < there[1]:
        raise Fault(f"{name} holds (nodes, W) {there}, and its status says {said}, after {order}")


# A plan


def judge_plan(state: State, plan: Plan) -> None:
    """Promises 2, 3 and 5: what a plan touches, it may touch; and what it says is so."""
    if plan.log:
        raise Fault("\n".join(plan.log))
    if wrong := plan_lies(state, plan):
        raise Fault("\n".join(wrong))
    fleet = {n.name: u for u in units(state.nodes.values()) for n in u.nodes}
    for action in plan.actions:
        if isinstance(action, Finalizer):
            continue
        if state.resources_going:
            raise Fault(f"{type(action).__name__} while the resources are being deleted")
        if isinstance(action, Order):
            factory = action.spec.slot.factory
            _judge_order(state, plan, action)
            pool = state.pools[str(action.pool)]
            if pool.spec.paused or pool.metadata.deletion_timestamp:
                raise Fault(f"{action.pool} orders nodes and must not")
        elif isinstance(action, CallOff | Drain | Delete | Relabel):
            factory = action.node.factory
        else:
            continue
        if locked(state, factory):
            raise Fault(f"{type(action).__name__} in {factory}, where nothing may be changed")
        if isinstance(action, Drain) and not fleet[action.node.name].leaving:
            _judge_drain(state, plan, fleet[action.node.name])
        if isinstance(action, Delete) and action.forced:
            _judge_force(state, action)


def _judge_order(state: State, plan: Plan, order: Order) -> None:
    """Nothing is ordered for a pool where as good a unit of it drains."""
    slot, kept = order.spec.slot, {a.node.name for a in plan.actions if isinstance(a, CallOff)}
    factory = state.factories[slot.factory]
    system = systems_of(factory.spec.systems)[slot.system]
    for unit in units(state.nodes.values()):
        alike = (unit.factory, unit.path, unit.system) == (slot.factory, slot.path, slot.system)
        if not alike or unit.pool != str(order.pool) or not unit.leaving:
            continue
        there = (unit.rack, unit.slot) in slots_of(factory, system, unit.path)
        as_good = unit.gpus == system.gpus_per_unit and draws(factory, unit) == unit_watts(
            factory, system.name
        )
        lost = any(n.out_of_service or n.deleting for n in unit.nodes)
        if there and as_good and not lost and not {n.name for n in unit.nodes} & kept:
            raise Fault(f"{unit.pool} orders {slot.node_name} while {unit.nodes[0].name} drains there")


def _judge_drain(state: State, plan: Plan, unit: Standing) -> None:
    pool = state.pools.get(unit.pool)
    if pool is None or pool.metadata.deletion_timestamp is not None:
        return
    mine = standing(state, unit.pool)
    if half_known(state, unit.pool) or forced(state, mine) or changed(state, unit.pool, mine):
        return
    all_of_it = [other for other in units(state.nodes.values()) if other.pool == unit.pool]
    begun = forced(state, all_of_it) or any(drained(other) for other in all_of_it)
    if begun and (below_minimum(pool, mine) or pool.spec.topology.spread is not None):
        return  # what has begun has to be finished: it goes whole, or evenly
    if not pool.spec.preemptible:
        raise Fault(f"{unit.pool} is not preemptible, and loses a unit in {unit.factory}/{unit.path}")
    for path, other in state.pools.items():
        if other.spec.priority > pool.spec.priority and not other.spec.paused:
            theirs = standing(state, path)
            planned = plan.placings.get((other.metadata.namespace, other.metadata.name), ())  # type: ignore[call-overload]
            gains = any(p.units > p.standing for p in planned)
            if gains and (below_minimum(other, theirs) or forced(state, theirs)):
                return
    raise Fault(f"{unit.pool} loses a unit in {unit.factory}/{unit.path}, and nobody above it gains")


def _judge_force(state: State, action: Delete) -> None:
    stamp = action.node.stamp
    owner = state.pools.get(str(stamp.pool)) if stamp else None
    site = state.factories[action.node.factory]
    most = site.spec.longest_drain_seconds
    timeout = min(owner.spec.drain_timeout_seconds, most) if owner else 600
    tenant = owner.metadata.namespace if owner else ""
    here = [pod for pod in state.pods.values() if pod.node == action.node.name]
    if owner and any(pod.namespace != tenant for pod in here):
        timeout = max(timeout, site.spec.foreign_drain_seconds)
    path = next(p for p in parents(stamp.slot.path if stamp else "") if p in levels(site))
    if not over(site, state.nodes.values()).keys().isdisjoint(parents(path)):
        timeout = min(timeout, site.spec.shed_drain_seconds)
    since = stamp.draining_since if stamp else None
    if since is None or state.now - since < timedelta(seconds=timeout):
        raise Fault(f"{action.node.name} goes with its pods before its drain timed out")


def forced(state: State, mine: list[Standing]) -> bool:
    """Whether a limit, a drain or a mark on a node touches one of these units."""
    for unit in mine:
        factory = state.factories.get(unit.factory)
        if factory is None:
            continue
        exceeded = over(factory, state.nodes.values())
        nearest = next(p for p in parents(unit.path) if p in levels(factory))
        if (
            factory.spec.drain
            or out_of_service(factory, nearest)
            or any(n.out_of_service for n in unit.nodes)
            or not exceeded.keys().isdisjoint(parents(nearest))
        ):
            return True
    return False


def drained(unit: Standing) -> bool:
    """Whether the operator has begun to release a unit of its own will."""
    marked = any(n.out_of_service for n in unit.nodes)
    return not marked and any(n.stamp is not None and n.stamp.draining_since for n in unit.nodes)


def changed(state: State, path: str, mine: list[Standing]) -> bool:
    """Whether a pool's own spec asks for something else than what stands."""
    spec = state.pools[path].spec
    fewer = bool(mine) and (len(mine) - 1) * mine[0].gpus >= spec.gpus
    return fewer or any(
        asks(state.placed_for[n.name]) != asks(spec)
        for u in mine
        for n in u.nodes
        if n.name in state.placed_for
    )


def asks(spec: GPUPoolSpec) -> object:
    """What a spec says of where its pool may stand."""
    return (set(spec.systems), spec.topology, spec.factories, spec.minimum)


# A settled cluster


def judge_settled(state: State) -> None:
    """Promises 1, 2 and 5 where nothing is under way any more. Raises Fault with all that is wrong."""
    wrong = [*_unshed(state), *_left_waiting(state)]
    for path in state.pools:
        if not half_known(state, path):
            wrong += [f"{path}: {line}" for line in pool_lies(state, path)]
    for name in state.factories.keys() - forgotten(state):
        wrong += [f"{name}: {line}" for line in factory_lies(state, name)]
    if wrong:
        raise Fault("\n".join(wrong))


def _unshed(state: State) -> list[str]:
    wrong = []
    for name, path in excess(state):
        if locked(state, name):
            continue
        below = [u for u in units(state.nodes.values()) if u.factory == name and path in parents(u.path)]
        if any(u.pool in state.pools and not u.leaving for u in below):
            wrong.append(f"{name}/{path} stays above its limit, and a pool still stands there")
    return wrong


def _left_waiting(state: State) -> list[str]:
    wrong = []
    for path, pool in state.pools.items():
        mine = standing(state, path)
        if pool.spec.paused or pool.metadata.deletion_timestamp or state.resources_going:
            continue
        if not below_minimum(pool, mine):
            lacks = sum(u.gpus for u in mine) < pool.spec.gpus
            if lacks and not changed(state, path, mine) and could_grow(state, path):
                wrong.append(f"{path} has less than it wishes for, and free room would take a unit more")
        elif would_fit(state, path, []):
            wrong.append(f"{path} waits, and free room would serve it")
        elif would_fit(state, path, takable(state, pool)):
            wrong.append(f"{path} waits, and lower pools hold what would serve it")
    return wrong
