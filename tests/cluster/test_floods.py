"""One tenant's thousand wishes do not hold up another one's single wish."""

from collections.abc import Iterator

import pytest
import yaml

from cluster.operating import FACTORIES, POOLS, Start, a_namespace, apply, condition, nodes_of, pool
from cluster.reading import get, read
from controlplane import Kubectl, wait_until

MANY = 250


@pytest.fixture
def crowd(kubectl: Kubectl, namespace: str) -> Iterator[str]:
    """A namespace whose name comes before the other tenant's."""
    with a_namespace(kubectl, f"a-{namespace}") as name:
        yield name
        kubectl("delete", POOLS, "--all", f"--namespace={name}", "--wait=false")


@pytest.mark.long
def test_a_flood_of_wishes_that_cannot_be_served_holds_up_nobody_else(
    start: Start, kubectl: Kubectl, site: str, crowd: str
) -> None:
    operator = start(pace={})  # at its own pace
    wait_until(lambda: condition(read(kubectl, FACTORIES, site), "Ready"), "the factory is seen")
    spread = {"spread": {"over": "Domain", "domain": "row", "atLeast": 3}}
    flood = [
        pool(f"flood-{n:03}", crowd, 6000 + 8 * n, site, priority=-n, topology=spread) for n in range(MANY)
    ]
    kubectl("create", "--filename=-", stdin=yaml.safe_dump_all(flood))
    apply(kubectl, pool("llm", site, 16, site, priority=1000))

    wait_until(
        lambda: condition(read(kubectl, POOLS, "llm", site), "Placed").get("status") == "True", "placed"
    )
    told = sum("status" in it for it in get(kubectl, POOLS, crowd))
    assert told < MANY
    assert len(nodes_of(kubectl, "llm", site)) == 2

    # And each of the others hears why it waits, without a finalizer that nobody needs.
    wait_until(
        lambda: all("waiting" in it.get("status", {}) for it in get(kubectl, POOLS, crowd)),
        "all are told",
    )
    assert not any(it["metadata"].get("finalizers") for it in get(kubectl, POOLS, crowd))
    assert operator.leads()
