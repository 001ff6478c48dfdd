"""A control plane as child processes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from . import components
from .cache import temporary_folder
from .client import ESTABLISHED, kubectl
from .cluster import Cluster, RefusedError
from .families import DEFINITIONS, STAGES
from .kubeconfig import certificate_user, write_kubeconfig
from .pki import Identity, Pki
from .processes import Process


@contextmanager
def local_cluster(
    files: Mapping[str, Path], features: frozenset[str], folder: Path | None = None
) -> Iterator[Cluster]:
    """Start etcd, the API server and what `features` names; stop them in reverse order.

    `files` has the binaries by name. All that is written goes to `folder`, which must be new or empty
    and stays, or else to a temporary one. Raises ProcessError, with nothing left running.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder("run")) if folder is None else _empty(folder)
        logs = folder / "logs"
        logs.mkdir()
        audit = logs / "audit.log"
        pki = Pki(folder / "pki")

        etcd, etcd_url = components.etcd(files["etcd"], folder / "etcd", logs / "etcd.log")
        stack.enter_context(etcd)
        apiserver, url = components.apiserver(
            files["kube-apiserver"], etcd_url, pki, audit, logs / "kube-apiserver.log"
        )
        stack.enter_context(apiserver)

        def kubeconfig(user: str, identity: Identity) -> Path:
            path = folder / f"{user}.kubeconfig"
            user_entry = certificate_user(identity)
            return write_kubeconfig(path, url, pki.ca.read_bytes(), user_entry, features=features)

        def component(name: str) -> tuple[Path, Path, Pki, Path]:
            return files[name], kubeconfig(name, pki.identity(name)), pki, logs / f"{name}.log"

        controllers = []
        if "controller-manager" in features:
            controllers.append(components.controller_manager(*component("kube-controller-manager")))
        if "scheduler" in features:
            controllers.append(components.scheduler(*component("kube-scheduler")))
        if "kwok" in features:
            controllers.append(components.kwok(*component("kwok"), stages=files[STAGES]))
        for controller in controllers:
            stack.enter_context(controller)
        admin = kubeconfig("admin", pki.admin)
        yield Cluster(admin, "local", features, logs, audit, apiserver, tuple(controllers))


@contextmanager
def kwok_beside(files: Mapping[str, Path], kubeconfig: Path) -> Iterator[None]:
    """Run kwok for the fake nodes of a cluster that was started elsewhere."""
    with (
        temporary_folder("run") as folder,
        components.kwok(
            files["kwok"], kubeconfig, Pki(folder / "pki"), folder / "kwok.log", stages=files[STAGES]
        ),
    ):
        yield


@contextmanager
def karpenter_beside(
    files: Mapping[str, Path], kubeconfig: Path, instance_types: Sequence[Mapping[str, Any]]
) -> Iterator[Process]:
    """Run Karpenter, with a kwok provider that has these instance types, for a cluster with kwok.

    Its kinds stay in the cluster afterwards.
    """
    kubectl(kubeconfig, "apply", "--server-side", "--force-conflicts", f"--filename={files[DEFINITIONS]}")
    kubectl(kubeconfig, "wait", ESTABLISHED, f"--filename={files[DEFINITIONS]}")
    with temporary_folder("run") as folder:
        types = folder / "instance-types.json"
        types.write_text(json.dumps(instance_types))
        with components.karpenter(files["karpenter"], kubeconfig, folder / "karpenter.log", types) as process:
            yield process


def _empty(folder: Path) -> Path:
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise RefusedError(f"{folder} is not empty; a new cluster cannot use the data of an old one")
    return folder
