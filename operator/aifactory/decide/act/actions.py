"""What is done now: the steps from the present towards the plan that keep every promise on the way."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Final

from aifactory.api import names
from aifactory.api.pool import GPUPool
from aifactory.api.systems import systems_of
from aifactory.decide.act.ledger import Ledger
from aifactory.decide.act.node_spec import new_stamp, node_specs, slots_of, standing_stamp
from aifactory.decide.guard import Guard, Name
from aifactory.decide.model.case import Case
from aifactory.decide.model.draining import began, drain_timeout
from aifactory.decide.model.fleet import State, Unit
from aifactory.decide.model.layout import Slots
from aifactory.decide.model.plan import (
    Action,
    CallOff,
    Cause,
    Complete,
    Delete,
    Drain,
    Evict,
    Finalizer,
    Hold,
    Order,
    Relabel,
)
from aifactory.decide.model.world import NodeSpec, PoolKey, Stamp, Written, key_of
from aifactory.decide.place.assign import Assignment, minimum_units

# Nodes that are ordered at once: more than are made before the next cycle looks again, of some kB each.
MOST_ORDERS: Final = 20_000
DRAIN_POLL_SECONDS = 5.0  # pods are not watched while they leave; as often as `kubectl drain` asks


def act(case: Case, assignment: Assignment, now: datetime, guard: Guard) -> tuple[Action, ...]:
    """All actions of this cycle, in the order in which they may be carried out."""
    if case.world.resources_going:
        return ()  # our own resources are being deleted: whoever did that gets the time to think again
    provisioning = [*_upkeep(case, assignment, guard), *_orders(case, assignment, guard)]
    return (
        *_finalizers(case, [action for action in provisioning if isinstance(action, Order)]),
        *release(case, assignment, now),
        *provisioning,
    )


def release(case: Case, assignment: Assignment, now: datetime) -> tuple[Action, ...]:
    """Those of them that release something, or call that off: no limit waits for the others."""
    if case.world.resources_going:
        return ()
    return (*_called_off(assignment), *_releases(case, assignment, now))


def _finalizers(case: Case, orders: list[Order]) -> list[Action]:
    """A pool and a factory hold our finalizer from before their first node until none stands any more."""
    owned = {unit.pool for unit in case.fleet.units}
    carrying = {unit.slot.factory for unit in case.fleet.units}
    carrying |= {node.factory for node in case.fleet.strays if not node.stranger}
    pools, factories = {order.pool for order in orders}, {order.spec.slot.factory for order in orders}
    actions: list[Action] = []
    for pool in sorted(case.world.pools, key=key_of):
        meta, key = pool.metadata, key_of(pool)
        held, unseen = names.FINALIZER in meta.finalizers, pool.status.factories & case.world.unknown
        if meta.deletion_timestamp is None and not held and (key in owned or key in pools or unseen):
            actions.append(Finalizer("GPUPool", meta.namespace, meta.name, add=True))
        if meta.deletion_timestamp is not None and held and key not in owned and not unseen:
            actions.append(Finalizer("GPUPool", meta.namespace, meta.name, add=False))
    for it in case.world.refused:
        occupied = it.name in carrying if it.kind == "AIFactory" else PoolKey(it.namespace, it.name) in owned
        held = names.FINALIZER in it.metadata.finalizers
        if it.going and held and not occupied and not case.world.unknown:
            actions.append(Finalizer(it.kind, it.namespace, it.name, add=False))
    for factory in sorted(case.world.factories, key=lambda f: f.metadata.name):
        meta = factory.metadata
        held, occupied = names.FINALIZER in meta.finalizers, meta.name in carrying | case.world.unknown
        if meta.deletion_timestamp is None and not held and (occupied or meta.name in factories):
            actions.append(Finalizer("AIFactory", "", meta.name, add=True))
        if meta.deletion_timestamp is not None and held and not occupied:
            actions.append(Finalizer("AIFactory", "", meta.name, add=False))
    return actions


def _called_off(assignment: Assignment) -> list[Action]:
    """Take back what was noted on nodes that stay after all."""
    staying = [unit for units in assignment.stay.values() for unit in units]
    noted = [n for u in staying for n in u.nodes if n.stamp and n.stamp.draining_since and not n.deleting]
    return [CallOff(node) for node in sorted(noted, key=lambda node: node.name)]


def _releases(case: Case, assignment: Assignment, now: datetime) -> list[Action]:
    """Cordon, drain and delete what has to go; a unit counts until its last node is gone."""
    leaving = [u for u in case.fleet.units if u.state is State.LEAVING and u.slot.factory not in case.locked]
    going = [unit for units in assignment.go.values() for unit in units]
    drains: list[Action] = []
    rest: list[Action] = []
    for unit in sorted([*leaving, *going], key=lambda unit: unit.slot):
        cause = _cause(case, unit)
        for node in unit.nodes:
            since, noted = began(node, now), node.stamp.draining_since if node.stamp else None
            if node.deleting:
                continue
            if since is None or node.spared or noted != since:
                drains.append(Drain(node, since or now, cause))
                continue
            staying = case.pods_on.get(node.name, ())
            late = now - since >= drain_timeout(case, unit, node)
            if staying and not late:
                rest += [Evict(pod) for pod in staying if not pod.evicted]
            elif node.out_of_service and unit.pool in case.index:
                rest.append(Hold(node))
            else:
                rest.append(Delete(node, staying))
    # All that goes is marked before anything is gone: until then the marks tell what was decided.
    return [*drains, *rest]


def _cause(case: Case, unit: Unit) -> Cause:
    """Why a unit is released; once noted, that stands."""
    if unit.cause is not None:
        return unit.cause
    if unit.out_of_service:
        return Cause.OUT_OF_SERVICE
    if unit.pool is None or unit.pool not in case.index:
        return Cause.SPEC
    if unit.pool in case.forced:
        return case.forced[unit.pool]
    pool = case.index[unit.pool]
    stands = sum(other.state is State.STANDING for other in case.fleet.of_pool[unit.pool])
    above_wish = (stands - 1) * unit.gpus >= case.problem.need[pool]
    return Cause.SPEC if above_wish or case.problem.changed[pool] else Cause.PREEMPTION


def _upkeep(case: Case, assignment: Assignment, guard: Guard) -> list[Action]:
    """Provision lost nodes of standing units again, and bring labels and taints up to date in place."""
    factories = {factory.metadata.name: factory for factory in case.world.factories}
    systems = {name: systems_of(factory.spec.systems) for name, factory in factories.items()}
    actions: list[Action] = []
    for key, units in sorted(assignment.stay.items()):
        with guard.about(Name("GPUPool", *key)):
            pool = case.pools[case.index[key]]
            # The stamp is renewed once everything suits the present spec, its minimum included.
            fits = case.misfits.isdisjoint(unit.slot for unit in units)
            fits = fits and len(units) >= minimum_units(case, key, units[0].gpus)
            wishes: dict[tuple[str, str], Callable[[Stamp], NodeSpec]] = {}
            for unit in units:
                factory = factories.get(unit.slot.factory)
                if factory is None or unit.slot.factory in case.locked:
                    continue
                there = (unit.slot.factory, unit.slot.system)
                if there not in wishes:
                    system = systems[unit.slot.factory].get(unit.slot.system)
                    wishes[there] = node_specs(factory, system, pool)
                wish_of = wishes[there]
                for node in unit.nodes:
                    wish = wish_of(standing_stamp(case, unit, node, restamp=fits))
                    if not node.look.suits(wish):
                        actions.append(Relabel(node, wish))
                if unit.missing and completable(case, pool, unit):
                    for slot in unit.missing:
                        stamp = standing_stamp(case, unit, unit.nodes[0], restamp=fits)
                        actions.append(Complete(wish_of(replace(stamp, slot=slot)), key))
    return actions


def completable(case: Case, pool: GPUPool, unit: Unit) -> bool:
    """Whether nodes that a standing unit has lost may be provisioned again."""
    layout = case.layouts[unit.slot.factory]
    return (
        unit.slot.factory not in case.locked
        and not pool.spec.paused
        and case.stray_names.isdisjoint(slot.node_name for slot in unit.missing)
        and layout.offers(unit.slot.path, unit.slot.system, unit.slot.rack, unit.slot.slot)
    )


def _orders(case: Case, assignment: Assignment, guard: Guard) -> list[Action]:
    """Order what the plan adds, as far as its power and its slots are free as observed.

    Highest priority first, minima before growth. A minimum is ordered all at once or not yet, so that no
    pool is left with a part because something else took the rest meanwhile. What is above `MOST_ORDERS` is
    left to the next cycle, as if this one had been cut short there. Of what a pool lacks the factories come
    last that refused its orders: its minimum must not wait for growth that nobody takes.
    """
    refusing = {(it.pool, it.factory) for it in case.world.failures if it.what is Written.ORDER}
    ledger = Ledger(case)
    open_slots = _OpenSlots(case)
    turn = sorted(assignment.new, key=lambda key: _turn(case.pools[case.index[key]]))
    orders: list[Action] = []
    growth: list[tuple[PoolKey, list[int]]] = []
    for key in turn:
        cells = [cell for cell, units in assignment.new[key] for _ in range(units)]
        cells.sort(key=lambda cell: (key, case.cells[cell].factory) in refusing)
        gpus = case.cells[cells[0]].gpus
        lacking = max(0, minimum_units(case, key, gpus) - len(assignment.stay.get(key, ())))
        first, rest = cells[:lacking], cells[lacking:]
        with guard.about(Name("GPUPool", *key)):
            if first:
                orders += _order(case, key, first, ledger, open_slots)
        if len(orders) >= MOST_ORDERS:
            return orders
        growth.append((key, rest))
    for key, cells in growth:
        for cell in cells:
            if len(orders) >= MOST_ORDERS:
                return orders
            with guard.about(Name("GPUPool", *key)):
                its = _order(case, key, [cell], ledger, open_slots)
                orders += (replace(order, growth=True) for order in its)
    return orders


def _turn(pool: GPUPool) -> tuple[int, PoolKey]:
    return (-pool.spec.priority, key_of(pool))


def _order(
    case: Case, key: PoolKey, cells: list[int], ledger: Ledger, open_slots: "_OpenSlots"
) -> list[Order]:
    """Orders for one unit in each of the cells, all or none."""
    slots = open_slots.take(cells)
    if slots is None:
        return []
    wanted = [(int(case.problem.cell_domain[cell]), int(case.problem.cell_watts[cell])) for cell in cells]
    if not ledger.order(wanted):
        open_slots.give_back(cells, slots)
        return []
    pool = case.pools[case.index[key]]
    orders: list[Order] = []
    for cell_index, (rack, slot) in zip(cells, slots, strict=True):
        if len(orders) >= MOST_ORDERS:
            break
        cell = case.cells[cell_index]
        factory = case.sites[cell.factory]
        path = case.layouts[cell.factory].instances[cell.instance].path
        system = cell.group.system if cell.group else None
        wish_of = node_specs(factory, system, pool)
        for place in slots_of(cell, path, rack, slot):
            orders.append(Order(wish_of(new_stamp(case, key, cell, place)), key))
    return orders


class _OpenSlots:
    """Slots in which no node of any unit is, lowest first; each is given once."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.taken: dict[tuple[str, str, str], set[tuple[int, int]]] = {}
        for unit in case.fleet.units:
            place = (unit.slot.factory, unit.slot.path, unit.slot.system)
            self.taken.setdefault(place, set()).add((unit.slot.rack, unit.slot.slot))
        self.left: dict[int, int] = {}
        self.free: dict[int, Iterator[tuple[int, int]]] = {}

    def _of(self, cell: int) -> Slots:
        it = self.case.cells[cell]
        path = self.case.layouts[it.factory].instances[it.instance].path
        return it.slots.without(self.taken.get((it.factory, path, it.system), set()))

    def take(self, cells: list[int]) -> list[tuple[int, int]] | None:
        """One slot in each of the cells, None if some is not there yet."""
        wanted = Counter(cells)
        for cell in wanted.keys() - self.free.keys():
            slots = self._of(cell)
            self.left[cell], self.free[cell] = len(slots), iter(slots)
        if any(self.left[cell] < count for cell, count in wanted.items()):
            return None
        for cell, count in wanted.items():
            self.left[cell] -= count
        return [next(self.free[cell]) for cell in cells]

    def give_back(self, cells: list[int], slots: list[tuple[int, int]]) -> None:
        """Return slots that were taken last."""
        back: dict[int, list[tuple[int, int]]] = {}
        for cell, slot in zip(cells, slots, strict=True):
            back.setdefault(cell, []).append(slot)
        for cell, its in back.items():
            self.left[cell] += len(its)
            self.free[cell] = chain(its, self.free[cell])
