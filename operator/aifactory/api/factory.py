"""AIFactory: one data-centre site with one power quota."""

import math
from fractions import Fraction
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StrictInt

from aifactory.api import checks, names
from aifactory.api.backend import Backend
from aifactory.api.base import (
    LIST_SET,
    Count,
    Flag,
    InstancePath,
    KeyPrefix,
    LabelValue,
    Model,
    Path,
    Rule,
    Seconds,
    SystemName,
    list_map,
)
from aifactory.api.catalogue import MOST_EACH
from aifactory.api.factory_status import AIFactoryStatus
from aifactory.api.meta import ObjectMeta
from aifactory.api.power import MOST_INSTANCES, Energy, Power, instances, instances_rule, unknown_instances
from aifactory.api.systems import SystemSpec, incomplete_system, systems_of

# As many racks as a factory may have, of the largest system known.
MOST_NODES: Final = 2_000_000
# A thousand times the largest quota. The solver adds up the watts of thousands of sites in 62 bits.
MOST_WATTS: Final = 10**15

# For a rack group r: its domain is not listed.
_UNFED = "!(r.domain in paths)"
_ALL_PATHS = "[has(self.power.domains) ? self.power.domains.map(p, p.path) : []]"


def too_many_racks(spec: "AIFactorySpec") -> list[int]:
    """Return the number of racks where it is above what one factory may have."""
    total = sum(group.count * instances(spec.power, group.domain) for group in spec.racks)
    return [total] if total > MOST_INSTANCES else []


def too_many_nodes(spec: "AIFactorySpec") -> list[int]:
    """Return the number of nodes in all racks where it is above what one factory may have."""
    if any(incomplete_system(system) for system in spec.systems):
        return []
    systems, total = systems_of(spec.systems), 0
    for group in spec.racks:
        if (system := systems.get(group.system)) is not None:
            whole = system.unit == "Rack"
            per_rack = system.nodes_per_rack if whole else group.nodes_per_rack or system.nodes_per_rack
            total += per_rack * group.count * instances(spec.power, group.domain)
    return [total] if total > MOST_NODES else []


def too_many_watts(spec: "AIFactorySpec") -> list[int]:
    """Return the watts of all racks where they are more than sums of a fleet may hold."""
    if any(incomplete_system(system) for system in spec.systems):
        return []
    systems, total = systems_of(spec.systems), Fraction(0)
    for group in spec.racks:
        system = systems.get(group.system)
        if system is not None and system.max_watts is not None:
            per_rack = 1 if system.unit == "Rack" else group.nodes_per_rack or system.nodes_per_rack
            total += system.max_watts * per_rack * group.count * instances(spec.power, group.domain)
    watts = math.ceil(total * (100 + spec.power.overhead_percent) / 100)
    return [watts] if watts > MOST_WATTS else []


def unfed_racks(spec: "AIFactorySpec") -> list[str]:
    """Return the rack groups' domains that are not listed."""
    paths = {domain.path for domain in spec.power.domains}
    return [group.domain for group in spec.racks if group.domain not in paths]


class RackGroup(Model):
    """Racks of one accelerator system on one domain and one fabric."""

    RULES: ClassVar = (
        Rule(
            "fabric has to be the rack group's domain or a domain above it",
            lambda group: (
                []
                if f"{group.domain}/".startswith(f"{group.fabric_path}/")
                else [f"{group.fabric} with domain {group.domain}"]
            ),
            "!has(self.fabric) || (self.domain + '/').startsWith(self.fabric + '/')",
            "self.fabric + ' with domain ' + self.domain",
            at=".fabric",
        ),
    )

    domain: Path
    """The domain that feeds the racks: a path of spec.power.domains."""
    system: SystemName
    """The accelerator system in the racks: a name of spec.systems or of the built-in catalogue."""
    count: Count
    """Racks in each instance of the domain."""
    fabric: Path | None = None
    """The domain whose racks share one InfiniBand or Ethernet block: the rack group's own domain or one
    above it. Default: its own domain.
    """
    nodes_per_rack: Annotated[StrictInt | None, Field(ge=1, le=MOST_EACH)] = None
    """Nodes in each rack, for a system that is provisioned by node. Default: the system's own
    nodesPerRack. Not used by a system that is provisioned by rack.
    """

    @property
    def fabric_path(self) -> str:
        """The fabric's domain path; its own domain where none is given."""
        return self.fabric or self.domain


class Maintenance(Model):
    """Why a domain instance is taken out of service."""

    reason: Annotated[str, Field(max_length=256)] = ""
    """For people, such as feeder swap until 3 December."""


class AIFactorySpec(Model):
    """The wish: the site as it is built and as it should be used."""

    RULES: ClassVar = (
        Rule(
            "domain has to be a path of spec.power.domains",
            unfed_racks,
            f"!has(self.racks) || {_ALL_PATHS}.all(paths, !self.racks.exists(r, {_UNFED}))",
            f"{_ALL_PATHS}.map(paths, self.racks.map(r, {_UNFED}, r.domain)[0])[0]",
            at=".racks",
        ),
        Rule(
            f"all rack groups together may have at most {MOST_INSTANCES} racks",
            too_many_racks,
            at=".racks",
        ),
        Rule(
            f"all racks together may have at most {MOST_NODES} nodes",
            too_many_nodes,
            at=".racks",
        ),
        Rule(
            f"all racks together may draw at most {MOST_WATTS} W, with their overhead",
            too_many_watts,
            at=".racks",
        ),
        instances_rule(
            "outOfService",
            _ALL_PATHS,
            "self.power.domains",
            lambda spec: unknown_instances(spec.power, spec.out_of_service),
        ),
        instances_rule(
            "maintenance",
            _ALL_PATHS,
            "self.power.domains",
            lambda spec: unknown_instances(spec.power, spec.maintenance),
        ),
    )

    region: LabelValue = ""
    """Region of the site, for people and labels, such as us-south: a label value."""
    power: Power
    """The site's power: its quota and the tree that carries it."""
    energy: Energy | None = None
    """What energy costs here. Give it for all factories or for none: one without it counts as free."""
    racks: Annotated[
        tuple[RackGroup, ...], Field(max_length=256, json_schema_extra=list_map("domain", "system"))
    ] = ()
    """The inventory: groups of racks, one for each domain and system."""
    systems: Annotated[tuple[SystemSpec, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    """Accelerator systems to add to the built-in catalogue or to override in it, for this factory."""
    backend: Backend
    """What provisions the nodes: exactly one of kwok, clusterAPI, coreWeave and karpenter."""
    out_of_service: Annotated[
        tuple[InstancePath, ...], Field(max_length=256, json_schema_extra=LIST_SET)
    ] = ()
    """Domain instances, such as hall-3/row-1, that take nothing new and are emptied, in order. Who patches
    this list writes all of it; maintenance is the same, one by one.
    """
    maintenance: Annotated[dict[str, Maintenance], Field(max_length=64)] = Field(default_factory=dict)
    """The same by the instance's path, so that nobody's patch undoes another's: hall-3/row-1: {reason:
    feeder swap}. A patch with null ends it.
    """
    shared_nodes: Flag = False
    """False: each node has the taint aifactory.dev/tenant from its first moment, with its pool's namespace
    and the effect NoSchedule, so that only pods that tolerate it come. True: no such taint; the scheduler
    puts pods of any namespace there, and they leave when the pool does. Default: false.
    """
    tenant_label_prefixes: Annotated[
        tuple[KeyPrefix, ...], Field(max_length=64, json_schema_extra=LIST_SET)
    ] = ()
    """Prefixes that keys of a pool's nodeLabels may have here, such as example.com for example.com/team.
    Others are left off the nodes, for agents and other tenants' pods go by them. Keys without a prefix are
    always allowed. Default: none.
    """
    longest_drain_seconds: Seconds = 3600
    """The most that a pool's drainTimeoutSeconds counts here. From 0 to 604800 (a week), default: 3600."""
    shed_drain_seconds: Seconds = 600
    """The most seconds that any pod has, from the cordon of its node, below a limit that is exceeded: so long
    may the site be above it. From 0 to 604800 (a week), default: 600.
    """
    foreign_drain_seconds: Seconds = 600
    """The fewest seconds that pods of other namespaces than the pool's have before they are deleted with a
    node, whatever the pool says; but for shedDrainSeconds. From 0 to 604800 (a week), default: 600.
    """
    tell_tenants: Literal["Numbers", "Reason"] = "Numbers"
    """What a pool that waits for this site is told: Numbers (the limit that binds, what is free below it and
    what is missing, and whose room would do by priority) or the Reason alone, and the kind of domain. A pool
    that may stand in several sites is told numbers where all of them tell them. Default: Numbers.
    """
    drain: Flag = False
    """True: take nothing new in the whole factory and empty it, in order. Default: false."""
    paused: Flag = False
    """True: plan and report for this factory, and order, drain and release nothing. Default: false."""

    @property
    def closed(self) -> tuple[str, ...]:
        """Paths of all domain instances that take nothing new and are emptied."""
        return (*self.out_of_service, *self.maintenance)


class AIFactory(Model):
    """An AI factory: one data-centre site with one contracted power quota."""

    RULES: ClassVar = (checks.name_rule(names.FACTORY_NAME_LENGTH),)

    metadata: ObjectMeta
    spec: AIFactorySpec
    """The site as it is built and as it should be used."""
    status: AIFactoryStatus = AIFactoryStatus()
    """What the operator sees and decided. Written by the operator alone."""
