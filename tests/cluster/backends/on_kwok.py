"""The kwok driver's test bed."""

from typing import Any

from aifactory.backends import Backend
from aifactory.backends.kwok import KWOK, Kwok
from aifactory.backends.port import Kind, Object
from aifactory.decide.model.plan import Order
from aifactory.shell.client import KubernetesClient
from cluster.shell.nodes import order
from controlplane import Kubectl


class OnKwok:
    """Nodes that kwok plays."""

    kind = "nodes"

    def driver(self, client: KubernetesClient) -> Backend:
        return Kwok(client)

    def order(self, site: str, slot: int = 1, **wish: Any) -> Order:
        return order(site, slot, **wish)

    def stillborn(self, client: KubernetesClient, site: str, slot: int = 1) -> tuple[Backend, Order]:
        return Kwok(_Unplayed(client.config)), self.order(site, slot)

    def stranger(self, name: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}

    def machine(self, kubectl: Kubectl, name: str) -> str:
        return name


class _Unplayed(KubernetesClient):
    """Creates nodes that nobody plays the kubelet of."""

    async def create(self, kind: Kind, body: Object) -> Object:
        for key in KWOK:
            del body["metadata"]["annotations"][key]
        return await super().create(kind, body)
