"""The steps that drivers share: what they do to the Nodes and pods of a cluster."""

from collections.abc import Iterable, Sequence
from typing import Final

from aifactory.backends.nodes import read_pod
from aifactory.backends.port import POD, Client, Kind, Object
from aifactory.decide.model.plan import Evict
from aifactory.decide.model.world import Pod

# Up to so many draining nodes are asked for their pods one by one; above it one LIST of all pods is cheaper.
FEW_NODES: Final = 100


async def pods_on(client: Client, nodes: Iterable[str]) -> list[Pod]:
    """The pods that have to leave the Nodes of these names."""
    wanted = set(nodes)
    fields = [f"spec.nodeName={name}" for name in sorted(wanted)]
    if len(wanted) > FEW_NODES:
        fields = ["spec.nodeName!="]
    found = [pod for field in fields for pod in await client.read_all(POD, read_pod, fields=field)]
    return [pod for pod in found if pod is not None and pod.node in wanted]


async def evict_pod(client: Client, evict: Evict) -> None:
    """Ask a pod to leave."""
    await client.evict(evict.pod.namespace, evict.pod.name, evict.pod.uid)


async def kill_pods(client: Client, pods: Sequence[Pod]) -> None:
    """Delete pods that are left when their node goes."""
    for pod in pods:
        await client.kill(pod.namespace, pod.name, pod.uid)


async def patch_same(
    client: Client, kind: Kind, name: str, change: Object, *, uid: str, version: str = ""
) -> Object:
    """Patch the very object that was observed; one of the same name that came later answers 409."""
    meta = change.setdefault("metadata", {})
    meta["uid"] = uid
    if version:
        meta["resourceVersion"] = version
    return await client.patch(kind, name, change)
