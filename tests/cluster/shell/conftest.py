"""A client and a factory, with no operator at work."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import yaml

from aifactory.api import names
from aifactory.backends import Backend, drivers
from aifactory.shell.client import FACTORY, KubernetesClient, configuration
from cluster.operating import ROOT, delete_nodes, factory
from controlplane import Cluster

Kubectl = Callable[..., str]


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[KubernetesClient]:
    """A client with full rights."""
    client = KubernetesClient(await configuration(str(cluster.kubeconfig)))
    yield client
    await client.close()


@pytest.fixture
def site(kubectl: Kubectl) -> Iterator[str]:
    """A factory of the test's own, which goes with its nodes afterwards."""
    kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(ROOT / "crds"))
    kubectl("wait", "--for=condition=Established", f"crd/{FACTORY.plural}.{names.GROUP}")
    name = f"test-{secrets.token_hex(4)}"
    kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(factory(name)))
    yield name
    delete_nodes(kubectl, f"{names.LABEL_FACTORY}={name}")
    kubectl("delete", f"{FACTORY.plural}.{names.GROUP}", name)


@pytest.fixture
def driver(client: KubernetesClient) -> Backend:
    """The kwok backend."""
    return drivers(client)["kwok"]
