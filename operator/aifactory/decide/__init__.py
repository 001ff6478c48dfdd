"""The decision: a pure function from a frozen world to a plan. No clock, no I/O, no Kubernetes client."""

from aifactory.decide.decide import begin, decide, finish, tell
from aifactory.decide.model.plan import Plan
from aifactory.decide.model.world import World
from aifactory.decide.report.decision import Decision, Given

__all__ = ["Decision", "Given", "Plan", "World", "begin", "decide", "finish", "tell"]
