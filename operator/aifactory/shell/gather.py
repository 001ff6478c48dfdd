"""Reads the whole World: our objects from the cache, what is not kept there by a LIST.

The order of reading is chosen so that whatever changes meanwhile errs to the safe side:

1. our CRDs, so that nothing is released because the resources themselves are being deleted, or were;
2. pools, then factories: limits are read as late as can be;
3. nodes, after the resources. A node that goes in between is counted although it is gone. None can come
   unseen: only the leader orders nodes, for pools that it has read, and an earlier leader's last order had
   landed before this cycle began. So no node can look like one whose pool is gone just because the pool is
   newer than the list of pools;
4. the pods of draining nodes, after the nodes: a cordon that is seen was there before the pods are read.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from aifactory.api import names
from aifactory.api.factory import AIFactory
from aifactory.api.meta import ObjectMeta
from aifactory.api.pool import GPUPool
from aifactory.api.reading import Invalid, parse_factory, parse_pool
from aifactory.backends.port import Backend, Kind, NotInstalled, Object
from aifactory.decide.model.world import Claim, Node, Pod, Refused, World, claims_of
from aifactory.shell.client import CRD, FACTORY, POOL, ApiError, KubernetesClient
from aifactory.shell.memory import Memory

logger = logging.getLogger(__name__)
Resource = TypeVar("Resource", AIFactory, GPUPool)


async def gather(client: KubernetesClient, backends: Mapping[str, Backend], memory: Memory) -> World:
    """Read everything that a decision may depend on.

    A backend that cannot be read makes its factories unknown. Raises ApiError where our own resources
    cannot be read: there is no deciding on half a world.
    """
    going, since = await _definitions(client)
    pools, refused_pools = await _resources(client, POOL, parse_pool)
    factories, refused_factories = await _resources(client, FACTORY, parse_factory)

    def driven_by(kinds: Collection[str]) -> set[str]:
        """The factories that some of these backends may have nodes in."""
        by_spec = {f.metadata.name for f in factories if set(f.spec.backend.given()) & set(kinds)}
        by_sight = {factory for kind in kinds for factory in memory.nodes.get(kind, ())}
        refused = {r.name for r in refused_factories} if set(kinds) - missing.keys() else set()
        return by_spec | by_sight | refused

    failed, missing = await _observe(backends, memory)
    never_seen = driven_by([kind for kind in failed if kind not in memory.nodes])
    seen = [node for known in memory.nodes.values() for nodes in known.values() for node in nodes]
    unknown = driven_by(failed)
    pods, without_pods = await _pods(backends, memory, unknown)
    unread = unknown | without_pods
    # A pod that is gone, or may stay, holds nothing up; what cannot be read is as it was.
    held_up = {pod.node for pod in pods if not pod.evicted}
    held_up |= {node.name for node in seen if node.factory in unread}
    memory.refusals = {node: why for node, why in memory.refusals.items() if node in held_up}
    return World(
        factories=tuple(factories),
        pools=tuple(pools),
        nodes=tuple(sorted(seen, key=lambda node: node.name)),
        pods=_sorted(pods),
        looked_at=frozenset(node.name for node in seen if _drains(node) and node.factory not in unread),
        claims=tuple(_claims(pools, never_seen)),
        refused=(*refused_factories, *refused_pools),
        backends=frozenset(backends),
        not_installed=missing,
        unknown=frozenset(unread),
        refusals=dict(memory.refusals),
        failures=memory.failures.told(),
        resources_going=going,
        pools_since=since,
    )


async def look_at(
    world: World, nodes: Collection[str], backends: Mapping[str, Backend], memory: Memory
) -> World:
    """The same world, with the pods of some nodes more, as far as they can be read."""
    pods, read = list(world.pods), set(world.looked_at)
    for name, backend in backends.items():
        known = {node.name for its in memory.nodes.get(name, {}).values() for node in its}
        wanted = known & set(nodes) - read
        try:
            pods += await backend.pods(wanted) if wanted else []
        except ApiError as error:
            logger.warning("pods of backend %s cannot be read, so idle nodes are not told: %s", name, error)
        else:
            read |= wanted
    return replace(world, pods=_sorted(pods), looked_at=frozenset(read))


def _sorted(pods: Iterable[Pod]) -> tuple[Pod, ...]:
    return tuple(sorted(pods, key=lambda pod: (pod.node, pod.namespace, pod.name)))


async def _definitions(client: KubernetesClient) -> tuple[bool, datetime]:
    """Whether somebody is deleting one of our CRDs, and all of its kind; and how old the one of pools is."""
    crds = {}
    for kind in (FACTORY, POOL):
        crd = await client.get(CRD, f"{kind.plural}.{names.GROUP}")
        crds[kind] = crd["metadata"]
    going = any("deletionTimestamp" in crd for crd in crds.values())
    return going, datetime.fromisoformat(crds[POOL]["creationTimestamp"])


async def _resources(
    client: KubernetesClient, kind: Kind, parse: Callable[[Mapping[str, Any]], Resource]
) -> tuple[list[Resource], list[Refused]]:
    """All objects of a kind of ours: those that make sense, and those that do not."""
    found = await client.read_all(kind, lambda obj: _parse(obj, parse))
    refused = [it for it in found if isinstance(it, Refused)]
    return [it for it in found if not isinstance(it, Refused)], refused


def _parse(obj: Object, parse: Callable[[Mapping[str, Any]], Resource]) -> Resource | Refused:
    # What no decision needs is not kept: a tenant may write a megabyte of labels onto a pool.
    unread = {"annotations", "managedFields"} | ({"labels"} if obj["kind"] == POOL.name else set())
    obj = {**obj, "metadata": {key: it for key, it in obj["metadata"].items() if key not in unread}}
    try:
        return parse(obj)
    except Invalid as invalid:
        message = "; ".join(str(problem) for problem in invalid.problems)
    except Exception as error:  # whatever it is, it is this object's alone
        logger.exception("%s %s cannot be read", obj["kind"], obj["metadata"]["name"])
        message = f"The operator cannot read it: {type(error).__name__}: {error}"
    return Refused(
        kind=obj["kind"],
        metadata=ObjectMeta.model_validate(obj["metadata"]),
        message=message,
        status=obj.get("status") or {},
    )


async def _observe(backends: Mapping[str, Backend], memory: Memory) -> tuple[set[str], dict[str, str]]:
    """Look at every backend's nodes; those backends that could not be looked at, and what is not installed.

    What is not installed is among what failed: what stood there may be running still.
    """
    failed, missing = set[str](), dict[str, str]()
    for name, backend in backends.items():
        try:
            seen = await backend.observe()
        except NotInstalled as error:
            failed.add(name)
            missing[name] = error.message
        except ApiError as error:
            logger.error("backend %s cannot be read, its factories are unknown: %s", name, error)
            failed.add(name)
        else:
            memory.nodes[name] = {factory: tuple(nodes) for factory, nodes in seen.items()}
    return failed, missing


async def _pods(
    backends: Mapping[str, Backend], memory: Memory, unknown: Collection[str]
) -> tuple[list[Pod], set[str]]:
    """The pods on draining nodes, and the factories where they cannot be read.

    Without them a node would look drained, so such a factory is unknown for this cycle.
    """
    pods: list[Pod] = []
    unread: set[str] = set()
    for name, backend in backends.items():
        known = [nodes for factory, nodes in memory.nodes.get(name, {}).items() if factory not in unknown]
        draining = [node for nodes in known for node in nodes if _drains(node)]
        try:
            pods += await backend.pods(node.name for node in draining) if draining else []
        except ApiError as error:
            logger.error("pods on draining nodes of backend %s cannot be read: %s", name, error)
            unread |= {node.factory for node in draining}
    return pods, unread


def _drains(node: Node) -> bool:
    return node.drains and not node.deleting


def _claims(pools: Iterable[GPUPool], factories: Collection[str]) -> Iterable[Claim]:
    """What the pools' statuses say of factories whose nodes nobody has seen since the start."""
    for pool in pools:
        yield from (claim for claim in claims_of(pool) if claim.factory in factories)
