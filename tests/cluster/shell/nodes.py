"""Orders for nodes, and a look at what has come of them."""

from collections.abc import Awaitable, Callable
from typing import Any

from aifactory.backends import Backend
from aifactory.decide.model.plan import Order
from aifactory.decide.model.world import Node, PoolKey, Slot
from aifactory.shell.client import ApiError
from unit.shell.made import wish_of


def order(site: str, slot: int = 1, **wish: Any) -> Order:
    """An order for a node with eight GPUs, for the pool ns/llm."""
    pool = PoolKey("ns", "llm")
    return Order(wish_of(Slot(site, "row", "hgx-h100", 1, slot), stamp={"pool": pool}, **wish), pool)


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
