"""What the kubelet is told, by an operator that is as a pod is, and that somebody may want to harm."""

import os
import resource
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aifactory.shell.endpoint import MOST
from cluster import undecided
from cluster.operating import POOLS, Kubectl, Operator, Start, apply, is_ready, pool
from controlplane import wait_until

NOBODY = 65532  # the Deployment's user, who has no entry in /etc/passwd
FLOOD = 1200


@pytest.fixture
def nobody(kubeconfig: Path, tmp_path: Path) -> Iterator[Operator]:
    """An operator as a container runtime starts it: as a number, with nothing in its environment.

    The interpreter and the project may be in folders of root's alone: so it keeps the right to read, and
    no other.
    """
    if os.geteuid():
        pytest.skip("NOT TESTED: only root can start a process as a user who has no name")
    tool = shutil.which("setpriv")
    assert tool, "setpriv is part of every Linux (util-linux)"
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
    rights = [f"--{which}=-all,+dac_read_search" for which in ("bounding-set", "inh-caps", "ambient-caps")]
    with TemporaryDirectory() as name:  # others cannot look into pytest's folders
        own = shutil.copy(kubeconfig, name)
        for path in (name, own):
            os.chown(path, NOBODY, NOBODY)
        operator = Operator(Path(own), tmp_path, "nobody", wrapped=[tool, *user, *rights], env={})
        yield operator
        operator.end()


def test_it_leads_as_a_user_without_a_name_and_with_nothing_in_its_environment(
    nobody: Operator, kubectl: Kubectl, site: str
) -> None:
    wait_until(nobody.leads, f"it leads; its log is {nobody.log}")
    status = Path(f"/proc/{nobody.process.pid}/status").read_text()
    assert f"Uid:\t{NOBODY}\t{NOBODY}" in status
    apply(kubectl, pool("llm", site, 16, site))
    wait_until(lambda: is_ready(kubectl, "llm", site), "a pool is placed")
    kubectl("delete", POOLS, "llm", f"--namespace={site}", "--timeout=60s")
    assert nobody.end() == 0


def test_it_says_that_it_gets_nowhere_but_need_not_be_restarted(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = tmp_path / "works"
    monkeypatch.setenv(undecided.WORKS, str(works))
    operator = start(module="cluster.undecided")
    wait_until(lambda: operator.health() is None, "it says that it is not well")
    assert operator.metric("aifactory_errors_total", phase="decide") > 1
    assert operator.health("/livez") == {"loop": "in time", "leader": True}
    works.touch()
    wait_until(lambda: operator.health() == {"loop": "in time", "leader": True}, "it is well again")


@pytest.fixture
def many_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_files")
def test_a_flood_of_half_open_requests_leaves_it_as_it_was(operator: Operator) -> None:
    def counted() -> tuple[int, int]:
        process = Path(f"/proc/{operator.process.pid}")
        return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))

    def flood(port: int, answers: Callable[[], object]) -> list[socket.socket]:
        opened = []
        for number in range(FLOOD):
            opened.append(socket.create_connection(("127.0.0.1", port), 30))
            if number % (MOST // 2) == 0:
                assert answers()  # it has taken them all: where its backlog is full, one waits for a second
        for connection in opened:
            with suppress(ConnectionError):  # the oldest are gone by now
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")
        return opened

    threads, files = counted()
    for port, answers in zip(operator.ports, (operator.health, operator.leads), strict=True):
        opened = flood(port, answers)
        assert operator.health() == {"loop": "in time", "leader": True}
        assert operator.leads(), "which the metrics say"
        more_threads, more_files = counted()
        assert more_threads <= threads + 8, "those of the decision and of name look-ups come and go"
        assert more_files <= files + 200, "of 1,200"
        for connection in opened:
            connection.close()
