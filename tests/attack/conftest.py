"""One cluster for the attacks, and the operator behind the gate."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from attack.proxy import Gate, peace
from attack.stage import Show, Stage
from cluster.conftest import cluster, kubectl, prepared, shown_by
from cluster.operating import FACTORIES, POOLS, a_namespace, clear, installed
from cluster.reading import get
from controlplane import Cluster, Kubectl
from thorough import WHOLE

__all__ = ["cluster", "kubectl"]
collect_ignore = ["test_samples.py" if WHOLE else "test_whole.py"]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have the control plane built before the first test."""
    prepared(session, Path(__file__).parent)


@pytest.fixture(scope="module")
def at_work(cluster: Cluster, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage with an operator at work."""
    folder = tmp_path_factory.mktemp("stage")
    with installed(cluster, kubectl, folder) as own, Gate(cluster.kubeconfig).running() as gate:
        stage = Stage(kubectl, gate, cluster.kubeconfig, gate.kubeconfig(folder / "proxied", own), folder)
        stage.start()
        yield stage
        stage.end()


@pytest.fixture
def stage(at_work: Stage) -> Iterator[Stage]:
    """The same, with nothing on it. What an attack that failed has left does not bring down the next."""
    yield at_work
    at_work.gate.trouble = peace
    if get(at_work.kubectl, FACTORIES) or get(at_work.kubectl, POOLS):
        clear(at_work.kubectl)
    at_work.go_on()


@pytest.fixture
def tenant(kubectl: Kubectl) -> Iterator[str]:
    """A namespace for pools."""
    with a_namespace(kubectl, f"attack-{secrets.token_hex(4)}") as name:
        yield name


@pytest.fixture
def show(pytestconfig: pytest.Config) -> Show:
    """Shows a line while tests run."""
    return shown_by(pytestconfig)
