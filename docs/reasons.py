"""What conditions, labels and annotations mean, in words. A test compares the names with the code."""

from typing import Final, NamedTuple


class Reason(NamedTuple):
    """One reason of a condition."""

    kind: str
    name: str
    on: str  # the conditions that carry it
    meaning: str
    remedy: str = ""


FACTORY, POOL = "AIFactory", "GPUPool"

TYPES: Final = {
    FACTORY: {
        "Ready": "Nothing needs anybody's action, and every limit is kept.",
        "WithinLimits": "Committed power is at or below every limit in force.",
        "Certified": "It is proved how good the plan of the whole fleet is; the same on all factories.",
        "Reconciling": "Units are being released, or nodes are on their way up. Listed only while true.",
        "Stalled": "Nothing is under way, and only somebody's action helps. Listed only while true.",
    },
    POOL: {
        "Ready": "GPUs on ready nodes are at least the minimum.",
        "Placed": "Placed GPUs are at least the minimum.",
        "Provisioned": "All placed nodes exist.",
        "Reconciling": "Orders or releases are under way. Listed only while true.",
        "Stalled": "Nothing is under way, and only somebody's action helps. Listed only while true.",
    },
}

_BLOCKED = "Ready=False, Stalled"
_WAITS = "Ready=False, Placed=False, Stalled; status.waiting"

REASONS: Final = (
    Reason(
        POOL,
        "DrainTimedOut",
        "event only",
        "A node was deleted with its pods, because they did not leave within drainTimeoutSeconds.",
    ),
    Reason(
        POOL,
        "DrainCalledOff",
        "event only",
        "Nodes that were being drained are kept: their pool would only have been given new ones.",
    ),
    Reason(FACTORY, "AsPlanned", "Ready=True", "All is as planned."),
    Reason(
        FACTORY,
        "Paused",
        "Ready=True; or Ready=False and WithinLimits=False",
        "The factory is paused. Above a limit, nothing is shed.",
        "set spec.paused: false",
    ),
    Reason(FACTORY, "WithinLimits", "WithinLimits=True", "Every limit is kept."),
    Reason(
        FACTORY,
        "Shedding",
        "WithinLimits=False, Ready=False",
        "A limit fell below what is committed; units are being released.",
        "wait",
    ),
    Reason(
        FACTORY,
        "DrainBlocked",
        "Reconciling=True; above a limit also WithinLimits=False, Ready=False",
        "Units have to go, and pods on them may not be evicted yet. The message has the watts, the budget "
        "and the time left.",
        "loosen the PodDisruptionBudget, or wait for drainTimeoutSeconds",
    ),
    Reason(
        FACTORY,
        "ReleaseOverdue",
        "Ready=False, Stalled=True; above a limit also WithinLimits=False",
        "Nodes are still there 15 minutes after their drain timeout, and still count.",
        "see what holds them: a finalizer on the Node, or the backend",
    ),
    Reason(
        FACTORY,
        "OrderRefused",
        "Ready=False, Stalled or Reconciling",
        "The API server has refused nodes for a pool here, again. The message has its own words. They are "
        "tried again, at the latest every minute.",
        "see the message: an admission policy or webhook, a quota, rights",
    ),
    Reason(
        FACTORY,
        "ReleaseRefused",
        "Ready=False, Stalled=True; above a limit also WithinLimits=False",
        "The API server has refused to cordon, empty or delete a node, again. The message has its own words.",
        "see the message: an admission policy or webhook, rights",
    ),
    Reason(
        FACTORY,
        "WriteRefused",
        "Ready=False, Stalled or Reconciling; as an event where the status itself cannot be written",
        "The API server has refused a change of a node's labels and taints, or of the factory's finalizer or "
        "status, again. Without these two nothing is ordered here.",
        "see the message: an admission policy or webhook, rights",
    ),
    Reason(
        FACTORY,
        "OverLimit",
        "WithinLimits=False, Ready=False",
        "Above a limit, with nothing left that the operator may release: broken, stray or unowned nodes.",
        "remove those nodes, or raise the limit",
    ),
    Reason(
        FACTORY,
        "ResourcesGoing",
        _BLOCKED,
        "One of the operator's own resource definitions is being deleted. Nothing is changed meanwhile.",
        "see [delete](../how-to/delete.md#the-definitions)",
    ),
    Reason(
        FACTORY,
        "Unknown",
        _BLOCKED,
        "The backend cannot be listed. Nothing is changed; power counts as last seen.",
        "see the operator's log",
    ),
    Reason(
        FACTORY,
        "BackendNotSupported",
        _BLOCKED,
        "This version has no driver for spec.backend. Nothing is changed.",
        "use kwok or karpenter, or another version",
    ),
    Reason(
        FACTORY,
        "BackendNotInstalled",
        _BLOCKED,
        "The cluster does not serve what spec.backend stands on. Nothing is changed; power counts as last "
        "seen.",
        "install it: see [Karpenter](../how-to/karpenter.md)",
    ),
    Reason(
        FACTORY,
        "Deleting",
        _BLOCKED,
        "The factory was deleted while units stand there. They stay, and so does the object.",
        "set spec.drain: true",
    ),
    Reason(
        FACTORY,
        "UnknownSystem",
        _BLOCKED,
        "spec.racks names a system that neither the catalogue nor spec.systems has.",
        "add it to spec.systems",
    ),
    Reason(
        FACTORY,
        "UnknownInstance",
        _BLOCKED,
        "spec.power.limits, outOfService or maintenance names a domain instance that does not exist, perhaps "
        "no more. The rest of the spec is followed.",
        "correct the path, or take the entry out",
    ),
    Reason(
        FACTORY,
        "QuotaTooSmall",
        _BLOCKED,
        "The quota is above 0 and carries not even the smallest unit that the site has racks for. It is in "
        "force.",
        "correct the quota: 100M is 100 MW; or set it to 0 for an outage",
    ),
    Reason(
        FACTORY,
        "Stray",
        _BLOCKED,
        "Nodes carry the operator's labels and stand in no slot, or in another one than their name says. "
        "They count where their name says, and are never touched.",
        "delete these Node objects, or repair their labels",
    ),
    Reason(
        FACTORY,
        "PoolsLost",
        _BLOCKED,
        "Units stand for pools that went with their resource definition. They count, and stay.",
        "apply the pools again; or delete the Node objects",
    ),
    Reason(
        FACTORY,
        "NameTaken",
        _BLOCKED,
        "Nodes that are not the operator's have names of slots here. Other slots are used in their place, "
        "and each counts as the unit of its slot.",
        "delete or rename these Node objects",
    ),
    Reason(
        FACTORY,
        "InTheWay",
        _BLOCKED,
        "Units stand where the spec has no rack for them any more. They count, and stay.",
        "put the racks back, or take the domain out of service to move the units away",
    ),
    Reason(
        FACTORY,
        "InvalidSpec",
        _BLOCKED,
        "The API server took the spec, and the operator cannot make sense of it. Its nodes stay as they are.",
        "correct the fields that the message names",
    ),
    Reason(
        FACTORY,
        "Optimal",
        "Certified=True",
        "No plan serves more GPUs to minima, at any priority without serving fewer at a higher one.",
    ),
    Reason(
        FACTORY,
        "Bounded",
        "Certified=True",
        "The same is proved down to the priority in the message; below it, how many GPUs more at most.",
    ),
    Reason(
        FACTORY,
        "Solving",
        "Certified=False",
        "A better plan than the safe one, or what is proved about it, is being computed.",
        "wait",
    ),
    Reason(
        FACTORY,
        "SolverTimedOut",
        "Certified=False",
        "The solver was cut off after 2 minutes. The message says which plan is in use. The next change of "
        "the fleet is a new try.",
        "see the operator's log; give it more CPU",
    ),
    Reason(
        FACTORY,
        "SolverFailed",
        "Certified=False",
        "The solver's process died or made no sense, or the checker refused its plan. The message says which "
        "plan is in use. The next change of the fleet is a new try.",
        "see the operator's log; give it more memory",
    ),
    Reason(FACTORY, "Releasing", "Reconciling=True", "Units are being drained and released."),
    Reason(FACTORY, "NodesStarting", "Reconciling=True", "Nodes younger than 15 minutes are not ready yet."),
    Reason(POOL, "Ready", "Ready=True", "The pool has all the GPUs that it wants."),
    Reason(
        POOL,
        "PartlyPlaced",
        "Ready=True, Placed=True",
        "It has its minimum, and less than it wants. status.waiting says why.",
    ),
    Reason(POOL, "Placed", "Placed=True", "All GPUs that it wants are placed."),
    Reason(POOL, "Provisioned", "Provisioned=True", "All placed nodes exist."),
    Reason(
        POOL,
        "PartlyAsWished",
        "Provisioned=True",
        "All placed nodes exist. The message has what a site does not grant: labels, taints that evict, time "
        "to leave.",
        "take it out of the spec, or ask the site's team for it",
    ),
    Reason(
        POOL,
        "Preemption",
        "event only",
        "Nodes begin to drain, because a pool of higher priority needs their room.",
    ),
    Reason(
        POOL,
        "PowerLimit",
        "event only",
        "Nodes begin to drain, because a limit above some of the pool's nodes is exceeded.",
    ),
    Reason(
        POOL,
        "DrainBlocked",
        "Reconciling=True",
        "Units are being released, and pods on them may not be evicted yet. The message has the budget and "
        "the time left.",
        "loosen the PodDisruptionBudget, or wait for drainTimeoutSeconds",
    ),
    Reason(
        POOL,
        "ReleaseOverdue",
        "Stalled=True, where Ready=False",
        "Nodes of the pool are still there 15 minutes after their drain timeout, and keep it from going on.",
        "see what holds them: a finalizer on the Node, or the backend",
    ),
    Reason(
        POOL,
        "OrderRefused",
        "Ready, Provisioned=False; Reconciling, after three tries Stalled",
        "The API server has refused the pool's nodes, again. The message has its own words. They are tried "
        "again, at the latest every minute. A pool that may stand elsewhere goes there after three tries.",
        "see the message: an admission policy or webhook, a quota, rights",
    ),
    Reason(
        POOL,
        "ReleaseRefused",
        "Reconciling=True; Stalled=True, where Ready=False",
        "The API server has refused to cordon, empty or delete a node of the pool, again.",
        "see the message: an admission policy or webhook, rights",
    ),
    Reason(
        POOL,
        "WriteRefused",
        "Ready, Provisioned=False; Reconciling or Stalled; as an event where the status cannot be written",
        "The API server has refused a write that the pool waits for, again: of its own finalizer, of the "
        "labels and taints of its nodes, or of its factory's finalizer or status.",
        "see the message: an admission policy or webhook, rights",
    ),
    Reason(
        POOL,
        "InsufficientPower",
        _WAITS,
        "Power is short. The message names the limit, the watts that are short, and the smallest change "
        "found that would free the pool.",
        "raise the limit, or free power below it",
    ),
    Reason(
        POOL,
        "InsufficientUnits",
        _WAITS,
        "Racks or nodes are short, perhaps with power.",
        "free units there, or widen spec.systems, topology or factories",
    ),
    Reason(
        POOL,
        "NeverFits",
        _WAITS,
        "Its topology would not find enough slots even if nothing else stood there, or no factory has racks "
        "of its systems. Power has no part in it.",
        "ask for less, or change spec.topology, systems or factories",
    ),
    Reason(
        POOL,
        "NoSuchFactory",
        _WAITS,
        "No factory matches spec.factories.",
        "correct spec.factories, or add the factory",
    ),
    Reason(
        POOL,
        "UnknownSystem",
        _WAITS,
        "No factory that may take it knows its systems, or no power figure is known for them.",
        "correct spec.systems, or define the system with maxWatts in the factory",
    ),
    Reason(
        POOL,
        "OutOfService",
        _WAITS,
        "All racks for it are out of service, draining, or in factories that cannot be driven.",
        "bring a domain back, or widen spec.factories",
    ),
    Reason(
        POOL,
        "Paused",
        f"{_WAITS}; Provisioned=False",
        "The pool, or every factory that has racks for it, is paused.",
        "set spec.paused: false",
    ),
    Reason(
        POOL,
        "Planning",
        "Ready=False, Placed=False, Reconciling; status.waiting",
        "A better plan for the whole fleet is being computed, and nothing of the pool is placed before that. "
        "The message says when it is decided on without one. Where a plan takes a moment nothing is said.",
    ),
    Reason(
        POOL,
        "Ordering",
        "Reconciling=True, Provisioned=False",
        "Nodes are ordered, or wait for room that is being vacated.",
    ),
    Reason(
        POOL,
        "Releasing",
        "Reconciling=True; Ready=False, Placed=False",
        "Units are being drained and released.",
    ),
    Reason(
        POOL,
        "NodesStarting",
        "Ready=False, Reconciling=True",
        "The nodes exist, and too few of them are ready yet.",
    ),
    Reason(
        POOL,
        "NodesNotReady",
        "Ready=False, Stalled",
        "Nodes are not ready after 15 minutes.",
        "look at these nodes; mark broken ones out of service",
    ),
    Reason(
        POOL,
        "NodesCordoned",
        "Ready=False, Stalled",
        "Too few nodes take new pods: some are ready, but somebody cordoned or labelled them.",
        "kubectl uncordon, or take the label off",
    ),
    Reason(POOL, "NothingPlaced", "Provisioned=False", "No unit is placed, so there is no node."),
    Reason(
        POOL,
        "KeepsOldPlace",
        "Placed=True",
        "The spec has changed, and no place fits all that the pool has and still wishes for. It stays.",
        "free room, or take the change back",
    ),
    Reason(
        POOL,
        "NoLongerMatches",
        "Placed=True",
        "The factory changed under the pool. What stands stays; new units would not go there.",
    ),
    Reason(
        POOL,
        "InTheWay",
        "Provisioned=False, Stalled",
        "Units have lost nodes or have to go, and the factory's spec has no rack there any more.",
        "correct the factory's spec",
    ),
    Reason(
        POOL,
        "Unknown",
        "Provisioned=False, Stalled",
        "Units have lost nodes or have to go in a factory whose backend cannot be listed.",
        "see the operator's log",
    ),
    Reason(POOL, "Deleting", "Ready=False", "The pool is being deleted; its units are being released."),
    Reason(
        POOL,
        "InvalidSpec",
        "Ready=False, Stalled",
        "The API server took the spec, and the operator cannot make sense of it. Its nodes stay as they are.",
        "correct the fields that the message names",
    ),
)

# Words of the decision that look like reasons and are none.
WORDS: Final = frozenset(
    {
        *("AIFactory", "GPUPool", "True", "False", "Plan", "World", "Decision", "Given"),
        *("Standing", "Leaving", "Held", "Spec", "Slots"),
        *("Order", "Release", "Update", "Status", "Finalizer"),
        *("Training", "Inference", "DataProcessing"),
        *("NoExecute", "Numbers"),
        *("Domain", "Fabric", "Factory", "None", "Rack", "Gross"),
    }
)

# By constant in aifactory.api.names.
NODE_KEYS: Final = {
    "LABEL_MANAGED": "`aifactory` on every node that the operator ordered.",
    "LABEL_FACTORY": "Name of the factory. A node without it is not the operator's.",
    "LABEL_DOMAIN": "The domain instance, its `/` as `.`; above 63 characters a prefix and a hash. The first "
    "of several is written without a number: `hall` is what people read as `hall-1`.",
    "LABEL_FABRIC": "The fabric's domain instance, in the same form.",
    "LABEL_SYSTEM": "Name of the accelerator system.",
    "LABEL_RACK": "Rack in its group, from 1.",
    "LABEL_SLOT": "Slot in the rack, from 1.",
    "LABEL_POOL": "Name of the pool. Missing on a node that is out of service and drained: nobody owns it.",
    "LABEL_POOL_NAMESPACE": "Namespace of the pool.",
    "LABEL_OUT_OF_SERVICE": "Set it to `true` by hand on a broken node: its unit is drained, and its slot "
    "stays shut until the label goes.",
    "ANNOTATION_PATH": "The full path of the domain instance.",
    "ANNOTATION_FABRIC": "The full path of the fabric.",
    "ANNOTATION_WATTS": "IT watts of the whole unit, with overhead, as they were when it was ordered.",
    "ANNOTATION_GPUS": "GPUs of the whole unit.",
    "ANNOTATION_NODES": "Nodes of the whole unit.",
    "ANNOTATION_PLACED_UNDER": "Stamp of the pool's spec that it was placed under: tells an edit of the pool "
    "from one of the factory.",
    "ANNOTATION_DRAINING_SINCE": "When it was cordoned. `drainTimeoutSeconds` counts from here.",
    "ANNOTATION_DRAINING_FOR": "Why: `OutOfService` (a drained factory, a domain or unit out of service), "
    "`PowerLimit` (its pool stood under an exceeded limit), `Preemption`, or `Spec` (the pool was deleted, "
    "scaled down or moved by its own spec).",
    "ANNOTATION_CORDONED_BEFORE": "`true` where somebody had cordoned the node before its drain began: that "
    "cordon stays where the drain is called off.",
    "ANNOTATION_LABEL_KEYS": "Keys of `spec.nodeLabels` that the operator set.",
    "ANNOTATION_TAINT_KEYS": "Keys of `spec.nodeTaints` that the operator set.",
    "ANNOTATION_LEADER": "Identity of the leader that ordered it. The API server compares it with the Lease.",
    "ANNOTATION_TERM": "The term that it was ordered in: the Lease's transitions. It is compared likewise.",
    "TAINT_TENANT": "The pool's namespace, effect NoSchedule: keeps pods of others away. Not where the "
    "factory has `sharedNodes: true`.",
    "FINALIZER": "On factories and pools: they go after their last node.",
}
