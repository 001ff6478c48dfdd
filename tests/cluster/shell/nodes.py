"""Orders for nodes, and a look at what has come of them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from aifactory.api import names
from aifactory.backends import Backend
from aifactory.decide.plan import NodeWish, Order
from aifactory.decide.wish import annotations_of
from aifactory.decide.world import Node, PoolKey, Slot
from aifactory.shell.client import ApiError
from unit.shell.made import STAMP


def order(site: str, slot: int = 1, *, labels: dict[str, str] | None = None) -> Order:
    """An order for a node with eight GPUs, for the pool ns/llm."""
    place = Slot(site, "row", "hgx-h100", 1, slot)
    stamp = replace(STAMP, slot=place, fabric="row", unit_watts=10_200, unit_gpus=8, unit_nodes=1)
    said = {
        names.LABEL_MANAGED: names.FIELD_MANAGER,
        names.LABEL_FACTORY: site,
        names.LABEL_SYSTEM: place.system,
        names.LABEL_RACK: str(place.rack),
        names.LABEL_SLOT: str(place.slot),
        names.LABEL_POOL: "llm",
        names.LABEL_POOL_NAMESPACE: "ns",
    }
    wish = NodeWish(place, said | (labels or {}), annotations_of(stamp), (), "nvidia.com/gpu", 8)
    return Order(wish, PoolKey("ns", "llm"))


async def seen(driver: Backend, site: str) -> dict[int, Node]:
    """The nodes of a factory by slot."""
    nodes = (await driver.observe()).get(site, ())
    return {node.stamp.slot.slot: node for node in nodes if node.stamp}


async def made(write: Callable[[], Awaitable[None]]) -> None:
    """Make a write as cycles do: once more where somebody else's came between what it read and it."""
    for _ in range(10):
        try:
            return await write()
        except ApiError as error:
            if error.status != 409:
                raise
    raise AssertionError("somebody else writes all the time")
