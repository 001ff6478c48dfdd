"""The servers and their flags. All of them listen on 127.0.0.1 only."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from .pki import Identity, Pki
from .ports import free_port
from .processes import Process

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  # The cluster's own components would drown the requests of what is tested.
  - level: None
    users: [kube-controller-manager, kube-scheduler, kwok, "system:apiserver"]
  - level: Metadata
"""
# One process plays the kubelets of thousands of nodes. At the usual 40 s it would renew hundreds of Leases a
# second, which is much of what an API server on two cores takes. Nodes are given up that much later.
LEASE_SECONDS, GIVEN_UP_AFTER_SECONDS = 240, 300
UNLIMITED = ("--kube-api-qps=5000", "--kube-api-burst=10000")


def etcd(binary: Path, data: Path, log: Path) -> tuple[Process, str]:
    """Return etcd, and the URL for its clients."""
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    argv = [
        str(binary),
        "--name=node0",
        f"--data-dir={data}",
        "--unsafe-no-fsync=true",
        "--auto-compaction-retention=1",
        "--quota-backend-bytes=8589934592",
        "--log-level=warn",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=node0={peer}",
    ]
    return Process(argv, log, _answers(f"{client}/health")), client


def apiserver(binary: Path, etcd_url: str, pki: Pki, audit: Path, log: Path) -> tuple[Process, str]:
    """Return the API server, and its URL. `audit` is the path of its audit log."""
    port = free_port()
    policy = pki.folder / "audit-policy.yaml"
    policy.write_text(AUDIT_POLICY)
    argv = [
        str(binary),
        f"--etcd-servers={etcd_url}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        # A host may have no default route: then neither address nor endpoints can be found out.
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--cert-dir={pki.folder}",
        *_serving(pki.admin),
        f"--client-ca-file={pki.ca}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki.admin.key}",
        f"--service-account-signing-key-file={pki.admin.key}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--max-requests-inflight=0",
        "--max-mutating-requests-inflight=0",
        "--enable-priority-and-fairness=false",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={audit}",
    ]
    url = f"https://127.0.0.1:{port}"
    return Process(argv, log, _answers(f"{url}/readyz", pki.client_context())), url


def controller_manager(binary: Path, kubeconfig: Path, pki: Pki, log: Path) -> Process:
    """Return the controller manager."""
    more = [
        f"--root-ca-file={pki.ca}",
        f"--service-account-private-key-file={pki.admin.key}",
        f"--node-monitor-grace-period={GIVEN_UP_AFTER_SECONDS}s",
    ]
    return _controller(binary, kubeconfig, pki, log, more)


def scheduler(binary: Path, kubeconfig: Path, pki: Pki, log: Path) -> Process:
    """Return the scheduler."""
    return _controller(binary, kubeconfig, pki, log, [])


def _controller(binary: Path, kubeconfig: Path, pki: Pki, log: Path, more: list[str]) -> Process:
    port = free_port()
    argv = [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        *_serving(pki.admin),
        "--leader-elect=false",
        "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics",
        *UNLIMITED,
        *more,
    ]
    return Process(argv, log, _answers(f"https://127.0.0.1:{port}/healthz", pki.client_context()))


def kwok(binary: Path, kubeconfig: Path, pki: Pki, log: Path, stages: Path) -> Process:
    """Return kwok, which plays the kubelet for nodes annotated with `kwok.x-k8s.io/node: fake`."""
    port = free_port()
    argv = [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        f"--config={stages}",
        # Not all nodes: beside a real node it would overwrite that node's status.
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--node-name=localhost",
        "--node-ip=127.0.0.1",
        f"--node-port={port}",
        f"--server-address=127.0.0.1:{port}",
        *_serving(pki.admin),
        f"--node-lease-duration-seconds={LEASE_SECONDS}",
    ]
    return Process(argv, log, _answers(f"https://127.0.0.1:{port}/healthz", pki.client_context()))


def karpenter(binary: Path, kubeconfig: Path, log: Path, instance_types: Path) -> Process:
    """Return Karpenter with its kwok provider, which makes Nodes of these instance types for kwok."""
    port = free_port()
    argv = [
        str(binary),
        f"--health-probe-port={port}",
        f"--instance-types-file-path={instance_types}",
        "--disable-leader-election=true",
        "--disable-cluster-state-observability=true",
        "--kube-client-qps=5000",
        "--kube-client-burst=10000",
    ]
    env = {"KUBECONFIG": str(kubeconfig)}  # it has no flag for that
    return Process(argv, log, _answers(f"http://127.0.0.1:{port}/readyz"), env=env)


def _serving(identity: Identity) -> tuple[str, str]:
    return f"--tls-cert-file={identity.certificate}", f"--tls-private-key-file={identity.key}"


def _answers(url: str, context: ssl.SSLContext | None = None) -> Callable[[], bool]:
    # The user's HTTP proxy is not for loopback.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )

    def ready() -> bool:
        try:
            with opener.open(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    return ready
