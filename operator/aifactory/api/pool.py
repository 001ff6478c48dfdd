"""GPUPool: a tenant's wish for a number of GPUs."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt

from aifactory.api import checks
from aifactory.api.base import (
    ATOMIC,
    LIST_SET,
    FactoryName,
    Flag,
    Gpus,
    LabelKey,
    LabelValue,
    Model,
    Path,
    Priority,
    Rule,
    Seconds,
    SystemName,
    list_map,
)
from aifactory.api.meta import ObjectMeta
from aifactory.api.pool_status import GPUPoolStatus
from aifactory.api.selector import LabelSelector


def _with_domain(domain: str | None) -> str:
    return "without a domain" if domain is None else "with a domain"


class Spread(Model):
    """Spread over several places, so that the loss of one costs only a share."""

    RULES: ClassVar = (
        Rule(
            "domain has to be given with over: Domain, and only with it",
            lambda spread: (
                []
                if (spread.domain is not None) == (spread.over == "Domain")
                else [f"{spread.over} {_with_domain(spread.domain)}"]
            ),
            "has(self.domain) == (self.over == 'Domain')",
            "self.over + (has(self.domain) ? ' with a domain' : ' without a domain')",
            at=".domain",
        ),
    )

    over: Literal["Factory", "Domain"]
    """What to spread over: factories, or instances of one domain path in all factories."""
    domain: Path | None = None
    """The domain path to spread over, such as hall. Given exactly with over: Domain."""
    at_least: Annotated[StrictInt, Field(ge=1, le=256)]
    """The fewest places. Of n units, no place holds more than n / atLeast, rounded up. From 1 to 256."""


class Topology(Model):
    """How near to each other, or how far apart, the pool's units stand."""

    RULES: ClassVar = (
        Rule(
            "domain has to be given with pack: Domain, and only with it",
            lambda topology: (
                []
                if (topology.domain is not None) == (topology.pack == "Domain")
                else [f"{topology.pack} {_with_domain(topology.domain)}"]
            ),
            "has(self.domain) == (self.pack == 'Domain')",
            "self.pack + (has(self.domain) ? ' with a domain' : ' without a domain')",
            at=".domain",
        ),
        Rule(
            "at most one of pack (other than None) and spread is allowed",
            lambda topology: (
                [topology.pack] if topology.spread is not None and topology.pack != "None" else []
            ),
            "self.pack == 'None' || !has(self.spread)",
            "self.pack",
            at=".spread",
        ),
    )

    pack: Literal["Fabric", "Domain", "Factory", "None"] = "None"
    """Keep all units in one Fabric, in one instance of a Domain, or in one Factory; None: anywhere.
    Default: None.
    """
    domain: Path | None = None
    """The domain path to pack into, such as hall/row. Given exactly with pack: Domain."""
    spread: Spread | None = None
    """Spread the units over several places. Not together with pack."""


class Factories(Model):
    """Where the pool may stand. All conditions given must hold; an empty one is as if left out."""

    RULES: ClassVar = (
        Rule(
            "a factory may not be in both names and exclude",
            lambda factories: [name for name in factories.exclude if name in factories.names],
            "!has(self.names) || !has(self.exclude) || !self.exclude.exists(name, name in self.names)",
            "self.exclude.filter(name, name in self.names)[0]",
            at=".exclude",
        ),
    )

    names: Annotated[tuple[FactoryName, ...], Field(max_length=64, json_schema_extra=LIST_SET)] = ()
    """Only these factories. Default: all."""
    exclude: Annotated[tuple[FactoryName, ...], Field(max_length=64, json_schema_extra=LIST_SET)] = ()
    """Not these factories. None of them may stand in names."""
    selector: LabelSelector | None = None
    """Only factories whose labels match. Default: all."""


class Taint(Model):
    """A taint that keeps other pods away."""

    RULES: ClassVar[tuple[Rule, ...]] = checks.POOL_TAINTS

    key: LabelKey
    """Key of the taint. Keys of aifactory.dev, kubernetes.io and k8s.io are not allowed."""
    value: LabelValue = ""
    """Value of the taint. Default: empty."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
    """What happens to pods that do not tolerate it: NoSchedule, PreferNoSchedule or NoExecute."""


class NodeTaint(Taint):
    """A taint that standing nodes get too."""

    RULES: ClassVar[tuple[Rule, ...]] = checks.STANDING_TAINTS

    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
    """What happens to pods that do not tolerate it: NoSchedule or PreferNoSchedule. NoExecute would evict
    pods that stand there, past all budgets, and is refused; where it stands from before it is not set.
    """


# For a startup taint s: it is one of nodeTaints too. To name it would cost more than the API server allows.
_TWICE = "self.nodeTaints.exists(t, t.key == s.key && t.effect == s.effect)"


class GPUPoolSpec(Model):
    """The wish."""

    RULES: ClassVar = (
        Rule(
            "each system is named once",
            lambda spec: sorted({name for name in spec.systems if spec.systems.count(name) > 1}),
            "self.systems.all(name, self.systems.exists_one(other, other == name))",
            "self.systems.filter(name, !self.systems.exists_one(other, other == name))[0]",
            at=".systems",
            reason="FieldValueDuplicate",
        ),
        *checks.POOL_LABELS,
        Rule(
            "a taint may not be in both nodeTaints and startupTaints",
            lambda spec: sorted(
                {f"{t.key}:{t.effect}" for t in spec.startup_taints}
                & {f"{t.key}:{t.effect}" for t in spec.node_taints}
            ),
            f"!has(self.nodeTaints) || !has(self.startupTaints) || !self.startupTaints.exists(s, {_TWICE})",
            at=".startupTaints",
        ),
    )

    gpus: Gpus
    """GPUs wanted; kubectl scale sets it. Whole units are placed, so a pool may get more: 100 GPUs on
    NVL72 racks are 144. 0 is allowed and holds nothing.
    """
    min_gpus: Gpus | None = None
    """All or nothing below this many GPUs; what is above it is growth, and comes and goes. 0: no minimum.
    Above gpus it counts as gpus. Default: gpus.
    """
    systems: Annotated[tuple[SystemName, ...], Field(min_length=1, max_length=16, json_schema_extra=ATOMIC)]
    """Accelerator systems that the pool accepts, best first. It stands on one of them at a time."""
    purpose: Literal["Training", "Inference", "DataProcessing"] = "Training"
    """What the GPUs are for. When a limit falls, of equal priorities DataProcessing gives way first, then
    Training, then Inference. Default: Training.
    """
    priority: Priority = 0
    """Who is served first and gives way last: the higher number. Any 32-bit integer, default: 0."""
    preemptible: Flag = False
    """True: a pool of higher priority may take this pool's units. False: only a lowered limit, a drain or
    a domain out of service touches them. Default: false.
    """
    topology: Topology = Topology()
    """How near to each other, or how far apart, the units stand. Default: anywhere."""
    factories: Factories = Factories()
    """Where the pool may stand. Default: in any factory."""
    drain_timeout_seconds: Seconds = 600
    """Seconds from cordoning a node until it goes with the pods that are left, PodDisruptionBudget or
    not. From 0 to 604800 (a week), default: 600. A site may give less (longestDrainSeconds and
    shedDrainSeconds of its AIFactory), and pods of other namespaces more (foreignDrainSeconds).
    """
    node_labels: Annotated[dict[str, LabelValue], Field(max_length=32)] = Field(default_factory=dict)
    """Labels for the pool's nodes; an edit reaches standing nodes too. Keys of aifactory.dev,
    kubernetes.io and k8s.io, and keys that the operator sets, are not allowed. Keys with any other prefix,
    such as example.com/team, are set where the site allows it (tenantLabelPrefixes of its AIFactory), and
    none that the site's system sets itself; the condition Provisioned tells what is left off.
    """
    node_taints: Annotated[
        tuple[NodeTaint, ...], Field(max_length=32, json_schema_extra=list_map("key", "effect"))
    ] = ()
    """Taints for the pool's nodes; an edit reaches standing nodes too. One that somebody takes off a node
    stays off there.
    """
    startup_taints: Annotated[
        tuple[Taint, ...], Field(max_length=32, json_schema_extra=list_map("key", "effect"))
    ] = ()
    """Taints that a new node has when it is ordered, for an agent to take off once it is ready there, such
    as node.cilium.io/agent-not-ready. They are never put back, and an edit is for new nodes only.
    """
    paused: Flag = False
    """True: keep what the pool holds and order nothing; its planned place is only reported. Default:
    false.
    """

    @property
    def minimum(self) -> int:
        """GPUs below which the pool gets nothing: the smaller of minGpus and gpus."""
        return self.gpus if self.min_gpus is None else min(self.min_gpus, self.gpus)


class GPUPool(Model):
    """A pool of GPU nodes for one tenant."""

    RULES: ClassVar = (checks.name_rule(63),)

    metadata: ObjectMeta
    spec: GPUPoolSpec
    """The GPUs wanted and what they need."""
    status: GPUPoolStatus = GPUPoolStatus()
    """What the pool got and why. Written by the operator alone."""
