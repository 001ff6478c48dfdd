"""What production has, put in force for one file of tests after the other."""

import json
import secrets
from collections.abc import Iterator

import pytest

from cluster.manifests.base import (
    CRDS,
    SYSTEM,
    Kubectl,
    fill,
    make_factory,
    pool_manifest,
    put_in_force,
    take_away,
)
from cluster.operating import read


@pytest.fixture(scope="module")
def installed(kubectl: Kubectl) -> Iterator[Kubectl]:
    """All of it, applied and in force. It goes afterwards."""
    try:
        put_in_force(kubectl)
        yield kubectl
    finally:
        take_away(kubectl)


@pytest.fixture
def factory(installed: Kubectl) -> Iterator[str]:
    """An empty factory."""
    name = f"test-{secrets.token_hex(4)}"
    make_factory(installed, name)
    yield name
    fill(installed, name)
    installed("delete", CRDS[0], name, "--ignore-not-found")


@pytest.fixture
def pool(installed: Kubectl, namespace: str) -> str:
    """A pool in `namespace`."""
    installed("apply", "--server-side", "--filename=-", stdin=json.dumps(pool_manifest(namespace)))
    return "pool"


@pytest.fixture
def running(installed: Kubectl) -> Iterator[tuple[str, str]]:
    """(name, uid) of a pod of the operator's account."""
    name = f"aifactory-{secrets.token_hex(4)}"
    template = read(installed, "deployment", "aifactory", SYSTEM)["spec"]["template"]
    meta = {"name": name, "namespace": SYSTEM}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
    installed("create", "--filename=-", stdin=json.dumps(pod))
    yield name, read(installed, "pod", name, SYSTEM)["metadata"]["uid"]
    installed("delete", "pod", name, f"--namespace={SYSTEM}", "--grace-period=0", "--force")
