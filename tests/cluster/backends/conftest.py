"""Every driver in turn. A new one is one more bed."""

import secrets
from collections.abc import Iterator
from typing import Final

import pytest

from aifactory.api import names
from aifactory.backends import Backend
from aifactory.shell.client import KubernetesClient
from cluster.backends.bed import Bed
from cluster.backends.on_karpenter import OnKarpenter
from cluster.backends.on_kwok import OnKwok
from cluster.operating import delete_nodes
from controlplane import Kubectl

# Each driver's bed, and the fixtures that have to be up for it.
BEDS: Final[dict[str, tuple[Bed, tuple[str, ...]]]] = {
    "kwok": (OnKwok(), ()),
    "karpenter": (OnKarpenter(), ("karpenter",)),
}


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.long] if needed else []) for name, (_, needed) in BEDS.items()
    ]
)
def bed(request: pytest.FixtureRequest) -> Bed:
    """One driver's bed."""
    bed, needed = BEDS[request.param]
    for fixture in needed:
        request.getfixturevalue(fixture)
    return bed


@pytest.fixture
def driver(bed: Bed, client: KubernetesClient) -> Backend:
    """The driver of this bed."""
    return bed.driver(client)


@pytest.fixture
def site(bed: Bed, kubectl: Kubectl) -> Iterator[str]:
    """The name of a factory of the test's own. Its nodes go afterwards."""
    name = f"test-{secrets.token_hex(4)}"
    yield name
    selector = f"{names.LABEL_FACTORY}={name}"
    if bed.kind != "nodes":
        kubectl("delete", bed.kind, f"--selector={selector}", "--wait=false")
    delete_nodes(kubectl, selector)
