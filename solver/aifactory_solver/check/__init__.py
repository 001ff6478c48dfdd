"""Says whether a plan may be used, with code that shares nothing with the solver.

``check`` passes over every plan before anything is written. It reads only the problem and the plan,
in plain int64 NumPy, and is written to be read beside the rules of deciding.

A plan is judged by its end state: what is being switched off is gone, what is planned is there.
That the way there keeps the limits too is the job of whoever applies the plan.
"""

import re

from aifactory_solver.check.facts import Facts
from aifactory_solver.check.form import listed, misshapen, validate
from aifactory_solver.check.room import RULES as ROOM_RULES
from aifactory_solver.check.rules import RULES
from aifactory_solver.problem import Problem, Solution, Wrong

__all__ = ["check", "validate", "violations"]


def check(problem: Problem, solution: Solution) -> None:
    """Raise ``Wrong`` with what is wrong with the plan; return where nothing is."""
    found = violations(problem, solution)
    if found:
        named = re.findall(r"\bpool (\d+)", "\n".join(found))
        raise Wrong(listed(found), frozenset(map(int, named)))


def violations(problem: Problem, solution: Solution) -> list[str]:
    """Every broken rule, one line each: which rule, where, and by how much.

    A plan that is not even well formed gets only the lines that say so, since no rule can be asked about it.
    """
    found = list(misshapen(problem, solution))
    if found:
        return found
    facts = Facts(problem, solution)
    return [line for rule in (*RULES, *ROOM_RULES) for line in rule(facts)]
