"""Writes of ours that fail again and again, told to whoever waits for them, in the API server's words."""

from collections.abc import Iterable, Mapping, Sequence

from aifactory.decide.conditions import Said
from aifactory.decide.model.case import Case
from aifactory.decide.model.plan import Placing
from aifactory.decide.model.world import Failure, PoolKey, Written

REASON = {Written.ORDER: "OrderRefused", Written.RELEASE: "ReleaseRefused"}
_ANY = "WriteRefused"
_STALLED = 3  # tries after which nothing counts as under way
REASONS = (*REASON.values(), _ANY)


def reason(failure: Failure) -> Said:
    """The reason of a failure. The API server's words about a release may name pods of anybody."""
    what = {
        Written.ORDER: f"Nodes cannot be ordered in {failure.factory}",
        Written.RELEASE: f"Node {failure.node} cannot be released",
        Written.UPDATE: f"Labels and taints of node {failure.node} cannot be brought up to date",
        Written.STATUS: f"Nothing is ordered in {failure.factory}: its status cannot be written",
        Written.FINALIZER: f"The finalizer of {failure.factory or 'the pool'} cannot be changed",
    }[failure.what]
    message = f"{what}: {failure.message}"
    told = f"{what}." if failure.what is Written.RELEASE else message
    return Said(REASON.get(failure.what, _ANY), message, told)


def is_final(failure: Failure | None) -> bool:
    """Whether it has failed so often that somebody has to act."""
    return failure is not None and failure.tries >= _STALLED


def of_pool(case: Case, pool: PoolKey, placings: Iterable[Placing]) -> Failure | None:
    """What keeps a pool from what it waits for."""
    coming = {p.factory for p in placings if p.planned_nodes or p.missing}

    def concerns(failure: Failure) -> bool:
        match failure.what:
            case Written.ORDER:
                return failure.pool == pool and failure.factory in coming
            case Written.STATUS | Written.FINALIZER:
                # Without its generation, or its hold, nothing is ordered in a factory or for a pool.
                return failure.factory in coming if failure.factory else failure.pool == pool
            case Written.UPDATE:
                return failure.pool == pool
        return False  # releases have their own words

    return _worst(failure for failure in case.world.failures if not failure.slot and concerns(failure))


def of_factory(case: Case, factory: str, placings: Mapping[PoolKey, Sequence[Placing]]) -> Failure | None:
    """What keeps a factory from being as planned."""

    def concerns(failure: Failure) -> bool:
        if failure.what is not Written.ORDER or failure.pool is None:
            return True
        mine = placings.get(failure.pool, ())
        return any(p.factory == factory and (p.planned_nodes or p.missing) for p in mine)

    return _worst(f for f in case.world.failures if f.factory == factory and not f.slot and concerns(f))


def of_nodes(case: Case, nodes: Iterable[str]) -> Failure | None:
    """What keeps nodes from being released."""
    names = set(nodes)
    return _worst(f for f in case.world.failures if f.what is Written.RELEASE and f.node in names)


def _worst(failures: Iterable[Failure]) -> Failure | None:
    return min(
        failures, key=lambda f: (-is_final(f), list(Written).index(f.what), f.factory, f.node), default=None
    )
