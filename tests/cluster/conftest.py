"""One real cluster for the whole session. None to be had is a failure, never a skip."""

import secrets
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import yaml

import controlplane
from aifactory.api import names
from aifactory.shell.client import KubernetesClient, configuration
from cluster.direct import Direct
from cluster.faulty import Proxy
from cluster.keeper import KEEPER
from cluster.machines import TYPES, node_class
from cluster.operating import (
    FACTORIES,
    POOLS,
    ROOT,
    Operator,
    Start,
    a_namespace,
    apply,
    delete_nodes,
    factory,
    installed,
    operators,
)
from controlplane import ESTABLISHED, Cluster, Kubectl, Lines, Process, open_cluster

LINES = 100


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have the control plane built before the first test."""
    prepared(session, Path(__file__).parent)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what each operator that is running has said last."""
    report = yield
    if report.failed:
        running = [operator for operator in Operator.started if operator.process.poll() is None]
        for operator in running:
            last = operator.log.read_text().splitlines()[-LINES:]
            report.sections.append((f"Log of {operator.log.stem}", "\n".join(last)))
    return report


def prepared(session: pytest.Session, here: Path) -> None:
    """Have it built where a test below `here` is about to run: the time of a test is limited, and a build
    takes minutes.
    """
    items = [item for item in session.items if item.path.is_relative_to(here)]
    if session.config.option.collectonly or not items:
        return
    show = Lines(shown_by(session.config))
    with suppress(controlplane.UnavailableError):  # the fixtures say it louder
        controlplane.prepare(show)
        if any("karpenter" in item.nodeid for item in items):
            controlplane.prepare_karpenter(show)


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """The session's cluster, with every feature."""
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(open_cluster(on_progress=Lines(shown_by(pytestconfig))))
        except (controlplane.UnavailableError, controlplane.RefusedError, controlplane.ProcessError) as error:
            pytest.fail(str(error), pytrace=False)
        yield cluster


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster) -> Kubectl:
    """`kubectl(*arguments, stdin=None, seconds=...)` on the session's cluster; returns the output."""
    run = Direct(cluster.kubeconfig)
    run("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(KEEPER))
    return run


@pytest.fixture(scope="session")
def karpenter(cluster: Cluster, kubectl: Kubectl, pytestconfig: pytest.Config) -> Iterator[Process]:
    """Karpenter at work, with the node classes `default` and `slow`: one whose machines never register."""
    with ExitStack() as stack:
        try:
            running = controlplane.karpenter(cluster, TYPES, Lines(shown_by(pytestconfig)))
            process = stack.enter_context(running)
        except (controlplane.UnavailableError, controlplane.ProcessError) as error:
            pytest.fail(str(error), pytrace=False)
        apply(kubectl, node_class("default"), node_class("slow", delay="24h"))
        yield process


@pytest.fixture(scope="module")
def crds(kubectl: Kubectl) -> None:
    """Our kinds, served."""
    kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(ROOT / "crds"))
    kubectl("wait", ESTABLISHED, f"crd/{FACTORIES}", f"crd/{POOLS}")


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[KubernetesClient]:
    """A client with full rights."""
    client = KubernetesClient(await configuration(str(cluster.kubeconfig)))
    yield client
    await client.close()


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace of the test's own, in which pods can be created."""
    with a_namespace(kubectl, f"test-{secrets.token_hex(4)}") as name:
        yield name


@pytest.fixture(scope="module")
def kubeconfig(
    cluster: Cluster, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A kubeconfig with the operator's own rights, under its policies."""
    with installed(cluster, kubectl, tmp_path_factory.mktemp("operator")) as path:
        yield path


@pytest.fixture
def start(kubeconfig: Path, kubectl: Kubectl, tmp_path: Path) -> Iterator[Start]:
    """Starts operators, as `operators` says."""
    with operators(kubectl, kubeconfig, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def operator(kubectl: Kubectl, kubeconfig: Path) -> Iterator[Operator]:
    """A running operator that leads."""
    with operators(kubectl, kubeconfig, kubeconfig.parent) as start:
        yield start()


@pytest.fixture
def tenant(operator: Operator, kubectl: Kubectl, namespace: str) -> Iterator[str]:
    """A namespace whose pools go, with their nodes, before it does."""
    yield namespace
    kubectl("delete", POOLS, "--all", f"--namespace={namespace}", "--timeout=30s")


@pytest.fixture
def site(kubectl: Kubectl, kubeconfig: Path, namespace: str) -> Iterator[str]:
    """A factory of the test's own with room for 64 nodes, named like the namespace of its pools.

    Its pools ask for nothing any more afterwards: the next operator orders for its own test alone.
    """
    apply(kubectl, factory(namespace, rows=4, racks=4, limit="200k"))
    yield namespace
    kubectl("delete", POOLS, "--all", f"--namespace={namespace}", "--wait=false")
    delete_nodes(kubectl, f"{names.LABEL_FACTORY}={namespace}")


@pytest.fixture(scope="session")
def lasting_proxy(cluster: Cluster) -> Iterator[Proxy]:
    """The session's proxy, whoever uses it."""
    with Proxy(cluster.kubeconfig).running() as proxy:
        yield proxy


@pytest.fixture
def proxy(lasting_proxy: Proxy) -> Iterator[Proxy]:
    """A proxy before the session's cluster, that has heard nothing and does no harm."""
    lasting_proxy.asked.clear()
    yield lasting_proxy
    lasting_proxy.fault = lambda asked: None


@pytest.fixture
async def through(proxy: Proxy, tmp_path: Path) -> AsyncIterator[KubernetesClient]:
    """A client behind the proxy, with full rights."""
    client = KubernetesClient(await configuration(str(proxy.kubeconfig(tmp_path / "proxied"))))
    yield client
    await client.close()


@pytest.fixture
def behind(proxy: Proxy, kubeconfig: Path, kubectl: Kubectl, tmp_path: Path) -> Iterator[Start]:
    """Starts operators behind the proxy, with their own rights."""
    with operators(kubectl, proxy.kubeconfig(tmp_path / "proxied", kubeconfig), tmp_path) as start:
        yield start


def shown_by(config: pytest.Config) -> Callable[[str], None]:
    """A way to show a line while tests run: without a sign of life, a build would look like a hang."""

    def show(line: str) -> None:
        capture = config.pluginmanager.getplugin("capturemanager")
        reporter = config.pluginmanager.getplugin("terminalreporter")
        if capture and reporter:
            with capture.global_and_fixture_disabled():
                reporter.write_line(line)

    return show
