"""Why a pool waits, and the cheapest change that would let it stand."""

from aifactory_solver.explain.explainer import Explainer, Shortage

__all__ = ["Explainer", "Shortage"]
