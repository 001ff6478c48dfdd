"""The exact solver for what a plan leaves open: staged integer programmes on HiGHS."""

from aifactory_solver.exact.budget import Budget
from aifactory_solver.exact.stages import Answer, answer

SMALL = 4_000  # pools times cells up to which a whole question is answered exactly

__all__ = ["SMALL", "Answer", "Budget", "answer"]
