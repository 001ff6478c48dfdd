"""A kind cluster, where a container engine answers. It is created, given images and deleted, no more."""

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .cache import temporary_folder
from .cluster import FEATURES, Cluster, UnavailableError

ENGINE_SECONDS = 10
CREATE_SECONDS = 600


@contextmanager
def kind_cluster() -> Iterator[Cluster]:
    """Create a kind cluster of our own and delete it afterwards. Raises UnavailableError with the reason."""
    check_engine()
    name = f"aifactory-{secrets.token_hex(4)}"
    with temporary_folder("run") as folder:
        kubeconfig = folder / "kubeconfig"
        try:
            _kind("create", "cluster", f"--name={name}", f"--kubeconfig={kubeconfig}", "--wait=120s")
            yield Cluster(kubeconfig, f"kind:{name}", FEATURES - {"kwok"})
        finally:
            _kind("delete", "cluster", f"--name={name}", f"--kubeconfig={kubeconfig}")


def check_engine() -> None:
    """Raise UnavailableError, with the reason, where kind cannot work."""
    if shutil.which("kind") is None:
        raise UnavailableError("kind is not installed")
    if shutil.which("docker") is None:
        raise UnavailableError("kind needs a container engine: docker is not installed")
    try:
        answer = subprocess.run(
            ["docker", "info"], capture_output=True, text=True, timeout=ENGINE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(
            f"kind needs a container engine: none answered in {ENGINE_SECONDS} s"
        ) from None
    if answer.returncode:
        raise UnavailableError(
            f"kind needs a container engine: {(answer.stderr or answer.stdout).strip()[-300:]}"
        )


def load_image(cluster: Cluster, archive: Path) -> None:
    """Load a container image archive into a kind cluster's nodes."""
    _kind("load", "image-archive", str(archive), f"--name={cluster.provider.removeprefix('kind:')}")


def _kind(*arguments: str) -> None:
    try:
        done = subprocess.run(
            ["kind", *arguments], capture_output=True, text=True, timeout=CREATE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"kind {arguments[0]} took over {CREATE_SECONDS} s") from None
    if done.returncode:
        raise UnavailableError(f"kind {arguments[0]} failed: {done.stderr.strip()[-1000:]}")
