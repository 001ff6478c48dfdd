"""The decision: a pure function from a frozen world to a plan. No clock, no I/O, no Kubernetes client."""

from aifactory.decide.decide import begin, decide, report
from aifactory.decide.decision import Decision, Given
from aifactory.decide.plan import Plan
from aifactory.decide.world import World

__all__ = ["Decision", "Given", "Plan", "World", "begin", "decide", "report"]
