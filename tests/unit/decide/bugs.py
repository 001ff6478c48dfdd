"""The bugs that `seeded` sows: each is one attribute of one module, replaced."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from aifactory.decide.model.fleet import Fleet, State
from aifactory.decide.model.plan import Delete, Drain, Evict, Finalizer, Order
from aifactory.decide.model.world import World, key_of
from unit.bug import Bug, Function, column, instead, result
from unit.decide.rooms import module_of


def without(*kinds: type) -> Callable[[Function], Function]:
    """A list of actions without some kinds."""
    return result(lambda actions: [a for a in actions if type(a) not in kinds])


def forgets(which: Callable[[Any], bool]) -> Callable[[Function], Function]:
    """A ledger that does not count some units."""

    def breaks(sound: Function) -> Function:
        def broken(self: Any, case: Any) -> None:
            few = replace(case.fleet, units=tuple(u for u in case.fleet.units if not which(u)))
            sound(self, replace(case, fleet=few))

        return broken

    return breaks


def one_by_one(sound: Function) -> Function:
    """Orders each cell of a minimum on its own."""

    def broken(case: Any, key: Any, cells: list[int], *rest: Any) -> list[Any]:
        return [order for cell in cells for order in sound(case, key, [cell], *rest)]

    return broken


def drops_early(sound: Function) -> Function:
    """Lets go of every pool that is being deleted at once."""

    def broken(case: Any) -> list[Any]:
        going = [p.metadata for p in case.world.pools if p.metadata.deletion_timestamp is not None]
        early = [Finalizer("GPUPool", meta.namespace, meta.name, add=False) for meta in going]
        return [*sound(case), *early]

    return broken


def tells_tales(sound: Function) -> Function:
    """Says in a pool's reason who else is there."""

    def broken(case: Any, *rest: Any) -> Any:
        reason = sound(case, *rest)
        return replace(reason, message=f"{reason.message} Ask {', '.join(map(str, case.index))}.")

    return broken


def at_once(actions: list[Any]) -> list[Any]:
    """Drains that delete."""
    return [Delete(a.node) if isinstance(a, Drain) else a for a in actions]


def by_force(sound: Function) -> Function:
    """Evictions that do not wait for a timeout."""

    def broken(case: Any, *rest: Any) -> list[Any]:
        nodes = {n.name: n for n in case.world.nodes}
        return [
            Delete(nodes[a.pod.node], (a.pod,)) if isinstance(a, Evict) else a for a in sound(case, *rest)
        ]

    return broken


def orders_first(plan_actions: tuple[Any, ...]) -> tuple[Any, ...]:
    """Orders before releases."""
    return tuple(sorted(plan_actions, key=lambda a: not isinstance(a, Order)))


def only_current(sound: Function) -> Function:
    """A fleet whose units forget what they were stamped with, where the spec knows them still."""

    def broken(world: World, layouts: Any, *rest: Any) -> Fleet:
        def now(unit: Any) -> Any:
            layout = layouts[unit.slot.factory]
            group = layout.by_slot.get((unit.slot.path, unit.slot.system))
            return unit if group is None else replace(unit, watts=layout.groups[group].unit_watts)

        fleet: Fleet = sound(world, layouts, *rest)
        return replace(fleet, units=tuple(map(now, fleet.units)))

    return broken


def stale_generation(sound: Function) -> Function:
    """Says that a status speaks of the generation that the last one spoke of."""

    def broken(facts: Any, *rest: Any) -> Any:
        write = sound(facts, *rest)
        before = facts.pool.status.observed_generation or 1
        return replace(write, status={**write.status, "observedGeneration": before})

    return broken


def keeps_pools(world: World) -> World:
    """A world in which no pool was refused."""
    return replace(world, refused=tuple(r for r in world.refused if r.kind == "AIFactory"))


def sees(change: Callable[[World], World]) -> Callable[[Function], Function]:
    """A case that is built from another world."""
    return lambda sound: lambda world, **options: sound(change(world), **options)


def taken_for_free(self: Any, cell: int) -> Any:
    """Slots in which a node may still be."""
    return self.case.cells[cell].slots


def power(name: str, where: str, breaks: Callable[[Function], Any]) -> Bug:
    """A bug against the first promise."""
    return bug("1 power", name, where, breaks)


def bug(promise: str, name: str, where: str, breaks: Callable[[Function], Any]) -> Bug:
    """A bug in `module.attribute` of the decision."""
    module, _, attribute = where.partition(".")
    return Bug(promise, name, module_of(module), attribute, breaks)


def wish(promise: str, name: str, array: str, change: Callable[[Any], Any]) -> Bug:
    """A bug in what the solver is told of the pools' wishes; the checker is told the same."""
    return bug(promise, name, "build.request_arrays", column(array, change))


BUGS = (
    power("the ledger never refuses", "ledger.Ledger.order", instead(lambda self, wanted: True)),
    power("only the leaf's limit counts", "ledger.Ledger.chain", instead(lambda self, domain: [domain])),
    power(
        "draining units do not count", "ledger.Ledger.__init__", forgets(lambda u: u.state is State.LEAVING)
    ),
    power("a unit goes with its first node", "ledger.Ledger.__init__", forgets(lambda u: bool(u.missing))),
    power("overhead is not counted", "layout.unit_watts", lambda sound: lambda system, _: sound(system, 0)),
    power("units are rounded down", "layout.unit_watts", result(lambda watts: watts and watts - 1)),
    power("the stamped watts are forgotten", "build.units_of", only_current),
    power("the quota ignores the PUE", "layout.quota_watts", instead(lambda it: int(it.spec.power.quota))),
    power(
        "a new generation is seen last", "statuses.factory_status", result(lambda w: replace(w, first=False))
    ),
    power("strays do not count", "build.units_of", result(lambda fleet: replace(fleet, strays=()))),
    power("orders come before releases", "decide.act", result(orders_first)),
    wish("2 priority", "priority is reversed", "priority", lambda a: -a["priority"]),
    wish("2 priority", "priority is ignored", "priority", lambda a: 0 * a["priority"]),
    wish("2 priority", "growth counts as minimum", "minimum", lambda a: a["need"]),
    wish("2 priority", "the younger is served first", "age", lambda a: a["age"].max(initial=0) - a["age"]),
    wish("2 priority", "purpose is ignored", "purpose", lambda a: 0 * a["purpose"]),
    bug("2 priority", "the homeless leave at once", "assign._leave_last", instead(lambda *_: {})),
    wish("3 calm", "everybody may be preempted", "preemptible", lambda a: np.ones_like(a["preemptible"])),
    bug(
        "3 calm",
        "every pool counts as changed",
        "build.standing_arrays",
        column("changed", lambda a: np.ones_like(a["changed"])),
    ),
    bug(
        "3 calm",
        "a changed pool is stamped too early",
        "actions.standing_stamp",
        lambda sound: lambda *args, restamp: sound(*args, restamp=True),
    ),
    bug(
        "3 calm",
        "every write renews transition times",
        "pool_report.conditions",
        lambda sound: lambda verdicts, before, *rest: sound(verdicts, (), *rest),
    ),
    wish("3 calm", "paused pools order", "frozen", lambda a: np.zeros_like(a["frozen"])),
    bug("4 all or nothing", "a minimum is ordered bit by bit", "actions._order", one_by_one),
    wish("4 all or nothing", "there is no minimum", "minimum", lambda a: 0 * a["minimum"]),
    bug(
        "4 all or nothing",
        "a drain that began is forgotten",
        "build.standing_arrays",
        column("uprooted", lambda a: np.zeros_like(a["uprooted"])),
    ),
    bug(
        "6 level-triggered",
        "why a drain began is forgotten",
        "build.standing_arrays",
        column("displaced", lambda a: np.zeros_like(a["displaced"])),
    ),
    bug(
        "4 all or nothing", "lost nodes of racks stay lost", "actions.completable", instead(lambda *_: False)
    ),
    bug("5 truth", "a reason names other tenants", "explained.searched", tells_tales),
    bug(
        "5 truth",
        "a reason asks for a watt too little",
        "reasons._short",
        result(lambda it: replace(it, short_watts=max(0, it.short_watts - 1))),
    ),
    bug("5 truth", "a status names an old generation", "statuses.pool_status", stale_generation),
    bug("6 level-triggered", "a finalizer is dropped early", "actions._finalizers", drops_early),
    bug(
        "6 level-triggered",
        "a leaving node's slot is used",
        "actions._OpenSlots._of",
        instead(taken_for_free),
    ),
    bug("6 level-triggered", "nodes are deleted undrained", "actions._releases", result(at_once)),
    bug("6 level-triggered", "nobody waits for budgets", "actions._releases", by_force),
    bug("6 level-triggered", "pods are not evicted", "actions._releases", without(Evict)),
    bug(
        "6 level-triggered",
        "an unknown factory counts as seen",
        "decide.build",
        sees(lambda world: replace(world, unknown=frozenset())),
    ),
    bug("6 level-triggered", "no drain is called off", "decide.called_off", instead(lambda *_: None)),
    bug(
        "6 level-triggered",
        "a drain is called off where a node goes already",
        "called_off._could_stay",
        lambda sound: lambda case, pool: list(case.fleet.of_pool.get(key_of(case.pools[pool]), ())),
    ),
    bug(
        "what goes first", "only within a cell", "decide.exchanged", instead(lambda case, solution: solution)
    ),
    bug("what goes first", "the best goes first", "goes_first.by_worth", result(lambda units: units[::-1])),
    bug(
        "what goes first", "nobody looks whether it is idle", "decide.unsure", instead(lambda *_: frozenset())
    ),
    bug("3 calm", "the adopted plan is forgotten", "decide.resumed", instead(lambda *_: None)),
    bug("3 calm", "every plan goes on for ever", "adopted.question", instead(lambda case: ())),
    bug("1 power", "nothing is claimed before it is ordered", "statuses.ordered", instead(lambda *_: {})),
    bug("8 bad input", "a refused pool counts as gone", "decide.build", sees(keeps_pools)),
    bug(
        "8 bad input", "nobody says why", "statuses._refused", result(lambda write: replace(write, status={}))
    ),
)
