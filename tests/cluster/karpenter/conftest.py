"""NodeClaims as the driver makes them, and what the real Karpenter does with them."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aifactory.api import names
from aifactory.api.backend import Backend
from aifactory.backends import Mandate
from aifactory.backends.claims import claim_body
from cluster.machines import CLAIMS, backend
from cluster.operating import Object, installed
from cluster.shell.nodes import order
from controlplane import Cluster, Kubectl, Process

Claim = Callable[..., Object]


@pytest.fixture
def site() -> str:
    """The name of a factory of the test's own. Nobody needs the object here."""
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def kubeconfig(
    cluster: Cluster, kubectl: Kubectl, karpenter: Process, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A kubeconfig with the operator's own rights, and those on NodeClaims, under its policies."""
    with installed(cluster, kubectl, tmp_path_factory.mktemp("operator"), "karpenter") as path:
        yield path
        kubectl("delete", CLAIMS, f"--selector={names.LABEL_FACTORY}", "--wait=false")


@pytest.fixture
def claim(karpenter: Process, kubectl: Kubectl, site: str) -> Iterator[Claim]:
    """`claim(slot, node_class=..., **wish)` gives an order's body; what was made of it goes afterwards."""

    def body(slot: int = 1, *, node_class: str = "default", drain_seconds: int = 600, **wish: Any) -> Object:
        told = Backend.model_validate(backend(node_class))
        wanted = replace(order(site, slot, **wish).spec, backend=told, drain_seconds=drain_seconds)
        return claim_body(wanted, Mandate("leader-1", 3))

    yield body
    mine = f"--selector={names.LABEL_FACTORY}={site}"
    kubectl("delete", CLAIMS, mine, "--wait=false")
