"""NodeClaims of Karpenter: what they look like with their Nodes, and the object of an order. All pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from aifactory.api import names
from aifactory.backends.looks import NodeLook, taint_body
from aifactory.backends.marks import annotations_of, own_labels_of, taints_of
from aifactory.backends.nodes import NOTES, Seen, node_of, read_look
from aifactory.backends.port import NODE_CLAIM, ApiError, Mandate, Object
from aifactory.decide.model.world import Node, NodeSpec

# Karpenter lets pods stay until then, whatever holds them; without it, from the deletion on for as long as
# `terminationGracePeriod` says.
PODS_UNTIL: Final = "karpenter.sh/nodeclaim-termination-timestamp"
# On a Node until Karpenter has given it what its NodeClaim says.
_UNREGISTERED: Final = "karpenter.sh/unregistered"
# Neither spot nor whatever comes: who trains for weeks is not interrupted to save money.
_CAPACITY: Final = ("reserved", "on-demand")


class Claim(NamedTuple):
    """A NodeClaim, as it was read."""

    name: str
    uid: str
    look: NodeLook
    deleting: bool
    created: datetime
    provider_id: str  # of its machine; empty until one is launched
    node_name: str  # empty until its Node is registered


@dataclass(frozen=True)
class ClaimLook:
    """How a NodeClaim and its Node look. Taints are the Node's: a NodeClaim's cannot be changed."""

    claim: NodeLook
    node: NodeLook | None
    node_name: str = ""
    node_uid: str = ""

    @property
    def notes(self) -> Mapping[str, str]:
        """What is noted of its drain."""
        noted = self.node if self.node and names.ANNOTATION_DRAINING_SINCE in self.node.annotations else None
        said = (noted or self.claim).annotations
        return {key: said[key] for key in NOTES if key in said}

    @property
    def registered(self) -> bool:
        """Whether its Node has got what it says. Until then that is Karpenter's to bring there."""
        return self.node is not None and all(taint.key != _UNREGISTERED for taint in self.node.taints)

    def suits(self, wish: NodeSpec) -> bool:
        """Whether nothing has to be changed about either."""
        return self.claim_suits(wish) and self.node_suits(wish)

    def claim_suits(self, wish: NodeSpec) -> bool:
        """Whether nothing has to be changed about the NodeClaim."""
        return self.claim.says(own_labels_of(wish), claim_annotations_of(wish))

    def node_suits(self, wish: NodeSpec) -> bool:
        """Whether nothing has to be changed about its Node, if there is one by now."""
        if self.node is None or not self.registered:
            return True
        return self.node.says(own_labels_of(wish), annotations_of(wish)) and self.node.is_tainted(wish)


def read_claim(obj: Object) -> Claim:
    """Read a NodeClaim."""
    meta, status = obj["metadata"], obj.get("status", {})
    return Claim(
        name=meta["name"],
        uid=meta["uid"],
        look=read_look(obj),
        deleting="deletionTimestamp" in meta,
        created=datetime.fromisoformat(meta["creationTimestamp"]),
        provider_id=status.get("providerID", ""),
        node_name=status.get("nodeName", ""),
    )


def read_other_claim(obj: Object) -> Claim | None:
    """Read a NodeClaim without our factory label; None where nothing of it can concern us."""
    meta = obj["metadata"]
    ours = meta.get("labels", {}).get(names.LABEL_MANAGED) == names.FIELD_MANAGER
    return read_claim(obj) if ours or names.may_name_a_slot(meta["name"]) else None


def claim_annotations_of(wish: NodeSpec) -> dict[str, str]:
    """The annotations of a NodeClaim that are kept as wished.

    Which taints were set is said once, with the order, as its taints are: Karpenter copies both to the Node.
    """
    return {key: it for key, it in annotations_of(wish).items() if key != names.ANNOTATION_TAINT_KEYS}


def joined(claim: Claim, seen: Seen | None) -> Node:
    """A NodeClaim and its Node as the one node that they are.

    What it is, its NodeClaim says, and how it is, its Node; that it is out of service, either. The notes of
    its drain are on the Node, and on the NodeClaim while there is none, from which Karpenter copies them.
    """
    node = seen.node if seen else None
    look = node.look if node else None
    assert look is None or isinstance(look, NodeLook)
    its = ClaimLook(claim.look, look, node.name, node.uid) if node else ClaimLook(claim.look, None)
    kept = {key: it for key, it in claim.look.annotations.items() if key not in NOTES}
    whole = node_of(
        name=claim.name,
        uid=claim.uid,
        look=replace(claim.look, annotations={**kept, **its.notes}),
        ready=node is not None and node.ready and its.registered,
        unschedulable=node is not None and node.unschedulable,
        deleting=claim.deleting or (node is not None and node.deleting),
        created=claim.created,
    )
    since = whole.stamp.draining_since if whole.stamp else None
    return replace(
        whole,
        # What came up after its drain began was never cordoned, so nobody can have uncordoned it.
        unschedulable=whole.unschedulable or (since is not None and (node is None or node.created > since)),
        out_of_service=whole.out_of_service or (look is not None and look.out_of_service),
        look=its,
    )


def claim_body(wish: NodeSpec, mandate: Mandate) -> Object:
    """The NodeClaim of an order. Raises ApiError where its factory names no instance type for its system.

    It stands alone, in no NodePool: so nothing replaces it, and nothing but us chooses which one goes. Zone,
    region and host name are the machine's own, as its cloud labels them.
    """
    backend = wish.backend.karpenter
    types = {it.system: it.instance_type for it in backend.instance_types} if backend else {}
    if backend is None or wish.slot.system not in types:
        lacks = f"spec.backend.karpenter.instanceTypes names none for {wish.slot.system}"
        raise ApiError(422, "NoInstanceType", lacks)
    said = {names.ANNOTATION_LEADER: mandate.holder, names.ANNOTATION_TERM: str(mandate.term)}
    requests = {wish.resource: str(wish.devices)} if wish.resource else {}
    return {
        "apiVersion": NODE_CLAIM.api_version,
        "kind": NODE_CLAIM.name,
        "metadata": {
            "name": wish.slot.node_name,
            "labels": {**wish.first_labels, **own_labels_of(wish)},
            "annotations": {**annotations_of(wish), **said},
        },
        "spec": {
            "nodeClassRef": backend.node_class.model_dump(include={"group", "kind", "name"}),
            "requirements": [
                _one_of("node.kubernetes.io/instance-type", types[wish.slot.system]),
                _one_of("karpenter.sh/capacity-type", *_CAPACITY),
            ],
            "resources": {"requests": requests},
            "taints": [*map(taint_body, taints_of(wish))],
            "startupTaints": [*map(taint_body, wish.first_taints)],
            "expireAfter": "Never",
            # Should somebody else delete it, its pods have no more time than its pool gives them.
            "terminationGracePeriod": f"{wish.drain_seconds}s",
        },
    }


def claim_patch(look: NodeLook, wish: NodeSpec) -> Object:
    """What brings a NodeClaim up to date."""
    labels = look.labels_for(wish, own_labels_of(wish))
    return {"metadata": {"labels": labels, "annotations": claim_annotations_of(wish)}}


def end_patch(notes: Mapping[str, str], *, forced: bool) -> Object:
    """Note on a NodeClaim, before it is deleted, what its Node says of its drain.

    `forced` is whether its pods have had their time: then Karpenter waits for none of them.
    """
    over = {PODS_UNTIL: notes[names.ANNOTATION_DRAINING_SINCE]} if forced else {}
    return {"metadata": {"annotations": {**notes, **over}}}


def called_off_patch() -> Object:
    """Take all of that off again."""
    return {"metadata": {"annotations": dict.fromkeys((*NOTES, PODS_UNTIL))}}


def _one_of(key: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": [*values]}
