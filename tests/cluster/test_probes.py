"""What the kubelet is told, by an operator that is as a pod is, and that somebody may want to harm."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cluster import undecided
from cluster.operating import POOLS, Operator, Start, apply, is_ready, pool
from controlplane import Kubectl, wait_until
from unit.shell.connections import half_open

NOBODY = 65532  # the Deployment's user, who has no entry in /etc/passwd


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
    operator = start(module="cluster.undecided", longest_backoff=0.05)
    wait_until(lambda: operator.health() is None, "it says that it is not well")
    assert operator.metric("aifactory_errors_total", phase="decide") > 1
    assert operator.health("/livez") == {"loop": "in time", "leader": True}
    works.touch()
    wait_until(lambda: operator.health() == {"loop": "in time", "leader": True}, "it is well again")


async def test_a_flood_of_half_open_requests_leaves_it_as_it_was(operator: Operator) -> None:
    def counted() -> tuple[int, int]:
        process = Path(f"/proc/{operator.process.pid}")
        return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))

    threads, files = counted()
    health, metrics = operator.ports
    taken: tuple[tuple[int, Callable[[], object]], ...] = (
        (health, operator.health),
        (metrics, operator.leads),
    )
    for port, answers in taken:
        async with half_open(port, taken=answers):
            assert operator.health() == {"loop": "in time", "leader": True}
            assert operator.leads(), "which the metrics say"
            more_threads, more_files = counted()
        assert more_threads <= threads + 8, "those of the decision and of name look-ups come and go"
        assert more_files <= files + 200, "of 1,200"
