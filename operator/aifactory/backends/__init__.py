"""What provisions nodes: one driver for each kind of `spec.backend`."""

from collections.abc import Mapping

from aifactory.backends.karpenter import Karpenter
from aifactory.backends.kwok import Kwok
from aifactory.backends.port import Backend, Client, Mandate


def drivers(client: Client) -> Mapping[str, Backend]:
    """The drivers of this version, by their kind in `spec.backend`."""
    return {"kwok": Kwok(client), "karpenter": Karpenter(client)}


__all__ = ["Backend", "Client", "Mandate", "drivers"]
