"""Placement of GPU pools in AI factories under power limits, on plain arrays.

The package knows arrays only: no Kubernetes, no Pydantic, no clock, no I/O.

``Problem`` is what is asked, ``Solution`` what is answered. ``solve`` answers as well as it can,
``solve_plainly`` at once, and both keep every rule; ``certify`` says how much better anybody could have
done; ``check`` says, with code of its own, whether an answer may be used.
"""

from aifactory_solver.certificate import Certificate, certify
from aifactory_solver.check import check
from aifactory_solver.explain import Explainer, Shortage
from aifactory_solver.improve import solve
from aifactory_solver.problem import Problem, Solution, Topology, digest
from aifactory_solver.relax.shadow import ShadowPrices
from aifactory_solver.strict.plain import solve as solve_plainly
from aifactory_solver.value import gpus_by_pool

__all__ = [
    "Certificate",
    "Explainer",
    "Problem",
    "ShadowPrices",
    "Shortage",
    "Solution",
    "Topology",
    "certify",
    "check",
    "digest",
    "gpus_by_pool",
    "solve",
    "solve_plainly",
]
