"""Whether the operator has nothing left to do: by conditions and nodes, never by time."""

from collections import Counter
from collections.abc import Mapping

from recorder import History

Sizes = Mapping[str, int]  # namespace -> GPUs


def settled(history: History, wanted: Sizes, generation: int) -> bool:
    """Whether the factory's generation and all sizes are seen, decided and carried out."""
    factories = history.resources("AIFactory").values()
    pools = history.resources("GPUPool")
    if {space: pool.spec.get("gpus", 0) for (space, _), pool in pools.items()} != dict(wanted):
        return False
    if any(factory.generation < generation for factory in factories):
        return False
    for resource in (*factories, *pools.values()):
        if resource.observed != resource.generation or resource.is_true("Reconciling"):
            return False
    if not all(factory.is_true("WithinLimits") for factory in factories):
        return False
    nodes = history.nodes()
    if any(node.draining or not node.ready for node in nodes):
        return False
    stand = Counter(node.pool for node in nodes)
    return all(
        stand[key] == sum(placement["nodes"] for placement in pool.status.get("placements", ()))
        for key, pool in pools.items()
    )
