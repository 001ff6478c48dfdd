"""Who may do what, as the API server answers."""

import json
import secrets
from collections.abc import Callable

import pytest

from cluster.manifests.base import (
    ACCOUNT,
    AT_HOME,
    CRDS,
    EVERYWHERE,
    SYSTEM,
    Object,
    change_spec,
    pool_manifest,
    rights,
)
from cluster.operating import refusal
from controlplane import Kubectl, KubectlError, wait_until


def granted(kubectl: Kubectl, account: str, namespace: str) -> set[tuple[str, str, str]]:
    """(verb, group/resource, name or nothing) of all that an account may do in a namespace."""
    review: Object = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    path = "--raw=/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    text = kubectl("create", path, "--filename=-", f"--as={account}", stdin=json.dumps(review))
    return {
        (verb, f"{group}/{resource}", name)
        for rule in json.loads(text)["status"]["resourceRules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }


def test_the_operator_may_do_what_is_listed_and_nothing_else(installed: Kubectl, namespace: str) -> None:
    def own(where: str) -> set[tuple[str, str, str]]:
        anyone = granted(installed, f"system:serviceaccount:{SYSTEM}:default", where)
        return granted(installed, ACCOUNT, where) - anyone

    assert own(SYSTEM) == rights(EVERYWHERE | AT_HOME)
    assert own(namespace) == rights(EVERYWHERE)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("list gpupools.aifactory.dev --all-namespaces", "yes"),
        ("patch aifactories.aifactory.dev --subresource=status", "yes"),
        ("delete nodes", "yes"),
        ("create pods --subresource=eviction --all-namespaces", "yes"),
        (f"patch leases.coordination.k8s.io/aifactory --namespace={SYSTEM}", "yes"),
        (f"patch leases.coordination.k8s.io/other --namespace={SYSTEM}", "no"),
        ("patch leases.coordination.k8s.io/aifactory --namespace=kube-system", "no"),
        (f"get secrets --namespace={SYSTEM}", "no"),
        ("list secrets --all-namespaces", "no"),
        ("create gpupools.aifactory.dev --all-namespaces", "no"),
        ("get gpupools.aifactory.dev --all-namespaces", "no"),
        ("update aifactories.aifactory.dev", "no"),
        ("delete aifactories.aifactory.dev", "no"),
        ("patch gpupools.aifactory.dev --subresource=scale --all-namespaces", "no"),
        ("create pods --all-namespaces", "no"),
        ("patch nodes --subresource=status", "no"),
        ("get nodes --subresource=proxy", "no"),
        ("get customresourcedefinitions.apiextensions.k8s.io/nodes.example.com", "no"),
        ("delete customresourcedefinitions.apiextensions.k8s.io/gpupools.aifactory.dev", "no"),
        ("delete validatingadmissionpolicies.admissionregistration.k8s.io", "no"),
        ("create clusterrolebindings.rbac.authorization.k8s.io", "no"),
        ("impersonate users", "no"),
    ],
)
def test_the_operators_rights_as_kubectl_answers(installed: Kubectl, question: str, answer: str) -> None:
    # A "no" is an exit status of its own, and some questions are answered with a warning.
    said = refusal(lambda: installed("auth", "can-i", *question.split(), f"--as={ACCOUNT}"))
    assert ("no" if said else "yes") == answer, said


@pytest.fixture
def tenant(installed: Kubectl, namespace: str) -> Callable[[str], Kubectl]:
    """`tenant(role)`: kubectl as a user with a role in `namespace`; the roles have been aggregated."""

    def become(role: str) -> Kubectl:
        user = f"user-{secrets.token_hex(4)}"
        installed(
            "create",
            "rolebinding",
            user,
            f"--clusterrole={role}",
            f"--user={user}",
            f"--namespace={namespace}",
        )
        as_user = installed.having(f"--as={user}", f"--namespace={namespace}")
        question = ("auth", "can-i", "get", CRDS[1])
        wait_until(lambda: not refusal(lambda: as_user(*question)), f"{role} is aggregated")
        return as_user

    return become


@pytest.mark.parametrize("role", ["edit", "admin"])
def test_a_tenant_makes_scales_and_deletes_its_pools_and_touches_no_factory(
    tenant: Callable[[str], Kubectl], namespace: str, factory: str, role: str
) -> None:
    as_tenant = tenant(role)
    as_tenant("apply", "--server-side", "--filename=-", stdin=json.dumps(pool_manifest(namespace)))
    as_tenant("scale", CRDS[1], "pool", "--replicas=16")
    assert as_tenant("get", CRDS[1], "pool", "--output=jsonpath={.spec.gpus}") == "16"
    for write in (
        ("patch", CRDS[1], "pool", "--subresource=status", "--type=merge", '--patch={"status":{"gpus":16}}'),
        ("patch", CRDS[0], factory, "--type=merge", '--patch={"spec":{"paused":true}}'),
        ("delete", CRDS[0], factory),
        ("get", CRDS[0], factory),
        ("get", CRDS[1], "--namespace=default"),
    ):
        with pytest.raises(KubectlError, match="forbidden: User"):
            as_tenant(*write)
    as_tenant("delete", CRDS[1], "pool")


def test_a_viewer_reads_pools_and_writes_none(tenant: Callable[[str], Kubectl], pool: str) -> None:
    as_viewer = tenant("view")
    assert as_viewer("get", CRDS[1], pool, "--output=jsonpath={.spec.gpus}") == "8"
    for write in (("scale", CRDS[1], pool, "--replicas=0"), ("delete", CRDS[1], pool)):
        with pytest.raises(KubectlError, match="forbidden: User"):
            as_viewer(*write)


@pytest.mark.parametrize(("role", "writes"), [("aifactory-viewer", False), ("aifactory-editor", True)])
def test_factories_are_read_and_written_by_whom_the_cluster_binds(
    installed: Kubectl, factory: str, role: str, writes: bool
) -> None:
    user = f"user-{secrets.token_hex(4)}"
    installed("create", "clusterrolebinding", user, f"--clusterrole={role}", f"--user={user}")
    try:
        as_user = installed.having(f"--as={user}")
        wait_until(lambda: not refusal(lambda: as_user("get", CRDS[0], factory)), "the binding holds")
        said = refusal(lambda: change_spec(as_user, CRDS[0], factory, {"drain": True}))
        assert ("forbidden: User" in said) is not writes, said
        assert "forbidden: User" in refusal(lambda: as_user("get", CRDS[1], "--all-namespaces"))
    finally:
        installed("delete", "clusterrolebinding", user)
