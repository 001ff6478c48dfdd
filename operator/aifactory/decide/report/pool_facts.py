"""What is to be said about one pool, gathered. What it says is `pool_conditions` and `pool_report`."""

from dataclasses import dataclass
from datetime import datetime

from aifactory.api.pool import GPUPool
from aifactory.decide.act.actions import completable
from aifactory.decide.act.granted import left_off
from aifactory.decide.conditions import Said
from aifactory.decide.model.case import Case
from aifactory.decide.model.fleet import State, Unit, out_of_use
from aifactory.decide.model.plan import SLOW_START, Placing
from aifactory.decide.model.world import Failure, PoolKey, key_of
from aifactory.decide.phrases import counted, listed
from aifactory.decide.place.assign import Assignment
from aifactory.decide.report import refused
from aifactory.decide.report.held_up import hindrance
from aifactory.decide.report.reasons import Why


@dataclass(frozen=True)
class PoolFacts:
    """What a pool's status speaks of."""

    pool: GPUPool
    placings: tuple[Placing, ...]
    ordered: int  # nodes that are ordered now or have to wait for room
    going: int  # units on their way out
    slow: int  # nodes that should be ready by now
    shut: tuple[str, ...]  # nodes that would be ready, had nobody cordoned or labelled them
    out_of_use: dict[str, int]  # nodes that are not ready for new pods, by status field
    why: Why | None  # why it does not get all it wishes for
    keeps_old: bool  # stands where its changed spec does not want it
    no_longer_matches: bool  # stands where its factory's changed spec no longer fits it
    advice: str  # what would be done if nothing were paused
    stuck: tuple[str, str] | None  # (reason, message): something is missing or has to go, and nothing is done
    left_off: str  # what its sites do not grant of its wish
    hindered: Said | None  # what holds up a release
    refused: Failure | None  # a write that it waits for, and that fails again and again

    @property
    def key(self) -> PoolKey:
        """The pool's key."""
        return key_of(self.pool)

    @property
    def placed(self) -> int:
        """GPUs placed."""
        return sum(p.gpus for p in self.placings)

    @property
    def ready(self) -> int:
        """GPUs on ready nodes."""
        return sum(p.ready_gpus for p in self.placings)

    @property
    def nodes(self) -> int:
        """Nodes placed."""
        return sum(p.nodes for p in self.placings)

    @property
    def is_ready(self) -> bool:
        """Whether its minimum is ready."""
        return self.ready >= self.pool.spec.minimum

    @property
    def has_minimum(self) -> bool:
        """Whether its minimum is placed."""
        return self.placed >= self.pool.spec.minimum

    @property
    def gives_way(self) -> bool:
        """Whether it is below its minimum because its units are being released."""
        return self.going > 0 and not self.has_minimum


def pool_facts(
    case: Case,
    assignment: Assignment,
    pool: GPUPool,
    placings: tuple[Placing, ...],
    *,
    why: Why | None,
    advice: str,
    now: datetime,
) -> PoolFacts:
    """Gather what is to be said about one pool."""
    key = key_of(pool)
    held = assignment.held(key)
    lost = [unit for unit in held if unit.missing]
    stays = assignment.stay.get(key, ())
    coming = sum(len(unit.missing) for unit in stays if unit.missing and completable(case, pool, unit))
    leaving = [u for u in case.fleet.of_pool.get(key, ()) if u.state is State.LEAVING]
    going = [unit for unit in leaving if unit.slot.factory not in case.locked]
    going += [*assignment.go.get(key, ()), *assignment.last.get(key, ())]
    stuck = [u for u in lost if not completable(case, pool, u)]
    stuck += [unit for unit in leaving if unit.slot.factory in case.locked]
    index = case.index.get(key)
    misfit = not case.misfits.isdisjoint(unit.slot for unit in stays)
    changed = bool(index is not None and case.problem.changed[index])
    return PoolFacts(
        pool=pool,
        placings=placings,
        ordered=sum(p.planned_nodes for p in placings) + coming,
        going=len(going),
        shut=tuple(n.name for u in held for n in u.nodes if n.ready and (n.cordoned or n.out_of_service)),
        out_of_use=out_of_use(case.fleet.of_pool.get(key, ())),
        slow=sum(not n.ready and now - n.created >= SLOW_START for unit in held for n in unit.nodes),
        why=why,
        keeps_old=misfit and changed,
        no_longer_matches=misfit and not changed,
        advice=advice,
        stuck=_stuck(case, pool, stuck) if stuck else None,
        left_off=left_off(pool, case.world.factories, placings),
        hindered=hindrance(case, going, now, reader=key.namespace),
        refused=refused.of_pool(case, key, placings),
    )


def _stuck(case: Case, pool: GPUPool, units: list[Unit]) -> tuple[str, str]:
    """Why nothing is done about units that have lost nodes or have to go."""
    names = sorted({unit.slot.factory for unit in units})
    where = f"Lost nodes, or has to go: {counted(len(units), 'unit')} in {listed(names)}"
    paused = {f.metadata.name for f in case.world.factories if f.spec.paused}
    if pool.spec.paused or set(names) <= paused:
        return (
            "Paused",
            f"{where}; nothing is done while {'the pool' if pool.spec.paused else 'it'} is paused.",
        )
    if set(names) & case.world.unknown:
        return "Unknown", f"{where}; the backend cannot be listed, so nothing is changed."
    return "InTheWay", f"{where}; the factory's spec does not let them be changed or ordered again."
