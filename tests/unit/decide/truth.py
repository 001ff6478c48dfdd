"""Promise 5: what statuses say and is not so."""

import json
import re
from datetime import timedelta
from typing import Any

from aifactory.decide import Plan
from aifactory.decide.model.plan import Complete, Order
from aifactory.decide.model.world import PoolKey
from unit.decide.count import Standing, committed, draws, identity, limits, locked, over, standing, units
from unit.decide.state import State


def plan_lies(state: State, plan: Plan) -> list[str]:
    """What a plan's statuses say at any time, settled or not, and is not so."""
    wrong = []
    for write in plan.statuses:
        says = {c["type"]: c["status"] for c in write.status["conditions"]}
        if "Stalled" in says and "Reconciling" in says:
            wrong.append(f"{write.name} is stalled and reconciling")
        if says["Ready"] == "False" and not {"Stalled", "Reconciling"} & says.keys():
            wrong.append(f"{write.name} is not ready, and neither stalled nor reconciling")
        if says["Ready"] == "True" and "Stalled" in says:
            wrong.append(f"{write.name} is ready and stalled")
        if any(not c["reason"] for c in write.status["conditions"]):
            wrong.append(f"{write.name} gives no reason")
        if write.kind == "AIFactory" and write.name in state.factories.keys() - forgotten(state):
            factory = state.factories[write.name]
            told = (write.status["power"]["limit"], write.status["power"]["committed"])
            there = committed(factory, state.seen())[""] + ordered_watts(state, plan, write.name)
            true = (limits(factory)[""], there)
            if told != true:
                wrong.append(f"{write.name} has (limit, committed) {true}, and says {told}")
            if (says["WithinLimits"] == "True") == bool(over(factory, state.seen())):
                wrong.append(f"{write.name} says WithinLimits={says['WithinLimits']}, and it is not so")
    return wrong


def ordered_watts(state: State, plan: Plan, factory: str) -> int:
    """The watts of the whole units that a plan orders in a factory, which its status claims first.

    Of the orders of a pool that were refused there one alone is tried.
    """
    found: dict[tuple[str, str, int, int], int] = {}
    refused = {it.pool for it in state.failures if (it.what, it.factory, it.slot) == ("Order", factory, None)}
    tried: set[PoolKey] = set()
    for order in plan.actions:
        if not isinstance(order, Order) or order.spec.slot.factory != factory or order.pool in tried:
            continue
        if order.pool in refused:
            tried.add(order.pool)
        if not isinstance(order, Complete):
            _, path, system, rack, slot = order.spec.slot
            whole = order.spec.stamp.unit_nodes > 1
            found[path, system, rack, 0 if whole else slot] = order.spec.stamp.unit_watts
    return sum(found.values())


def forgotten(state: State) -> frozenset[str]:
    """Factories of which the operator knows nothing but what statuses say."""
    return state.blind - state.last_seen.keys()


def half_known(state: State, path: str) -> bool:
    """Whether the operator knows of some of a pool's units from its status alone."""
    told = {p.factory for p in state.pools[path].status.placements}
    there = {unit.factory for unit in units(state.nodes.values()) if unit.pool == path}
    return not forgotten(state).isdisjoint(told | there)


def pool_lies(state: State, path: str) -> list[str]:
    """What a settled pool's status says and is not so."""
    pool, mine = state.pools[path], standing(state, path)
    status, spec = pool.status, pool.spec
    deleting = pool.metadata.deletion_timestamp is not None
    gpus, ready = sum(u.gpus for u in mine), sum(u.ready_gpus for u in mine)
    says = {c.type: c for c in status.conditions}
    expected: dict[str, Any] = {
        "observedGeneration": (status.observed_generation, pool.metadata.generation),
        "GPUs of placements": (sum(p.gpus for p in status.placements), status.gpus),
        "Ready": (says["Ready"].status == "True", not deleting and ready >= spec.minimum),
    }
    if not deleting:
        young = _young(state, mine) and says["Ready"].status == "False"
        expected |= {
            "gpus": (status.gpus, gpus),
            "readyGpus": (status.ready_gpus, ready),
            "watts": (status.watts, sum(_draws(state, u) for u in mine)),
            "units of placements": (sum(p.units for p in status.placements), len(mine)),
            "nodes of placements": (
                sum(p.nodes for p in status.placements),
                sum(n.stamp.unit_nodes for u in mine for n in u.nodes[:1] if n.stamp),
            ),
            "Placed": (says["Placed"].status == "True", gpus >= spec.minimum),
            "waiting": (status.waiting is not None, gpus < spec.gpus),
            "Stalled": ("Stalled" in says, says["Ready"].status == "False" and not young),
            "Reconciling": ("Reconciling" in says, young),
        }
        if not state.blind.isdisjoint(u.factory for u in mine) and ("Stalled" in says) != (
            "Reconciling" in says
        ):
            del expected["Stalled"], expected["Reconciling"]  # what goes on there cannot be seen
    lies = [f"{name} is {a}, should be {b}" for name, (a, b) in expected.items() if a != b]
    told = json.dumps(state.statuses.get(path, {}))
    others = [other for other in state.pools if other.split("/")[0] != pool.metadata.namespace]
    return lies + [f"names {other}" for other in others if re.search(rf"(?<![\w-]){other}(?![\w-])", told)]


def _young(state: State, mine: list[Standing]) -> bool:
    recent = state.now - timedelta(minutes=15)
    return any(not n.ready and n.created > recent for u in mine for n in u.nodes)


def _draws(state: State, unit: Standing) -> int:
    factory = state.factories.get(unit.factory)
    stamped = max(n.stamp.unit_watts for n in unit.nodes if n.stamp)
    return draws(factory, unit) if factory else stamped


def factory_lies(state: State, name: str) -> list[str]:
    """What a settled factory's status says and is not so."""
    factory, nodes = state.factories[name], state.seen()
    status, load = factory.status, committed(factory, nodes)
    here = [u for u in units(nodes) if u.factory == name]
    says = {c.type: c for c in status.conditions}
    if status.power is None:
        return ["has no power"]
    expected = {
        "observedGeneration": (status.observed_generation, factory.metadata.generation),
        "limit": (status.power.limit, limits(factory)[""]),
        "committed": (status.power.committed, load[""]),
        "free": (status.power.free, max(0, status.power.limit - status.power.reserved)),
        "nodes": (status.nodes, sum(len(u.nodes) for u in here)),
        "gpus": (status.gpus, sum(u.gpus for u in here)),
        "readyGpus": (status.ready_gpus, sum(u.ready_gpus for u in here)),
        "WithinLimits": (says["WithinLimits"].status == "True", not over(factory, nodes)),
        "tightest": (
            [t.committed for t in status.tightest],
            [load[identity(t.domain)] for t in status.tightest],
        ),
    }
    if not locked(state, name):
        expected["reserved"] = (status.power.reserved, load[""])
    return [f"{what} is {a}, should be {b}" for what, (a, b) in expected.items() if a != b]
