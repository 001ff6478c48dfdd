"""AIFactory: one data-centre site with one power quota."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal

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
from aifactory.api.catalogue import MOST_EACH, catalogue
from aifactory.api.factory_status import AIFactoryStatus
from aifactory.api.meta import ObjectMeta
from aifactory.api.quantity import Percent, Price, Pue, UnitWatts, Watts

# CEL has no variables: a list of one item binds the paths once, and `in` is cheap. Nested loops over the
# domains fit the estimated cost, but the API server cancels them when paths are long.
_PATHS = "[self.domains.map(p, p.path)]"
# For a domain d: its parent is not listed; its path ends with a number and is an instance of another domain.
_ORPHAN = "d.path.contains('/') && !(d.path.substring(0, d.path.lastIndexOf('/')) in paths)"
_STEM = "d.path.substring(0, d.path.lastIndexOf('-'))"
_TWIN = (
    f"d.path.matches('-[1-9][0-9]{{0,4}}$') && {_STEM} in paths "
    "&& int(d.path.substring(d.path.lastIndexOf('-') + 1)) "
    f"<= self.domains[paths.indexOf({_STEM})].count"
)
# For a rack group r: its domain is not listed.
_UNFED = "!(r.domain in paths)"
_ALL_PATHS = "[has(self.power.domains) ? self.power.domains.map(p, p.path) : []]"


def _instances(field: str, paths: str, domains: str, of: Callable[[Any], Iterable[str]]) -> Rule:
    """Return the rule that what a field lists is there; what is not freezes nothing.

    In CEL, `paths` binds the domains' paths, and `domains` are the domains. `of` gives what is not there.
    """
    item = "i.domain" if field == "limits" else "i"
    lost = f"!({checks.cel_instance(item, 'paths', domains)})"
    found = f"self.{field}.map(i, {lost}, {item})[0]"
    return Rule(
        "each has to be an instance of a domain, such as hall-3/row-1",
        of,
        f"!has(self.{field}) || {paths}.all(paths, !self.{field}.exists(i, {lost}))",
        f"{paths}.map(paths, {found})[0]",
        at=f".{field}",
        at_apply=True,
    )


class Domain(Model):
    """One or several alike places in the power tree: buildings, halls, UPSs, PDUs, rows."""

    path: Path
    """Where the domain is in the power tree: one to six names joined by '/', such as hall/row. Each name
    has lower-case letters, digits and '-'. Every parent is a domain of the list too.
    """
    count: Count = 1
    """How many there are in each parent. They are numbered from 1 (hall-1, hall-2); a single one has no
    number (hall), and hall and hall-1 are the same place. Default: 1.
    """
    limit: Watts
    """IT power that each one may carry in normal operation, in watts, as a Kubernetes quantity: 2600k is
    2.6 MW. From 0 (an outage) to 1T. Quote numbers that are not whole: "42.5".
    """


class InstanceLimit(Model):
    """A limit of one domain instance alone."""

    domain: InstancePath
    """The instance, such as hall-2 or hall-2/row-5. A single one has no number; hall and hall-1 are the
    same place.
    """
    limit: Watts
    """IT power that it may carry, in watts, as a Kubernetes quantity: 15M is 15 MW. The lower one of this
    and its domain's own limit holds. From 0 (an outage) to 1T. Quote numbers that are not whole: "42.5".
    """


class Power(Model):
    """What the site may draw, and the tree that carries it."""

    RULES: ClassVar = (
        Rule(
            "peakPUE is required with basis Gross",
            lambda power: [power.basis] if power.basis == "Gross" and power.peak_pue is None else [],
            "self.basis != 'Gross' || has(self.peakPUE)",
            at=".peakPUE",
            reason="FieldValueRequired",
        ),
        Rule(
            "the parent of each path has to be a domain of the list too",
            checks.orphans,
            f"!has(self.domains) || {_PATHS}.all(paths, !self.domains.exists(d, {_ORPHAN}))",
            f"{_PATHS}.map(paths, self.domains.map(d, {_ORPHAN}, d.path)[0])[0]",
            at=".domains",
        ),
        Rule(
            "no two domains may give one instance (hall with count 2 is hall-1 and hall-2; hall is hall-1)",
            checks.name_twins,
            f"!has(self.domains) || {_PATHS}.all(paths, !self.domains.exists(d, {_TWIN}))",
            f"{_PATHS}.map(paths, self.domains.map(d, {_TWIN}, d.path)[0])[0]",
            at=".domains",
        ),
        Rule(
            f"all domains together may have at most {checks.MOST_INSTANCES} instances",
            checks.too_many_instances,
            at=".domains",
        ),
        _instances(
            "limits",
            "[has(self.domains) ? self.domains.map(p, p.path) : []]",
            "self.domains",
            lambda power: checks.unknown_instances(power, [it.domain for it in power.limits]),
        ),
    )

    quota: Watts
    """Power that the site may draw, in watts, as a Kubernetes quantity: 100M is 100 MW. From 0 (an
    outage) to 1T. Quote numbers that are not whole: "42.5".
    """
    basis: Literal["Gross", "CriticalIT"] = "Gross"
    """What the quota counts: Gross at the utility meter, cooling and losses included (IT power = quota /
    peakPUE), or CriticalIT what reaches the equipment. Default: Gross.
    """
    peak_pue: Pue | None = None
    """Power usage effectiveness at peak load, the ratio of gross to IT power, from 1 to 10. Required with
    basis Gross, and not used otherwise. Take the peak, not the mean of the year. Quote numbers that are
    not whole: "42.5".
    """
    overhead_percent: Percent = Fraction(0)
    """Networking, storage and management, in percent of the IT power of each unit, added to it
    everywhere. 8 to 14 is usual. From 0 to 100, default: 0 (none). Quote numbers that are not whole:
    "42.5".
    """
    domains: Annotated[tuple[Domain, ...], Field(max_length=256, json_schema_extra=list_map("path"))] = ()
    """The power tree, by path. Units count in their own domain, in each one above it and in the quota."""
    limits: Annotated[
        tuple[InstanceLimit, ...], Field(max_length=256, json_schema_extra=list_map("domain"))
    ] = ()
    """Lower limits of single domain instances, such as a hall whose feed is being repaired."""


class Energy(Model):
    """What energy costs at the site; it decides between places that are alike otherwise."""

    price_per_mwh: Price = Fraction(0)
    """Price of one MWh at the meter, in any one currency, the same for all factories. Default: 0. Quote
    numbers that are not whole: "42.5".
    """
    carbon_grams_per_kwh: Annotated[StrictInt, Field(ge=0, le=100_000)] = 0
    """Carbon dioxide of one kWh, in grams. Default: 0."""


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


class SystemSpec(Model):
    """An accelerator system: an own one, or figures that replace those of a built-in one."""

    RULES: ClassVar = (
        Rule(
            "unit, gpusPerNode, maxWatts and resourceName are required of a system that is not built in, and "
            "nodesPerRack where its unit is Rack",
            checks.incomplete_system,
            f"self.name in {sorted(catalogue())} || "
            "has(self.unit) && has(self.gpusPerNode) && has(self.maxWatts) && has(self.resourceName) "
            "&& (self.unit == 'Node' || has(self.nodesPerRack))",
            "self.name",
            reason="FieldValueRequired",
        ),
        *checks.SYSTEM_LABELS,
        checks.SYSTEM_RESOURCE,
    )

    name: SystemName
    """Name of the system. With a name of the built-in catalogue, the fields given here replace those of
    the catalogue in this factory; any other name needs unit, gpusPerNode, maxWatts and resourceName.
    """
    unit: Literal["Node", "Rack"] | None = None
    """What is provisioned as a whole: a Node, or a Rack (NVL72 and the like)."""
    nodes_per_rack: Annotated[StrictInt | None, Field(ge=1, le=MOST_EACH)] = None
    """Nodes in one rack. Required where the unit is a Rack; default where it is a Node: 4."""
    gpus_per_node: Annotated[StrictInt | None, Field(ge=1, le=MOST_EACH)] = None
    """GPU packages in one node."""
    max_watts: UnitWatts | None = None
    """The most IT power that one unit can draw, in watts, as a Kubernetes quantity: 132k is 132 kW. A
    whole rack's where the unit is a Rack. From 1 to 1T. Quote numbers that are not whole: "42.5".
    """
    resource_name: Annotated[
        str | None,
        Field(max_length=128, pattern=names.RESOURCE_NAME),
    ] = None
    """Name of the GPU resource in a node's capacity, such as nvidia.com/gpu. Names of aifactory.dev,
    kubernetes.io and k8s.io are not allowed.
    """
    node_labels: Annotated[dict[str, LabelValue], Field(max_length=32)] = Field(default_factory=dict)
    """Labels that each node of the system gets, such as nvidia.com/gpu.product. Keys of aifactory.dev,
    kubernetes.io and k8s.io are not allowed.
    """


class Maintenance(Model):
    """Why a domain instance is taken out of service."""

    reason: Annotated[str, Field(max_length=256)] = ""
    """For people, such as feeder swap until 3 December."""


class AIFactorySpec(Model):
    """The wish: the site as it is built and as it should be used."""

    RULES: ClassVar = (
        Rule(
            "domain has to be a path of spec.power.domains",
            checks.unfed_racks,
            f"!has(self.racks) || {_ALL_PATHS}.all(paths, !self.racks.exists(r, {_UNFED}))",
            f"{_ALL_PATHS}.map(paths, self.racks.map(r, {_UNFED}, r.domain)[0])[0]",
            at=".racks",
        ),
        Rule(
            f"all rack groups together may have at most {checks.MOST_INSTANCES} racks",
            checks.too_many_racks,
            at=".racks",
        ),
        Rule(
            f"all racks together may have at most {checks.MOST_NODES} nodes",
            checks.too_many_nodes,
            at=".racks",
        ),
        Rule(
            f"all racks together may draw at most {checks.MOST_WATTS} W, with their overhead",
            checks.too_many_watts,
            at=".racks",
        ),
        _instances(
            "outOfService",
            _ALL_PATHS,
            "self.power.domains",
            lambda spec: checks.unknown_instances(spec.power, spec.out_of_service),
        ),
        _instances(
            "maintenance",
            _ALL_PATHS,
            "self.power.domains",
            lambda spec: checks.unknown_instances(spec.power, spec.maintenance),
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
