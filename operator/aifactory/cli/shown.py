"""What of a plan is listed: of a large fleet little, unless it is asked for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aifactory.api.base import INT32_MAX
from aifactory.api.pool import GPUPool
from aifactory.decide.model.world import key_of

LARGE_POOLS, LARGE_FACTORIES = 50, 12  # above this many they are summed up


@dataclass(frozen=True)
class Priorities:
    """A range of priorities."""

    least: int = -INT32_MAX - 1
    most: int = INT32_MAX


def read_priorities(text: str) -> Priorities:
    """Read `500`, `100..500`, `500..` or `..100`. Raises ValueError."""
    found = re.fullmatch(r"(-?\d+)|(-?\d+)?\.\.(-?\d+)?", text)
    if found is None:
        raise ValueError(f"found {text!r}, allowed is a priority or a range: 500, 100..500, 500.. or ..100")
    if found[1]:
        return Priorities(int(found[1]), int(found[1]))
    every = Priorities()
    return Priorities(int(found[2] or every.least), int(found[3] or every.most))


@dataclass(frozen=True)
class Shown:
    """What is listed. The filters narrow the lists; everything is planned all the same."""

    pools: bool = False  # each pool, also of a large fleet
    factories: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    priorities: Priorities | None = None

    @property
    def narrows(self) -> bool:
        """Whether there is any filter."""
        return bool(self.factories or self.namespaces or self.reasons or self.priorities)

    def has_factory(self, name: str) -> bool:
        """Whether a factory is listed."""
        return not self.factories or name in self.factories

    def has(self, pool: GPUPool, status: Mapping[str, Any]) -> bool:
        """Whether a pool is listed. It belongs to the factories that it stands in, or waits for."""
        waiting = status.get("waiting", {})
        here = {it["factory"] for it in status.get("placements", ())} | {waiting.get("factory", "")}
        here |= {it.factory for it in pool.status.placements} | set(pool.spec.factories.names)
        priorities = self.priorities or Priorities()
        return (
            (not self.factories or not self.factories.isdisjoint(here))
            and (not self.namespaces or key_of(pool).namespace in self.namespaces)
            and (not self.reasons or waiting.get("reason") in self.reasons)
            and priorities.least <= pool.spec.priority <= priorities.most
        )

    def lists(self, pools: int) -> bool:
        """Whether so many pools are listed one by one."""
        return self.pools or self.narrows or pools <= LARGE_POOLS
