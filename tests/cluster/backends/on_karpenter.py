"""The Karpenter driver's test bed: the real Karpenter, with the provider that makes Nodes for kwok."""

from dataclasses import replace
from typing import Any

from aifactory.api.backend import Backend as Spec
from aifactory.backends import Backend
from aifactory.backends.karpenter import Karpenter
from aifactory.decide.model.plan import Order
from aifactory.shell.client import KubernetesClient
from cluster.machines import CLAIMS, GROUP, backend
from cluster.reading import read
from cluster.shell.nodes import order
from controlplane import Kubectl, wait_until


class OnKarpenter:
    """Machines that Karpenter launches."""

    kind = CLAIMS

    def driver(self, client: KubernetesClient) -> Backend:
        return Karpenter(client)

    def order(self, site: str, slot: int = 1, **wish: Any) -> Order:
        return order(site, slot, **{"backend": Spec.model_validate(backend()), **wish})

    def stillborn(self, client: KubernetesClient, site: str, slot: int = 1) -> tuple[Backend, Order]:
        wanted = self.order(site, slot)
        slow = replace(wanted.spec, backend=Spec.model_validate(backend("slow")))
        return Karpenter(client), replace(wanted, spec=slow)

    def stranger(self, name: str) -> dict[str, Any]:
        types = {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["gb200-4x"]}
        node_class = {"group": GROUP, "kind": "KWOKNodeClass", "name": "default"}
        return {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodeClaim",
            "metadata": {"name": name},
            "spec": {"nodeClassRef": node_class, "requirements": [types]},
        }

    def machine(self, kubectl: Kubectl, name: str) -> str:
        # Its Node may be ready before its NodeClaim says which one it is.
        def node() -> str:
            return str(read(kubectl, CLAIMS, name).get("status", {}).get("nodeName", ""))

        return wait_until(node, f"{name} says which its Node is")
