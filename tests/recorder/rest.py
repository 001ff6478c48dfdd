"""That statuses say what is, once everything has come to rest."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .objects import NodeSeen, Resource
from .power import Book

_Place = tuple[str, str, str]  # factory, domain as people read it, system


def disagreements(
    factories: Sequence[Resource],
    pools: Sequence[Resource],
    nodes: Sequence[NodeSeen],
    books: Mapping[str, Book],
) -> Iterator[str]:
    """Where a status does not say what the nodes say."""
    of_pools: dict[tuple[str, str], list[NodeSeen]] = {(p.namespace, p.name): [] for p in pools}
    for node in nodes:
        if node.draining:
            yield f"node {node.name} is still being drained"
        elif node.pool is not None and node.pool not in of_pools:
            yield f"node {node.name} belongs to {'/'.join(node.pool)}, which is not there"
        elif node.pool is not None:
            of_pools[node.pool].append(node)
    for pool in pools:
        name = f"{pool.namespace}/{pool.name}"
        yield from _unsettled(name, pool)
        yield from _compare(name, pool.status, of_pools[pool.namespace, pool.name], books)
    for factory in factories:
        yield from _unsettled(factory.name, factory)
        if factory.name in books:
            said = factory.status.get("power", {}).get("committed", 0)
            found = books[factory.name].committed[""]
            if said != found:
                yield f"{factory.name} says that {said} W are committed, its nodes make {found} W"
        standing = sum(node.factory == factory.name for node in nodes)
        if factory.status.get("nodes", 0) != standing:
            yield f"{factory.name} says {factory.status.get('nodes', 0)} nodes, {standing} are there"


def _unsettled(name: str, resource: Resource) -> Iterator[str]:
    if resource.observed != resource.generation:
        yield f"{name}: generation {resource.generation} was never observed"
    elif resource.is_true("Reconciling"):
        yield f"{name} is not at rest: {resource.conditions['Reconciling'].get('message', '')}"


def _compare(
    name: str, status: Mapping[str, Any], nodes: Sequence[NodeSeen], books: Mapping[str, Book]
) -> Iterator[str]:
    said: Counter[_Place] = Counter()
    for entry in status.get("placements", ()):
        said[entry["factory"], entry["domain"], entry["system"]] += entry["nodes"]
    found = Counter(_place(node, books) for node in nodes)
    for place in sorted(said.keys() | found.keys()):
        if said[place] != found[place]:
            yield f"{name} says {said[place]} nodes in {'/'.join(place)}, {found[place]} are there"
    for field, gpus in (
        ("gpus", sum(node.gpus for node in nodes)),
        ("readyGpus", sum(node.gpus for node in nodes if node.ready)),
    ):
        if status.get(field, 0) != gpus:
            yield f"{name} says {field} {status.get(field, 0)}, its nodes make {gpus}"


def _place(node: NodeSeen, books: Mapping[str, Book]) -> _Place:
    force = books[node.factory].force if node.factory in books else None
    return node.factory, force.shown.get(node.path, node.path) if force else node.path, node.system
