"""What may happen to a running fleet, as changed resources."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import TypeVar

from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.api.pool_status import GPUPoolStatus
from aifactory.decide.model.world import World

Resource = TypeVar("Resource", AIFactory, GPUPool)


def nothing(world: World, seed: int) -> World:
    """No change."""
    return world


def quota_20(world: World, seed: int) -> World:
    """The largest factory loses a fifth of its quota."""
    largest = max(world.factories, key=lambda f: (f.spec.power.quota, f.metadata.name))
    return _with_quota(world, largest, largest.spec.power.quota * 8 // 10)


def factory_lost(world: World, seed: int) -> World:
    """The factory with the median quota has an outage: its quota is 0."""
    ordered = sorted(world.factories, key=lambda f: (f.spec.power.quota, f.metadata.name))
    return _with_quota(world, ordered[len(ordered) // 2], 0)


def raise_1(world: World, seed: int) -> World:
    """One waiting pool of a hundred, at least one, is raised to the highest priority that there is."""
    waiting = sorted(i for i, pool in enumerate(world.pools) if not pool.status.placements and pool.spec.gpus)
    top = max(pool.spec.priority for pool in world.pools)
    number = min(len(waiting), max(1, len(waiting) // 100))
    raised = set(Random(f"raise {seed}").sample(waiting, number))
    pools = tuple(edited(pool, priority=top) if i in raised else pool for i, pool in enumerate(world.pools))
    return replace(world, pools=pools)


def arrivals(world: World, seed: int) -> World:
    """As many new pools as 15 % of all come at once, each like one that there is, at the highest priority.

    Nothing of them stands, so that most have to take their room from others.
    """
    number = max(1, len(world.pools) * 15 // 100)
    like = Random(f"arrivals {seed}").sample(range(len(world.pools)), number)
    top = max(pool.spec.priority for pool in world.pools)
    new = tuple(_arrived(edited(world.pools[i], priority=top)) for i in sorted(like))
    return replace(world, pools=world.pools + new)


EVENTS: dict[str, Callable[[World, int], World]] = {
    "none": nothing,
    "quota-20": quota_20,
    "factory-lost": factory_lost,
    "raise-1": raise_1,
    "arrivals": arrivals,
}


def _arrived(pool: GPUPool) -> GPUPool:
    metadata = pool.metadata.model_copy(update={"name": f"{pool.metadata.name}-new"})
    return pool.model_copy(update={"metadata": metadata, "status": GPUPoolStatus()})


def _with_quota(world: World, factory: AIFactory, quota: int) -> World:
    power = factory.spec.power.model_copy(update={"quota": Fraction(quota)})
    changed = edited(factory, power=power)
    return replace(world, factories=tuple(changed if f is factory else f for f in world.factories))


def edited(resource: Resource, **fields: object) -> Resource:
    """The resource with other fields in its spec."""
    return resource.model_copy(update={"spec": resource.spec.model_copy(update=fields)})
