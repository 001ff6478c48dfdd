"""What changes between the present and a plan, pool by pool."""

from collections import Counter
from dataclasses import dataclass

from aifactory.cli.manifests import Manifests
from aifactory.decide import Plan
from aifactory.decide.model.world import PoolKey, key_of


@dataclass(frozen=True)
class Difference:
    """GPUs of one pool that are kept, moved, lost and gained, cell by cell."""

    pool: PoolKey
    priority: int
    kept: int
    moved: int
    lost: int
    gained: int
    evicted: bool  # it goes from its minimum or more to nothing
    leaves: tuple[str, ...]
    enters: tuple[str, ...]


def differences(manifests: Manifests, plan: Plan) -> list[Difference]:
    """The pools that do not simply keep what they have, the highest priority first.

    kept = sum of min(now, new) over cells; moved = min(sum now, sum new) - kept;
    lost = max(0, sum now - sum new).
    """
    found = []
    for pool in sorted(manifests.pools, key=lambda p: (-p.spec.priority, key_of(p))):
        now: Counter[str] = Counter()
        for placement in pool.status.everywhere:
            now[f"{placement.factory}/{placement.domain} ({placement.system})"] += placement.gpus
        new: Counter[str] = Counter()
        for placing in plan.placings.get(key_of(pool), ()):
            new[f"{placing.factory}/{placing.domain} ({placing.system})"] += placing.gpus
        if now == new:
            continue
        kept = (now & new).total()
        found.append(
            Difference(
                pool=key_of(pool),
                priority=pool.spec.priority,
                kept=kept,
                moved=min(now.total(), new.total()) - kept,
                lost=max(0, now.total() - new.total()),
                gained=max(0, new.total() - now.total()),
                evicted=not new and now.total() >= max(1, pool.spec.minimum),
                leaves=tuple(sorted(now - new)),
                enters=tuple(sorted(new - now)),
            )
        )
    return found
