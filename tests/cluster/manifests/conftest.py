"""The manifests' base, put in force for one file of tests after the other."""

import secrets
from collections.abc import Iterator

import pytest

from cluster.manifests.base import (
    CRDS,
    Kubectl,
    build,
    dump,
    fill,
    make_factory,
    pool_manifest,
    put_in_force,
)
from cluster.operating import refusal
from controlplane import wait_until


@pytest.fixture(scope="module")
def installed(kubectl: Kubectl) -> Iterator[Kubectl]:
    """The base, applied and in force. It goes afterwards, but for what others use too or is slow to go."""
    probe = f"probe-{secrets.token_hex(4)}"
    try:
        put_in_force(kubectl, probe)
        yield kubectl
    finally:
        stays = ("CustomResourceDefinition", "Namespace")
        ours = dump(obj for obj in build(kubectl, "base") if obj["kind"] not in stays)
        kubectl("delete", "--ignore-not-found", "--filename=-", stdin=ours)
        remove = ("delete", CRDS[0], probe, "--ignore-not-found")
        wait_until(lambda: not refusal(lambda: kubectl(*remove)), "nothing is refused any more")


@pytest.fixture
def factory(installed: Kubectl) -> Iterator[str]:
    """An empty factory."""
    name = f"test-{secrets.token_hex(4)}"
    make_factory(installed, name)
    yield name
    fill(installed, name)
    installed("delete", CRDS[0], name)


@pytest.fixture
def pool(installed: Kubectl, namespace: str) -> str:
    """A pool in `namespace`."""
    installed("apply", "--server-side", "--filename=-", stdin=pool_manifest(namespace))
    return "pool"
