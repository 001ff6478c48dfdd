"""What a site grants of a pool's wish for its nodes. What it leaves off is told, and no reason to wait."""

from collections.abc import Iterable, Iterator

from aifactory.api.catalogue import System
from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.api.systems import systems_of
from aifactory.decide.model.plan import Placing
from aifactory.decide.model.world import Taint
from aifactory.decide.phrases import listed

_EVICTS = "NoExecute"


def granted_labels(factory: AIFactory, system: System | None, pool: GPUPool) -> dict[str, str]:
    """A pool's labels that the site sets: with a prefix that it allows, and in place of none of its own."""
    own = system.node_labels if system else {}
    wish = pool.spec.node_labels.items()
    return {key: value for key, value in wish if key not in own and _may_have(factory, key)}


def _may_have(factory: AIFactory, key: str) -> bool:
    prefix, slash, _ = key.partition("/")
    return not slash or prefix in factory.spec.tenant_label_prefixes


def granted_taints(pool: GPUPool) -> tuple[Taint, ...]:
    """A pool's taints that standing nodes get too: none that would evict pods at once."""
    return tuple(Taint(t.key, t.value, t.effect) for t in pool.spec.node_taints if t.effect != _EVICTS)


def left_off(pool: GPUPool, factories: Iterable[AIFactory], placings: Iterable[Placing]) -> str:
    """What a pool is not granted where it stands, and why; nothing where it has all that it wishes for."""
    if not placings:
        return ""
    sites = {factory.metadata.name: factory for factory in factories}
    standing: dict[str, set[str]] = {}
    for placing in placings:
        standing.setdefault(placing.factory, set()).add(placing.system)
    found = list(_evicting(pool))
    for name, systems in sorted(standing.items()):
        if name in sites:
            found += _of_site(pool, sites[name], systems)
    return " ".join(found)


def _evicting(pool: GPUPool) -> Iterator[str]:
    if evict := [f"{t.key}:{t.effect}" for t in pool.spec.node_taints if t.effect == _EVICTS]:
        yield f"Not set, for it would evict pods at once: {listed(evict)} of nodeTaints."


def _of_site(pool: GPUPool, factory: AIFactory, systems: Iterable[str]) -> Iterator[str]:
    name, known = factory.metadata.name, systems_of(factory.spec.systems)
    own = {key for it in systems if it in known for key in known[it].node_labels}
    wish = sorted(pool.spec.node_labels)
    if shut := [key for key in wish if key not in own and not _may_have(factory, key)]:
        yield f"{name} does not set {listed(shut)}: not in its tenantLabelPrefixes."
    if taken := [key for key in wish if key in own]:
        yield f"{name} sets {listed(taken)} itself."
    most, asked = factory.spec.longest_drain_seconds, pool.spec.drain_timeout_seconds
    if asked > most:
        yield f"{name} gives pods at most {most} s, and not {asked} s, to leave."
