"""What the policies refuse, and what they let pass."""

import json
import secrets

import pytest
import yaml

from aifactory.api import names
from cluster.manifests.base import (
    ALLOW,
    AS_OPERATOR,
    CRDS,
    Kubectl,
    change_spec,
    fill,
)
from controlplane import KubectlError


def test_a_factory_goes_only_when_it_is_empty(installed: Kubectl, factory: str) -> None:
    delete = ("delete", CRDS[0], factory, "--dry-run=server")
    installed(*delete)  # never seen by the operator
    for nodes, watts in ((3, 0), (0, 1000), (3, 1000)):
        fill(installed, factory, nodes, watts)
        with pytest.raises(
            KubectlError, match=f"has {nodes} nodes and {watts} W committed.*spec.drain: true"
        ):
            installed(*delete)
    fill(installed, factory)
    installed(*delete)


def test_a_factory_is_kept_when_all_are_deleted_at_once(installed: Kubectl, factory: str) -> None:
    fill(installed, factory, nodes=1)
    with pytest.raises(KubectlError, match=r"spec\.drain: true"):
        installed("delete", "--raw=/apis/aifactory.dev/v1alpha1/aifactories")
    installed("get", CRDS[0], factory)


@pytest.mark.parametrize(("crd", "kind"), [(CRDS[0], "AIFactory"), (CRDS[1], "GPUPool")])
def test_a_definition_goes_only_with_leave(installed: Kubectl, crd: str, kind: str) -> None:
    delete = ("delete", "crd", crd, "--dry-run=server")
    for annotation in (f"{ALLOW}-", f"{ALLOW}=false"):
        installed("annotate", "--overwrite", "crd", crd, annotation)
        with pytest.raises(
            KubectlError, match=f"deletes every {kind}.*kubectl annotate crd {crd} {ALLOW}=true"
        ):
            installed(*delete)
    try:
        installed("annotate", "--overwrite", "crd", crd, f"{ALLOW}=true")
        installed(*delete)
    finally:
        installed("annotate", "--overwrite", "crd", crd, f"{ALLOW}-")


def test_other_definitions_go_as_they_like(installed: Kubectl) -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gpupools.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "GPUPool", "plural": "gpupools"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                }
            ],
        },
    }
    installed("create", "--filename=-", stdin=yaml.safe_dump(crd))
    installed("delete", "crd", "gpupools.example.com")


def test_the_operator_changes_no_spec_of_a_pool(installed: Kubectl, pool: str, namespace: str) -> None:
    where = (CRDS[1], pool, f"--namespace={namespace}")
    with pytest.raises(KubectlError, match="the operator never changes spec"):
        change_spec(installed, *where[:2], {"gpus": 16}, where[2], AS_OPERATOR)
    change_spec(installed, *where[:2], {"gpus": 16}, where[2])
    for finalizers in ([names.FINALIZER], []):
        change = json.dumps({"metadata": {"finalizers": finalizers}})
        installed("patch", *where, "--type=merge", f"--patch={change}", AS_OPERATOR)


def test_the_largest_spec_is_compared_within_the_cost_that_a_policy_may_have(installed: Kubectl) -> None:
    name = f"big-{secrets.token_hex(4)}"
    paths = [f"{'hall' * 18}-{number}-x" for number in range(256)]  # nearly as long as can be
    factory = {
        "apiVersion": names.API_VERSION,
        "kind": "AIFactory",
        "metadata": {"name": name},
        "spec": {
            "power": {
                "quota": "1G",
                "basis": "CriticalIT",
                "domains": [{"path": path, "limit": "20M"} for path in paths],
            },
            "racks": [{"domain": path, "system": "gb200-nvl72", "count": 1} for path in paths],
            "backend": {"kwok": {}},
        },
    }
    installed("apply", "--server-side", "--filename=-", stdin=json.dumps(factory))
    with pytest.raises(KubectlError, match="the operator never changes spec"):
        change_spec(installed, CRDS[0], name, {"paused": True}, AS_OPERATOR)
    change = json.dumps({"metadata": {"annotations": {"example.com/seen": "yes"}}})
    installed("patch", CRDS[0], name, "--type=merge", f"--patch={change}", AS_OPERATOR)
    installed("delete", CRDS[0], name)
