"""What stands of a NodeClaim."""

from aifactory.api import names
from cluster.machines import CLAIMS
from cluster.operating import Object
from cluster.reading import get, read
from controlplane import Kubectl, wait_until


def claims_in(kubectl: Kubectl, site: str) -> list[Object]:
    """The NodeClaims of a factory."""
    return get(kubectl, CLAIMS, selector=f"{names.LABEL_FACTORY}={site}")


def machine_of(kubectl: Kubectl, claim: str) -> Object:
    """The Node of a NodeClaim, once Karpenter has taken it on and it is ready."""

    def initialized() -> bool:
        conditions = read(kubectl, CLAIMS, claim).get("status", {}).get("conditions", ())
        return any(it["type"] == "Initialized" and it["status"] == "True" for it in conditions)

    wait_until(initialized, f"{claim} is initialized")
    return read(kubectl, "node", read(kubectl, CLAIMS, claim)["status"]["nodeName"])


def condition(obj: Object, kind: str) -> str:
    """The status of a condition; empty where there is none."""
    conditions = obj.get("status", {}).get("conditions", ())
    return next((str(it["status"]) for it in conditions if it["type"] == kind), "")
