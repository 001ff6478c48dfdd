"""What Karpenter launches in tests: instance types with GPUs, and the node classes of its kwok provider."""

from typing import Any, Final

Object = dict[str, Any]
CLAIMS: Final = "nodeclaims.karpenter.sh"
GROUP: Final = "karpenter.kwok.sh"
CLASSES: Final = f"kwoknodeclasses.{GROUP}"


def _type(name: str, gpus: int) -> Object:
    """An instance type, to be had on demand and as spot, which is cheaper."""
    return {
        "name": name,
        "architecture": "amd64",
        "operatingSystems": ["linux"],
        "resources": {"cpu": "128", "memory": "2Ti", "pods": "110", "nvidia.com/gpu": str(gpus)},
        "offerings": [
            {
                "Price": price,
                "Available": True,
                "Requirements": [
                    {"key": "karpenter.sh/capacity-type", "operator": "In", "values": [capacity]},
                    {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["zone-a"]},
                ],
            }
            for capacity, price in (("spot", 1.0), ("on-demand", 3.0))
        ],
    }


TYPES: Final = (_type("h100-8x", 8), _type("gb200-4x", 4))
SYSTEMS: Final = {"hgx-h100": "h100-8x", "gb200-nvl72": "gb200-4x"}


def backend(node_class: str = "default", **types: str) -> Object:
    """`spec.backend` of a factory with machines of a node class; `types` by system, for others than usual."""
    listed = [{"system": system, "instanceType": it} for system, it in (types or SYSTEMS).items()]
    return {
        "karpenter": {
            "nodeClass": {"group": GROUP, "kind": "KWOKNodeClass", "name": node_class},
            "instanceTypes": listed,
        }
    }


def node_class(name: str, delay: str = "") -> Object:
    """A node class of Karpenter's kwok provider. A machine registers its Node after the delay."""
    spec = {"nodeRegistrationDelay": delay} if delay else {}
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "KWOKNodeClass",
        "metadata": {"name": name},
        "spec": spec,
    }
