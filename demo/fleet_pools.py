"""Ten thousand pools of some hundred tenants: heavy-tailed sizes, and every wish that a pool can have."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from aifactory.api.catalogue import catalogue
from demo.sites import Site

DEMAND: Final = 1.2  # of what the quotas can feed
TENANTS: Final = 400
_TAIL: Final = 1.1  # exponent of the sizes' Pareto distribution

# What is wanted most, and what else would do.
ALTERNATIVES: Final = {
    "gb200-nvl72": ("gb300-nvl72",),
    "gb300-nvl72": ("gb200-nvl72",),
    "vr-nvl72-maxq": ("gb300-nvl72",),
    "hgx-h100": ("hgx-h200",),
    "hgx-h200": ("hgx-h100", "hgx-b200"),
    "hgx-b200": ("dgx-b300", "hgx-h200"),
    "dgx-b300": ("hgx-b200",),
    "mi300x": ("mi325x",),
    "mi325x": ("mi300x",),
    "mi355x": ("mi325x",),
}


@dataclass(frozen=True)
class Work:
    """A kind of work: how it is named, how much of it there is, and what it asks for."""

    name: str
    share: float
    purpose: str
    priority: tuple[int, int]
    preemptible: float  # probability
    minimum: tuple[float, ...]  # parts of the size, one of which is the minimum


WORK: Final = (
    Work("serve", 0.25, "Inference", (7_000, 10_000), 0.0, (1.0, 0.5, 0.5)),
    Work("pretrain", 0.10, "Training", (6_000, 9_000), 0.0, (1.0,)),
    Work("finetune", 0.30, "Training", (2_000, 7_000), 0.3, (1.0, 1.0, 0.5)),
    Work("eval", 0.20, "Inference", (500, 3_000), 0.7, (1.0, 0.25)),
    Work("batch", 0.15, "DataProcessing", (-1_000, 500), 1.0, (0.0, 0.25)),
)


@dataclass(frozen=True)
class Pool:
    """One pool of the fleet."""

    namespace: str
    name: str
    work: Work
    gpus: int
    minimum: int
    systems: tuple[str, ...]
    priority: int
    preemptible: bool
    topology: str
    factories: str

    def yaml(self) -> str:
        """The pool as its tenant would write it: what is as by default is left out."""
        lines = [
            "apiVersion: aifactory.dev/v1alpha1",
            "kind: GPUPool",
            f"metadata: {{name: {self.name}, namespace: {self.namespace}}}",
            "spec:",
            f"  gpus: {self.gpus}",
        ]
        if self.minimum != self.gpus:
            lines.append(f"  minGpus: {self.minimum}")
        lines += [
            f"  systems: [{', '.join(self.systems)}]",
            f"  purpose: {self.work.purpose}",
            f"  priority: {self.priority}",
        ]
        if self.preemptible:
            lines.append("  preemptible: true")
        if self.topology:
            lines.append(f"  topology: {self.topology}")
        if self.factories:
            lines.append(f"  factories: {self.factories}")
        return "\n".join(lines) + "\n"


class PoolMaker:
    """Makes pools that fit the sites in kind, and exceed them in number."""

    def __init__(self, sites: Sequence[Site], random: Random) -> None:
        self._random = random
        self._watts: defaultdict[str, float] = defaultdict(float)  # system -> IT watts that feed it
        self._homes: defaultdict[str, list[Site]] = defaultdict(list)
        self._fabric_gpus: defaultdict[str, int] = defaultdict(int)
        self._site_gpus: defaultdict[str, int] = defaultdict(int)
        for site in sites:
            full = sum(r.count * site.shape.instances(r.domain) * r.rack_watts for r in site.shape.racks)
            for racks in site.shape.racks:
                system = racks.system
                own = racks.count * site.shape.instances(racks.domain)
                self._homes[system].append(site)
                self._watts[system] += float(site.it_watts * own * racks.rack_watts / full)
                per_rack = racks.entry.nodes_per_rack * racks.entry.gpus_per_node
                # A fifth of what is there still fits when others have come first.
                self._fabric_gpus[system] = max(
                    self._fabric_gpus[system], site.fabric_racks(racks) * per_rack // 5
                )
                self._site_gpus[system] = max(self._site_gpus[system], own * per_rack // 5)
        # Not all sites have halls at the top, and not all that do have all their racks there.
        elsewhere = {r.system for s in sites for r in s.shape.racks if not r.domain.startswith("hall/")}
        self._in_halls = self._homes.keys() - elsewhere
        self._tenants = [f"tenant-{number:03}" for number in range(1, TENANTS + 1)]

    def make(self, count: int) -> Iterator[Pool]:
        """Make so many pools."""
        # 1. Which system each wants most, by the power there is for it, and a size before scaling.
        random, systems = self._random, sorted(self._watts)
        wishes = random.choices(systems, [self._watts[system] for system in systems], k=count)
        sizes = [min(random.paretovariate(_TAIL), 400.0) for _ in range(count)]
        # 2. Sizes in GPUs, so that each system is asked for as much above its power as all are together.
        drawn: defaultdict[str, list[float]] = defaultdict(list)
        for system, size in zip(wishes, sizes, strict=True):
            drawn[system].append(size)
        scales = {system: self._scale(system, drawn[system]) for system in drawn}
        for number, (system, size) in enumerate(zip(wishes, sizes, strict=True)):
            yield self._pool(number, system, self._whole(system, size * scales[system]))

    def _scale(self, system: str, sizes: Sequence[float]) -> float:
        """GPUs for each unit of the drawn sizes, so that with all those that are cut the demand is met."""
        entry = catalogue()[system]
        gpu_watts = float(entry.max_watts or 0) / entry.gpus_per_unit * 1.12
        demand, most = DEMAND * self._watts[system] / gpu_watts, self._site_gpus[system]
        low, high = 0.0, float(most)
        for _ in range(40):
            middle = (low + high) / 2
            enough = sum(min(size * middle, most) for size in sizes) >= demand
            low, high = (low, middle) if enough else (middle, high)
        return high

    def _whole(self, system: str, gpus: float) -> int:
        """A size that people ask for: whole nodes, or whole racks from some size on."""
        step = catalogue()[system].gpus_per_unit
        if step > 8 and gpus < step * 0.75:
            step = 8
        return min(max(1, round(gpus / step)) * step, self._site_gpus[system])

    def _pool(self, number: int, system: str, gpus: int) -> Pool:
        random = self._random
        work = random.choices(WORK, [work.share for work in WORK])[0]
        systems = [system]
        if random.random() < 0.6:
            systems += [other for other in ALTERNATIVES[system] if other in self._homes]
        return Pool(
            # Few tenants have most of the pools.
            namespace=self._tenants[int(TENANTS * random.random() ** 2)],
            name=f"{work.name}-{number + 1:05}",
            work=work,
            gpus=gpus,
            minimum=int(gpus * random.choice(work.minimum)),
            systems=tuple(systems),
            priority=random.randint(*work.priority),
            preemptible=random.random() < work.preemptible,
            topology=self._topology(work, systems, gpus),
            factories=self._factories(system),
        )

    def _topology(self, work: Work, systems: list[str], gpus: int) -> str:
        system = systems[0]
        units = gpus // catalogue()[system].gpus_per_unit
        chance = self._random.random()
        if work.purpose == "Training":
            if chance < 0.5 and gpus <= self._fabric_gpus[system]:
                return "{pack: Fabric}"
            return "{pack: Factory}" if chance < 0.8 else ""
        if work.purpose == "Inference" and units >= 6:
            if chance < 0.3 and len(self._homes[system]) >= 4:
                return "{spread: {over: Factory, atLeast: 2}}"
            if chance < 0.4 and self._in_halls.issuperset(systems):
                return "{spread: {over: Domain, domain: hall, atLeast: 3}}"
        return ""

    def _factories(self, system: str) -> str:
        random, homes = self._random, self._homes[system]
        chance = random.random()
        if chance < 0.3:
            return f"{{selector: {{matchLabels: {{region: {random.choice(homes).town.region}}}}}}}"
        if chance < 0.36:
            names = sorted({site.name for site in random.choices(homes, k=3)})
            return f"{{names: [{', '.join(names)}]}}"
        if chance < 0.4:
            return f"{{exclude: [{random.choice(homes).name}]}}"
        return ""
