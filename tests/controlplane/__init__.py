"""A real Kubernetes control plane on loopback, for the tests and the demo: see `open_cluster`."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from .binaries import FILES, built, found, needed
from .client import ESTABLISHED, Kubectl, KubectlError, kubectl
from .cluster import FEATURES, Cluster, RefusedError, UnavailableError
from .existing import existing_cluster
from .kind import check_engine, kind_cluster
from .kubeconfig import service_account_kubeconfig
from .local import karpenter_beside, kwok_beside, local_cluster
from .processes import Process, ProcessError
from .progress import Lines, OnProgress, Progress, ignore
from .waiting import wait_until

__all__ = [
    "ESTABLISHED",
    "FEATURES",
    "Cluster",
    "Kubectl",
    "KubectlError",
    "Lines",
    "OnProgress",
    "Process",
    "ProcessError",
    "Progress",
    "RefusedError",
    "UnavailableError",
    "karpenter",
    "kubectl",
    "open_cluster",
    "prepare",
    "prepare_karpenter",
    "service_account_kubeconfig",
    "wait_until",
]


@contextmanager
def open_cluster(
    features: frozenset[str] = FEATURES, on_progress: OnProgress = ignore, folder: Path | None = None
) -> Iterator[Cluster]:
    """Give a cluster with at least `features`, from the first source that has one.

    In this order: the kubeconfig in $AIFACTORY_KUBECONFIG; a local cluster of binaries that are in
    $KUBEBUILDER_ASSETS, in the cache or published; kind; a local cluster of binaries built now, which
    takes minutes: `on_progress` tells how far it is. A local cluster keeps its data and logs in
    `folder`, if one is given.

    Raises UnavailableError with the reasons of all sources, RefusedError for a kubeconfig that must not
    be used, ProcessError for a local cluster that does not start.
    """
    sources: tuple[Callable[[], AbstractContextManager[Cluster]], ...] = (
        existing_cluster,
        lambda: local_cluster(found(needed(features), on_progress), features, folder),
        kind_cluster,
        lambda: local_cluster(built(needed(features), on_progress), features, folder),
    )
    reasons = []
    with ExitStack() as stack:
        for source in sources:
            try:
                cluster = stack.enter_context(source())
                break
            except UnavailableError as reason:
                reasons.append(str(reason))
        else:
            raise UnavailableError("there is no cluster to be had:\n" + "\n".join(f"- {x}" for x in reasons))
        yield stack.enter_context(_completed(cluster, features, on_progress))


@contextmanager
def karpenter(
    cluster: Cluster, instance_types: Sequence[Mapping[str, Any]], on_progress: OnProgress = ignore
) -> Iterator[Process]:
    """Run Karpenter beside a cluster with kwok; it makes simulated nodes of these instance types.

    It is built for the first who asks, which takes minutes: `on_progress` tells how far it is. Raises
    UnavailableError where it cannot be built, ProcessError where it does not start.
    """
    with karpenter_beside(built(FILES["karpenter"], on_progress), cluster.kubeconfig, instance_types) as it:
        yield it


def prepare(on_progress: OnProgress = ignore) -> None:
    """Fetch or build beforehand what `open_cluster` would, so that several who open one need not wait."""
    if os.environ.get("AIFACTORY_KUBECONFIG"):
        return
    try:
        found(needed(FEATURES), on_progress)
    except UnavailableError:
        try:
            check_engine()
        except UnavailableError:
            built(needed(FEATURES), on_progress)


def prepare_karpenter(on_progress: OnProgress = ignore) -> None:
    """Build beforehand what `karpenter` would."""
    built(FILES["karpenter"], on_progress)


@contextmanager
def _completed(cluster: Cluster, features: frozenset[str], on_progress: OnProgress) -> Iterator[Cluster]:
    """Add kwok to a cluster that was not started with it, since it can run outside."""
    missing = features - cluster.features
    if not missing:
        yield cluster
    elif missing == {"kwok"}:
        with kwok_beside(built(FILES["kwok"], on_progress), cluster.kubeconfig):
            yield replace(cluster, features=cluster.features | {"kwok"})
    else:
        raise RefusedError(f"the cluster from {cluster.provider} has no {', '.join(sorted(missing))}")
