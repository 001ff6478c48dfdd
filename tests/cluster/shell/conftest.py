"""A client and a factory, with no operator at work."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
import yaml

from aifactory.api import names
from aifactory.api.reading import parse_factory
from aifactory.backends import Backend, drivers
from aifactory.decide.model.world import World
from aifactory.shell.apply import Applier
from aifactory.shell.client import FACTORY, KubernetesClient
from aifactory.shell.fingerprint import News
from aifactory.shell.lease import Leadership
from aifactory.shell.memory import Memory
from aifactory.shell.metrics import Metrics
from aifactory.shell.terms import Name
from cluster.operating import delete_nodes, factory
from cluster.shell.bench import PATIENT, Bench
from controlplane import Kubectl


@pytest.fixture
def site(kubectl: Kubectl, crds: None) -> Iterator[str]:
    """A factory of the test's own, which goes with its nodes afterwards."""
    name = f"test-{secrets.token_hex(4)}"
    kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(factory(name)))
    yield name
    delete_nodes(kubectl, f"{names.LABEL_FACTORY}={name}")
    kubectl("delete", f"{FACTORY.plural}.{names.GROUP}", name)


@pytest.fixture
def driver(client: KubernetesClient) -> Backend:
    """The kwok backend."""
    return drivers(client)["kwok"]


@pytest.fixture
async def bench(client: KubernetesClient, site: str, kubectl: Kubectl) -> AsyncIterator[Bench]:
    name = f"test-{secrets.token_hex(4)}"
    leadership = Leadership(client, "default", name, Name("", "bench"))
    leading = asyncio.create_task(leadership.run())
    async with asyncio.timeout(10):
        await leadership.taken()
    memory = Memory()
    world = World(factories=(parse_factory(await client.get(FACTORY, site)),))
    news = News()
    applier = Applier(
        client=client,
        backends=drivers(client),
        leadership=leadership,
        memory=memory,
        metrics=Metrics(),
        news=news,
        settings=PATIENT,
        superseded=lambda: bool(made.wished()),
        urgent=lambda: bool(made.urgent()),
    )
    made = Bench(applier, leadership, memory, world, client, news)
    yield made
    leading.cancel()
    kubectl("delete", "lease", name, "-n=default")
