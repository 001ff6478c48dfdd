"""A real cluster at rest before the judges of the simulated one: whether the rules let it rest so.

They count with code of their own: that no limit is exceeded where somebody could still give way, that nobody
waits whom free room or lower pools would serve, and that statuses and conditions say what is.
"""

from datetime import UTC, datetime

from aifactory.api.factory import AIFactory
from aifactory.api.meta import ObjectMeta
from aifactory.api.pool import GPUPool
from aifactory.api.reading import Invalid, parse_factory, parse_pool
from aifactory.backends.nodes import read_look, read_node
from aifactory.decide.model.standing import known_stamps
from aifactory.decide.model.world import Refused
from cluster.operating import FACTORIES, POOLS, Object
from cluster.reading import get
from controlplane import Kubectl
from unit.decide.judge import judge_settled
from unit.decide.state import Fault, Labelled, State


def judged(kubectl: Kubectl) -> str:
    """What is wrong with a cluster at rest; empty where nothing is."""
    try:
        judge_settled(seen(kubectl))
    except Fault as fault:
        return str(fault)
    return ""


def seen(kubectl: Kubectl) -> State:
    """All that exists, as the judges read it."""
    state = State(now=datetime.now(UTC))
    for obj in (*get(kubectl, FACTORIES), *get(kubectl, POOLS)):
        meta = obj["metadata"]
        path = f"{meta['namespace']}/{meta['name']}" if "namespace" in meta else meta["name"]
        state.statuses[path] = obj.get("status", {})
        it = _read(obj)
        if isinstance(it, Refused):
            state.refused[path] = it
        else:
            state.store(path, it)
    for obj in get(kubectl, "nodes", selector="aifactory.dev/factory"):
        node = _labelled(obj)
        state.nodes[node.name] = node
        pool = state.pools.get(str(node.stamp.pool)) if node.stamp else None
        if node.stamp and pool:
            suits = node.stamp.placed_under in known_stamps(pool)
            spec = pool.spec if suits else pool.spec.model_copy(update={"systems": ()})
            state.placed_for[node.name] = spec
    return state


def _labelled(obj: Object) -> Labelled:
    node, look = read_node(obj), read_look(obj)
    return Labelled(
        name=node.name,
        uid=node.uid,
        ready=node.ready,
        unschedulable=node.unschedulable,
        deleting=node.deleting,
        created=node.created,
        labels=look.labels,
        annotations=look.annotations,
        taints=look.taints,
    )


def _read(obj: Object) -> AIFactory | GPUPool | Refused:
    try:
        return parse_factory(obj) if obj["kind"] == "AIFactory" else parse_pool(obj)
    except Invalid as error:
        return Refused(obj["kind"], ObjectMeta.model_validate(obj["metadata"]), str(error))
