"""The operator as a child process, as it would run in a pod: with its ServiceAccount, and nothing more."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from controlplane import ESTABLISHED, Cluster, ProcessError, RefusedError, kubectl, service_account_kubeconfig
from controlplane.ports import free_port
from controlplane.processes import Process

NAMESPACE: Final = "aifactory-system"
ROOT: Final = Path(__file__).parents[1]


@contextmanager
def running_operator(cluster: Cluster, folder: Path) -> Iterator[Process]:
    """Run the operator; its kubeconfig and log are left in `folder`."""
    kubeconfig = service_account_kubeconfig(
        cluster.kubeconfig, NAMESPACE, "aifactory", folder / "operator.kubeconfig", duration="24h"
    )
    health = f"127.0.0.1:{free_port()}"
    argv = [sys.executable, "-m", "aifactory", "run", f"--kubeconfig={kubeconfig}"]
    argv += [f"--namespace={NAMESPACE}", f"--health-bind={health}", f"--metrics-bind=127.0.0.1:{free_port()}"]
    log = folder / "operator.log"
    log.unlink(missing_ok=True)
    with Process(argv, log, lambda: _answers(f"http://{health}/healthz")) as process:
        yield process


def install(cluster: Cluster) -> None:
    """Apply the CRDs, the account, its rights and the policies. Raises RefusedError for a cluster in use."""
    beside = str(ROOT / "manifests" / "overlays" / "beside")
    kubectl(cluster.kubeconfig, "apply", "--server-side", "--force-conflicts", "--kustomize", beside)
    crds = ("crd/aifactories.aifactory.dev", "crd/gpupools.aifactory.dev")
    kubectl(cluster.kubeconfig, "wait", ESTABLISHED, *crds)
    if there := kubectl(cluster.kubeconfig, "get", "aifactories", "--output=name").split():
        raise RefusedError(f"the cluster has factories already, which are not to be disturbed: {there[0]}")


def apply(cluster: Cluster, objects: Sequence[Mapping[str, Any]]) -> None:
    """Apply objects as one does from Git: server-side."""
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    kubectl(cluster.kubeconfig, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=body)


def check_alive(operator: Process) -> None:
    """Raise ProcessError with the end of its log if the operator has died."""
    if not operator.running:
        log = "\n".join(operator.log.read_text(errors="replace").splitlines()[-20:])
        raise ProcessError(f"the operator has died; the end of {operator.log}:\n{log}")


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy is for loopback
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
