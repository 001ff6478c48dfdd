"""Writing kubeconfig files, and judging whether one may be used by tests."""

import base64
import ipaddress
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from .client import kubectl
from .cluster import RefusedError
from .pki import Identity

EXTENSION = "aifactory.test/features"
"""The note in a kubeconfig of ours that says what its cluster has."""


def write_kubeconfig(
    path: Path,
    server: str,
    ca: bytes,
    user: Mapping[str, str],
    *,
    features: Collection[str] | None = None,
    namespace: str = "default",
) -> Path:
    """Write a kubeconfig that needs no other file, readable by its owner only, and return its path."""
    cluster: dict[str, object] = {
        "server": server,
        "certificate-authority-data": base64.b64encode(ca).decode(),
    }
    if features is not None:
        cluster["extensions"] = [{"name": EXTENSION, "extension": {"features": sorted(features)}}]
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "aifactory", "cluster": cluster}],
        "users": [{"name": "user", "user": dict(user)}],
        "contexts": [
            {"name": "aifactory", "context": {"cluster": "aifactory", "user": "user", "namespace": namespace}}
        ],
        "current-context": "aifactory",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def certificate_user(identity: Identity) -> dict[str, str]:
    """Return the user entry of a kubeconfig for a client certificate."""
    return {
        "client-certificate-data": base64.b64encode(identity.certificate.read_bytes()).decode(),
        "client-key-data": base64.b64encode(identity.key.read_bytes()).decode(),
    }


def service_account_kubeconfig(
    kubeconfig: Path, namespace: str, name: str, out: Path, duration: str = "1h", *more: str
) -> Path:
    """Write to `out` a kubeconfig that acts as the service account, and return `out`.

    The token is from the TokenRequest API, valid for `duration`; `more` goes to `kubectl create token`.
    Raises KubectlError.
    """
    asked = (f"--namespace={namespace}", f"--duration={duration}", *more)
    token = kubectl(kubeconfig, "create", "token", name, *asked)
    view = yaml.safe_load(kubectl(kubeconfig, "config", "view", "--raw", "--minify", "--flatten"))
    cluster = view["clusters"][0]["cluster"]
    ca = base64.b64decode(cluster.get("certificate-authority-data", ""))
    return write_kubeconfig(out, cluster["server"], ca, {"token": token.strip()}, namespace=namespace)


def features_in(content: Mapping[str, Any]) -> frozenset[str] | None:
    """Return what our note in a kubeconfig says that the cluster has; None without a note."""
    for entry in content.get("clusters") or ():
        for extension in entry["cluster"].get("extensions") or ():
            if extension["name"] == EXTENSION:
                return frozenset(extension["extension"]["features"])
    return None


def check_safe(content: Mapping[str, Any]) -> None:
    """Raise RefusedError unless every server is on loopback, or the current context is one of kind's.

    Tests create and delete whatever they like, so a kubeconfig of a real cluster must not be used by
    mistake.
    """
    if str(content.get("current-context", "")).startswith("kind-"):
        return
    clusters = [entry["cluster"] for entry in content.get("clusters") or ()]
    if not clusters:
        raise RefusedError("the kubeconfig names no cluster")
    for cluster in clusters:
        # Behind a proxy, loopback is the proxy's own machine.
        if not _is_loopback(str(cluster.get("server", ""))) or "proxy-url" in cluster:
            server = cluster.get("server")
            raise RefusedError(
                f"{server} is neither on loopback nor kind; AIFACTORY_ANY_CLUSTER=1 would allow it"
            )


def _is_loopback(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
