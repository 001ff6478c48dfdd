"""Status of an AIFactory: a summary that can be rebuilt from the nodes at any time."""

from typing import Annotated

from pydantic import Field

from aifactory.api.base import ATOMIC, Flag, Model, Priority, SystemName, Tally
from aifactory.api.conditions import Conditions

_Digits = Annotated[str, Field(max_length=32, pattern=r"^[0-9]+(\.[0-9]+)?$")]  # a decimal number, quoted


class PowerStatus(Model):
    """The site's power in exact IT watts."""

    limit: Tally = 0
    """The quota in force, in IT watts: quota / peakPUE with basis Gross."""
    committed: Tally = 0
    """IT watts of every unit that is on, on its way up or being drained, with overhead. A unit counts from
    before it is ordered until the backend has confirmed that its last node is gone.
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


class UnplacedUnits(Model):
    """Units that draw power here and that no pool's placements name."""

    domain: Annotated[str, Field(max_length=128)] = ""
    """Path of the domain instance, such as hall-2/row-5; empty: the factory itself."""
    system: Annotated[str, Field(max_length=40)] = ""
    """Name of the accelerator system; empty where it is not known."""
    units: Tally
    """Such units there."""
    nodes: Tally
    """Nodes of these units."""
    gpus: Tally
    """GPUs of these units."""
    watts: Tally
    """IT watts of these units, with overhead."""
    leaving: Flag = False
    """True: they are being released, and their room will be free. False: they stay until somebody acts."""


class DomainPrice(Model):
    """What more power would be worth in one domain instance."""

    domain: Annotated[str, Field(max_length=128)] = ""
    """Path of the domain instance, such as hall-2/row-5; empty: the factory's quota."""
    gpus_per_megawatt: _Digits
    """GPUs that each MW of IT power more would let be served there, as a decimal of three digits: "713"."""


class SystemPrice(Model):
    """What more units of one system would be worth."""

    system: SystemName
    """Name of the accelerator system."""
    gpus_per_unit: _Digits
    """GPUs that each unit more would let be served, where it helps most, limits as they are: "8"."""


class PricesStatus(Model):
    """Shadow prices: what more room here would be worth to the first pools that wait."""

    highest_priority: Priority
    """The first priority of which GPUs wait that more room could let in."""
    lowest_priority: Priority
    """The last priority that is counted with it: the end of its band."""
    domains: Annotated[tuple[DomainPrice, ...], Field(max_length=16, json_schema_extra=ATOMIC)] = ()
    """The limits that are worth most, dearest first. One that is not named is worth less or nothing."""
    systems: Annotated[tuple[SystemPrice, ...], Field(max_length=64, json_schema_extra=ATOMIC)] = ()
    """Systems of which units are short, dearest first. One that is not named is not short."""


class EnergyStatus(Model):
    """What the energy of the plan costs, at the meter and at peak load."""

    cost_per_day: _Digits | None = None
    """Money a day, in the currency of spec.energy.pricePerMWh. Left out where that is 0."""
    carbon_kilograms_per_day: Tally | None = None
    """Carbon dioxide a day, in kg. Left out where spec.energy.carbonGramsPerKWh is 0."""


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
    unplaced: Annotated[tuple[UnplacedUnits, ...], Field(max_length=64, json_schema_extra=ATOMIC)] = ()
    """Units that count here and stand in no pool's placements: being released, out of service, strays. Of
    more than 64 kinds those with the most power; power.reserved has all.
    """
    nodes: Tally = 0
    """Nodes that exist, are on their way up, or are being ordered at this moment."""
    ready_nodes: Tally = 0
    """Nodes that are ready for new pods: neither cordoned nor out of service."""
    not_ready_nodes: Tally = 0
    """Nodes that are not ready: on their way up, or failed."""
    cordoned_nodes: Tally = 0
    """Nodes that somebody else than the operator has cordoned."""
    out_of_service_nodes: Tally = 0
    """Nodes that somebody labelled as out of service."""
    wanted_nodes: Tally = 0
    """Nodes of the plan."""
    gpus: Tally = 0
    """GPUs on these nodes."""
    ready_gpus: Tally = 0
    """GPUs on nodes that are ready for new pods."""
    wanted_gpus: Tally = 0
    """GPUs of the plan."""
    pools: Tally = 0
    """Pools that stand here, wholly or in part."""
    prices: PricesStatus | None = None
    """Shadow prices of the plan that is certified. Left out where no more room here would help."""
    energy: EnergyStatus | None = None
    """What the energy of the units of the plan costs. Left out where spec.energy gives neither figure."""
    printed: FactoryPrinted | None = None
    """The columns of kubectl get, rounded for people. Programs read the exact fields."""
    conditions: Conditions = ()
    """Ready (sums up the others), WithinLimits (committed power is at or below every limit) and Certified
    (it is known how good the plan is); Reconciling and Stalled only while they are true.
    """
