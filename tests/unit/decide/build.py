"""Factories and pools in words, written out as the manifests that a person would apply.

Numbers are small enough for mental arithmetic. A `box` is a node of 8 GPUs and 10 W; a `rack` is four such
nodes, 32 GPUs and 40 W, provisioned as a whole. Unless told otherwise a factory is one hall, limits are far
above what could stand, the quota counts IT power, and nothing comes on top.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

Manifest = dict[str, Any]

PLENTY = 1_000_000
BOX_GPUS, BOX_WATTS = 8, 10
RACK_GPUS, RACK_WATTS, RACK_NODES = 32, 40, 4

BOX: Manifest = {"unit": "Node", "gpusPerNode": BOX_GPUS, "maxWatts": BOX_WATTS}
RACK: Manifest = {"unit": "Rack", "nodesPerRack": RACK_NODES, "gpusPerNode": BOX_GPUS, "maxWatts": RACK_WATTS}
SYSTEMS: dict[str, Manifest] = {
    "box": BOX,
    "rack": RACK,
    "cube": {**BOX, "maxWatts": 2 * BOX_WATTS},  # another make of node, twice as hungry
}
BACKENDS: dict[str, Manifest] = {
    "kwok": {"kwok": {}},
    "karpenter": {
        "karpenter": {
            "nodeClass": {"group": "karpenter.example", "kind": "Class", "name": "gpu"},
            "instanceTypes": [{"system": "box", "instanceType": "gpu-8"}],
        }
    },
}


class _Words:
    """Shows itself as it would be written, words left out that are as always."""

    def __repr__(self) -> str:
        first, *rest = fields(self)  # type: ignore[arg-type]
        said = {f.name: getattr(self, f.name) for f in rest if getattr(self, f.name) != f.default}
        words = [repr(getattr(self, first.name)), *(f"{name}={value!r}" for name, value in said.items())]
        return f"{type(self).__name__.lower()}({', '.join(words)})"


@dataclass(frozen=True, repr=False)
class Factory(_Words):
    """A factory in words. `but` says it again with some words changed."""

    name: str
    quota: int | str = PLENTY  # IT watts; at the meter where there is a PUE
    pue: str | None = None
    overhead: int | str = 0  # percent
    halls: int = 1
    hall: int | str = PLENTY  # limit of each hall
    rows: int = 0  # rows in each hall; none: everything hangs on the halls
    row: int | str = PLENTY
    apart: bool = False  # each hall is an entry of its own, with its rows
    limits: Mapping[str, int] | None = None  # of single instances
    boxes: int = 0  # on each row, or each hall where there are no rows
    racks: int = 0
    cubes: int = 0
    fabric: str | None = None  # default: that of the row or hall
    labels: Mapping[str, str] | None = None
    energy: Mapping[str, Any] | None = None
    region: str = ""
    drain: bool = False
    paused: bool = False
    shared_nodes: bool = False
    label_prefixes: tuple[str, ...] = ()
    longest_drain: int = 3600
    shed_drain: int = 600
    foreign_drain: int = 600
    tells: str = "Numbers"
    out_of_service: tuple[str, ...] = ()
    maintenance: tuple[str, ...] = ()
    backend: str = "kwok"
    systems: Mapping[str, Mapping[str, Any]] | None = None  # fields changed in a system, by its name
    without: tuple[str, ...] = ()  # systems that are not described (any more)
    domains: tuple[Manifest, ...] | None = None  # instead of halls and rows
    groups: tuple[Manifest, ...] | None = None  # instead of boxes, racks and cubes

    kind = "AIFactory"
    namespace = ""

    def but(self, **words: Any) -> Self:
        """The same factory with some words changed."""
        return replace(self, **words)

    def manifest(self) -> Manifest:
        """The factory as YAML has it."""
        power: Manifest = {"quota": self.quota, "basis": "CriticalIT", "overheadPercent": self.overhead}
        if self.pue is not None:
            power |= {"basis": "Gross", "peakPUE": self.pue}
        if self.limits is not None:
            power["limits"] = [{"domain": path, "limit": limit} for path, limit in self.limits.items()]
        spec: Manifest = {
            "power": {**power, "domains": list(self._domains())},
            "racks": list(self._groups()),
            "systems": list(self._systems()),
            "backend": BACKENDS[self.backend],
            "outOfService": list(self.out_of_service),
            "maintenance": {path: {"reason": "a feeder is swapped"} for path in self.maintenance},
            "drain": self.drain,
            "paused": self.paused,
            "region": self.region,
            "sharedNodes": self.shared_nodes,
            "tenantLabelPrefixes": list(self.label_prefixes),
            "longestDrainSeconds": self.longest_drain,
            "shedDrainSeconds": self.shed_drain,
            "foreignDrainSeconds": self.foreign_drain,
            "tellTenants": self.tells,
        }
        if self.energy is not None:
            spec["energy"] = dict(self.energy)
        return {
            "apiVersion": "aifactory.dev/v1alpha1",
            "kind": self.kind,
            "metadata": {"name": self.name, "labels": dict(self.labels or {})},
            "spec": spec,
        }

    def _halls(self) -> list[Manifest]:
        if not self.apart:
            return [{"path": "hall", "count": self.halls}]
        return [{"path": f"hall-{number}"} for number in range(1, self.halls + 1)]

    def _domains(self) -> tuple[Manifest, ...]:
        if self.domains is not None:
            return self.domains
        halls = [{**hall, "limit": self.hall} for hall in self._halls()]
        rows = [{"path": f"{hall['path']}/row", "count": self.rows, "limit": self.row} for hall in halls]
        return (*halls, *rows) if self.rows else tuple(halls)

    def _groups(self) -> tuple[Manifest, ...]:
        if self.groups is not None:
            return self.groups
        return tuple(group for hall in self._halls() for group in self._groups_of(hall["path"]))

    def _groups_of(self, hall: str) -> list[Manifest]:
        place: Manifest = {"domain": f"{hall}/row" if self.rows else hall}
        if self.fabric:
            place["fabric"] = self.fabric.replace("hall", hall)
        one_rack = {"box": self.boxes, "cube": self.cubes}
        found = [
            {**place, "system": name, "count": 1, "nodesPerRack": n} for name, n in one_rack.items() if n
        ]
        if self.racks:
            found.append({**place, "system": "rack", "count": self.racks})
        return found

    def _systems(self) -> tuple[Manifest, ...]:
        changed = self.systems or {}
        return tuple(
            {"name": name, "resourceName": "nvidia.com/gpu", **fields, **changed.get(name, {})}
            for name, fields in {**SYSTEMS, **{name: {} for name in changed if name not in SYSTEMS}}.items()
            if name not in self.without
        )


@dataclass(frozen=True, repr=False)
class Pool(_Words):
    """A pool in words, named `tenant/name`. `but` says it again with some words changed."""

    path: str
    gpus: int = BOX_GPUS
    at_least: int | None = None
    priority: int = 0
    preemptible: bool = False
    purpose: str = "Training"
    systems: tuple[str, ...] = ("box",)
    pack: str | None = None  # Fabric, Factory or a domain path such as hall
    spread: int = 0  # over so many places at least,
    over: str = "Factory"  # factories, or instances of a domain path such as hall
    only_in: tuple[str, ...] = ()
    not_in: tuple[str, ...] = ()
    where: Mapping[str, str] | None = None  # labels of its factories
    drain_timeout: int = 600
    node_labels: Mapping[str, str] | None = None
    node_taints: tuple[Manifest, ...] = ()
    startup_taints: tuple[Manifest, ...] = ()
    paused: bool = False

    kind = "GPUPool"

    @property
    def namespace(self) -> str:
        """The tenant."""
        return self.path.split("/")[0]

    @property
    def name(self) -> str:
        """The name within the tenant's namespace."""
        return self.path.split("/")[1]

    @property
    def minimum(self) -> int:
        """GPUs below which it gets nothing."""
        return self.gpus if self.at_least is None else min(self.gpus, self.at_least)

    def but(self, **words: Any) -> Self:
        """The same pool with some words changed."""
        return replace(self, **words)

    def manifest(self) -> Manifest:
        """The pool as YAML has it."""
        spec: Manifest = {
            "gpus": self.gpus,
            "priority": self.priority,
            "preemptible": self.preemptible,
            "purpose": self.purpose,
            "systems": list(self.systems),
            "topology": self._topology(),
            "factories": {"names": list(self.only_in), "exclude": list(self.not_in)},
            "drainTimeoutSeconds": self.drain_timeout,
            "nodeLabels": dict(self.node_labels or {}),
            "nodeTaints": list(self.node_taints),
            "startupTaints": list(self.startup_taints),
            "paused": self.paused,
        }
        if self.at_least is not None:
            spec["minGpus"] = self.at_least
        if self.where is not None:
            spec["factories"]["selector"] = {"matchLabels": dict(self.where)}
        return {
            "apiVersion": "aifactory.dev/v1alpha1",
            "kind": self.kind,
            "metadata": {"namespace": self.namespace, "name": self.name},
            "spec": spec,
        }

    def _topology(self) -> Manifest:
        if self.spread:
            if self.over == "Factory":
                return {"spread": {"over": "Factory", "atLeast": self.spread}}
            return {"spread": {"over": "Domain", "domain": self.over, "atLeast": self.spread}}
        if self.pack in (None, "Fabric", "Factory"):
            return {"pack": self.pack or "None"}
        return {"pack": "Domain", "domain": self.pack}


Thing = Factory | Pool


def factory(name: str, **words: Any) -> Factory:
    """A factory, such as ``factory("dfw", halls=2, hall=40, boxes=6)``."""
    return Factory(name, **words)


def pool(path: str, gpus: int = BOX_GPUS, **words: Any) -> Pool:
    """A pool, such as ``pool("a/train", 16, at_least=8, priority=5)``."""
    return Pool(path, gpus, **words)


def boxes(count: int) -> int:
    """GPUs of so many boxes."""
    return count * BOX_GPUS


def racks(count: int) -> int:
    """GPUs of so many racks."""
    return count * RACK_GPUS
