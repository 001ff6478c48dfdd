"""The accelerator systems of a factory: its own ones, over those of the catalogue."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StrictInt

from aifactory.api import checks, names
from aifactory.api.base import LabelValue, Model, Rule, SystemName
from aifactory.api.catalogue import MOST_EACH, NODES_PER_RACK, System, catalogue
from aifactory.api.quantity import UnitWatts


def incomplete_system(system: "SystemSpec") -> list[str]:
    """Return the system's name where it lacks what neither it nor the catalogue says."""
    wanted = (system.unit, system.gpus_per_node, system.max_watts, system.resource_name)
    complete = None not in wanted and (system.unit == "Node" or system.nodes_per_rack is not None)
    return [] if complete or system.name in catalogue() else [system.name]


class SystemSpec(Model):
    """An accelerator system: an own one, or figures that replace those of a built-in one."""

    RULES: ClassVar = (
        Rule(
            "unit, gpusPerNode, maxWatts and resourceName are required of a system that is not built in, and "
            "nodesPerRack where its unit is Rack",
            incomplete_system,
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


def systems_of(own: Iterable[SystemSpec]) -> Mapping[str, System]:
    """Return the systems that a factory knows, by name: the built-in ones, and its own over them."""
    known = {entry.name: _own(entry, catalogue().get(entry.name)) for entry in own}
    return MappingProxyType({**catalogue(), **known})


def _own(entry: SystemSpec, base: System | None) -> System:
    """Return a factory's own system: what it says itself, and the built-in system's figures for the rest."""
    given: dict[str, Any] = {
        name: value
        for name in ("unit", "nodes_per_rack", "gpus_per_node", "max_watts", "resource_name")
        if (value := getattr(entry, name)) is not None
    }
    if base is None:
        return System(
            **{"nodes_per_rack": NODES_PER_RACK, **given}, name=entry.name, node_labels=entry.node_labels
        )
    if given.get("unit", base.unit) != base.unit:
        given.setdefault("max_watts", None)  # a node's figure says nothing of a rack
    if "node_labels" in entry.model_fields_set:
        given["node_labels"] = MappingProxyType(entry.node_labels)
    return replace(base, **given)
