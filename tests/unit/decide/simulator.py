"""An API server and a backend as pure data: what the operator's writes and time do to a cluster.

It is honest where Kubernetes is: generations count changes of a spec, finalizers hold deletions back, a name
is given once, a precondition on a uid that is gone fails silently, and unknown status fields are dropped.
What a sane operator never asks for is a `Fault`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

from aifactory.api import names
from aifactory.backends.looks import read_taint, taint_body
from aifactory.backends.marks import annotations_of, labels_of, taints_of
from aifactory.backends.nodes import relabel_patch
from aifactory.decide import Plan
from aifactory.decide.model.plan import (
    Action,
    CallOff,
    Delete,
    Drain,
    Evict,
    Finalizer,
    Hold,
    Order,
    Relabel,
    StatusWrite,
)
from aifactory.decide.model.world import Node, NodeSpec, Pod, Refusal, Refused
from unit.decide.state import Fault, Labelled, State

Write = StatusWrite | Action


class Simulator(State):
    """What happens to a state."""

    # What the operator writes

    def writes(self, plan: Plan) -> list[Write]:
        """A plan as single writes in order: new generations, actions, then the statuses that differ."""
        differ = [w for w in plan.statuses if wire(w.status) != self.statuses.get(path_of(w))]
        return [*(w for w in differ if w.first), *plan.actions, *(w for w in differ if not w.first)]

    def write(self, it: Write) -> None:
        """Carry out one write."""
        match it:
            case StatusWrite():
                self._write_status(it)
            case Order():
                self._create(it.spec)
            case Relabel():
                self._bring_up_to_date(it)
            case Drain():
                if self._still(it.node):
                    notes = {
                        names.ANNOTATION_DRAINING_SINCE: it.since.isoformat(),
                        names.ANNOTATION_DRAINING_FOR: str(it.cause),
                    }
                    if it.node.cordoned:
                        notes[names.ANNOTATION_CORDONED_BEFORE] = "true"
                    self.change(it.node.name, annotations=notes, unschedulable=True)
            case CallOff():
                self._call_off(it)
            case Evict():
                self._evict(it.pod)
            case Hold():
                if self._still(it.node):
                    pool = (names.LABEL_POOL, names.LABEL_POOL_NAMESPACE)
                    now = self.nodes[it.node.name].labels
                    self.change(it.node.name, labels={k: v for k, v in now.items() if k not in pool})
            case Delete():
                self._delete(it)
            case Finalizer():
                self._finalizer(it)

    def _write_status(self, it: StatusWrite) -> None:
        path, status = path_of(it), wire(it.status)
        if path in self.refused:
            self.refused[path] = replace(self.refused[path], status=status)
        if path in self.objects:
            before = self.objects[path]
            parsed = type(before.status).model_validate(status)
            if dropped := unknown_fields(status, parsed.wire()):
                raise Fault(f"the schema of {it.kind} does not know {dropped} in its status")
            self.objects[path] = before.model_copy(update={"status": parsed})
        if path in {*self.refused, *self.objects}:
            self.statuses[path] = status

    def _create(self, wish: NodeSpec) -> None:
        name = wish.slot.node_name
        if name in self.nodes:
            raise Fault(f"{name} is ordered, and is there already")
        self.nodes[name] = Labelled(
            name=name,
            uid=self.uid(),
            ready=False,
            unschedulable=False,
            deleting=False,
            created=self.now,
            labels={**wish.first_labels, **labels_of(wish)},
            annotations=annotations_of(wish),
            taints=taints_of(wish) + wish.first_taints,
        )
        self._suits(name)

    def _suits(self, node: str) -> None:
        """From now on the node claims that its place suits its pool's present spec."""
        stamp = self.nodes[node].stamp
        pool = self.pools.get(str(stamp.pool)) if stamp else None
        if pool is not None:
            self.placed_for[node] = pool.spec

    def _bring_up_to_date(self, it: Relabel) -> None:
        if not self._still(it.node):
            return
        now = self.nodes[it.node.name]
        entries = [taint_body(taint) for taint in now.taints]
        meta = {"labels": now.labels, "annotations": now.annotations}
        patch = relabel_patch({"metadata": meta, "spec": {"taints": entries}}, it.spec, labels_of(it.spec))
        labels = {k: v for k, v in {**now.labels, **patch["metadata"]["labels"]}.items() if v is not None}
        taints = tuple(map(read_taint, patch.get("spec", {}).get("taints", entries)))
        mark, notes = names.ANNOTATION_PLACED_UNDER, patch["metadata"]["annotations"]
        renewed = notes[mark] != now.annotations.get(mark)
        self.change(now.name, labels=labels, annotations=notes, taints=taints)
        if renewed:
            self._suits(now.name)

    def _call_off(self, it: CallOff) -> None:
        if not self._still(it.node):
            return
        node = self.nodes[it.node.name]
        before = names.ANNOTATION_CORDONED_BEFORE in node.annotations
        notes = (names.ANNOTATION_DRAINING_SINCE, names.ANNOTATION_DRAINING_FOR)
        left = {
            k: v for k, v in node.annotations.items() if k not in (*notes, names.ANNOTATION_CORDONED_BEFORE)
        }
        self.nodes[node.name] = replace(node, annotations=left)
        self.change(node.name, unschedulable=before and node.unschedulable)

    def _evict(self, pod: Pod) -> None:
        key = f"{pod.namespace}/{pod.name}"
        if key not in self.pods:
            return
        labels = self.nodes[pod.node].labels
        owner = f"{labels.get(names.LABEL_POOL_NAMESPACE)}/{labels.get(names.LABEL_POOL)}"
        if owner in self.budgets or pod.namespace in self.budgets:
            said = f"budget keep-all of {pod.namespace} allows no disruption"
            self.refusals[pod.node] = Refusal(pod.namespace, said)
            return
        self.refusals.pop(pod.node, None)
        self.pods[key] = replace(pod, evicted=True)

    def _delete(self, it: Delete) -> None:
        if not self._still(it.node):
            return
        node = self.nodes[it.node.name]
        if node.stamp is None or node.stamp.draining_since is None or not node.unschedulable:
            raise Fault(f"{node.name} is deleted and was not drained")
        if not it.forced and any(pod.node == node.name for pod in self.pods.values()):
            raise Fault(f"{node.name} is deleted with pods on it")
        if not self.linger:
            self.vanish(node.name)
        elif node.name not in self.lingering:
            self.lingering[node.name] = self.linger
            self.nodes[node.name] = replace(node, deleting=not self.denies)

    def _finalizer(self, it: Finalizer) -> None:
        path = f"{it.namespace}/{it.name}" if it.kind == "GPUPool" else it.name
        before = self.objects.get(path) or self.refused.get(path)
        if before is None:
            return
        meta = before.metadata
        held = tuple(f for f in meta.finalizers if f != names.FINALIZER)
        if it.add and meta.deletion_timestamp is not None:
            raise Fault(f"{path} gets a finalizer while it is being deleted")
        meta = meta.model_copy(update={"finalizers": (*held, names.FINALIZER) if it.add else held})
        if isinstance(before, Refused):
            self.refused[path] = replace(before, metadata=meta)
        else:
            self.objects[path] = before.model_copy(update={"metadata": meta})
        if meta.deletion_timestamp is not None and not meta.finalizers:
            self.remove(path)

    def _still(self, node: Node) -> bool:
        return node.name in self.nodes and self.nodes[node.name].uid == node.uid

    # What time does

    def tick(self, seconds: float = 1) -> Self:
        """Nodes come up, deleted ones go, evicted pods leave."""
        self.now += timedelta(seconds=seconds)
        for name, cycles in list(self.lingering.items()):
            self.lingering[name] = cycles - 1
            if cycles <= 1:
                self.vanish(name)
        self.pods = {key: pod for key, pod in self.pods.items() if not pod.evicted}
        for name, node in list(self.nodes.items()):
            up = node.created + timedelta(seconds=self.boot) <= self.now and name not in self.duds
            if up and not node.ready and not node.deleting:
                self.nodes[name] = replace(node, ready=True)
                if self.busy and names.LABEL_POOL in node.labels and not node.unschedulable:
                    tenant = node.labels[names.LABEL_POOL_NAMESPACE]
                    self.pods[f"{tenant}/on-{name}"] = Pod(tenant, f"on-{name}", name)
        return self

    @property
    def pending(self) -> bool:
        """Whether time alone is still going to change something."""
        starting = any(
            not n.ready and not n.deleting and n.name not in self.duds for n in self.nodes.values()
        )
        return starting or bool(self.lingering) or any(pod.evicted for pod in self.pods.values())


def path_of(it: StatusWrite) -> str:
    """The path of the object that a status is for."""
    return f"{it.namespace}/{it.name}" if it.kind == "GPUPool" else it.name


def wire(status: Mapping[str, Any]) -> dict[str, Any]:
    """A status as JSON carries it."""
    carried: dict[str, Any] = json.loads(json.dumps(status))
    return carried


def unknown_fields(written: Any, kept: Any, path: str = "") -> list[str]:
    """Fields that were written and that the schema drops."""
    if isinstance(written, Mapping):
        lost = [f"{path}.{name}" for name in written if name not in kept]
        for name in written:
            lost += unknown_fields(written[name], kept[name], f"{path}.{name}") if name in kept else []
        return lost
    if isinstance(written, Sequence) and not isinstance(written, str):
        return [
            lost for a, b in zip(written, kept, strict=True) for lost in unknown_fields(a, b, f"{path}[]")
        ]
    return []
