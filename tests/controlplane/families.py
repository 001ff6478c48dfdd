"""What is built: Go modules, and the files that each of them gives."""

import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from .cache import cache_folder

HERE = Path(__file__).parent
GO_REQUIREMENTS = HERE.parents[1] / "requirements" / "go.txt"
STAGES = "kwok-stages.yaml"
"""kwok does nothing without stages: how a fake node becomes ready, a pod runs and is deleted."""
DEFINITIONS = "karpenter-crds.yaml"
"""The kinds that Karpenter and its kwok provider work on."""


@dataclass(frozen=True)
class Family:
    """Binaries of one Go module, in `go/<name>`. A build takes `seconds` on two cores with empty caches.

    Each has its own module, as they need different versions of the modules they share.
    """

    name: str
    files: tuple[str, ...]
    packages: tuple[str, ...]
    seconds: int
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def source(self) -> Path:
        return HERE / "go" / self.name

    @property
    def folder(self) -> Path:
        """Where its files are kept once built. Another version, toolchain or machine is another folder."""
        digest = hashlib.sha256(f"{platform_name()} {self.packages} {self.variables}".encode())
        for path in [GO_REQUIREMENTS, *sorted(self.source.iterdir())]:
            digest.update(path.name.encode() + path.read_bytes())
        return cache_folder() / f"{self.name}-{digest.hexdigest()[:16]}"

    @property
    def built(self) -> bool:
        return all(usable(self.folder / name) for name in self.files)


FAMILIES = (
    Family("etcd", ("etcd",), (".",), seconds=74),
    Family("kwok", ("kwok", STAGES), ("sigs.k8s.io/kwok/cmd/kwok",), seconds=139),
    Family(
        "kubernetes",
        ("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        tuple(f"k8s.io/kubernetes/cmd/kube-{x}" for x in ("apiserver", "controller-manager", "scheduler")),
        seconds=451,
        # Without these the server says that it is v0.0.0-master.
        variables=(
            ("k8s.io/component-base/version.gitVersion", "v1.36.3"),
            ("k8s.io/component-base/version.gitMajor", "1"),
            ("k8s.io/component-base/version.gitMinor", "36"),
        ),
    ),
    Family("karpenter", ("karpenter", DEFINITIONS), (".",), seconds=233),
)


def platform_name() -> str:
    """Return this machine as Go names it, such as linux-amd64."""
    machine = platform.machine().lower()
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    return f"{platform.system().lower()}-{names.get(machine, machine)}"


def usable(path: Path) -> bool:
    """Say whether the file is there and, unless it is YAML, can be run."""
    return path.is_file() and (path.suffix == ".yaml" or os.access(path, os.X_OK))
