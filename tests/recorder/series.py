"""What was observed, as curves."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from .objects import NodeSeen, Resource
from .power import Book


@dataclass(frozen=True)
class PowerSample:
    """Power of a factory or of one of its top domains from one time on."""

    time: float
    committed: int
    limit: int


@dataclass(frozen=True)
class GpuSample:
    """GPUs of all pools from one time on."""

    time: float
    wanted: int
    placed: int
    ready: int


@dataclass
class Series:
    """Samples, one wherever something changed. Times are the recorder's clock."""

    power: defaultdict[tuple[str, str], list[PowerSample]] = field(
        default_factory=lambda: defaultdict(list)
    )  # (factory, '' or a top domain)
    gpus: list[GpuSample] = field(default_factory=list)

    def sample(
        self,
        time: float,
        books: Mapping[str, Book],
        pools: Mapping[tuple[str, str], Resource],
        nodes: Mapping[str, NodeSeen],
    ) -> None:
        """Take a sample of everything."""
        for name, book in books.items():
            if book.force is None:
                continue
            for path, limit in book.force.limits.items():
                if "/" not in path:
                    curve = self.power[name, book.force.shown[path]]
                    _add(curve, PowerSample(time, book.committed[path], limit))
        wanted = sum(pool.spec.get("gpus", 0) for pool in pools.values())
        placed = sum(pool.status.get("gpus", 0) for pool in pools.values())
        ready = sum(node.gpus for node in nodes.values() if node.ready and node.pool and not node.draining)
        _add(self.gpus, GpuSample(time, wanted, placed, ready))


Curve = TypeVar("Curve", PowerSample, GpuSample)


def _add(curve: list[Curve], sample: Curve) -> None:
    """Add a sample where it says something new; of several at one time, the last counts."""
    if curve and curve[-1].time == sample.time:
        curve.pop()
    if not curve or replace(curve[-1], time=sample.time) != sample:
        curve.append(sample)
