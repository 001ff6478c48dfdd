"""How much metadata an object of ours may carry: every replica holds all of it."""

import json
from functools import partial
from typing import Any

import pytest

from cluster.manifests.base import AS_OPERATOR, CRDS, TRY, Object, patch, pool_manifest, refused
from cluster.operating import refusal
from cluster.reading import read
from controlplane import Kubectl, wait_until

MANY = {f"example.com/{number:0>50}-{number}": "x" * 63 for number in range(10_000)}
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "any"}


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        ({"labels": MANY}, "found 10000 labels and annotations, allowed are at most 128"),  # 1.4 MB
        (
            {"labels": {f"l{n}": "" for n in range(65)}, "annotations": {f"a{n}": "" for n in range(64)}},
            "found 129 ",
        ),
        ({"annotations": {"a": "x" * 65536}}, "found 65537 characters of labels and annotations"),
        ({"finalizers": [f"example.com/{n}" for n in range(17)]}, "metadata.finalizers: found 17"),
        (
            {"ownerReferences": [OWNER | {"uid": str(n)} for n in range(17)]},
            "metadata.ownerReferences: found 17",
        ),
    ],
    ids=["labels", "entries", "characters", "finalizers", "owners"],
)
def test_more_than_anybody_needs_is_refused(
    installed: Kubectl, factory: str, namespace: str, metadata: Object, complaint: str
) -> None:
    pool = json.dumps(pool_manifest(namespace, **metadata))
    assert complaint in refused("bounded-metadata", lambda: installed("create", *TRY, stdin=pool))
    site = read(installed, CRDS[0], factory)
    site["metadata"] = {"name": factory, **metadata}
    applied = ("apply", "--server-side", "--force-conflicts", *TRY)
    assert complaint in refused(
        "bounded-metadata",
        lambda: installed(*applied, stdin=json.dumps({k: v for k, v in site.items() if k != "status"})),
    )


def test_not_more_than_so_many_apply_parts_of_one_object(
    installed: Kubectl, pool: str, namespace: str
) -> None:
    """What each of them has applied is kept in metadata.managedFields, which nothing else bounds."""
    apply = partial(
        installed, "apply", "--server-side", "--filename=-", stdin=json.dumps(pool_manifest(namespace))
    )
    shown = installed("get", CRDS[1], pool, f"-n={namespace}", "--show-managed-fields", "--output=json")
    there = len(json.loads(shown)["metadata"]["managedFields"])
    for number in range(32 - there):
        apply(f"--field-manager=manager-{number}")
    said = refused("bounded-metadata", lambda: apply("--field-manager=one-more"))
    assert "metadata.managedFields: found 33, allowed are at most 32" in said
    apply("--field-manager=manager-1")


def test_what_argo_cd_and_kubectl_write_is_taken(installed: Kubectl, namespace: str) -> None:
    """The largest pool that the schema takes, applied by a client that keeps a copy in an annotation."""
    label = {f"{'d' * 60}.{'e' * 60}.example.com/{'k' * 60}{n:0>3}": "v" * 63 for n in range(32)}
    taints = [{"key": key, "value": "v" * 63, "effect": "NoSchedule"} for key in label]
    spec = {"nodeLabels": label, "nodeTaints": taints, "systems": [f"{'s' * 36}-{n}" for n in range(16)]}
    tracking = {"argocd.argoproj.io/tracking-id": "fleet:aifactory.dev/GPUPool:team-a/pool"}
    labels = {f"example.com/{n}": "x" * 63 for n in range(20)}
    pool = json.dumps(pool_manifest(namespace, spec=spec, annotations=tracking, labels=labels))
    for _ in range(2):
        installed("apply", "--filename=-", stdin=pool)
    last = read(installed, CRDS[1], "pool", namespace)["metadata"]["annotations"]
    assert len(last["kubectl.kubernetes.io/last-applied-configuration"]) > 15_000


def test_what_is_too_large_already_is_deleted_and_written_by_the_operator(
    installed: Kubectl, namespace: str
) -> None:
    """It may be older than the policy, which looks the other way for a while here."""
    binding = ("validatingadmissionpolicybinding", "bounded-metadata.aifactory.dev")
    where = f"--namespace={namespace}"
    large: dict[str, Any] = {"annotations": {"a": "x" * 100_000}}
    patch(installed, *binding, {"spec": {"validationActions": ["Audit"]}})
    try:
        create = partial(
            installed, "create", "--filename=-", stdin=json.dumps(pool_manifest(namespace, **large))
        )
        wait_until(lambda: not refusal(create), "it is let in")
    finally:
        patch(installed, *binding, {"spec": {"validationActions": ["Deny"]}})
    label = partial(installed, "label", CRDS[1], "pool", where, "--dry-run=server")
    wait_until(lambda: "bounded-metadata" in refusal(partial(label, "a=b")), "the policy holds again")
    patch(
        installed,
        CRDS[1],
        "pool",
        {"metadata": {"finalizers": ["aifactory.dev/release"]}},
        where,
        *AS_OPERATOR,
    )
    patch(installed, CRDS[1], "pool", {"status": {"gpus": 0}}, "--subresource=status", where, *AS_OPERATOR)
    installed("delete", CRDS[1], "pool", where, "--wait=false")
    label("a=b")
    patch(installed, CRDS[1], "pool", {"metadata": {"finalizers": None}}, where, *AS_OPERATOR)
