"""N-1: what would fall if one domain were lost, for each domain of the forest.

A domain that is lost is out of service with all that is below it: its cells take nothing, what stands or was
planned there is gone, locked or not. The pools that lost units look for room again by the rules.

Each loss is decided by the engine of strict priority. On a device all of them are first asked at once whether
every pool that lost units finds free room, in waves: then nobody falls. On a CPU that takes longer than it
saves.
"""

import multiprocessing
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from aifactory_solver.batch.losses import Losses
from aifactory_solver.batch.rooms import Fleet
from aifactory_solver.batch.safe import Safe
from aifactory_solver.batch.standing import Standing, carried_out
from aifactory_solver.problem import Array, Problem, Solution

_MANY = 100_000  # losses times standing rows from which more processes are worth their start


@dataclass(frozen=True)
class Loss:
    """What the loss of one domain does."""

    domain: int
    gpus: int  # that stand or are planned below it
    pools: tuple[int, ...]  # that end below the minimum that they had, the highest priority first

    @property
    def protected(self) -> bool:
        """Whether no pool falls."""
        return not self.pools


def lose_one(
    problem: Problem,
    solution: Solution,
    xp: Array = np,
    workers: int = 1,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> list[Loss]:
    """The loss of each domain with cells below it, once a plan is carried out; in the order of the domains.

    Pools that the plan itself leaves below their minimum are nobody's loss. Many losses are decided by so
    many ``workers``, processes of their own; the answer is the same. ``told`` hears how many are decided, and
    of how many.
    """
    stands = Standing(carried_out(problem, solution))
    alike: dict[tuple[int, ...], list[int]] = defaultdict(list)  # domains of the same cells
    for domain, cells in enumerate(stands.cells):
        if cells:
            alike[tuple(cells)].append(domain)
    asked = [domains[0] for domains in alike.values() if stands.lost[domains[0]]]
    asked.sort(key=lambda domain: -len(stands.lost[domain]))  # what takes longest is begun first
    safe = set[int]() if xp is np else Safe(Fleet(stands.problem, xp), stands).among(asked)
    asked = [domain for domain in asked if domain not in safe]
    falls: dict[int, tuple[int, ...]] = {}
    with _decided(stands, asked, workers) as answers:
        for domain, fell in zip(asked, answers, strict=True):
            falls[domain] = fell
            told(len(falls), len(asked))
    losses = (
        Loss(domain, stands.gpus_below(domain), falls.get(domains[0], ()))
        for domains in alike.values()
        for domain in domains
    )
    return sorted(losses, key=lambda loss: loss.domain)


@contextmanager
def _decided(stands: Standing, asked: list[int], workers: int) -> Iterator[Iterator[tuple[int, ...]]]:
    """The pools that fall with each of the domains."""
    if workers == 1 or len(asked) * stands.problem.rows < _MANY:
        yield map(Losses(stands).falls, asked)
        return
    # Spawned: a fork would copy the locks of other threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin, (stands.problem,)) as pool:
        try:
            yield pool.map(_falls, asked)
        finally:
            pool.shutdown(cancel_futures=True)


_of_this_worker: list[Losses] = []


def _begin(problem: Problem) -> None:
    """Make a worker ready."""
    _of_this_worker[:] = [Losses(Standing(problem))]


def _falls(domain: int) -> tuple[int, ...]:
    return _of_this_worker[0].falls(domain)
