"""What every provider hands out: a cluster, and the reason why there is none."""

from dataclasses import dataclass
from pathlib import Path

from .client import kubectl
from .processes import Process

FEATURES = frozenset({"controller-manager", "scheduler", "kwok"})
"""What a cluster may have beside etcd and the API server."""


class UnavailableError(Exception):
    """This source has no cluster to offer; the next one may. The text is the reason."""


class RefusedError(Exception):
    """The user asked for a cluster that must not or cannot be used. No other one is tried."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster. `kubeconfig` gives full rights.

    `logs` and `audit` exist for the local provider only: a folder with a log per component, and the
    API server's audit log (JSON lines) of all requests but those of the cluster's own components.
    So do `apiserver` and `controllers`, the servers that a test may lose.
    """

    kubeconfig: Path
    provider: str
    features: frozenset[str]
    logs: Path | None = None
    audit: Path | None = None
    apiserver: Process | None = None
    controllers: tuple[Process, ...] = ()

    def stop_apiserver(self) -> None:
        """Lose the API server at once, as in a crash. Raises UnavailableError if it is not ours to stop."""
        self._own_apiserver().stop(grace=0)

    def start_apiserver(self) -> None:
        """Start a stopped API server again, at the same address, and the cluster's controllers anew.

        Controllers that lost it ask again after pauses that grow with each failure, up to a minute,
        which no test should wait for. Returns once all of them are ready.
        """
        self._own_apiserver().start()
        for controller in self.controllers:
            controller.stop(grace=0)
        # A new kwok takes over a node when the old one's lease has expired, or is not there.
        leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        kubectl(self.kubeconfig, "delete", "--raw", leases)
        for controller in self.controllers:
            controller.start()

    def _own_apiserver(self) -> Process:
        if self.apiserver is None:
            raise UnavailableError(f"the API server of a cluster from {self.provider} cannot be stopped")
        return self.apiserver
