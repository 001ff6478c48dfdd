"""What one cycle tells the next. All of it can be lost: a restart only sees less far for a while."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aifactory.decide.model.plan import Adopted
from aifactory.decide.model.world import Node, Refusal
from aifactory.decide.report.explained import Reasons
from aifactory.shell.cache import Cache
from aifactory.shell.failures import Failures


@dataclass
class Memory:
    """Written by `gather` and `apply`, one after the other."""

    cache: Cache = field(default_factory=Cache)
    """What the API server last told of our objects."""

    nodes: dict[str, Mapping[str, tuple[Node, ...]]] = field(default_factory=dict)
    """By backend, then by factory: the nodes as they were last seen, and those ordered since."""
    refusals: dict[str, Refusal] = field(default_factory=dict)
    """By node: what the API server said when it last refused to evict a pod from it."""
    failures: Failures = field(default_factory=Failures)
    """The writes that failed."""

    adopted: Adopted | None = None
    """What the last plan that was begun meant for the cycles to come."""
    reasons: Reasons = field(default_factory=Reasons)
    """Why pools wait, as far as it was worked out."""

    def ordered(self, backend: str, node: Node) -> None:
        """Note a node that was ordered: should the next look at its backend fail, it still counts."""
        known = self.nodes.get(backend, {})
        self.nodes[backend] = {**known, node.factory: (*known.get(node.factory, ()), node)}

    def clear(self) -> None:
        """Forget everything: another process has led meanwhile."""
        for known in (self.cache, self.nodes, self.refusals, self.failures):
            known.clear()
        self.adopted = None
        self.reasons = Reasons()
