"""One planning problem: the solver's arrays, and what each index of them means."""

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.decide.model.fleet import Fleet, Unit
from aifactory.decide.model.layout import Group, Instance, Layout, Slots
from aifactory.decide.model.plan import Cause
from aifactory.decide.model.question import question
from aifactory.decide.model.world import Pod, PoolKey, Slot, World, key_of
from aifactory_solver import Problem
from aifactory_solver.problem import Bools, Ints

_NONE: Final = Slots(0, 0)


@dataclass(frozen=True)
class Cell:
    """Alike slots of one rack group, or a place where units stand that the spec no longer describes."""

    factory: str
    instance: int  # in the factory's layout
    fabric: int
    system: str
    gpus: int
    group: Group | None  # None: takes nothing new
    slots: Slots = _NONE  # usable ones of the group


@dataclass(frozen=True)
class Offer:
    """What a factory has of a system."""

    factory: str
    powered: bool  # the power of a unit is known
    open: bool  # some of it takes new units


@dataclass(frozen=True)
class Case:
    """One planning problem: the arrays, and what each index means."""

    world: World
    layouts: dict[str, Layout]
    first_domain: dict[str, int]
    fleet: Fleet
    pools: tuple[GPUPool, ...]  # alive, in the order of their keys
    index: dict[PoolKey, int]
    cells: tuple[Cell, ...]
    rows: tuple[tuple[Unit, ...], ...]
    home: Mapping[Slot, int]  # of the units that leave: the cell that each sits in, where the spec has it
    systems: tuple[tuple[str, int], ...]  # (name, GPUs of a unit)
    locked: frozenset[str]  # factories in which nothing may be changed
    stamps: dict[PoolKey, tuple[str, ...]]  # of the pools' specs, see `known_stamps`
    problem: Problem

    @cached_property
    def question(self) -> Hashable:
        """The same for all cases that ask the same, however far the answer has been carried out."""
        described = sum(cell.group is not None for cell in self.cells)
        asked = question(self.world, self.fleet, self.pools, self.problem, described=described)
        return (asked, self.systems)

    @cached_property
    def offers(self) -> dict[str, tuple[Offer, ...]]:
        """By system name: the factories that have racks of it."""
        found: dict[tuple[str, str], tuple[bool, bool]] = {}
        for cell, is_open in zip(self.cells, self.problem.cell_open.tolist(), strict=True):
            if cell.group is not None:
                powered, opened = found.get((cell.system, cell.factory), (False, False))
                powered = powered or cell.group.unit_watts is not None
                found[cell.system, cell.factory] = (powered, opened or is_open)
        offers: dict[str, list[Offer]] = defaultdict(list)
        for (system, factory), (powered, opened) in sorted(found.items()):
            offers[system].append(Offer(factory, powered, opened))
        return {system: tuple(of_it) for system, of_it in offers.items()}

    @cached_property
    def stray_names(self) -> frozenset[str]:
        """Names that strays sit on: a node of that name cannot be provisioned."""
        return frozenset(node.name for node in self.fleet.strays)

    @cached_property
    def misfits(self) -> frozenset[Slot]:
        """Slots of the units that do not suit their pool's present spec."""
        rows = zip(self.rows, self.problem.row_fits.tolist(), strict=True)
        return frozenset(unit.slot for units, fits in rows if not fits for unit in units)

    @cached_property
    def declared(self) -> Mapping[PoolKey, GPUPool]:
        """All pools by key, those that are being deleted too."""
        return {key_of(pool): pool for pool in self.world.pools}

    @cached_property
    def forced(self) -> Mapping[PoolKey, Cause]:
        """Pools that a drain or an exceeded limit touches, or has begun to displace."""
        problem = self.problem
        load = problem.fixed_watts.copy()
        stays = ~problem.row_leave | problem.row_locked
        watts = np.where(stays, problem.row_units * problem.row_watts, 0)
        np.add.at(load, problem.cell_domain[problem.row_cell], watts)
        over = self._below(self._summed(load) > problem.limit)
        limited = over[problem.cell_domain[problem.row_cell]] | (problem.displaced[problem.row_pool] > 0)
        found: dict[PoolKey, Cause] = {}
        for rows, cause in ((limited, Cause.POWER_LIMIT), (problem.row_leave, Cause.OUT_OF_SERVICE)):
            found |= {key_of(self.pools[p]): cause for p in np.unique(problem.row_pool[rows]).tolist()}
        return found

    @cached_property
    def committed(self) -> Ints:
        """(D,) watts of every unit and stray that is there, in its domain and in all above it."""
        watts = np.zeros(self.problem.domains, dtype=np.int64)
        for factory, path, its in (
            *((unit.slot.factory, unit.slot.path, unit.watts) for unit in self.fleet.units),
            *((stray.factory, stray.path, stray.watts) for stray in self.fleet.strays),
        ):
            watts[self.domain_at(factory, path)] += its
        return self._summed(watts)

    @cached_property
    def exceeded(self) -> Bools:
        """(D,) whether a domain, or one above it, carries more than its limit."""
        return self._below(self.committed > self.problem.limit)

    def is_exceeded(self, slot: Slot) -> bool:
        """Whether a limit above a slot is exceeded."""
        return bool(self.exceeded[self.domain_at(slot.factory, slot.path)])

    def domain_at(self, factory: str, path: str) -> int:
        """The domain of a path; the nearest above it that is left where the spec dropped it."""
        return self.first_domain[factory] + self.layouts[factory].nearest(path)

    def _summed(self, watts: Ints) -> Ints:
        """What hangs on each domain, counted in all above it too."""
        for domain in range(self.problem.domains - 1, -1, -1):  # parents come before their children
            if self.problem.parent[domain] >= 0:
                watts[self.problem.parent[domain]] += watts[domain]
        return watts

    def _below(self, marked: Bools) -> Bools:
        """What is marked, and all below it."""
        for domain in range(self.problem.domains):
            if self.problem.parent[domain] >= 0:
                marked[domain] |= marked[self.problem.parent[domain]]
        return marked

    @cached_property
    def pods_on(self) -> Mapping[str, tuple[Pod, ...]]:
        """By node: the pods that have to leave it, where somebody has looked."""
        found: dict[str, list[Pod]] = defaultdict(list)
        for pod in self.world.pods:
            found[pod.node].append(pod)
        return {node: tuple(pods) for node, pods in found.items()}

    @cached_property
    def sites(self) -> Mapping[str, AIFactory]:
        """All factories that make sense, by name."""
        return {factory.metadata.name: factory for factory in self.world.factories}

    @cached_property
    def blocked(self) -> dict[tuple[str, int], int]:
        """By system: slots in which something sits that nobody may plan with, but that may go one day."""
        found: dict[tuple[str, int], int] = defaultdict(int)
        for cell in self.cells:
            if cell.group is not None:
                found[cell.system, cell.gpus] += len(cell.group.slots) - len(cell.slots)
        return found

    def layout_domain(self, domain: int) -> tuple[str, Instance]:
        """Factory and instance of a domain index."""
        factory = next(f for f, first in reversed(self.first_domain.items()) if first <= domain)
        return factory, self.layouts[factory].instances[domain - self.first_domain[factory]]
