"""`python -m demo.cluster`: an empty cluster with the operator at work, until Ctrl-C."""

import fcntl
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from controlplane import (
    Cluster,
    KubectlError,
    Lines,
    ProcessError,
    RefusedError,
    UnavailableError,
    open_cluster,
)
from demo.running import ROOT, install, running_operator

FOLDER: Final = ROOT / ".demo"
EXPECTED: Final = (KubectlError, ProcessError, RefusedError, UnavailableError, TimeoutError)


def heed_signals() -> None:
    """Stop in order at Ctrl-C and SIGTERM: the one may be ignored from birth, the other just kills."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder against another run, which would write over this one's files. Raises RefusedError."""
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(f"another demo runs here; its files are in {folder}") from None
        yield


def keep_up(cluster: Cluster, folder: Path, say: Callable[[str], None], *more: str) -> None:
    """Leave everything up until Ctrl-C, and say how to reach it, and more. Raises KeyboardInterrupt then."""
    kubeconfig = folder / "kubeconfig"
    shutil.copyfile(cluster.kubeconfig, kubeconfig)
    kubeconfig.chmod(0o600)
    for line in (f"export KUBECONFIG={kubeconfig}", *more):
        say(f"  {line}")
    try:
        signal.pause()
    finally:
        kubeconfig.unlink()


def main(folder: Annotated[Path, typer.Option(help="For the kubeconfig and the logs.")] = FOLDER) -> None:
    """Start a control plane with the operator's account, its rights and its policies, and the operator."""
    heed_signals()

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        with ExitStack() as stack:
            stack.enter_context(alone(folder))
            cluster = stack.enter_context(open_cluster(on_progress=Lines(say)))
            install(cluster)
            stack.enter_context(running_operator(cluster, folder))
            say(f"The operator is at work; its log is {folder / 'operator.log'}.")
            say("Everything stays up until Ctrl-C. In another terminal:")
            keep_up(cluster, folder, say)
    except EXPECTED as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    typer.run(main)
