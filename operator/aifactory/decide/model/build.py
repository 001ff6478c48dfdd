"""Turns the world into a case: what a decision may change, what it has to count, and what is shut."""

from collections import defaultdict
from typing import Any

import numpy as np

from aifactory.decide.model.case import Case, Cell
from aifactory.decide.model.energy import per_day
from aifactory.decide.model.fleet import State, Unit, units_of
from aifactory.decide.model.layout import Group, Instance, Layout, Slots, lay_out
from aifactory.decide.model.pool_arrays import Row, bools, ints, place_arrays, request_arrays, standing_arrays
from aifactory.decide.model.standing import known_stamps
from aifactory.decide.model.world import Slot, World, key_of
from aifactory_solver import Problem

_UNLIMITED = 10**12  # watts: above every limit that a factory may have


def locked_factories(world: World, *, paused: bool = True) -> frozenset[str]:
    """Factories in which nothing is ordered, drained or released."""
    names = {f.metadata.name for f in world.factories}
    refused = {r.name for r in world.refused if r.kind == "AIFactory"}
    if world.resources_going:
        return frozenset(names | refused)
    stopped = {f.metadata.name for f in world.factories if paused and f.spec.paused}
    undriven = {f.metadata.name for f in world.factories if not set(f.spec.backend.given()) <= world.backends}
    return frozenset(stopped | undriven | refused | (world.unknown & names))


def build(world: World, *, paused: bool = True, called_off: frozenset[Slot] = frozenset()) -> Case:
    """Turn the world into arrays. Without ``paused``, as if nothing were paused.

    Units whose drain is ``called_off``, by their slots, stand.
    """
    return _Builder(world, paused=paused, called_off=called_off).case()


class _Builder:
    def __init__(self, world: World, *, paused: bool, called_off: frozenset[Slot]) -> None:
        self.world = world
        self.closed = world.closed
        self.paused = paused
        self.locked = locked_factories(world, paused=paused)
        self.factories = {f.metadata.name: f for f in sorted(world.factories, key=lambda f: f.metadata.name)}
        self.layouts = {name: lay_out(factory) for name, factory in self.factories.items()}
        for refused in world.refused:
            if refused.kind == "AIFactory":
                unlimited = (Instance("", "", "", -1, _UNLIMITED),)
                self.layouts[refused.name] = Layout(refused.name, unlimited, (), {"": 0})
        self.fleet = units_of(world, self.layouts, self.locked, called_off)
        self.by_group: dict[tuple[str, str, str], list[Unit]] = defaultdict(list)  # by a rack group's place
        for unit in self.fleet.units:
            self.by_group[unit.slot[:3]].append(unit)
        self.shut: dict[tuple[str, str, str], list[Slot]] = defaultdict(list)  # likewise
        alone = [failure.slot for failure in world.failures if failure.slot]
        for slot in (*alone, *(slot for stray in self.fleet.strays for slot in stray.slots)):
            self.shut[slot.factory, slot.path, slot.system].append(slot)
        alive = [pool for pool in world.pools if pool.metadata.deletion_timestamp is None]
        self.pools = tuple(sorted(alive, key=key_of))
        self.index = {key_of(pool): i for i, pool in enumerate(self.pools)}
        self.stamps = {key_of(pool): known_stamps(pool) for pool in self.pools}
        self.cells: list[Cell] = []
        self.open: list[bool] = []
        self.main: dict[tuple[str, int], int] = {}  # (factory, group) -> cell
        self.ghosts: dict[tuple[str, int, int, str, int], int] = {}
        self.rows: dict[Row, list[Unit]] = defaultdict(list)
        self.home: dict[Slot, int] = {}

    def case(self) -> Case:
        self._domains()
        self._main_cells()
        self._units()
        systems = sorted({(cell.system, cell.gpus) for cell in self.cells})
        rows = sorted(self.rows.items())
        domains = self._domain_arrays()
        leaving = {
            pool: [unit for unit in units if unit.state is State.LEAVING]
            for pool, units in self.fleet.of_pool.items()
        }
        problem = Problem(
            **domains,
            **self._cell_arrays(systems),
            system_gpus=ints(gpus for _, gpus in systems),
            row_pool=ints(key[0] for key, _ in rows),
            row_cell=ints(key[1] for key, _ in rows),
            row_units=ints(len(units) for _, units in rows),
            row_watts=ints(key[2] for key, _ in rows),
            row_locked=bools(key[3] for key, _ in rows),
            row_leave=bools(key[4] for key, _ in rows),
            **request_arrays(self.pools, paused=self.paused),
            **place_arrays(
                self.pools, self.factories, self.layouts, self.levels, systems, closed=self.closed
            ),
            **standing_arrays(
                self.pools,
                self.factories,
                self.layouts,
                self.cells,
                rows,
                stamps=self.stamps,
                leaving=leaving,
            ),
        )
        return Case(
            world=self.world,
            layouts=self.layouts,
            first_domain=self.first_domain,
            fleet=self.fleet,
            pools=self.pools,
            index=self.index,
            cells=tuple(self.cells),
            rows=tuple(tuple(units) for _, units in rows),
            home=self.home,
            systems=tuple(systems),
            locked=self.locked,
            stamps=self.stamps,
            problem=problem,
        )

    # Domains

    def _domains(self) -> None:
        self.first_domain: dict[str, int] = {}
        total = 0
        for name, layout in self.layouts.items():
            self.first_domain[name] = total
            total += len(layout.instances)
        self.fixed = np.zeros(total, dtype=np.int64)
        self.leaving = np.zeros(total, dtype=np.int64)

    def _domain_arrays(self) -> dict[str, Any]:
        levels: dict[str, int] = {}
        parent, limit, level, factory = [], [], [], []
        for f, (name, layout) in enumerate(self.layouts.items()):
            first = self.first_domain[name]
            for instance in layout.instances:
                parent.append(-1 if instance.parent < 0 else first + instance.parent)
                limit.append(instance.limit)
                level.append(-1 if instance.parent < 0 else levels.setdefault(instance.level, len(levels)))
                factory.append(f)
        self.levels = levels
        return {
            "parent": ints(parent),
            "limit": ints(limit),
            "level": ints(level),
            "factory": ints(factory),
            "fixed_watts": self.fixed,
            "leaving_watts": self.leaving,
        }

    # Cells

    def _main_cells(self) -> None:
        for name, factory in self.factories.items():
            layout = self.layouts[name]
            shut = (
                name in self.locked or factory.spec.drain or factory.metadata.deletion_timestamp is not None
            )
            for g, group in enumerate(layout.groups):
                self.main[name, g] = len(self.cells)
                self.open.append(
                    not shut
                    and group.unit_watts is not None
                    and not layout.instances[group.instance].out_of_service
                )
                self.cells.append(
                    Cell(
                        factory=name,
                        instance=group.instance,
                        fabric=group.fabric,
                        system=group.system.name,
                        gpus=group.system.gpus_per_unit,
                        group=group,
                        slots=self._usable(name, group),
                    )
                )

    def _usable(self, factory: str, group: Group) -> Slots:
        """The group's slots that no stray, held, fixed or differently shaped unit sits in."""
        path = self.layouts[factory].instances[group.instance].path
        blocked = set[tuple[int, int]]()
        for unit in self.by_group.get((factory, path, group.system.name), ()):
            alike = (unit.slot.slot == 0) == (group.system.unit == "Rack")
            if not alike:
                blocked |= {(unit.slot.rack, slot) for slot in range(group.nodes_per_rack + 1)}
            elif self._is_fixed(unit) or unit.out_of_service or unit.gpus != group.system.gpus_per_unit:
                blocked.add((unit.slot.rack, unit.slot.slot))
        for slot in self.shut.get((factory, path, group.system.name), ()):
            blocked |= {(slot.rack, slot.slot), (slot.rack, 0)}
        return group.slots.without(blocked)

    def _is_fixed(self, unit: Unit) -> bool:
        """Load that nobody can plan with: not a pool's that is known, or where nothing may be changed."""
        if unit.state is State.HELD:
            return True
        if unit.state is State.LEAVING:
            # What is out of service goes on counting after its drain, until somebody repairs or removes it.
            held = unit.out_of_service and unit.pool in self.index
            return held or unit.slot.factory in self.locked
        return unit.pool not in self.index

    def _cell_arrays(self, systems: list[tuple[str, int]]) -> dict[str, Any]:
        number = {system: i for i, system in enumerate(systems)}
        cost, carbon, watts, units = [], [], [], []
        energy: dict[tuple[str, int], tuple[int, int]] = {}
        for c, cell in enumerate(self.cells):
            unit_watts = max(1, (cell.group.unit_watts if cell.group else None) or 1)
            alike = (cell.factory, unit_watts)
            money, grams = energy[alike] = energy.get(alike) or self._energy(*alike)
            cost.append(money)
            carbon.append(grams)
            watts.append(unit_watts)
            units.append(len(cell.slots) if cell.group else self.ghost_units[c])
        # They only end ties, and a plan's sum of them has to stay in 62 bits.
        most = 2**62 // max(1, sum(units))
        return {
            "cell_domain": ints(self.first_domain[c.factory] + c.instance for c in self.cells),
            "cell_fabric": ints(
                self.first_domain[c.factory] + c.fabric if c.fabric >= 0 else -1 for c in self.cells
            ),
            "cell_system": ints(number[c.system, c.gpus] for c in self.cells),
            "cell_units": ints(units),
            "cell_leaving": ints(self.cell_leaving.get(c, 0) for c in range(len(self.cells))),
            "cell_watts": ints(watts),
            "cell_cost": ints(min(each, most) for each in cost),
            "cell_carbon": ints(min(each, most) for each in carbon),
            "cell_open": bools(self.open),
        }

    def _energy(self, factory: str, watts: int) -> tuple[int, int]:
        """(millionths of money, grams of CO2) a day of a unit."""
        if factory not in self.factories:
            return 0, 0
        money, grams = per_day(self.factories[factory].spec, watts)
        return int(money * 1_000_000), int(grams)

    # Units

    def _units(self) -> None:
        self.cell_leaving: dict[int, int] = defaultdict(int)
        self.ghost_units: dict[int, int] = defaultdict(int)
        for (factory, path, _), units in self.by_group.items():
            layout = self.layouts[factory]
            domain = self.first_domain[factory] + layout.nearest(path)
            leave = self._leaves(factory, layout, path)
            for unit in units:
                if self._is_fixed(unit):
                    self.fixed[domain] += unit.watts
                elif unit.state is State.LEAVING:
                    self.leaving[domain] += unit.watts
                    cell = self._home(unit, layout)
                    if cell is not None:
                        self.cell_leaving[cell] += 1
                        self.home[unit.slot] = cell
                else:
                    self._stands(unit, layout, leave=leave)
        for stray in self.fleet.strays:
            layout = self.layouts[stray.factory]
            self.fixed[self.first_domain[stray.factory] + layout.nearest(stray.path)] += stray.watts

    def _home(self, unit: Unit, layout: Layout) -> int | None:
        """The cell whose slot the unit sits in, if the spec still describes it."""
        g = layout.by_slot.get((unit.slot.path, unit.slot.system))
        if g is None:
            return None
        cell = self.main[unit.slot.factory, g]
        if (unit.slot.rack, unit.slot.slot) not in self.cells[cell].slots:
            return None
        return cell if self.cells[cell].gpus == unit.gpus else None

    def _leaves(self, factory: str, layout: Layout, path: str) -> bool:
        """Whether what stands there has to go: the factory drains, or the domain is out of service."""
        if factory not in self.factories:
            return False
        return self.factories[factory].spec.drain or layout.instances[layout.nearest(path)].out_of_service

    def _stands(self, unit: Unit, layout: Layout, *, leave: bool) -> None:
        if unit.pool is None:
            return
        cell = self._home(unit, layout)
        if cell is None:
            cell = self._ghost(unit, layout)
        locked = unit.slot.factory in self.locked
        self.rows[self.index[unit.pool], cell, unit.watts, locked, leave].append(unit)

    def _ghost(self, unit: Unit, layout: Layout) -> int:
        """A closed cell for units that stand where, or as, the spec no longer says."""
        instance = layout.nearest(unit.slot.path)
        fabric = layout.by_path.get(unit.fabric, -1)
        key = (unit.slot.factory, instance, fabric, unit.slot.system, unit.gpus)
        if key not in self.ghosts:
            self.ghosts[key] = len(self.cells)
            self.cells.append(Cell(unit.slot.factory, instance, fabric, unit.slot.system, unit.gpus, None))
            self.open.append(False)
        self.ghost_units[self.ghosts[key]] += 1
        return self.ghosts[key]
