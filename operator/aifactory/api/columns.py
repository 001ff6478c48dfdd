"""What `kubectl get` shows of each kind, and what else its CRD says beside the schema."""

from dataclasses import dataclass, field
from typing import Any, Final

from aifactory.api.base import Model
from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool


@dataclass(frozen=True)
class Column:
    """A printed column; a wide one is shown with `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False

    def schema(self) -> dict[str, Any]:
        """Return the column as a CRD has it."""
        column = {
            "name": self.name,
            "type": self.type,
            "description": self.description,
            "jsonPath": self.path,
        }
        return {**column, "priority": 1} if self.wide else column


@dataclass(frozen=True)
class Kind:
    """One kind of resource."""

    model: type[Model]
    plural: str
    short: str
    scope: str
    columns: tuple[Column, ...]
    subresources: dict[str, Any] = field(default_factory=dict)


def _condition(name: str, part: str) -> str:
    return f'.status.conditions[?(@.type=="{name}")].{part}'


_READY: Final = (
    Column("Ready", _condition("Ready", "status"), "Whether all is well."),
    Column("Reason", _condition("Ready", "reason"), "Why it is, or is not."),
)
_OUT_OF_USE: Final = (
    Column("Not-Ready", ".status.notReadyNodes", "Nodes that are not ready.", type="integer", wide=True),
    Column("Cordoned", ".status.cordonedNodes", "Nodes that somebody cordoned.", type="integer", wide=True),
    Column(
        "Out-Of-Service",
        ".status.outOfServiceNodes",
        "Nodes that somebody labelled as out of service.",
        type="integer",
        wide=True,
    ),
)
_MESSAGE: Final = Column("Message", _condition("Ready", "message"), "The reason in words.", wide=True)
_AGE: Final = Column("Age", ".metadata.creationTimestamp", "When it was created.", type="date")

FACTORY: Final = Kind(
    model=AIFactory,
    plural="aifactories",
    short="aif",
    scope="Cluster",
    columns=(
        *_READY,
        Column("Limit", ".status.printed.limit", "IT power that the quota allows."),
        Column("Committed", ".status.printed.committed", "IT power that is committed."),
        Column("Free", ".status.printed.free", "IT power that is free."),
        Column("Tightest", ".status.printed.tightest", "The limit that binds first, and how full it is."),
        Column("GPUs", ".status.gpus", "GPUs on nodes that exist or are on their way up.", type="integer"),
        Column("Ready-GPUs", ".status.readyGpus", "GPUs on nodes that are ready.", type="integer"),
        Column("Pools", ".status.pools", "Pools that stand here.", type="integer"),
        _AGE,
        Column("Region", ".spec.region", "Region of the site.", wide=True),
        Column("Quota", ".spec.power.quota", "The contracted power.", wide=True),
        Column("Basis", ".spec.power.basis", "What the quota counts.", wide=True),
        Column(
            "Within-Limits", _condition("WithinLimits", "status"), "Whether every limit is kept.", wide=True
        ),
        Column("Drain", ".spec.drain", "Whether the factory is being emptied.", type="boolean", wide=True),
        Column("Paused", ".spec.paused", "Whether the operator only looks.", type="boolean", wide=True),
        Column(
            "Nodes", ".status.nodes", "Nodes that exist or are on their way up.", type="integer", wide=True
        ),
        Column("Wanted-GPUs", ".status.wantedGpus", "GPUs of the plan.", type="integer", wide=True),
        *_OUT_OF_USE,
        _MESSAGE,
    ),
)

POOL: Final = Kind(
    model=GPUPool,
    plural="gpupools",
    short="agp",
    scope="Namespaced",
    columns=(
        *_READY,
        Column("Wanted", ".spec.gpus", "GPUs wanted.", type="integer"),
        Column("Placed", ".status.gpus", "GPUs placed, in whole units.", type="integer"),
        Column("Ready-GPUs", ".status.readyGpus", "GPUs on nodes that are ready.", type="integer"),
        Column("Where", ".status.printed.where", "Where the pool stands."),
        Column("Power", ".status.printed.power", "IT power that it holds."),
        Column("Waits-For", ".status.printed.waits", "The limit that keeps it waiting."),
        _AGE,
        Column("Minimum", ".spec.minGpus", "All or nothing below this many GPUs.", type="integer", wide=True),
        Column("Systems", ".spec.systems", "Accelerator systems that it accepts.", wide=True),
        Column("Purpose", ".spec.purpose", "What the GPUs are for.", wide=True),
        Column("Priority", ".spec.priority", "Who is served first.", type="integer", wide=True),
        Column(
            "Preemptible", ".spec.preemptible", "Whether higher pools may take it.", type="boolean", wide=True
        ),
        Column("Paused", ".spec.paused", "Whether it orders nothing.", type="boolean", wide=True),
        *_OUT_OF_USE,
        _MESSAGE,
    ),
    subresources={
        "scale": {
            "specReplicasPath": ".spec.gpus",
            "statusReplicasPath": ".status.gpus",
            "labelSelectorPath": ".status.selector",
        }
    },
)
