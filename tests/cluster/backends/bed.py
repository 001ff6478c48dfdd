"""What a driver has to bring along so that all that is asked of drivers can be tried on it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from aifactory.backends import Backend
from aifactory.backends.port import ApiError
from aifactory.decide.model.plan import Order
from aifactory.decide.model.world import Node
from aifactory.shell.client import KubernetesClient
from controlplane import Kubectl
from controlplane.waiting import PATIENCE

T = TypeVar("T")


class Bed(Protocol):
    """One driver's test bed."""

    kind: str
    """What an order makes, as kubectl names it."""

    def driver(self, client: KubernetesClient) -> Backend:
        """The driver, started this moment."""

    def order(self, site: str, slot: int = 1, **wish: Any) -> Order:
        """An order that it can carry out, for a node of 8 GPUs of the pool ns/llm."""

    def stillborn(self, client: KubernetesClient, site: str, slot: int = 1) -> tuple[Backend, Order]:
        """An order, and a driver, whose node never comes up."""

    def stranger(self, name: str) -> dict[str, Any]:
        """An object of somebody else's that takes a name."""

    def machine(self, kubectl: Kubectl, name: str) -> str:
        """The name of the Kubernetes Node that stands for a node that is up."""


def now() -> datetime:
    """The time, as a cluster tells it: to the second."""
    return datetime.now(UTC).replace(microsecond=0)


async def seen(driver: Backend, site: str) -> Mapping[int, Node]:
    """The nodes of a factory by slot."""
    nodes = (await driver.observe()).get(site, ())
    return {node.stamp.slot.slot: node for node in nodes if node.stamp}


async def until(condition: Callable[[], Awaitable[T]], what: str) -> T:
    """Wait until a condition gives something true, and return that. Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + PATIENCE
    while not (result := await condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE:g} s: {what}")
        await asyncio.sleep(0.1)
    return result


async def up(driver: Backend, site: str, *slots: int) -> Mapping[int, Node]:
    """Wait until the nodes of these slots are ready, and return all of the factory."""

    async def ready() -> Mapping[int, Node]:
        nodes = await seen(driver, site)
        return nodes if all(slot in nodes and nodes[slot].ready for slot in slots) else {}

    return await until(ready, f"slots {slots} are ready")


async def gone(driver: Backend, site: str, *slots: int) -> Mapping[int, Node]:
    """Wait until nothing stands in these slots any more, and return what is left."""

    async def left() -> list[Mapping[int, Node]]:
        nodes = await seen(driver, site)
        return [] if set(slots) & nodes.keys() else [nodes]

    (nodes,) = await until(left, f"slots {slots} are empty")
    return nodes


async def made(write: Callable[[Node], Awaitable[None]], driver: Backend, site: str, slot: int = 1) -> Node:
    """Look, and make a write, as cycles do: again where the world has changed between the two.

    Gives the node as it was when the write was made.
    """
    for _ in range(20):
        node = (await seen(driver, site))[slot]
        try:
            await write(node)
        except ApiError as error:
            if error.status != 409:
                raise
        else:
            return node
    raise AssertionError("somebody else writes all the time")
