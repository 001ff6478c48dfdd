"""What statuses say of the power that no pool's placements name, so that nobody is promised it."""

from collections import Counter
from collections.abc import Iterable, Iterator

from aifactory.api import names
from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.api.pool_status import Placement
from aifactory.decide.model.layout import Layout, lay_out
from aifactory.decide.model.world import Claim
from aifactory.decide.phrases import counted


def held_back(factories: Iterable[AIFactory], pools: Iterable[GPUPool]) -> tuple[Claim, ...]:
    """Claims for what each factory's status counts and no placement of these pools names.

    Some statuses say in `unplaced` what that is. What only sums tell (of pools that are not here, or by an
    older version) is taken to stand where a domain's sum tells it, else in any slots of the factory.
    """
    placements = [placement for pool in pools for placement in pool.status.placements]
    return tuple(
        claim
        for factory in factories
        if factory.status.power is not None
        for claim in _Present(factory, [p for p in placements if p.factory == factory.metadata.name]).claims()
    )


def missing_pools(factories: Iterable[AIFactory], pools: Iterable[GPUPool]) -> Iterator[str]:
    """Say of each factory whose status counts more pools than are here how many are missing."""
    here = Counter(name for pool in pools for name in {p.factory for p in pool.status.placements})
    for factory in factories:
        name = factory.metadata.name
        if missing := max(0, factory.status.pools - here[name]):
            yield (
                f"{name}: {counted(missing, 'pool')} of the {factory.status.pools} that its status counts "
                "are not in the files; their power is held back"
            )


class _Present:
    def __init__(self, factory: AIFactory, placements: list[Placement]) -> None:
        self.factory, self.status = factory, factory.status
        self.layout: Layout = lay_out(factory)
        self.known: Counter[int] = Counter()  # watts below each instance that something tells of
        self.taken: Counter[int] = Counter()  # units in each group
        for it in placements:
            self._count(it.domain, it.system, it.units, it.watts)

    def _count(self, domain: str, system: str, units: int, watts: int) -> int:
        path = names.canonical(domain)
        instance = self.layout.nearest(path)
        for i in self.layout.chain(instance):
            self.known[i] += watts
        if (group := self.layout.by_slot.get((path, system))) is not None:
            self.taken[group] += units
        return instance

    def claims(self) -> Iterator[Claim]:
        for it in self.status.unplaced:
            self._count(it.domain, it.system, it.units, it.watts)
            yield self._claim(
                it.domain, it.system, it.units, it.watts, nodes=it.nodes, gpus=it.gpus, leaving=it.leaving
            )
        power = self.status.power
        if power is None:
            return
        # The deepest domains first: what is found in one counts in those above it, too.
        told = [
            (self.layout.by_path[path], it.committed, it.limit)
            for it in self.status.tightest
            if (path := names.canonical(it.domain)) in self.layout.by_path
        ]
        for instance, committed, limit in sorted(told, key=lambda it: -len(self.layout.chain(it[0]))):
            yield from self._hold(instance, committed, limit)
        yield from self._hold(0, max(power.committed, power.reserved), power.limit)

    def _hold(self, below: int, committed: int, limit: int) -> Iterator[Claim]:
        """Claims for what is committed below an instance and not known otherwise.

        What was above the limit then is on its way out, and nothing to hold back.
        """
        watts = min(committed, limit) - self.known[below]
        sizes = [
            (watts % (group.unit_watts or 1) != 0, g)
            for g, group in enumerate(self.layout.groups)
            if group.unit_watts and below in self.layout.chain(group.instance)
        ]
        for _, g in sorted(sizes):
            group = self.layout.groups[g]
            units = min(watts // (group.unit_watts or 1), len(group.slots) - self.taken[g])
            if units > 0:
                name, system = self.layout.instances[group.instance].name, group.system
                drawn = units * (group.unit_watts or 0)
                self._count(name, system.name, units, drawn)
                watts -= drawn
                nodes, gpus = units * system.nodes_per_unit, units * system.gpus_per_unit
                yield self._claim(name, system.name, units, drawn, nodes=nodes, gpus=gpus)
        if watts > 0:
            name = self.layout.instances[below].name
            self._count(name, "", 0, watts)
            yield self._claim(name, "", 1, watts)

    def _claim(
        self,
        domain: str,
        system: str,
        units: int,
        watts: int,
        *,
        nodes: int = 0,
        gpus: int = 0,
        leaving: bool = False,
    ) -> Claim:
        return Claim(
            pool=None,
            factory=self.factory.metadata.name,
            domain=domain,
            fabric=domain,
            system=system,
            units=units,
            nodes=nodes,
            gpus=gpus,
            ready_gpus=0,
            watts=watts,
            placed_under="",
            leaving=leaving,
        )
