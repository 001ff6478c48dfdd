"""Status of a GPUPool: where its GPUs are, or why it waits."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated

from pydantic import Field, StrictInt

from aifactory.api.base import ATOMIC, Model, Priority, Tally
from aifactory.api.conditions import Conditions
from aifactory.api.spans import names_in


class Placement(Model):
    """Units of one system in one rack group."""

    factory: Annotated[str, Field(max_length=40)]
    """Name of the factory."""
    domain: Annotated[str, Field(max_length=128)]
    """Path of the domain instance, such as hall-2/row-5."""
    fabric: Annotated[str, Field(max_length=128)]
    """Path of the fabric's domain instance, such as hall-2."""
    system: Annotated[str, Field(max_length=40)]
    """Name of the accelerator system."""
    units: Tally
    """Units placed: whole nodes or whole racks."""
    nodes: Tally
    """Nodes of these units."""
    gpus: Tally
    """GPUs of these units."""
    ready_gpus: Tally = 0
    """GPUs on nodes that are ready."""
    watts: Tally
    """IT watts of these units, with overhead."""


class MorePlacements(Model):
    """Units of one system in many places that are alike."""

    factory: Annotated[str, Field(max_length=40)]
    """Name of the factory."""
    domains: Annotated[
        tuple[Annotated[str, Field(max_length=160)], ...], Field(max_length=16384, json_schema_extra=ATOMIC)
    ] = ()
    """Paths of the domain instances; hall-2/row-5..9 stands for five of them. None: of more places than a
    status has room for only the sum is given.
    """
    fabric_levels: Annotated[StrictInt, Field(ge=0, le=6)] = 0
    """How many names of each path, from the left, are the path of its fabric's instance."""
    system: Annotated[str, Field(max_length=40)]
    """Name of the accelerator system."""
    units: Tally
    """Units placed there in all: as many in each of the places."""
    nodes: Tally
    """Nodes of these units."""
    gpus: Tally
    """GPUs of these units."""
    ready_gpus: Tally = 0
    """GPUs on nodes that are ready."""
    watts: Tally
    """IT watts of these units, with overhead."""

    def each(self) -> Iterator[Placement]:
        """The placements that it stands for, each with its share; those that come first are ready first."""
        domains = list(islice(chain.from_iterable(map(names_in, self.domains or ("",))), self.units))
        ready = self.ready_gpus
        for domain in domains:
            gpus = self.gpus // len(domains)
            yield Placement(
                factory=self.factory,
                domain=domain,
                fabric="/".join(domain.split("/")[: self.fabric_levels]),
                system=self.system,
                units=self.units // len(domains),
                nodes=self.nodes // len(domains),
                gpus=gpus,
                ready_gpus=min(gpus, ready),
                watts=self.watts // len(domains),
            )
            ready -= min(gpus, ready)


class Waiting(Model):
    """Why the pool waits, and what would free it."""

    reason: Annotated[str, Field(max_length=63)]
    """Why, as one CamelCase word: InsufficientPower, InsufficientUnits, NeverFits, NoSuchFactory,
    UnknownSystem, Paused or another.
    """
    factory: Annotated[str, Field(max_length=40)] = ""
    """The factory whose limit binds."""
    domain: Annotated[str, Field(max_length=128)] = ""
    """The domain instance whose limit binds; empty: the factory's quota."""
    limit: Tally = 0
    """The limit that binds, in IT watts."""
    free: Tally = 0
    """What is free below it, in IT watts."""
    needed: Tally = 0
    """What the pool needs there, in IT watts."""
    short_watts: Tally = 0
    """What is missing there, in IT watts."""
    short_units: Tally = 0
    """Units that are missing, where units are short and not power."""
    held_by_priority: Priority | None = None
    """The lowest priority such that the pool would fit if all pools up to it were gone; of more than 32
    priorities it is rounded up. Left out where it would not fit even then, or where nobody stands in its way.
    """
    message: Annotated[str, Field(max_length=2048)] = ""
    """The same in words, with the smallest change that would free the pool."""


class PoolPrinted(Model):
    """The columns of `kubectl get`, rounded for people."""

    where: Annotated[str, Field(max_length=256)] = ""
    """Where the pool stands: dfw-1/hall-2/row-5, or the first place and how many more."""
    power: Annotated[str, Field(max_length=32)] = ""
    """What it draws at most, rounded: 2.41 MW."""
    waits: Annotated[str, Field(max_length=256)] = ""
    """The limit that keeps it waiting: dfw-1/hall-2/row-5 240 kW short."""


class GPUPoolStatus(Model):
    """What the pool got and why."""

    observed_generation: Tally = 0
    """The metadata.generation that the status speaks of."""
    gpus: Tally = 0
    """GPUs placed, in whole units: it may exceed spec.gpus."""
    ready_gpus: Tally = 0
    """GPUs on nodes that are ready for new pods: neither cordoned nor out of service."""
    not_ready_nodes: Tally = 0
    """Nodes that are not ready: on their way up, or failed."""
    cordoned_nodes: Tally = 0
    """Nodes that somebody else than the operator has cordoned."""
    out_of_service_nodes: Tally = 0
    """Nodes that somebody labelled as out of service."""
    selector: Annotated[str, Field(max_length=512)] = ""
    """Label selector of the pool's nodes, for the scale subresource."""
    watts: Tally = 0
    """IT watts of all units placed, with overhead."""
    placed_under: Annotated[str, Field(max_length=63)] = ""
    """Stamp of the part of the spec under which the units were placed: a later change of it may move them."""
    placements: Annotated[tuple[Placement, ...], Field(max_length=4096, json_schema_extra=ATOMIC)] = ()
    """Where the units are placed. Of a pool in more than 512 places the first ones."""
    more_placements: Annotated[
        tuple[MorePlacements, ...], Field(max_length=256, json_schema_extra=ATOMIC)
    ] = ()
    """The other places of a pool in more than 512, those that are alike together."""
    waiting: Waiting | None = None
    """Why the pool waits for GPUs; left out while it has all it wants."""
    printed: PoolPrinted | None = None
    """The columns of kubectl get, rounded for people. Programs read the exact fields."""
    conditions: Conditions = ()
    """Ready (ready GPUs are at least the minimum), Placed (so are the placed ones) and Provisioned (all
    placed nodes exist); Reconciling and Stalled only while they are true.
    """

    @property
    def everywhere(self) -> Iterator[Placement]:
        """All placements, one by one."""
        yield from self.placements
        for more in self.more_placements:
            yield from more.each()

    @property
    def factories(self) -> frozenset[str]:
        """Names of the factories in which it has placements."""
        return frozenset([p.factory for p in self.placements] + [p.factory for p in self.more_placements])
