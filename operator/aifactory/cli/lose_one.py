"""`aifactory plan --n-1`: which pools would fall if one domain were lost, once the plan is carried out."""

import os
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from aifactory.api.pool_status import GPUPoolStatus
from aifactory.cli.manifests import Manifests, world_of
from aifactory.decide import Plan
from aifactory.decide.model.build import build
from aifactory.decide.model.case import Case
from aifactory.decide.model.world import PoolKey, key_of
from aifactory.decide.phrases import counted
from aifactory_solver import Solution
from aifactory_solver.array import namespace
from aifactory_solver.batch import Loss, lose_one

_SHOWN_DOMAINS, _SHOWN_POOLS = 2, 4
_WORKERS = 8  # at most; each takes as much memory as the fleet


@dataclass(frozen=True)
class Fall:
    """A pool that would end below its minimum, and the GPUs that it has in the plan."""

    pool: PoolKey
    priority: int
    gpus: int


@dataclass(frozen=True)
class Lost:
    """What the loss of one domain, or of a whole factory, does."""

    factory: str
    domain: str  # as people read it; empty for the factory
    level: str  # the spec's path; empty for the factory
    gpus: int  # that are planned there
    falls: tuple[Fall, ...]  # the highest priority first

    @property
    def fallen(self) -> int:
        """GPUs of the pools that would fall."""
        return sum(fall.gpus for fall in self.falls)


def losses(manifests: Manifests, plan: Plan) -> list[Lost]:
    """The loss of each factory and domain that has racks below it, the worst of each level first.

    On a terminal, standard error shows how far it is.
    """
    case = build(world_of(_carried_out(manifests, plan)))
    nothing = np.zeros(0, dtype=np.int64)
    stays = Solution(case.problem.row_units, nothing, nothing, nothing)
    units = case.problem.row_units * case.problem.system_gpus[case.problem.cell_system[case.problem.row_cell]]
    gpus = np.zeros(case.problem.pools, dtype=np.int64)
    np.add.at(gpus, case.problem.row_pool, units)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("losing one domain after another", total=None)
        answers = lose_one(
            case.problem,
            stays,
            namespace()[0],
            min(os.cpu_count() or 1, _WORKERS),
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    found = [_lost(case, loss, gpus.tolist()) for loss in answers]
    return sorted(found, key=lambda it: (it.factory, it.level, -it.fallen, -it.gpus, it.domain))


def _carried_out(manifests: Manifests, plan: Plan) -> Manifests:
    """The same with the plan's statuses as the present state."""
    statuses = {(it.namespace, it.name): it.status for it in plan.statuses if it.kind == "GPUPool"}
    pools = tuple(
        pool.model_copy(update={"status": GPUPoolStatus.model_validate(statuses[key_of(pool)])})
        for pool in manifests.pools
    )
    return replace(manifests, pools=pools)


def _lost(case: Case, loss: Loss, gpus: list[int]) -> Lost:
    factory, instance = case.layout_domain(loss.domain)
    falls = tuple(Fall(key_of(case.pools[p]), case.pools[p].spec.priority, gpus[p]) for p in loss.pools)
    return Lost(factory, instance.name, instance.level, loss.gpus, falls)


def to_json(found: list[Lost]) -> dict[str, Any]:
    """What scripts read."""
    return {
        "domains": len(found),
        "protected": sum(not it.falls for it in found),
        "losses": [
            {
                "factory": it.factory,
                "domain": it.domain,
                "level": it.level,
                "gpus": it.gpus,
                "protected": not it.falls,
                "fallenGpus": it.fallen,
                "falls": [
                    {
                        "namespace": fall.pool.namespace,
                        "name": fall.pool.name,
                        "priority": fall.priority,
                        "gpus": fall.gpus,
                    }
                    for fall in it.falls
                ],
            }
            for it in found
        ],
    }


def show(console: Console, found: list[Lost]) -> None:
    """One line for each factory and level, and the total."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("FACTORY", "IF ONE IS LOST", "PROTECTED", "AT MOST FALL", "WHAT FALLS"):
        right, last = column == "AT MOST FALL", column == "WHAT FALLS"
        table.add_column(column, justify="right" if right else "left", no_wrap=not last, overflow="fold")
    for (factory, level), group in groupby(found, key=lambda it: (it.factory, it.level)):
        lost = list(group)
        safe = sum(not it.falls for it in lost)
        worst = [it for it in lost if it.falls]
        more = len(worst) - _SHOWN_DOMAINS
        what = [f"{it.domain or it.factory}: {_names(it)}" for it in worst[:_SHOWN_DOMAINS]]
        table.add_row(
            factory,
            level or "the factory",
            f"{safe} of {len(lost)}",
            f"{lost[0].fallen} GPUs" if worst else "",
            "\n".join([*what, f"and {counted(more, 'more domain')}"] if more > 0 else what) or "nothing",
        )
    console.print()
    console.print(table)
    heaviest = max(found, key=lambda it: it.fallen, default=None)
    if heaviest is None or not heaviest.falls:
        console.print(f"N-1: no pool would fall, whichever of {counted(len(found), 'domain')} is lost.")
        return
    safe = sum(not it.falls for it in found)
    pools = {fall.pool for it in found for fall in it.falls}
    console.print(
        f"N-1: {safe} of {counted(len(found), 'domain')} protected. {counted(len(pools), 'pool')} would fall "
        f"with one of the others, at most {heaviest.fallen} GPUs at once.",
        highlight=False,
    )


def _names(lost: Lost) -> str:
    some = [f"{it.pool} (priority {it.priority}, {it.gpus} GPUs)" for it in lost.falls[:_SHOWN_POOLS]]
    more = len(lost.falls) - _SHOWN_POOLS
    return ", ".join(some) + (f" and {counted(more, 'more pool')}" if more > 0 else "")
