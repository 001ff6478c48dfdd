"""Watches `solve`: which runs of the engine it makes, and with what plans they end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

from aifactory_solver import improve
from aifactory_solver.problem import Solution
from aifactory_solver.strict.guide import Guide
from aifactory_solver.strict.plain import follow
from aifactory_solver.targets import Targets

PLAIN, LED, ROCKS, STRICT, EXACT = "plain", "led", "hard ones first", "strict order", "exact"
REGROUPED = "in the room of those that are lost"


@dataclass(frozen=True, eq=False)
class EngineRun:
    """One run of the engine."""

    role: str  # why it was made: one of the words above
    plan: Solution


@contextmanager
def watched(
    begins: Callable[[str], None] = lambda role: None, ends: Callable[[], None] = lambda: None
) -> Iterator[list[EngineRun]]:
    """The engine's runs in whatever is solved inside, in their order; told when each begins and ends."""
    runs: list[EngineRun] = []

    def watching(guide: Guide) -> Solution:
        role = _role(guide, runs)
        begins(role)
        plan = follow(guide)
        ends()
        runs.append(EngineRun(role, plan))
        return plan

    with mock.patch.object(improve, "follow", watching):
        yield runs


def _role(guide: Guide, before: list[EngineRun]) -> str:
    if not isinstance(guide, Targets):
        return EXACT if before else PLAIN
    if guide.first:
        return ROCKS
    if before[-1].role == ROCKS:
        return STRICT
    return REGROUPED if any(run.role == LED for run in before) else LED
