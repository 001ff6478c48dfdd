"""The tutorial, the README and the how-to pages, command by command, as a reader would run them."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import controlplane
from cluster.operating import FACTORIES, POOLS, delete_factory, delete_nodes
from cluster.reading import get
from controlplane import Kubectl
from controlplane.ports import free_port
from controlplane.processes import Process
from documents import ROOT, STARTS, Block, blocks

TUTORIAL = ROOT / "docs" / "tutorial.md"
# Each of them begins with an empty cluster and the operator at work, which stay from page to page.
ON_ONE_CLUSTER = (
    ROOT / "README.md",
    *(
        ROOT / "docs" / "how-to" / f"{name}.md"
        for name in (
            "limit-tenants",  # the one that makes its namespace, which others leave behind
            "broken-node",
            "delete",
            "pause-and-preview",
            "take-power-away",
            "upgrade-and-replicas",
            "why-a-pool-waits",
        )
    ),
)


class Reader:
    """Somebody with a clone of this repository, who runs what a page says; what it starts is left running."""

    def __init__(self, clone: Path, stack: ExitStack) -> None:
        self.clone = clone
        self.running: dict[str, Process] = {}
        self._stack = stack
        self._variables: dict[str, str] = {}
        for name in (
            "Makefile",
            "crds",
            "demo",
            "docs",
            "manifests",
            "pyproject.toml",
            "requirements",
            "tests",
        ):
            (clone / name).symlink_to(ROOT / name)
        self._set_up()

    def _set_up(self) -> None:
        """What `make .venv/.ready` gives; but two operators on one machine need ports of their own."""
        programs = self.clone / ".venv" / "bin"
        programs.mkdir(parents=True)
        code = f'PYTHONPATH="$PYTHONPATH:{ROOT}/operator:{ROOT}/solver"'
        ports = f"--health-bind=127.0.0.1:{free_port()} --metrics-bind=127.0.0.1:{free_port()}"
        for name, text in (
            ("python", f'{code} exec {sys.executable} "$@"'),
            ("kubectl", f'exec {controlplane.client.kubectl_command()} "$@"'),
            (
                "aifactory",
                f'[ "$1" = run ] && set -- "$@" {ports}\n{code} exec {sys.executable} -m aifactory "$@"',
            ),
        ):
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)
        (programs.parent / ".ready").touch()

    def follow(self, page: Path) -> int:
        """Run a page's commands in order, and compare what they print; returns how many blocks were run."""
        count = 0
        for block in blocks(page):
            command = block.text.strip()
            if block.language == "sh":
                block.compare(block.run(self.clone, self._variables))
            elif block.language == "bash" and command.startswith("export "):
                self._export(block)
            elif block.language == "bash" and command in STARTS:
                self._start(command)
            else:
                continue
            count += 1
        return count

    def _export(self, block: Block) -> None:
        printed = Block(block.page, block.line, "sh", block.text + 'echo "$PATH"; echo "${KUBECONFIG-}"', "")
        path, kubeconfig = printed.run(self.clone, self._variables).splitlines()
        self._variables |= {"PATH": path} | ({"KUBECONFIG": kubeconfig} if kubeconfig else {})

    def _start(self, command: str) -> None:
        """Run a command in a terminal of its own, unless it still runs."""
        if command in self.running:
            return
        variables = " ".join(f"{name}='{value}'" for name, value in self._variables.items())
        log = self.clone / f"terminal-{len(self.running)}.log"
        argv = ["/bin/bash", "-c", f"cd {self.clone} && exec env {variables} {command}"]
        process = Process(argv, log, lambda: STARTS[command] in log.read_text())
        self.running[command] = self._stack.enter_context(process)
        for line in log.read_text().splitlines():
            name, _, value = line.strip().removeprefix("export ").partition("=")
            if name == "KUBECONFIG":
                self._variables[name] = value

    @property
    def kubectl(self) -> Kubectl:
        """`kubectl` on the reader's cluster."""
        return controlplane.Kubectl(Path(self._variables["KUBECONFIG"]))

    def check(self) -> None:
        """See that nothing has ended by itself, or met a bug."""
        for command, process in self.running.items():
            assert process.running, f"{command} has ended; its log is {process.log}"
        for log in (*self.clone.glob("*.log"), *self.clone.glob(".demo/*.log")):
            assert "Traceback" not in log.read_text(), log


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Reader]:
    """A reader who starts with nothing."""
    with ExitStack() as stack:
        yield Reader(tmp_path, stack)


@pytest.fixture(scope="module")
def regular(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader who goes through page after page."""
    with ExitStack() as stack:
        yield Reader(tmp_path_factory.mktemp("clone"), stack)


@pytest.fixture
def reader(regular: Reader, page: Path) -> Iterator[Reader]:
    """The reader of page after page, on a cluster that is as empty as at first, but for empty namespaces."""
    yield regular
    kubectl = regular.kubectl
    # A page may have deleted our definitions.
    beside = str(ROOT / "manifests" / "overlays" / "beside")
    kubectl("apply", "--server-side", "--force-conflicts", "--kustomize", beside)
    kubectl("wait", controlplane.ESTABLISHED, f"crd/{FACTORIES}", f"crd/{POOLS}")
    # With its nodes away, a pool need not be drained.
    pools = ("delete", POOLS, "--all", "--all-namespaces")
    kubectl(*pools, "--wait=false")
    for factory in get(kubectl, FACTORIES):
        name = factory["metadata"]["name"]
        delete_nodes(kubectl, f"aifactory.dev/factory={name}")
        delete_factory(kubectl, name)
    kubectl(*pools)
    if "kubectl create namespace research" in page.read_text(encoding="utf-8"):
        kubectl("delete", "namespace", "research")  # which takes five seconds


@pytest.mark.long
def test_the_tutorial(alone: Reader) -> None:
    assert alone.follow(TUTORIAL) > 10
    assert len(alone.running) == 2
    alone.check()


PAGES = [
    pytest.param(page, id=page.stem, marks=() if page.stem == "README" else pytest.mark.long)
    for page in ON_ONE_CLUSTER
]


@pytest.mark.parametrize("page", PAGES)
def test_a_page(page: Path, reader: Reader) -> None:
    assert reader.follow(page) > 3
    assert len(reader.running) == 1
    reader.check()
