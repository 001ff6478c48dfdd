"""The tutorial, the README and the how-to pages, command by command, as a reader would run them."""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

import controlplane
from cluster.keeper import KEEPER
from cluster.operating import Operator, installed
from controlplane import Cluster, open_cluster, wait_until
from documents import ROOT, Block, blocks

Kubectl = Callable[..., str]

TUTORIAL = ROOT / "docs" / "tutorial.md"
SITE = ROOT / "docs" / "tutorial"
# Each of them begins with the lab as the tutorial describes it: the site, and two pools that are ready.
ON_THE_LAB = tuple(
    ROOT / "docs" / "how-to" / f"{name}.md"
    for name in ("broken-node", "delete", "pause-and-preview", "take-power-away", "why-a-pool-waits")
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of the pages' own: what they print shows all that is there."""
    with open_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def kubectl(cluster: Cluster) -> Kubectl:
    """`kubectl` on the pages' own cluster."""
    run = partial(controlplane.kubectl, cluster.kubeconfig)
    run("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(KEEPER))
    return run


@pytest.fixture(scope="module")
def operator(
    cluster: Cluster, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The operator at work, with its own rights and under its policies."""
    folder = tmp_path_factory.mktemp("operator")
    with installed(cluster, kubectl, folder) as kubeconfig:
        operator = Operator(kubeconfig, folder)
        try:
            wait_until(operator.leads, f"it leads; its log is {operator.log}")
            yield operator
        finally:
            operator.end()


@pytest.fixture
def variables(cluster: Cluster, operator: Operator, tmp_path: Path) -> dict[str, str]:
    """What a reader has exported. The kubeconfig is a copy, for what a page may change in it."""
    kubeconfig = tmp_path / "kubeconfig"
    shutil.copyfile(cluster.kubeconfig, kubeconfig)
    return {"KUBECONFIG": str(kubeconfig)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reader's clone, in which a page may leave files."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("crds", "docs", "manifests"):
        (clone / name).symlink_to(ROOT / name)
    return clone


@pytest.fixture(scope="module")
def tenants(kubectl: Kubectl) -> Iterator[None]:
    """The tutorial's two namespaces."""
    kubectl("create", "namespace", "research")
    kubectl("create", "namespace", "product")
    yield
    kubectl("delete", "namespaces", "research", "product", "--wait=false")


@pytest.fixture
def lab(kubectl: Kubectl, operator: Operator, tenants: None) -> Iterator[None]:
    """The tutorial's site with both of its pools."""
    kubectl("apply", "--filename", str(SITE / "lab.yaml"))
    # One after the other, so that each has the place that the pages say.
    for namespace, pool in (("product", "chat"), ("research", "train")):
        kubectl("apply", "--filename", str(SITE / f"{pool}.yaml"))
        kubectl("wait", "--for=condition=Ready", f"-n={namespace}", f"gpupools.aifactory.dev/{pool}")
    yield
    for wait in ("--wait=false", "--wait=true"):  # both at once
        for namespace in ("research", "product"):
            kubectl("delete", "gpupools.aifactory.dev", "--all", f"--namespace={namespace}", wait)
    kubectl("delete", "nodes", "--selector=aifactory.dev/factory=lab")
    if kubectl("get", "aifactories", "--field-selector=metadata.name=lab", "--output=name"):
        kubectl("wait", "--for=jsonpath={.status.nodes}=0", "aifactory/lab")
        kubectl("delete", "aifactory", "lab")


def go_through(page: Path, folder: Path, variables: dict[str, str]) -> int:
    """Run a page's commands in order, and compare what they print; returns how many blocks were run."""
    run = [block for block in blocks(page) if block.language == "sh"]
    for block in run:
        block.compare(block.run(folder, variables))
    return len(run)


def commands(page: Path, language: str) -> list[Block]:
    return [block for block in blocks(page) if block.language == language]


def test_the_tutorial(folder: Path, variables: dict[str, str]) -> None:
    assert go_through(TUTORIAL, folder, variables) > 10


def test_what_the_tutorial_starts_is_what_runs_here() -> None:
    started = [block.text.strip() for block in commands(TUTORIAL, "bash")]
    assert started == [
        'export PATH="$PWD/.venv/bin:$PATH"',
        "PYTHONPATH=tests python -m controlplane up",
        "aifactory run",
    ]


def test_the_readme(folder: Path, variables: dict[str, str]) -> None:
    assert go_through(ROOT / "README.md", folder, variables)


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("page", ON_THE_LAB, ids=lambda page: page.stem)
def test_a_how_to_page(page: Path, folder: Path, variables: dict[str, str]) -> None:
    assert go_through(page, folder, variables)
