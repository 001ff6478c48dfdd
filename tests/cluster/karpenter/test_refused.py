"""What cannot be launched is asked for in vain, and said: the operator on the real Karpenter."""

import json

import pytest

from cluster.karpenter.seeing import claims_in
from cluster.machines import backend
from cluster.operating import POOLS, Operator, apply, condition, factory, pool, settled
from cluster.reading import read
from controlplane import Kubectl, wait_until

pytestmark = pytest.mark.long


def test_what_karpenter_gives_up_is_asked_for_more_slowly_and_told(
    kubectl: Kubectl, operator: Operator, tenant: str
) -> None:
    namespace = tenant
    apply(kubectl, factory(namespace, rows=1, backend=backend("none-such")))
    apply(kubectl, pool("llm", namespace, 8, namespace))

    def told() -> bool:
        obj = read(kubectl, POOLS, "llm", namespace)
        return settled(obj) and "gives NodeClaims for hgx-h100" in json.dumps(obj["status"])

    wait_until(told, "the pool says that Karpenter gives up")
    assert condition(read(kubectl, POOLS, "llm", namespace), "Ready")["status"] == "False"


def test_a_system_that_has_no_instance_type_is_told(
    kubectl: Kubectl, operator: Operator, tenant: str
) -> None:
    namespace = tenant
    site = factory(namespace, rows=1, backend=backend(**{"gb200-nvl72": "gb200-4x"}))
    apply(kubectl, site)
    apply(kubectl, pool("llm", namespace, 8, namespace))

    def told() -> bool:
        obj = read(kubectl, POOLS, "llm", namespace)
        return "instanceTypes names none for hgx-h100" in json.dumps(obj.get("status"))

    wait_until(told, "the pool says which field lacks what")
    assert claims_in(kubectl, namespace) == []
