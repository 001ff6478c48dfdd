"""Machines that Karpenter launches: one NodeClaim for each node, in no NodePool, by the name of its slot.

A NodeClaim stays until its machine is gone, so it is what counts. The Node that the machine registers bears
another name and comes later; pods are looked for by its name, and told by the slot's.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from aifactory.api import names
from aifactory.backends.brake import Brake
from aifactory.backends.claims import (
    Claim,
    ClaimLook,
    called_off_patch,
    claim_body,
    claim_patch,
    end_patch,
    joined,
    read_claim,
    read_other_claim,
)
from aifactory.backends.marks import own_labels_of
from aifactory.backends.nodes import Seen, call_off_patch, drain_patch, hold_patch, read_seen, relabel_patch
from aifactory.backends.port import NODE, NODE_CLAIM, ApiError, Client, Mandate, NotInstalled, Object
from aifactory.backends.steps import evict_pod, patch_same, pods_on
from aifactory.decide.model.plan import CallOff, Delete, Drain, Evict, Hold, Order, Relabel
from aifactory.decide.model.world import Node, Pod

_UNLABELLED: Final = f"!{names.LABEL_FACTORY}"
_GONE: Final = 404


class Karpenter:
    """The Karpenter driver. NodeClaims and Nodes are all its state that matters."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._brake = Brake()
        self._node_names: dict[str, str] = {}  # of the Nodes that were seen last, by slot
        self._joined: dict[str, tuple[Claim, Seen | None, Node]] = {}  # by uid: most are as they were

    async def observe(self) -> Mapping[str, Sequence[Node]]:
        """All NodeClaims of ours with their Nodes, and those that bear the name of a slot, by factory.

        NodeClaims are read first: a Node can go before its NodeClaim does, and not after.
        """
        ours, others = await self._claims()
        seen = await self._client.read_all(NODE, read_seen, labels=names.LABEL_FACTORY)
        nodes = _Nodes(it for it in seen if it.by_karpenter)
        self._brake.look(ours)
        self._node_names, before, self._joined = {}, self._joined, {}
        found: defaultdict[str, list[Node]] = defaultdict(list)
        for claim in ours:
            its = nodes.take(claim) or await self._unlabelled(claim)
            self._node_names[claim.name] = its.node.name if its else claim.node_name
            was = before.get(claim.uid)
            node = was[2] if was and was[0] is claim and was[1] is its else joined(claim, its)
            self._joined[claim.uid] = (claim, its, node)
            found[node.factory].append(node)
        # One that somebody took our label from has still its Node.
        rest = [joined(claim, nodes.take(claim) if claim.look.ours else None) for claim in others]
        for node in rest + await self._left(nodes.rest()):
            found[node.factory].append(node)
        return found

    async def _claims(self) -> tuple[list[Claim], list[Claim]]:
        """The NodeClaims of ours, and others that may concern us. Raises NotInstalled."""
        try:
            ours = await self._client.read_all(NODE_CLAIM, read_claim, labels=names.LABEL_FACTORY)
            others = await self._client.read_all(
                NODE_CLAIM, read_other_claim, labels=_UNLABELLED, metadata_only=True
            )
        except ApiError as error:
            if error.status != _GONE:
                raise
            kind = f"{NODE_CLAIM.name} of {NODE_CLAIM.api_version}"
            raise NotInstalled(_GONE, "NotInstalled", f"The cluster serves no {kind}.") from error
        known = {claim.name for claim in ours}  # one may have got its label between the two lists
        return ours, [claim for claim in others if claim is not None and claim.name not in known]

    async def _unlabelled(self, claim: Claim) -> Seen | None:
        """The Node of a NodeClaim that somebody took our label from."""
        if claim.deleting or not claim.node_name:
            return None
        obj = await self._node(claim.node_name)
        return read_seen(obj) if obj else None

    async def _left(self, seen: Iterable[Seen]) -> list[Node]:
        """Nodes with our labels whose NodeClaim is gone: they count, and are nobody's to touch.

        Of a Node that goes with its NodeClaim a watch may tell later: so each is looked at once more.
        """
        objects = [await self._node(it.node.name) for it in seen]
        return [read_seen(obj).node for obj in objects if obj]

    async def _node(self, name: str) -> Object | None:
        """A Node as it is now; None for one that is gone."""
        try:
            return await self._client.get(NODE, name)
        except ApiError as error:
            if error.status != _GONE:
                raise
            return None

    async def pods(self, nodes: Iterable[str]) -> list[Pod]:
        """The pods that have to leave these nodes."""
        slots = {name: slot for slot in nodes if (name := self._node_names.get(slot))}
        found = await pods_on(self._client, slots)
        return [replace(pod, node=slots[pod.node]) for pod in found]

    async def create(self, order: Order, mandate: Mandate) -> Node:
        """Create a NodeClaim, by POST: a name that is taken answers 409."""
        body = claim_body(order.spec, mandate)
        self._brake.check(body["metadata"]["labels"])
        claim = read_claim(await self._client.create(NODE_CLAIM, body))
        self._brake.ordered(claim)
        return joined(claim, None)

    async def relabel(self, change: Relabel) -> None:
        """Patch what differs, on the Node and on the NodeClaim."""
        look = _look(change.node)
        if not look.node_suits(change.spec):
            obj = await self._client.get(NODE, look.node_name)
            patch = relabel_patch(obj, change.spec, own_labels_of(change.spec))
            await self._patch_node(look, patch, obj["metadata"]["resourceVersion"])
        if not look.claim_suits(change.spec):
            await self._patch(change.node, claim_patch(look.claim, change.spec))

    async def drain(self, drain: Drain) -> None:
        """Cordon the Node. Before there is one, nothing can be scheduled there: it is only noted."""
        look, patch = _look(drain.node), drain_patch(drain)
        if look.node:
            await self._patch_node(look, patch)
        else:
            await self._patch(drain.node, {"metadata": patch["metadata"]})

    async def call_off(self, call: CallOff) -> None:
        """Take our notes and our cordon off, as they are now."""
        now, version, node_version = await self._now(call.node)
        look = _look(now)
        # The NodeClaim first: until both are done, the Node says that there is something to call off.
        await self._patch(call.node, called_off_patch(), version)
        if look.node:
            await self._patch_node(look, call_off_patch(now), node_version)

    async def evict(self, evict: Evict) -> None:
        """Evict the pod."""
        await evict_pod(self._client, evict)

    async def hold(self, hold: Hold) -> None:
        """Remove the pool's labels; the NodeClaim's last, for they say whose it is."""
        look = _look(hold.node)
        if look.node:
            await self._patch_node(look, hold_patch())
        await self._patch(hold.node, hold_patch())

    async def delete(self, delete: Delete) -> None:
        """Delete the NodeClaim, and only as it was drained: somebody may have uncordoned its Node since.

        Karpenter ends the machine, and with it what pods are left: it waits for none that had their time.
        """
        now, version, _ = await self._now(delete.node)
        if not now.drains:
            return
        noted = await self._patch(delete.node, end_patch(_look(now).notes, forced=delete.forced), version)
        version = noted["metadata"]["resourceVersion"]
        await self._client.delete(NODE_CLAIM, delete.node.name, uid=delete.node.uid, version=version)

    async def _now(self, node: Node) -> tuple[Node, str, str]:
        """A node as it is now, and the resourceVersions of its NodeClaim and of its Node, if there is one."""
        obj = await self._client.get(NODE_CLAIM, node.name)
        claim, version = read_claim(obj), obj["metadata"]["resourceVersion"]
        name = claim.node_name or _look(node).node_name
        its = await self._node(name) if name else None
        if its is None:
            return joined(claim, None), version, ""
        return joined(claim, read_seen(its)), version, its["metadata"]["resourceVersion"]

    async def _patch(self, node: Node, change: Object, version: str = "") -> Object:
        return await patch_same(self._client, NODE_CLAIM, node.name, change, uid=node.uid, version=version)

    async def _patch_node(self, look: ClaimLook, change: Object, version: str = "") -> None:
        await patch_same(self._client, NODE, look.node_name, change, uid=look.node_uid, version=version)


class _Nodes:
    """The Nodes that Karpenter made for us, each given to its NodeClaim."""

    def __init__(self, seen: Iterable[Seen]) -> None:
        self._left = {it.node.uid: it for it in seen}
        self._by_machine = {it.provider_id: it for it in self._left.values() if it.provider_id}
        self._by_slot = {it.node.stamp.slot.node_name: it for it in self._left.values() if it.node.stamp}

    def take(self, claim: Claim) -> Seen | None:
        """The Node of a NodeClaim: of the same machine; or, until that is noted, of the same slot."""
        machine = claim.provider_id
        found = self._by_machine.get(machine) if machine else self._by_slot.get(claim.name)
        return self._left.pop(found.node.uid, None) if found else None

    def rest(self) -> Iterable[Seen]:
        """Those that nothing was found for."""
        return self._left.values()


def _look(node: Node) -> ClaimLook:
    """Raises ApiError for a node that another backend made, before its factory's spec was changed."""
    if not isinstance(node.look, ClaimLook):
        raise ApiError(422, "OtherBackend", f"{node.name} is not Karpenter's; another backend made it")
    return node.look
