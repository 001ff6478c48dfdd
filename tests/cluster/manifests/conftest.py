"""What production has, put in force for one file of tests after the other."""

import json
import secrets
from collections.abc import Iterator

import pytest

from cluster.manifests.base import (
    AS_OPERATOR,
    CRDS,
    ONE,
    SYSTEM,
    TWO,
    asking,
    fill,
    hold_lease,
    make_factory,
    ordered,
    pool_manifest,
    put_in_force,
    take_away,
)
from cluster.operating import refusal
from cluster.reading import read
from controlplane import Kubectl, wait_until


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
def led(installed: Kubectl) -> Kubectl:
    """kubectl, while ONE leads in term 1 and the policies know it."""
    hold_lease(installed, ONE)
    wait_until(lambda: not refusal(asking(installed, ordered(ONE), *AS_OPERATOR)), "it may create nodes")
    return installed


@pytest.fixture
def own(led: Kubectl) -> Iterator[str]:
    """A node that the operator has ordered."""
    manifest = ordered(ONE)
    name = manifest["metadata"]["name"]
    led("create", "--filename=-", *AS_OPERATOR, stdin=json.dumps(manifest))
    hold_lease(led, TWO)  # an update or a release is not done in the name of the node's creator
    yield name
    led("delete", "node", name, "--ignore-not-found")


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
