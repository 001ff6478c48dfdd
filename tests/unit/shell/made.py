"""An ordered node, as it is made for tests."""

import json
from dataclasses import replace
from typing import Any

from aifactory.api.backend import Backend, Kwok
from aifactory.backends.kwok import node_body
from aifactory.backends.port import Mandate
from aifactory.decide.model.world import NodeSpec, PoolKey, Slot, Stamp, Taint

SLOT = Slot("dfw-1", "hall-2/row-5", "gb200-nvl72", 3, 18)
STAMP = Stamp(
    slot=SLOT,
    pool=PoolKey("research", "llm"),
    fabric="hall-2",
    unit_watts=150_480,
    unit_gpus=72,
    unit_nodes=18,
    placed_under="abc",
)
WISH = NodeSpec(
    stamp=STAMP,
    labels={"team": "nlp"},
    taints=(Taint("dedicated", "llm", "NoSchedule"),),
    region="",
    shared=True,
    resource="nvidia.com/gpu",
    devices=4,
    first_labels={},
    first_taints=(),
    backend=Backend(kwok=Kwok()),
    drain_seconds=600,
)


def wish_of(slot: Slot, **more: Any) -> NodeSpec:
    """The wish for a node of eight GPUs in a slot, of a pool without wishes of its own."""
    stamp = replace(STAMP, slot=slot, fabric=slot.path, unit_watts=10_200, unit_gpus=8, unit_nodes=1)
    wish = replace(WISH, stamp=replace(stamp, **more.pop("stamp", {})), labels={}, taints=(), devices=8)
    return replace(wish, **more)


def created(*, ready: bool | None = None, **meta: Any) -> dict[str, Any]:
    """An ordered node, as the API server hands it out."""
    obj = node_body(WISH, Mandate("leader-1", 3))
    obj["metadata"] |= {"uid": "u-1", "creationTimestamp": "2026-11-24T08:00:00Z", **meta}
    if ready is not None:
        obj["status"]["conditions"] = [
            {"type": "MemoryPressure", "status": "False"},
            {"type": "Ready", "status": "True" if ready else "Unknown"},
        ]
    return json.loads(json.dumps(obj))  # type: ignore[no-any-return]
