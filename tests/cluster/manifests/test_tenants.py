"""What a tenant may ask for, as its namespace is annotated."""

import json
import secrets
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest
import yaml

from cluster.manifests.base import (
    AS_OPERATOR,
    CRDS,
    MANIFESTS,
    TRY,
    Object,
    change_spec,
    patch,
    pool_manifest,
    refused,
)
from cluster.operating import refusal
from controlplane import Kubectl, KubectlError, wait_until

PRIORITY, GPUS = "aifactory.dev/max-priority", "aifactory.dev/max-gpus-per-pool"
DRAIN, SYSTEMS = "aifactory.dev/max-drain-seconds", "aifactory.dev/allowed-systems"
CHARACTERS = "aifactory.dev/max-metadata-characters"


@pytest.fixture
def tenant(installed: Kubectl, namespace: str) -> Kubectl:
    """kubectl as somebody with the role `edit` in `namespace`."""
    user = f"user-{secrets.token_hex(4)}"
    role = ("--clusterrole=edit", f"--user={user}", f"--namespace={namespace}")
    installed("create", "rolebinding", user, *role)
    as_tenant = installed.having(f"--as={user}", f"--namespace={namespace}")
    wait_until(
        lambda: not refusal(lambda: as_tenant("auth", "can-i", "create", CRDS[1])), "edit is aggregated"
    )
    return as_tenant


def annotate(kubectl: Kubectl, namespace: str, **annotations: str | None) -> None:
    patch(kubectl, "namespace", namespace, {"metadata": {"annotations": annotations}})


def asking(kubectl: Kubectl, namespace: str, **spec: object) -> Callable[[], str]:
    return partial(kubectl, "create", *TRY, stdin=json.dumps(pool_manifest(namespace, spec=spec)))


def known(ask: Callable[[], str]) -> None:
    """Wait until a request is let in: the API server sees a namespace's annotations a little later."""
    wait_until(lambda: not refusal(ask), "it is let in")


@pytest.mark.parametrize(
    "case",
    [
        ({}, {"priority": 0}, {"priority": 1}, "found 1, allowed in namespace {} is at most 0"),
        ({}, {"priority": -5}, {"priority": 2147483647}, "spec.priority: found 2147483647"),
        (
            {PRIORITY: "1000"},
            {"priority": 1000},
            {"priority": 1001},
            f"is at most 1000 (its annotation {PRIORITY}",
        ),
        ({PRIORITY: "-10"}, {"priority": -10}, {"priority": -9}, "spec.priority: found -9"),
        ({}, {"gpus": 10_000_000}, {"gpus": 8, "priority": 1}, "spec.priority"),
        ({GPUS: "16"}, {"gpus": 16}, {"gpus": 17}, "found 17, allowed in namespace {} are at most 16"),
        ({}, {"drainTimeoutSeconds": 3600}, {"drainTimeoutSeconds": 604800}, "found 604800, allowed in"),
        ({DRAIN: "60"}, {"drainTimeoutSeconds": 0}, {"drainTimeoutSeconds": 61}, "found 61, allowed in"),
        ({DRAIN: "60"}, {"drainTimeoutSeconds": 60}, {}, "spec.drainTimeoutSeconds: found 600"),
        (
            {SYSTEMS: "hgx-h100,gb200-nvl72"},
            {"systems": ["gb200-nvl72", "hgx-h100"]},
            {"systems": ["hgx-h100", "hgx-b200", "l40s-8x"]},
            "spec.systems: found hgx-b200, l40s-8x, allowed in namespace {} are hgx-h100,gb200-nvl72",
        ),
    ],
)
def test_a_tenant_asks_for_no_more_than_its_namespace_is_annotated_with(
    installed: Kubectl, tenant: Kubectl, namespace: str, case: tuple[dict[str, str], Object, Object, str]
) -> None:
    annotations, within, above, complaint = case
    annotate(installed, namespace, **annotations)
    known(asking(tenant, namespace, **within))
    wait_until(lambda: refusal(asking(tenant, namespace, **above)), "the annotation is known")
    assert complaint.format(namespace) in refused("tenant-limits", asking(tenant, namespace, **above))
    # An edit is judged like a new pool.
    tenant("create", "--filename=-", stdin=json.dumps(pool_manifest(namespace, spec=within)))
    change = partial(change_spec, tenant, CRDS[1], "pool", {"drainTimeoutSeconds": 600} | above)
    assert complaint.format(namespace) in refused("tenant-limits", change)


def test_metadata_is_bounded_more_tightly_where_a_namespace_says_so(
    installed: Kubectl, tenant: Kubectl, namespace: str
) -> None:
    annotate(installed, namespace, **{CHARACTERS: "100"})

    def ask(length: int) -> Callable[[], str]:
        body = pool_manifest(namespace, labels={"a": "x" * 49}, annotations={"b": "x" * length})
        return partial(tenant, "create", *TRY, stdin=json.dumps(body))

    wait_until(lambda: refusal(ask(50)), "the annotation is known")
    assert "metadata: found 101 characters" in refused("tenant-limits", ask(50))
    assert not refusal(ask(49))


@pytest.mark.parametrize("wrong", ["1e3", "", " 1000", "0x10", "99999999999", "lots", "1,000"])
@pytest.mark.parametrize("key", [PRIORITY, GPUS, DRAIN, CHARACTERS])
def test_an_annotation_that_makes_no_sense_lets_nothing_through(
    installed: Kubectl, tenant: Kubectl, namespace: str, key: str, wrong: str
) -> None:
    annotate(installed, namespace, **{key: wrong})
    ask = asking(tenant, namespace)
    wait_until(lambda: refusal(ask), "the annotation is known")
    said = refused("tenant-limits", ask)
    assert f'namespace {namespace} is annotated with {key}: "{wrong}"; allowed are whole numbers' in said


@pytest.mark.parametrize("wrong", ["", "hgx-h100, gb200-nvl72", "hgx-h100,", "*"])
def test_a_list_of_systems_that_makes_no_sense_lets_nothing_through(
    installed: Kubectl, tenant: Kubectl, namespace: str, wrong: str
) -> None:
    annotate(installed, namespace, **{SYSTEMS: wrong})
    ask = asking(tenant, namespace)
    wait_until(lambda: refusal(ask), "the annotation is known")
    assert f'{SYSTEMS}: "{wrong}"' in refused("tenant-limits", ask)


def test_scaling_is_bounded_too(installed: Kubectl, tenant: Kubectl, namespace: str, pool: str) -> None:
    """`kubectl scale` and autoscalers write a subresource, which a policy on pools does not see."""
    scale = partial(tenant, "scale", CRDS[1], pool, "--dry-run=server")
    known(partial(scale, "--replicas=10000"))
    annotate(installed, namespace, **{GPUS: "16"})
    wait_until(lambda: refusal(partial(scale, "--replicas=17")), "the annotation is known")
    said = refused("tenant-scale", partial(scale, "--replicas=17"))
    assert f"spec.replicas: found 17, allowed in namespace {namespace} are at most 16 GPUs" in said
    scale("--replicas=16")
    annotate(installed, namespace, **{GPUS: "few"})
    wait_until(lambda: refusal(partial(scale, "--replicas=16")), "the annotation is known")
    assert f'{GPUS}: "few"; allowed are whole numbers' in refused(
        "tenant-scale", partial(scale, "--replicas=16")
    )
    scale("--replicas=0")


def test_what_stands_is_left_and_may_only_become_less(
    installed: Kubectl, tenant: Kubectl, namespace: str
) -> None:
    """A limit that is set later is none for an edit of something else."""
    annotate(installed, namespace, **{PRIORITY: "1000", DRAIN: "604800"})
    spec = {"priority": 1000, "gpus": 64, "drainTimeoutSeconds": 604800, "systems": ["hgx-h100", "l40s-8x"]}
    known(asking(tenant, namespace, **spec))
    tenant("create", "--filename=-", stdin=json.dumps(pool_manifest(namespace, spec=spec)))
    annotate(installed, namespace, **{PRIORITY: None, DRAIN: None, GPUS: "8", SYSTEMS: "hgx-h100"})
    wait_until(lambda: refusal(asking(tenant, namespace, gpus=9)), "the annotation is known")

    change = partial(change_spec, tenant, CRDS[1], "pool")
    change({"paused": True})
    change({"priority": 500, "gpus": 32, "drainTimeoutSeconds": 3601, "systems": ["l40s-8x"]})
    tenant("label", CRDS[1], "pool", "a=b")
    for more in ({"priority": 1001}, {"gpus": 65}, {"systems": ["hgx-h100", "hgx-b200"]}):
        refused("tenant-limits", partial(change, more))
    tenant("scale", CRDS[1], "pool", "--replicas=63")
    refused("tenant-scale", partial(tenant, "scale", CRDS[1], "pool", "--replicas=64"))


@pytest.fixture
def unreadable(installed: Kubectl, tenant: Kubectl, namespace: str, pool: str) -> str:
    """A pool in a namespace whose annotation makes no sense."""
    annotate(installed, namespace, **{PRIORITY: "high"})
    wait_until(lambda: refusal(partial(tenant, "label", CRDS[1], pool, "a=b")), "the annotation is known")
    refused("tenant-limits", partial(tenant, "label", CRDS[1], pool, "a=b"))
    return pool


def test_neither_the_operator_nor_a_deletion_is_hindered(
    installed: Kubectl, tenant: Kubectl, namespace: str, unreadable: str
) -> None:
    where = f"--namespace={namespace}"
    held = {"metadata": {"finalizers": ["aifactory.dev/release", "example.com/hold"]}}
    refused("tenant-limits", lambda: patch(tenant, CRDS[1], unreadable, held))
    patch(
        installed,
        CRDS[1],
        unreadable,
        {"metadata": {"finalizers": ["aifactory.dev/release"]}},
        where,
        *AS_OPERATOR,
    )
    patch(
        installed, CRDS[1], unreadable, {"status": {"gpus": 8}}, where, "--subresource=status", *AS_OPERATOR
    )
    tenant("delete", CRDS[1], unreadable, "--wait=false")
    patch(tenant, CRDS[1], unreadable, {"metadata": {"labels": {"a": "b"}}})
    patch(installed, CRDS[1], unreadable, {"metadata": {"finalizers": None}}, where, *AS_OPERATOR)
    assert "NotFound" in refusal(lambda: tenant("get", CRDS[1], unreadable))


def test_a_tenant_cannot_annotate_its_own_namespace(
    installed: Kubectl, tenant: Kubectl, namespace: str
) -> None:
    for role in ("edit", "admin"):
        installed(
            "create", "rolebinding", role, f"--clusterrole={role}", "--user=boss", f"--namespace={namespace}"
        )
        with pytest.raises(KubectlError, match="forbidden: User"):
            annotate(installed.having("--as=boss"), namespace, **{PRIORITY: "1"})


def test_the_example_gives_a_namespace_its_limits(installed: Kubectl, namespace: str) -> None:
    where = f"--namespace={namespace}"
    text = (MANIFESTS / "components" / "tenant-guards" / "example-tenant.yaml").read_text()
    space, quota = yaml.safe_load_all(text)
    annotate(installed, namespace, **space["metadata"]["annotations"])
    quota["metadata"]["namespace"] = namespace
    quota["spec"]["hard"] = dict.fromkeys(quota["spec"]["hard"], "2")
    installed("create", "--filename=-", stdin=json.dumps(quota))
    numbers = count(1)

    def counted() -> bool:
        """Its controller looks for new kinds twice a minute, and again at each quota that has changed."""
        patch(installed, "resourcequota", "gpupools", {"spec": {"hard": {"pods": str(next(numbers))}}}, where)
        return "count/gpupools" in installed(
            "get", "resourcequota", "gpupools", where, "--output=jsonpath={.status.used}"
        )

    wait_until(counted, "the quota counts")
    known(asking(installed, namespace, priority=1000, gpus=1152, systems=["gb200-nvl72", "hgx-h100"]))
    for name in ("one", "two"):
        installed("create", "--filename=-", stdin=json.dumps(pool_manifest(namespace, name)))
    with pytest.raises(KubectlError, match="exceeded quota"):
        installed("create", "--filename=-", stdin=json.dumps(pool_manifest(namespace, "three")))
