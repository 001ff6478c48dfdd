"""Status of an AIFactory: a summary that can be rebuilt from the nodes at any time."""

from typing import Annotated

from pydantic import Field

from aifactory.api.base import ATOMIC, Model, Tally
from aifactory.api.conditions import Conditions


class PowerStatus(Model):
    """The site's power in exact IT watts."""

    limit: Tally = 0
    """The quota in force, in IT watts: quota / peakPUE with basis Gross."""
    committed: Tally = 0
    """IT watts of every unit that is on, on its way up or being drained, with overhead. A unit counts
    until the backend has confirmed that its last node is gone.
    """
    reserved: Tally = 0
    """IT watts committed, and planned but not yet ordered."""
    free: Tally = 0
    """IT watts below the limit that are not reserved; never below 0."""


class DomainPower(Model):
    """The power of one domain instance in exact IT watts."""

    domain: Annotated[str, Field(max_length=128)]
    """Path of the domain instance, such as hall-2/row-5."""
    limit: Tally = 0
    """The limit in force, in IT watts."""
    committed: Tally = 0
    """IT watts committed there, with overhead."""


class FactoryPrinted(Model):
    """The columns of `kubectl get`, rounded for people."""

    limit: Annotated[str, Field(max_length=32)] = ""
    """The limit, rounded: 84.7 MW."""
    committed: Annotated[str, Field(max_length=32)] = ""
    """The committed power, rounded: 61.4 MW."""
    free: Annotated[str, Field(max_length=32)] = ""
    """The free power, rounded: 21.5 MW."""
    tightest: Annotated[str, Field(max_length=160)] = ""
    """The limit that binds first and how full it is: hall-2/row-5 93 %."""


class AIFactoryStatus(Model):
    """What the operator sees and decided."""

    observed_generation: Tally = 0
    """The metadata.generation whose limits are in force. Orders follow it only after it is written."""
    power: PowerStatus | None = None
    """The site's power, in exact IT watts."""
    tightest: Annotated[tuple[DomainPower, ...], Field(max_length=16, json_schema_extra=ATOMIC)] = ()
    """The few domains nearest to their limits, nearest first."""
    nodes: Tally = 0
    """Nodes that exist or are on their way up."""
    ready_nodes: Tally = 0
    """Nodes that are ready."""
    wanted_nodes: Tally = 0
    """Nodes of the plan."""
    gpus: Tally = 0
    """GPUs on nodes that exist or are on their way up."""
    ready_gpus: Tally = 0
    """GPUs on nodes that are ready."""
    wanted_gpus: Tally = 0
    """GPUs of the plan."""
    pools: Tally = 0
    """Pools that stand here, wholly or in part."""
    printed: FactoryPrinted | None = None
    """The columns of kubectl get, rounded for people. Programs read the exact fields."""
    conditions: Conditions = ()
    """Ready (sums up the others), WithinLimits (committed power is at or below every limit) and Certified
    (it is known how good the plan is); Reconciling and Stalled only while they are true.
    """
