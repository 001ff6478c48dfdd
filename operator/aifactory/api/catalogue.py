"""The accelerator systems that the operator knows."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, Literal

from aifactory.api import quantity

MOST_EACH: Final = 256  # nodes in a rack, and GPUs in a node
NODES_PER_RACK: Final = 4  # 8-GPU air-cooled nodes in one rack, as the vendors' reference designs have it


@dataclass(frozen=True)
class System:
    """An accelerator system. `max_watts` is the IT power of one unit; None: no figure is published."""

    name: str
    unit: Literal["Node", "Rack"]
    nodes_per_rack: int
    gpus_per_node: int
    max_watts: Fraction | None
    resource_name: str
    vendor: str = ""
    node_labels: Mapping[str, str] = field(default_factory=dict)
    devices_per_gpu: int = 1  # devices that a node shows for one GPU package

    @property
    def nodes_per_unit(self) -> int:
        """Nodes that are provisioned as a whole."""
        return self.nodes_per_rack if self.unit == "Rack" else 1

    @property
    def gpus_per_unit(self) -> int:
        """GPU packages of one unit."""
        return self.nodes_per_unit * self.gpus_per_node

    @property
    def devices_per_node(self) -> int:
        """What a node shows of the resource `resource_name`."""
        return self.gpus_per_node * self.devices_per_gpu


def _row(row: Mapping[str, str]) -> System:
    """Read one line of the table; raises ValueError that names the line and what is wrong."""
    try:
        unit = row["unit"]
        if unit not in ("Node", "Rack"):
            raise ValueError(f"unit is {unit!r}, allowed are Node and Rack")
        if row["confidence"] not in ("high", "medium", "low"):
            raise ValueError(f"confidence is {row['confidence']!r}, allowed are high, medium and low")
        system = System(
            name=row["name"],
            unit="Rack" if unit == "Rack" else "Node",
            nodes_per_rack=int(row["nodesPerRack"]),
            gpus_per_node=int(row["gpusPerNode"]),
            max_watts=quantity.parse(row["maxWatts"]) if row["maxWatts"] else None,
            resource_name=row["resourceName"],
            vendor=row["vendor"],
            node_labels=MappingProxyType({row["labelKey"]: row["labelValue"]} if row["labelKey"] else {}),
            devices_per_gpu=int(row["devicesPerGpu"]),
        )
        if min(system.nodes_per_rack, system.gpus_per_node, system.devices_per_gpu) < 1:
            raise ValueError("nodesPerRack, gpusPerNode and devicesPerGpu have to be at least 1")
        if system.max_watts is not None and system.max_watts <= 0:
            raise ValueError(f"maxWatts is {row['maxWatts']}, allowed is more than 0, or nothing")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"accelerator {row.get('name')!r}: {error}") from error
    return system


def read(lines: Iterable[str]) -> Mapping[str, System]:
    """Read the table of accelerators; raises ValueError that names the wrong line."""
    systems: dict[str, System] = {}
    for system in map(_row, csv.DictReader(lines)):
        if system.name in systems:
            raise ValueError(f"accelerator {system.name!r} is listed twice")
        systems[system.name] = system
    return MappingProxyType(systems)


@cache
def catalogue() -> Mapping[str, System]:
    """Return the built-in systems by name."""
    text = (files("aifactory.api") / "data" / "accelerators.csv").read_text(encoding="utf-8")
    return read(text.splitlines())
