"""What is there to see at one moment, read from what was recorded."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from recorder import History
from recorder.tree import above, read_tree


@dataclass(frozen=True)
class Gauge:
    """Watts against a limit."""

    name: str
    committed: int
    limit: int

    @property
    def share(self) -> float:
        """Part of the limit; it may be above 1 while a lowered limit is not yet met."""
        return self.committed / self.limit if self.limit else float(self.committed > 0)


@dataclass(frozen=True)
class Waiter:
    """A tenant that does not have all it wants."""

    tenant: str
    priority: int
    wanted: int
    placed: int
    reason: str
    message: str


@dataclass(frozen=True)
class Scene:
    """One moment."""

    quota: Gauge
    halls: tuple[Gauge, ...]
    wanted: int
    placed: int
    ready: int
    waiters: tuple[Waiter, ...]


def look(history: History, tenants: Mapping[str, str]) -> Scene | None:
    """Look at the present; `tenants` gives their names by namespace. None before there is a factory."""
    with history.changed:
        factories = list(history.resources("AIFactory").values())
        pools = history.resources("GPUPool").values()
        nodes = history.nodes()
    tree = read_tree(factories[0]) if factories else None
    if tree is None:
        return None
    watts: Counter[str] = Counter()
    for node in nodes:
        for path in above(node.path):
            watts[path] += node.unit_watts
    waiters = [
        Waiter(
            tenant=tenants.get(pool.namespace, pool.namespace),
            priority=pool.spec.get("priority", 0),
            wanted=pool.spec.get("gpus", 0),
            placed=pool.status.get("gpus", 0),
            reason=pool.status["waiting"]["reason"],
            message=pool.status["waiting"]["message"],
        )
        for pool in pools
        if pool.status.get("waiting")
    ]
    halls = [Gauge(p, watts[p], limit) for p, limit in tree.limits.items() if p and "/" not in p]
    return Scene(
        quota=Gauge("quota", watts[""], tree.limits[""]),
        halls=tuple(halls),
        wanted=sum(pool.spec.get("gpus", 0) for pool in pools),
        placed=sum(pool.status.get("gpus", 0) for pool in pools),
        ready=sum(node.gpus for node in nodes if node.ready and node.pool and not node.draining),
        waiters=tuple(sorted(waiters, key=lambda waiter: (-waiter.priority, waiter.tenant))),
    )
