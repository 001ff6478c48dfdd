"""The decision: a pure function from a frozen world to a plan. No clock, no I/O, no Kubernetes client."""

from aifactory.decide.decide import decide
from aifactory.decide.plan import Plan
from aifactory.decide.world import World

__all__ = ["Plan", "World", "decide"]
