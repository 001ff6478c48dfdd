"""The tenants of Venus (Helios, SC '21), resized as they were: a stream of events on one factory.

Factory, purposes, priorities and topologies are the demo's; the sizes are real. The k-th event is the k-th
day on which a tenant's size changed: what stands is what `greedy-keep` made of the days before, so that the
stream is the same for every method.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from aifactory.api.pool import GPUPool
from aifactory.cli.manifests import read, world_of
from aifactory.decide.model.build import build
from aifactory.decide.model.world import World
from bench.solver.events import edited
from bench.solver.greedy import keep
from bench.solver.instances import carried_out
from demo.tenants import namespace_of, read_days

SITE = Path(__file__).parents[2] / "demo" / "venus"


def events() -> Iterator[World]:
    """The worlds of all days on which something changed, in order, with what stands."""
    days = read_days()
    manifests = world_of(read([SITE]))
    world = _resized(manifests, days[0].gpus)
    for before, day in pairwise(days):
        if before.gpus != day.gpus:
            case = build(world)
            world = _resized(carried_out(case, keep(case.problem)), day.gpus)
            yield world


def event(number: int) -> World:
    """The k-th of them, from 1; after the last they begin again."""
    worlds = list(events())
    return worlds[(number - 1) % len(worlds)]


def _resized(world: World, gpus: Mapping[str, int]) -> World:
    wished = {namespace_of(tenant): number for tenant, number in gpus.items()}
    pools = tuple(_sized(pool, wished) for pool in world.pools)
    return World(factories=world.factories, pools=pools, claims=world.claims, backends=world.backends)


def _sized(pool: GPUPool, wished: dict[str, int]) -> GPUPool:
    """A tenant's main pool has the tenant's size; its minimum is no more than it was."""
    number = wished.get(pool.metadata.namespace)
    if number is None:
        return pool
    return edited(pool, gpus=number)
