"""Statuses as large as they get: the API server takes them, and they are read back."""

from datetime import UTC, datetime

import pytest
import yaml

from aifactory.api.reading import parse_factory, parse_pool
from aifactory.decide import World, decide
from aifactory.decide.model.world import claims_of
from cluster.operating import POOLS, Object, apply, factory, pool
from cluster.reading import read
from controlplane import Kubectl


@pytest.fixture
def cabinets(crds: None, namespace: str) -> Object:
    """A factory of 4,097 cabinets of one node each."""
    site = factory(namespace)
    site["spec"]["power"] |= {"quota": "400M", "domains": [{"path": "row", "count": 4097, "limit": "45k"}]}
    site["spec"]["racks"] = [{"domain": "row", "system": "hgx-h100", "count": 1, "nodesPerRack": 1}]
    return site


@pytest.mark.parametrize("case", ["placements", "names"])
def test_the_api_server_takes_the_largest_statuses(
    kubectl: Kubectl, namespace: str, cabinets: Object, case: str
) -> None:
    wish = pool("big", namespace, 8 * 4097, namespace)
    if case == "names":
        wish["spec"]["factories"] = {"names": [f"site-{n:02}-{'x' * 32}" for n in range(64)]}
    apply(kubectl, wish)
    stored = read(kubectl, POOLS, "big", namespace)
    big = parse_pool(stored)
    plan = decide(World(factories=(parse_factory(cabinets),), pools=(big,)), datetime.now(UTC), acting=False)
    (status,) = (write.status for write in plan.statuses if write.kind == "GPUPool")
    body = {key: stored[key] for key in ("apiVersion", "kind")}
    body |= {"metadata": {"name": "big", "namespace": namespace}, "status": dict(status)}
    kubectl(
        *("apply", "--server-side", "--subresource=status", "--field-manager=test", "--filename=-"),
        stdin=yaml.safe_dump(body),
    )
    back = parse_pool(read(kubectl, POOLS, "big", namespace))
    assert back.status == type(back.status).model_validate(status)
    assert len(claims_of(back)) == (4097 if case == "placements" else 0)
