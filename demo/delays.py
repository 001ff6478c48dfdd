"""From a tenant's wish to GPUs that are ready, as the API server told both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from demo.replay import Step
from recorder import Event, Resource


@dataclass(frozen=True)
class Delay:
    """How long a pool took to become ready with all that it had asked for."""

    namespace: str
    gpus: int
    seconds: float


def delays(events: Iterable[Event], steps: Sequence[Step]) -> list[Delay]:
    """The delays of all wishes for more that were granted on their own day; others waited for room."""
    ends = [step.settled for step in steps]
    wishes: dict[tuple[str, str, str], tuple[float, Resource]] = {}
    before: dict[tuple[str, str, str], int] = {}
    found = []
    for event in events:
        while ends and event.arrived > ends[0]:
            del ends[0]
            wishes.clear()
        pool = event.seen
        if not isinstance(pool, Resource) or pool.kind != "GPUPool" or event.gone:
            continue
        gpus, had = pool.spec.get("gpus", 0), before.get(event.key, 0)
        before[event.key] = gpus
        if gpus != had:
            wishes.pop(event.key, None)
        if gpus > had:
            wishes[event.key] = (event.arrived, pool)
        elif event.key in wishes and _granted(pool, wishes[event.key][1]):
            since, _ = wishes.pop(event.key)
            found.append(Delay(pool.namespace, gpus, event.arrived - since))
    return found


def _granted(pool: Resource, wish: Resource) -> bool:
    enough = pool.status.get("readyGpus", 0) >= pool.spec.get("gpus", 0)
    return pool.observed >= wish.generation and pool.is_true("Ready") and bool(enough)
