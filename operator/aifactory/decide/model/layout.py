"""A factory's spec spread out: every domain instance and every rack group that hangs on one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from aifactory.api import names
from aifactory.api.catalogue import System
from aifactory.api.factory import AIFactory
from aifactory.api.quantity import watts
from aifactory.api.systems import systems_of
from aifactory.decide.once import once


@dataclass(frozen=True)
class Instance:
    """One domain instance. Instance 0 of a layout is the factory itself, its limit the quota in IT watts.

    ``path`` is its identity, see `names.canonical`. ``name`` is what people read: numbered where there are
    several.
    """

    path: str
    name: str
    level: str  # the spec's path
    parent: int  # -1 for the factory
    limit: int  # IT watts
    out_of_service: bool = False  # itself or one above it


@dataclass(frozen=True)
class Slots:
    """(rack, slot) of each unit of a rack group, lowest first; slot 0 is a whole rack.

    They are counted, and never spread out: a group may have millions.
    """

    racks: int
    per_rack: int  # 0: a rack is provisioned as a whole
    shut: frozenset[tuple[int, int]] = frozenset()  # that are left out

    def __len__(self) -> int:
        return self.racks * max(1, self.per_rack) - len(self.shut)

    def __contains__(self, place: tuple[int, int]) -> bool:
        return self._has(*place) and place not in self.shut

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for rack in range(1, self.racks + 1):
            for slot in range(1, self.per_rack + 1) if self.per_rack else (0,):
                if (rack, slot) not in self.shut:
                    yield rack, slot

    def without(self, taken: Iterable[tuple[int, int]]) -> "Slots":
        """The same without some of them, and without what else is named."""
        return replace(self, shut=self.shut | {place for place in taken if self._has(*place)})

    def _has(self, rack: int, slot: int) -> bool:
        return 1 <= rack <= self.racks and (1 <= slot <= self.per_rack if self.per_rack else slot == 0)


@dataclass(frozen=True)
class Group:
    """The racks of one system on one domain instance."""

    instance: int
    fabric: int  # instance
    system: System
    racks: int
    nodes_per_rack: int
    unit_watts: int | None  # with overhead; None: no figure is known, so nothing is placed

    @property
    def slots(self) -> Slots:
        """Where its units are."""
        return Slots(self.racks, 0 if self.system.unit == "Rack" else self.nodes_per_rack)

    def has(self, rack: int, slot: int) -> bool:
        """Whether the group has a unit there."""
        return (rack, slot) in self.slots


@dataclass(frozen=True)
class Layout:
    """Everything that a factory's spec says about places."""

    factory: str
    instances: tuple[Instance, ...]
    groups: tuple[Group, ...]
    by_path: dict[str, int] = field(default_factory=dict)
    unit_watts: dict[str, int | None] = field(default_factory=dict)  # of every system that is known here
    by_slot: dict[tuple[str, str], int] = field(default_factory=dict)  # (path, system name) -> group

    def offers(self, path: str, system: str, rack: int, slot: int) -> bool:
        """Whether the spec still describes a unit in this place."""
        group = self.by_slot.get((path, system))
        return group is not None and self.groups[group].has(rack, slot)

    def nearest(self, path: str) -> int:
        """The instance of a path, or the nearest one above it that is still there."""
        while path:
            if path in self.by_path:
                return self.by_path[path]
            path = path.rpartition("/")[0]
        return 0

    def chain(self, instance: int) -> tuple[int, ...]:
        """The instance and all above it, up to the factory."""
        found = [instance]
        while self.instances[found[-1]].parent >= 0:
            found.append(self.instances[found[-1]].parent)
        return tuple(found)


def smallest_unit(layout: Layout) -> int:
    """IT watts of the smallest unit that the factory has racks for; 0 where no figure is known."""
    return min((group.unit_watts for group in layout.groups if group.unit_watts), default=0)


def unit_watts(system: System, overhead_percent: Fraction) -> int | None:
    """IT watts of one unit with its overhead, rounded up; None where no figure is known."""
    if system.max_watts is None:
        return None
    exact = system.max_watts * (100 + overhead_percent) / 100
    return -(-exact.numerator // exact.denominator)


def quota_watts(factory: AIFactory) -> int:
    """The quota in IT watts, rounded down."""
    power = factory.spec.power
    if power.basis == "Gross" and power.peak_pue is not None:
        return watts(power.quota / power.peak_pue)
    return watts(power.quota)


@once
def lay_out(factory: AIFactory) -> Layout:
    """Spread a factory's spec out. The spec has been validated."""
    spec = factory.spec
    own = _limits_of_one(factory)
    shut = {names.canonical(path) for path in spec.closed}
    instances = [Instance("", "", "", -1, quota_watts(factory))]
    at_level: dict[str, list[int]] = {"": [0]}
    for domain in sorted(spec.power.domains, key=lambda d: (d.path.count("/"), d.path)):
        above, _, base = domain.path.rpartition("/")
        limit = watts(domain.limit)
        for parent in at_level[above]:
            up = instances[parent]
            for number in range(1, domain.count + 1):
                name = f"{up.name}/{base}-{number}" if domain.count > 1 else f"{up.name}/{base}"
                segment = base if number == 1 else f"{base}-{number}"
                path = names.canonical(f"{up.path}/{segment}".lstrip("/"))
                at_level.setdefault(domain.path, []).append(len(instances))
                instances.append(
                    Instance(
                        path=path,
                        name=name.lstrip("/"),
                        level=domain.path,
                        parent=parent,
                        limit=min(limit, own.get(path, limit)),
                        out_of_service=up.out_of_service or path in shut,
                    )
                )

    groups: list[Group] = []
    systems = systems_of(spec.systems)
    for racks in spec.racks:
        system = systems.get(racks.system)
        if system is None:
            continue
        draws = unit_watts(system, spec.power.overhead_percent)
        for i in at_level[racks.domain]:
            fabric = i
            while instances[fabric].level != racks.fabric_path:
                fabric = instances[fabric].parent
            groups.append(
                Group(
                    instance=i,
                    fabric=fabric,
                    system=system,
                    racks=racks.count,
                    nodes_per_rack=racks.nodes_per_rack or system.nodes_per_rack,
                    unit_watts=draws,
                )
            )
    groups.sort(key=lambda g: (g.instance, g.system.name))
    return Layout(
        factory=factory.metadata.name,
        instances=tuple(instances),
        groups=tuple(groups),
        by_path={instance.path: i for i, instance in enumerate(instances)},
        unit_watts={name: unit_watts(s, spec.power.overhead_percent) for name, s in systems.items()},
        by_slot={(instances[g.instance].path, g.system.name): i for i, g in enumerate(groups)},
    )


def _limits_of_one(factory: AIFactory) -> dict[str, int]:
    """The limits that single instances have of their own, by path; the lowest of several for one."""
    found: dict[str, int] = {}
    for entry in factory.spec.power.limits:
        path, limit = names.canonical(entry.domain), watts(entry.limit)
        found[path] = min(limit, found.get(path, limit))
    return found
