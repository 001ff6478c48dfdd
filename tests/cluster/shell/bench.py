"""An applier that leads, and a way to have it carry out plans."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aifactory.decide.model.plan import Plan, StatusWrite
from aifactory.decide.model.world import World
from aifactory.shell.apply import Applier
from aifactory.shell.client import KubernetesClient
from aifactory.shell.fingerprint import News
from aifactory.shell.lease import Leadership
from aifactory.shell.memory import Memory
from aifactory.shell.settings import DEFAULTS
from aifactory.shell.writes import Summary

# However slow the machine, nothing gives way to a wish unless a test says when.
PATIENT = DEFAULTS.model_copy(update={"yields_after": 600.0, "ordering": 600.0})


async def carry_out(applier: Applier, plan: Plan, world: World, term: int) -> Summary:
    work = applier.begin(world, term)
    await work.act(plan)
    await work.tell(plan)
    return work.summary


@dataclass
class Bench:
    """An applier that leads, and what it works with."""

    applier: Applier
    leadership: Leadership
    memory: Memory
    world: World
    client: KubernetesClient
    news: News
    wished: Callable[[], bool] = lambda: True  # whether a user wants something new
    urgent: Callable[[], bool] = lambda: False  # whether a limit may hang on it

    def set(self, **settings: float) -> None:
        """Have settings changed for what is applied from now on."""
        vars(self.applier)["_settings"] = PATIENT.model_copy(update=settings)

    async def apply(self, *actions: Any, statuses: tuple[StatusWrite, ...] = ()) -> Summary:
        return await carry_out(
            self.applier, Plan(actions=actions, statuses=statuses), self.world, self.leadership.term
        )
