"""A cluster that somebody else started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from .client import KubectlError, kubectl
from .cluster import FEATURES, Cluster, RefusedError, UnavailableError
from .kubeconfig import check_safe, features_in


@contextmanager
def existing_cluster() -> Iterator[Cluster]:
    """Use the cluster of $AIFACTORY_KUBECONFIG. Raises UnavailableError if it is not set.

    Raises RefusedError if it is set but unsafe, unreadable or does not answer: the user asked for this one.
    """
    named = os.environ.get("AIFACTORY_KUBECONFIG")
    if not named:
        raise UnavailableError("AIFACTORY_KUBECONFIG is not set")
    path = Path(named).expanduser().absolute()
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise RefusedError(f"AIFACTORY_KUBECONFIG cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise RefusedError(f"AIFACTORY_KUBECONFIG is no kubeconfig: {path}")
    if os.environ.get("AIFACTORY_ANY_CLUSTER") != "1":
        check_safe(content)
    try:
        kubectl(path, "get", "--raw", "/readyz", seconds=15)
    except KubectlError as error:
        raise RefusedError(f"the cluster of AIFACTORY_KUBECONFIG does not answer: {error}") from error
    features = features_in(content)
    # Every real cluster has the first two; whether kwok runs there cannot be seen from outside.
    yield Cluster(path, "existing", FEATURES - {"kwok"} if features is None else features)
