"""Simulated nodes: Node objects that kwok keeps alive. For tests, demonstrations and trying things out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from aifactory.api import names
from aifactory.backends.looks import taint_body
from aifactory.backends.marks import annotations_of, labels_of, taints_of
from aifactory.backends.nodes import (
    call_off_patch,
    drain_patch,
    hold_patch,
    read_node,
    read_other,
    read_seen,
    relabel_patch,
)
from aifactory.backends.port import NODE, Client, Mandate, Object
from aifactory.backends.steps import evict_pod, kill_pods, patch_same, pods_on
from aifactory.decide.model.plan import CallOff, Delete, Drain, Evict, Hold, Order, Relabel
from aifactory.decide.model.world import Node, NodeSpec, Pod

# kwok plays the kubelet only for nodes with this annotation.
KWOK: Final = {"kwok.x-k8s.io/node": "fake"}
# What a node has beside its GPUs: about that of an eight-GPU server. Nothing is decided by it.
CAPACITY: Final = {"cpu": "128", "memory": "2Ti", "pods": "110"}
# A node that somebody took our label from still draws power: it must not look as if it were gone. And one
# that was never ours may have the name of a slot.
_UNLABELLED: Final = f"!{names.LABEL_FACTORY}"


class Kwok:
    """The kwok driver. The nodes themselves are all its state."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def observe(self) -> Mapping[str, Sequence[Node]]:
        """All nodes of ours, and those with names that slots may have, by factory.

        Of those without our label a cluster may have many, so only their metadata is read.
        """
        seen = await self._client.read_all(NODE, read_seen, labels=names.LABEL_FACTORY)
        ours = (it.node for it in seen if not it.by_karpenter)
        others = await self._client.read_all(NODE, read_other, labels=_UNLABELLED, metadata_only=True)
        nodes = {node.name: node for node in (*ours, *others) if node is not None}
        found: defaultdict[str, list[Node]] = defaultdict(list)
        for node in nodes.values():
            found[node.factory].append(node)
        return found

    async def pods(self, nodes: Iterable[str]) -> list[Pod]:
        """The pods that have to leave these nodes."""
        return await pods_on(self._client, nodes)

    async def create(self, order: Order, mandate: Mandate) -> Node:
        """Create a Node.

        By POST and not by server-side apply: a name that is taken answers 409, so no slot is ever ordered
        twice; an apply would write over whatever stands there, bring back a node that was deleted this
        very moment, and own the whole taint list, which admission and the lifecycle controller share.
        """
        return read_node(await self._client.create(NODE, node_body(order.spec, mandate)))

    async def relabel(self, change: Relabel) -> None:
        """Patch what differs. The taint list is one atomic value, so it is changed as it is now."""
        obj = await self._client.get(NODE, change.node.name)
        patch = relabel_patch(obj, change.spec, labels_of(change.spec))
        await self._patch(change.node, patch, obj["metadata"]["resourceVersion"])

    async def drain(self, drain: Drain) -> None:
        """Cordon the node."""
        await self._patch(drain.node, drain_patch(drain))

    async def call_off(self, call: CallOff) -> None:
        """Take our notes and our cordon off the node, as it is now."""
        obj = await self._client.get(NODE, call.node.name)
        await self._patch(call.node, call_off_patch(read_node(obj)), obj["metadata"]["resourceVersion"])

    async def evict(self, evict: Evict) -> None:
        """Evict the pod."""
        await evict_pod(self._client, evict)

    async def hold(self, hold: Hold) -> None:
        """Remove the pool's labels."""
        await self._patch(hold.node, hold_patch())

    async def delete(self, delete: Delete) -> None:
        """Delete the Node, and only as it was drained: somebody may have uncordoned it since.

        Pods that are left go first. Those of a Node that is gone stay bound to its name, and would run on
        the next one of that name.
        """
        if delete.pods and await self._drained(delete.node):
            await kill_pods(self._client, delete.pods)
        if version := await self._drained(delete.node):
            await self._client.delete(NODE, delete.node.name, uid=delete.node.uid, version=version)

    async def _drained(self, node: Node) -> str:
        """The resourceVersion of the Node of this name while it is being drained, else nothing."""
        obj = await self._client.get(NODE, node.name)
        now = read_node(obj)
        drains = now.unschedulable and now.stamp and now.stamp.draining_since
        return str(obj["metadata"]["resourceVersion"]) if drains else ""

    async def _patch(self, node: Node, change: Object, version: str = "") -> None:
        await patch_same(self._client, NODE, node.name, change, uid=node.uid, version=version)


def node_body(wish: NodeSpec, mandate: Mandate) -> Object:
    """The Node object of an order.

    It says in whose name it is created, and in which term: a ValidatingAdmissionPolicy compares both with
    the Lease, so that the last request of a former leader, or of a former term, cannot come through late.
    """
    capacity = CAPACITY | ({wish.resource: str(wish.devices)} if wish.resource else {})
    name = wish.slot.node_name
    said = {names.ANNOTATION_LEADER: mandate.holder, names.ANNOTATION_TERM: str(mandate.term)}
    return {
        "apiVersion": NODE.api_version,
        "kind": NODE.name,
        "metadata": {
            "name": name,
            "labels": {**wish.first_labels, **labels_of(wish)},
            "annotations": {**annotations_of(wish), **KWOK, **said},
        },
        "spec": {
            "providerID": f"kwok://{name}",
            "taints": [*map(taint_body, taints_of(wish) + wish.first_taints)],
        },
        "status": {"capacity": capacity, "allocatable": capacity},
    }
