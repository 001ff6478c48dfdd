"""What the policies refuse, and what they let pass."""

import json
import secrets

import pytest
import yaml

from aifactory.api import names
from cluster.manifests.base import ALLOW, AS_OPERATOR, CRDS, Object, change_spec, fill, node, patch, refused
from cluster.operating import refusal
from cluster.reading import read
from controlplane import Kubectl, KubectlError, wait_until

NOBODY = {
    "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "never-was", "uid": "never-was"}]
}


# Factories


def test_a_factory_goes_only_when_it_is_empty(installed: Kubectl, factory: str) -> None:
    delete = ("delete", CRDS[0], factory, "--dry-run=server")
    installed(*delete)  # never seen by the operator
    for nodes, watts in ((3, 0), (0, 1000), (3, 1000)):
        fill(installed, factory, nodes, watts)
        said = refused("occupied-factories", lambda: installed(*delete))
        assert f"has {nodes} nodes and {watts} W committed; empty it first with spec.drain: true" in said
    fill(installed, factory)
    installed(*delete)


def test_a_factory_is_kept_when_all_are_deleted_at_once(installed: Kubectl, factory: str) -> None:
    fill(installed, factory, nodes=1)
    with pytest.raises(KubectlError, match=r"spec\.drain: true"):
        installed("delete", "--raw=/apis/aifactory.dev/v1alpha1/aifactories")
    installed("get", CRDS[0], factory)


def test_a_factory_whose_status_a_thief_has_emptied_is_kept_while_a_node_stands(
    led: Kubectl, factory: str
) -> None:
    """The status is the operator's to write, so it proves nothing where its account is stolen."""
    delete = ("delete", CRDS[0], factory, "--dry-run=server")
    name = f"node-{secrets.token_hex(4)}"
    standing = json.dumps(node(name, labels={names.LABEL_FACTORY: factory}))
    wait_until(lambda: not refusal(lambda: led("create", "--filename=-", stdin=standing)), "it is made")
    fill(led, factory)
    try:
        wait_until(lambda: refusal(lambda: led(*delete)), "the node has been seen")
        said = refused("standing-nodes", lambda: led(*delete))
        assert f"node {name} still stands there; empty the factory first with spec.drain: true" in said
        refused(
            "standing-nodes",
            lambda: led("delete", CRDS[0], factory, "--as=admin", "--as-group=system:masters"),
        )
        patch(led, CRDS[0], factory, {"status": None}, "--subresource=status", *AS_OPERATOR)
        refused("standing-nodes", lambda: led(*delete))
    finally:
        led("delete", "node", name)
    wait_until(lambda: not refusal(lambda: led(*delete)), "it is empty")


# Definitions


@pytest.mark.parametrize(("crd", "kind"), [(CRDS[0], "AIFactory"), (CRDS[1], "GPUPool")])
def test_a_definition_goes_only_with_leave(installed: Kubectl, crd: str, kind: str) -> None:
    delete = ("delete", "crd", crd, "--dry-run=server")
    for annotation in (f"{ALLOW}-", f"{ALLOW}=false"):
        installed("annotate", "--overwrite", "crd", crd, annotation)
        said = refused("resource-definitions", lambda: installed(*delete))
        assert f"deletes every {kind}" in said
        assert f"kubectl annotate crd {crd} {ALLOW}=true" in said
    try:
        installed("annotate", "--overwrite", "crd", crd, f"{ALLOW}=true")
        installed(*delete)
    finally:
        installed("annotate", "--overwrite", "crd", crd, f"{ALLOW}-")


def test_no_definition_goes_where_a_whole_collection_is_deleted(installed: Kubectl) -> None:
    """Such a request names none of what it deletes."""
    selector = "labelSelector=app.kubernetes.io/part-of%3Daifactory-operator"
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    refused("resource-definitions", lambda: installed("delete", f"--raw={path}?{selector}&dryRun=All"))
    installed("get", "crd", *CRDS)


def test_other_definitions_go_as_they_like(installed: Kubectl) -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gpupools.example.com", "labels": {"example.com/part": "other"}},
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
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?labelSelector=example.com/part%3Dother"
    for delete in (("delete", "crd", "gpupools.example.com"), ("delete", f"--raw={path}")):
        installed("create", "--filename=-", stdin=yaml.safe_dump(crd))
        installed(*delete)
        installed("wait", "--for=delete", "crd/gpupools.example.com")


# What the operator writes of users' objects


def test_the_operator_changes_no_spec_of_a_pool(installed: Kubectl, pool: str, namespace: str) -> None:
    where = f"--namespace={namespace}"
    said = refused(
        "users-fields", lambda: change_spec(installed, CRDS[1], pool, {"gpus": 16}, where, *AS_OPERATOR)
    )
    assert "the operator never changes spec" in said
    change_spec(installed, CRDS[1], pool, {"gpus": 16}, where)


@pytest.mark.parametrize(
    "change",
    [
        {**NOBODY, "finalizers": None},  # the garbage collector deletes what belongs to nobody
        NOBODY,
        {"labels": {"team": "thieves"}},
        {"labels": {"team": None}},
        {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
        {"finalizers": [names.FINALIZER]},  # not without the user's own
        {"finalizers": [names.FINALIZER, "example.com/hold", "example.com/never"]},
        {"finalizers": ["example.com/hold"]},
    ],
    ids=json.dumps,
)
def test_of_metadata_the_operator_changes_its_finalizer_alone(
    installed: Kubectl, factory: str, pool: str, namespace: str, change: Object
) -> None:
    held = {"labels": {"team": "nlp"}, "finalizers": ["example.com/hold", names.FINALIZER]}
    for where in ((CRDS[0], factory), (CRDS[1], pool, f"--namespace={namespace}")):
        patch(installed, where[0], where[1], {"metadata": held}, *where[2:])
        try:
            refused(
                "users-fields",
                lambda w=where: patch(installed, w[0], w[1], {"metadata": change}, *w[2:], *AS_OPERATOR),  # type: ignore[misc]
            )
            # A status may be written, and carries nothing else along.
            both = {"metadata": change, "status": {"pools": 0} if where[0] == CRDS[0] else {"gpus": 0}}
            patch(installed, where[0], where[1], both, "--subresource=status", *where[2:], *AS_OPERATOR)
            meta = read(installed, where[0], where[1], namespace if where[2:] else "")["metadata"]
            assert (meta["labels"], meta["finalizers"], meta.get("ownerReferences")) == (*held.values(), None)
        finally:
            patch(installed, where[0], where[1], {"metadata": {"finalizers": None}}, *where[2:])


def test_the_operator_holds_what_it_sees_and_lets_go_what_is_being_deleted(
    installed: Kubectl, pool: str, namespace: str
) -> None:
    where = f"--namespace={namespace}"
    held, free = (
        {"metadata": {"finalizers": it}}
        for it in (["example.com/hold", names.FINALIZER], ["example.com/hold"])
    )
    patch(installed, CRDS[1], pool, free, where)
    patch(installed, CRDS[1], pool, held, where, *AS_OPERATOR)
    said = refused("users-fields", lambda: patch(installed, CRDS[1], pool, free, where, *AS_OPERATOR))
    assert "only where somebody has deleted the object" in said
    installed("delete", CRDS[1], pool, where, "--wait=false")
    patch(installed, CRDS[1], pool, free, where, *AS_OPERATOR)
    patch(installed, CRDS[1], pool, {"metadata": {"finalizers": None}}, where)


def test_the_largest_spec_is_compared_within_the_cost_that_a_policy_may_have(installed: Kubectl) -> None:
    name = f"big-{secrets.token_hex(4)}"
    paths = [f"{'hall' * 18}-{number}-x" for number in range(256)]  # nearly as long as can be
    factory = {
        "apiVersion": names.API_VERSION,
        "kind": "AIFactory",
        # And with as much of metadata as is taken.
        "metadata": {"name": name, "annotations": {f"example.com/{n}": "x" * 500 for n in range(120)}},
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
    refused("users-fields", lambda: change_spec(installed, CRDS[0], name, {"paused": True}, *AS_OPERATOR))
    patch(installed, CRDS[0], name, {"metadata": {"finalizers": [names.FINALIZER]}}, *AS_OPERATOR)
    patch(installed, CRDS[0], name, {"metadata": {"finalizers": None}})
    installed("delete", CRDS[0], name)
