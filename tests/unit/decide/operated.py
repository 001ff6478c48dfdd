"""A simulated cluster with the operator at work in it, and people who change things.

Every write of every cycle is judged by the promises, so that each test that uses it is a test of them too.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

from aifactory.api import names
from aifactory.api.conditions import Condition
from aifactory.api.reading import parse_factory, parse_pool
from aifactory.decide import Given, Plan, begin, finish
from aifactory.decide.model.plan import Event, Order, StatusWrite
from aifactory.decide.model.world import Node, Refused, Slot
from aifactory.decide.place.placed import Placer, nothing_yet
from unit.decide.build import Factory, Thing
from unit.decide.count import excess, standing
from unit.decide.judge import judge_claim, judge_plan, judge_power
from unit.decide.simulator import Simulator, Write, path_of
from unit.decide.state import Fault, Labelled

MOST_CYCLES = 80


class Cluster(Simulator):
    """What people do, what the operator does, and what can be seen."""

    # People

    def apply(self, *things: Thing) -> Self:
        """`kubectl apply`: create what is new, change what differs. Raises Invalid for what is not valid."""
        for thing in things:
            path = thing.name if isinstance(thing, Factory) else thing.path
            parse: Callable[..., Any] = parse_factory if isinstance(thing, Factory) else parse_pool
            asked = parse(thing.manifest())
            meta: dict[str, Any] = {"generation": 1, "uid": self.uid(), "creation_timestamp": self.now}
            old = self.objects.get(path)
            if old is not None:
                meta = dict(old.metadata) | {
                    "generation": old.metadata.generation + (old.spec != asked.spec),
                    "labels": asked.metadata.labels,
                }
                asked = asked.model_copy(update={"status": old.status})
            elif path in self.refused:
                meta["generation"] = self.refused[path].metadata.generation + 1
            self.words[path] = thing
            metadata = asked.metadata.model_copy(update=meta)
            self.store(path, asked.model_copy(update={"metadata": metadata}))
        return self

    def edit(self, path: str, **words: Any) -> Self:
        """Apply an object again with some words changed."""
        return self.apply(self.words[path].but(**words))

    def delete(self, *paths: str) -> Self:
        """`kubectl delete`: gone at once, or marked where a finalizer holds it."""
        for path in paths:
            it = self.objects.get(path) or self.refused[path]
            if not it.metadata.finalizers:
                self.remove(path)
            elif it.metadata.deletion_timestamp is None:
                marks = {"deletion_timestamp": self.now, "generation": it.metadata.generation + 1}
                meta = it.metadata.model_copy(update=marks)
                if isinstance(it, Refused):
                    self.refused[path] = replace(it, metadata=meta)
                else:
                    self.store(path, it.model_copy(update={"metadata": meta}))
        return self

    def spoil(self, path: str, message: str = "spec.systems: found 7") -> Self:
        """Turn an object into one that cannot be read, as another version may have written it."""
        it = self.objects.pop(path)
        meta = it.metadata.model_copy(update={"generation": it.metadata.generation + 1})
        self.refused[path] = Refused(type(it).__name__, meta, message, self.statuses.get(path, {}))
        return self

    def mark(self, *nodes: str, broken: bool = True) -> Self:
        """Label nodes as out of service, or take the label off."""
        for node in nodes:
            label = {names.LABEL_OUT_OF_SERVICE: "true"} if broken else {}
            rest = {k: v for k, v in self.nodes[node].labels.items() if k != names.LABEL_OUT_OF_SERVICE}
            self.change(node, labels=rest | label)
        return self

    def cordon(self, *nodes: str, off: bool = False) -> Self:
        """`kubectl cordon`, or `uncordon`."""
        for node in nodes:
            self.change(node, unschedulable=not off)
        return self

    def lose(self, *nodes: str) -> Self:
        """Nodes that disappear: failed, or deleted by hand."""
        for node in nodes:
            self.vanish(node)
        return self

    def stray(self, like: str, name: str) -> Self:
        """A node that carries another's labels under a name of its own."""
        node = self.nodes[like]
        self.nodes[name] = replace(node, name=name, uid=self.uid())
        return self

    def stranger(self, name: str) -> Self:
        """A node that is not ours, and has the name of a slot."""
        self.nodes[name] = Labelled(
            name=name,
            uid=self.uid(),
            ready=True,
            unschedulable=False,
            deleting=False,
            created=self.now,
            labels={"kubernetes.io/hostname": name},
        )
        return self

    def scribble(self, name: str, **labels: str) -> Self:
        """Overwrite labels of ours on a node by hand, such as ``rack="zero"``."""
        changed = {f"{names.GROUP}/{key.replace('_', '-')}": value for key, value in labels.items()}
        self.change(name, labels={**self.nodes[name].labels, **changed})
        return self

    def hide(self, factory: str) -> Self:
        """A factory's backend cannot be listed from now on."""
        self.last_seen[factory] = tuple(n for n in self.nodes.values() if n.factory == factory)
        self.blind |= {factory}
        return self

    def show(self, factory: str) -> Self:
        """It can be listed again."""
        self.blind -= {factory}
        return self

    def restart(self) -> Self:
        """The operator's process forgets all that it had only in memory."""
        self.refusals.clear()
        self.adopted = None
        self.last_seen.clear()
        return self

    # The operator

    def given(self, **more: Any) -> Given:
        """What it decides from now."""
        return Given(self.world(), self.now, adopted=self.adopted, **more)

    def decide(self, placer: Placer = nothing_yet, *, brief: bool = False) -> Plan:
        """What the operator would do now."""
        given = self.given(placer=placer, look=lambda _, nodes: self.world(nodes), brief=brief)
        plan, _ = finish(begin(given))
        judge_plan(self, plan)
        return plan

    def carry_out(
        self, plan: Plan, stop_after: int | None = None, meanwhile: Callable[[int], None] | None = None
    ) -> int:
        """Make a plan's writes one by one, up to so many. The number of writes made."""
        self.adopted = plan.adopted
        before = excess(self)
        writes = self.writes(plan)[:stop_after]
        for number, it in enumerate(writes):
            self.write(it)
            after = excess(self)
            if not puts_in_force(it):
                judge_power(before, after, it)
            if isinstance(it, Order):
                judge_claim(self, it)
            if meanwhile is not None:
                meanwhile(number)
                after = excess(self)
            before = after
        return len(writes)

    def cycle(self, stop_after: int | None = None) -> Plan:
        """Decide, write, and let a second pass."""
        plan = self.decide()
        self.carry_out(plan, stop_after)
        self.tick()
        return plan

    def settle(self) -> Self:
        """Let the operator work until it has nothing left to write."""
        for _ in range(MOST_CYCLES):
            plan = self.decide()
            made = self.carry_out(plan)
            if not made and not self.pending:
                return self
            self.tick()
        left = [repr(w)[:300] for w in self.writes(self.decide())]
        raise Fault("it never settles; it still writes:\n" + "\n".join(left[:6]))

    # What can be seen

    def units(self, path: str) -> dict[str, int]:
        """The pool's standing units by place, such as dfw/hall-2."""
        found: dict[str, int] = defaultdict(int)
        for unit in standing(self, path):
            found[f"{unit.factory}/{unit.path}".rstrip("/")] += 1
        return dict(found)

    def gpus(self, *paths: str) -> tuple[int, ...]:
        """GPUs that stand, of each pool."""
        return tuple(sum(unit.gpus for unit in standing(self, path)) for path in paths)

    def nodes_of(self, path: str) -> list[str]:
        """Names of all nodes with the pool's labels, those that leave included."""
        found = [n for n in self.nodes.values() if n.stamp and str(n.stamp.pool) == path]
        return sorted(n.name for n in found)

    def node_at(self, factory: str, path: str, rack: int, slot: int, system: str = "box") -> Node:
        """The node in a slot."""
        return self.nodes[Slot(factory, path, system, rack, slot).node_name]

    def conditions(self, path: str) -> dict[str, Condition]:
        """Conditions by type."""
        return {c.type: c for c in self.objects[path].status.conditions}

    def says(self, path: str, kind: str) -> str:
        """One condition in short: `False: InsufficientPower`, or nothing."""
        found = self.conditions(path).get(kind)
        return f"{found.status}: {found.reason}" if found else ""

    def tells(self, path: str, kind: str) -> str:
        """A condition's message, or nothing."""
        found = self.conditions(path).get(kind)
        return found.message if found else ""


def puts_in_force(it: Write) -> bool:
    """Whether a write changes which limits are in force."""
    return isinstance(it, StatusWrite) and it.kind == "AIFactory"


def status_of(plan: Plan, path: str) -> dict[str, Any]:
    """The status that a plan gives an object."""
    return next(dict(w.status) for w in plan.statuses if path_of(w) == path)


def events_of(plan: Plan, path: str) -> list[Event]:
    """The events of a plan about an object."""
    return [e for e in plan.events if f"{e.namespace}/{e.name}".lstrip("/") == path]


def cluster(*things: Thing, **knobs: Any) -> Cluster:
    """A cluster in which these were applied, each a second older than the next."""
    made = Cluster(**knobs)
    for thing in things:
        made.apply(thing).tick()
    return made


def settled(*things: Thing, **knobs: Any) -> Cluster:
    """The same after the operator has settled it, thing by thing in this order."""
    made = Cluster(**knobs)
    for thing in things:
        made.apply(thing).settle().tick()
    return made


__all__ = ["Cluster", "cluster", "events_of", "settled", "status_of"]
