"""An ordered node, as it is made for tests."""

import json
from typing import Any

from aifactory.api import names
from aifactory.backends.kwok import node_body
from aifactory.backends.port import Mandate
from aifactory.decide.plan import NodeWish
from aifactory.decide.wish import annotations_of
from aifactory.decide.world import PoolKey, Slot, Stamp, Taint

SLOT = Slot("dfw-1", "hall-2/row-5", "gb200-nvl72", 3, 18)
STAMP = Stamp(
    SLOT, PoolKey("research", "llm"), "hall-2", 150_480, 72, 18, "abc", None, "", ("team",), ("dedicated",)
)
WISH = NodeWish(
    slot=SLOT,
    labels={
        names.LABEL_FACTORY: "dfw-1",
        names.LABEL_SYSTEM: "gb200-nvl72",
        names.LABEL_RACK: "3",
        names.LABEL_SLOT: "18",
        names.LABEL_POOL: "llm",
        names.LABEL_POOL_NAMESPACE: "research",
        "team": "nlp",
    },
    annotations=annotations_of(STAMP),
    taints=(Taint("dedicated", "llm", "NoSchedule"),),
    resource="nvidia.com/gpu",
    devices=4,
)


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
