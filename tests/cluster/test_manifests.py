"""The manifests on a real API server: what they give, what they refuse, and to whom."""

import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from aifactory.api import names
from controlplane import KubectlError, wait_until

Kubectl = Callable[..., str]
Object = dict[str, Any]
MANIFESTS = Path(__file__).parents[2] / "manifests"
SYSTEM = "aifactory-system"
AS_OPERATOR = f"--as=system:serviceaccount:{SYSTEM}:aifactory"
CRDS = ("aifactories.aifactory.dev", "gpupools.aifactory.dev")
ALLOW = "aifactory.dev/allow-deletion"
TRY = ("--dry-run=server", "--filename=-")


def refusal(ask: Callable[[], object]) -> str:
    """What the API server says against a request; empty if it takes it."""
    try:
        ask()
    except KubectlError as error:
        return str(error)
    return ""


def build(kubectl: Kubectl, folder: str) -> list[Object]:
    return list(yaml.safe_load_all(kubectl("kustomize", str(MANIFESTS / folder))))


def dump(objects: Iterable[Object]) -> str:
    return yaml.safe_dump_all(objects)


def node(name: str = "", *, ours: bool = True, leader: str | None = None) -> str:
    labels = {names.LABEL_FACTORY: "lab"} if ours else {}
    annotations = {} if leader is None else {names.ANNOTATION_LEADER: leader}
    metadata = {
        "name": name or f"node-{secrets.token_hex(4)}",
        "labels": labels,
        "annotations": {"kwok.x-k8s.io/node": "fake", **annotations},
    }
    resources = {"cpu": "64", "memory": "512Gi", "pods": "110"}
    status = {"capacity": resources, "allocatable": resources}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status})


@pytest.fixture(scope="module")
def installed(kubectl: Kubectl) -> Iterator[Kubectl]:
    """The base, applied and in force. It goes afterwards, but for the definitions: others use them too."""
    probe = f"probe-{secrets.token_hex(4)}"
    try:
        put_in_force(kubectl, probe)
        yield kubectl
    finally:
        ours = dump(obj for obj in build(kubectl, "base") if obj["kind"] != "CustomResourceDefinition")
        kubectl("delete", "--ignore-not-found", "--filename=-", stdin=ours)
        remove = ("delete", CRDS[0], probe, "--ignore-not-found")
        wait_until(lambda: not refusal(lambda: kubectl(*remove)), "nothing is refused any more")


def put_in_force(kubectl: Kubectl, probe: str) -> None:
    """Apply the base, and wait until each policy refuses something; `probe` names a factory for that."""
    kubectl(
        "apply", "--server-side", "--force-conflicts", "--warnings-as-errors",
        "--kustomize", str(MANIFESTS / "base"),
    )  # fmt: skip
    kubectl("wait", "--for=condition=Established", *(f"crd/{crd}" for crd in CRDS))
    wait_until(
        lambda: not refusal(lambda: kubectl("auth", "can-i", "patch", CRDS[0], AS_OPERATOR)), "rights hold"
    )
    make_factory(kubectl, probe)
    fill(kubectl, probe, nodes=1)
    wrong: dict[str, Callable[[], object]] = {
        "resource-definitions": lambda: kubectl("delete", "crd", CRDS[1], "--dry-run=server"),
        "occupied-factories": lambda: kubectl("delete", CRDS[0], probe, "--dry-run=server"),
        "users-spec": lambda: change_spec(kubectl, CRDS[0], probe, {"paused": True}, AS_OPERATOR),
        "own-nodes": lambda: kubectl("create", AS_OPERATOR, *TRY, stdin=node(ours=False)),
        "leader-only": lambda: kubectl("create", AS_OPERATOR, *TRY, stdin=node(leader="nobody")),
    }
    policies = [obj for obj in build(kubectl, "base") if obj["kind"] == "ValidatingAdmissionPolicy"]
    assert {f"{name}.{names.GROUP}" for name in wrong} == {obj["metadata"]["name"] for obj in policies}
    for name, ask in wrong.items():
        wait_until(
            partial(lambda n, a: f"'{n}.{names.GROUP}'" in refusal(a), name, ask), f"{name} is enforced"
        )


def make_factory(kubectl: Kubectl, name: str) -> None:
    factory = yaml.safe_load((MANIFESTS / "examples" / "factory-lab.yaml").read_text())
    factory["metadata"]["name"] = name
    kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump(factory))


def fill(kubectl: Kubectl, name: str, nodes: int = 0, committed: int = 0) -> None:
    """Write a factory's status, as the operator."""
    power = {"limit": 600000, "committed": committed, "reserved": committed, "free": 600000 - committed}
    change = json.dumps({"status": {"nodes": nodes, "power": power}})
    kubectl("patch", CRDS[0], name, "--subresource=status", "--type=merge", f"--patch={change}", AS_OPERATOR)


def change_spec(kubectl: Kubectl, kind: str, name: str, spec: Object, *more: str) -> None:
    """Try a change, without making it."""
    change = json.dumps({"spec": spec})
    kubectl("patch", kind, name, "--type=merge", f"--patch={change}", "--dry-run=server", *more)


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


def pool_manifest(namespace: str) -> str:
    metadata = {"name": "pool", "namespace": namespace}
    spec = {"gpus": 8, "systems": ["hgx-h100"]}
    return yaml.safe_dump(
        {"apiVersion": names.API_VERSION, "kind": "GPUPool", "metadata": metadata, "spec": spec}
    )


# Installing


def test_the_operators_pods_are_created_under_the_restricted_standard(installed: Kubectl) -> None:
    def pods() -> bool:
        return installed("get", "pods", f"--namespace={SYSTEM}", "--output=name").count("pod/") == 2

    wait_until(pods, "both replicas' pods are admitted")


@pytest.mark.parametrize("overlay", ["kind", "production"])
def test_an_overlay_is_taken_without_a_warning(installed: Kubectl, overlay: str) -> None:
    objects = build(installed, f"overlays/{overlay}")
    # The Prometheus operator's kinds are not part of Kubernetes.
    known = [obj for obj in objects if obj["kind"] != "ServiceMonitor"]
    installed(
        "apply", "--server-side", "--force-conflicts", "--warnings-as-errors", *TRY, stdin=dump(known)
    )  # fmt: skip


def test_the_api_server_finds_no_fault_with_the_policies_types(installed: Kubectl) -> None:
    def checked() -> list[Object]:
        text = installed("get", "validatingadmissionpolicies", "--output=json")
        ours = [obj for obj in json.loads(text)["items"] if obj["metadata"]["name"].endswith(names.GROUP)]
        assert len(ours) == 5
        status = [obj.get("status", {}) for obj in ours]
        return status if all("typeChecking" in each for each in status) else []

    assert [status["typeChecking"] for status in wait_until(checked, "types are checked")] == [{}] * 5


def pod_of(kubectl: Kubectl, name: str = "") -> Object:
    """A pod as the Deployment makes it."""
    (deployment,) = (obj for obj in build(kubectl, "base") if obj["kind"] == "Deployment")
    metadata = {"name": name or f"pod-{secrets.token_hex(4)}", "namespace": SYSTEM}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": deployment["spec"]["template"]["spec"],
    }


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        ("runAsNonRoot", None, "runAsNonRoot != true"),
        ("seccompProfile", None, "seccompProfile"),
        ("runAsUser", 0, "runAsUser=0"),
        ("allowPrivilegeEscalation", None, "allowPrivilegeEscalation != false"),
        ("capabilities", None, "unrestricted capabilities"),
    ],
)
def test_the_namespace_refuses_the_pod_with_any_less(
    installed: Kubectl, place: str, value: object, complaint: str
) -> None:
    create = ("create", "--warnings-as-errors", *TRY)
    pod = pod_of(installed)
    installed(*create, stdin=yaml.safe_dump(pod))
    contexts = [pod["spec"]["securityContext"], pod["spec"]["containers"][0]["securityContext"]]
    context = contexts[place in contexts[1]]
    context.pop(place, None)
    if value is not None:
        context[place] = value
    with pytest.raises(KubectlError, match=f"violates PodSecurity.*{complaint}"):
        installed(*create, stdin=yaml.safe_dump(pod))


@pytest.mark.parametrize(("ours", "wanted"), [(True, "Unschedulable"), (False, "")])
def test_the_operator_never_runs_on_a_node_that_it_may_delete(
    installed: Kubectl, ours: bool, wanted: str
) -> None:
    name = f"node-{secrets.token_hex(4)}"
    # Created by a person: a node of ours needs a leader only when the operator orders it.
    hold_lease(installed, "somebody")
    manifest = yaml.safe_load(node(name, ours=ours))
    manifest["metadata"]["labels"]["kubernetes.io/hostname"] = name
    create_when_known(installed, yaml.safe_dump(manifest))
    pod = pod_of(installed)
    pod["spec"]["nodeSelector"] = {"kubernetes.io/hostname": name}
    path = "jsonpath={.status.conditions[?(@.type=='PodScheduled')]}"
    ask = ("get", "pod", pod["metadata"]["name"], f"--namespace={SYSTEM}", f"--output={path}")
    try:
        installed("wait", f"node/{name}", "--for=condition=Ready", "--timeout=30s")
        installed("create", "--filename=-", stdin=yaml.safe_dump(pod))
        scheduled = json.loads(wait_until(lambda: installed(*ask), "the scheduler has judged the pod"))
        assert scheduled.get("reason", "") == wanted
    finally:
        installed(
            "delete", "pod", pod["metadata"]["name"], f"--namespace={SYSTEM}", "--force", "--ignore-not-found"
        )
        installed("delete", "node", name)


# Rights


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


EVERYWHERE = {
    "aifactory.dev/aifactories": "get list watch patch",
    "aifactory.dev/gpupools": "get list watch patch",
    "aifactory.dev/aifactories/status": "get patch",
    "aifactory.dev/gpupools/status": "get patch",
    "/nodes": "get list watch create patch delete",
    "/pods": "get list",
    "/pods/eviction": "create",
    "/events": "create patch",
    "apiextensions.k8s.io/customresourcedefinitions aifactories.aifactory.dev": "get",
    "apiextensions.k8s.io/customresourcedefinitions gpupools.aifactory.dev": "get",
}
AT_HOME = {
    "coordination.k8s.io/leases": "create",
    "coordination.k8s.io/leases aifactory": "get patch",
}


def test_the_operator_may_do_what_is_listed_and_nothing_else(installed: Kubectl, namespace: str) -> None:
    def rights(table: dict[str, str]) -> set[tuple[str, str, str]]:
        return {
            (verb, resource, name)
            for what, verbs in table.items()
            for resource, _, name in [what.partition(" ")]
            for verb in verbs.split()
        }

    def own(where: str) -> set[tuple[str, str, str]]:
        anyone = granted(installed, f"system:serviceaccount:{SYSTEM}:default", where)
        return granted(installed, f"system:serviceaccount:{SYSTEM}:aifactory", where) - anyone

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
        ("update aifactories.aifactory.dev", "no"),
        ("delete aifactories.aifactory.dev", "no"),
        ("patch gpupools.aifactory.dev --subresource=scale --all-namespaces", "no"),
        ("delete pods --all-namespaces", "no"),
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
    said = refusal(lambda: installed("auth", "can-i", *question.split(), AS_OPERATOR))
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
        as_user = partial(installed, f"--as={user}", f"--namespace={namespace}")
        question = ("auth", "can-i", "get", CRDS[1])
        wait_until(lambda: not refusal(lambda: as_user(*question)), f"{role} is aggregated")
        return as_user

    return become


@pytest.mark.parametrize("role", ["edit", "admin"])
def test_a_tenant_makes_scales_and_deletes_its_pools_and_touches_no_factory(
    tenant: Callable[[str], Kubectl], namespace: str, factory: str, role: str
) -> None:
    as_tenant = tenant(role)
    as_tenant("apply", "--server-side", "--filename=-", stdin=pool_manifest(namespace))
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
        as_user = partial(installed, f"--as={user}")
        wait_until(lambda: not refusal(lambda: as_user("get", CRDS[0], factory)), "the binding holds")
        said = refusal(lambda: change_spec(as_user, CRDS[0], factory, {"drain": True}))
        assert ("forbidden: User" in said) is not writes, said
        assert "forbidden: User" in refusal(lambda: as_user("get", CRDS[1], "--all-namespaces"))
    finally:
        installed("delete", "clusterrolebinding", user)


# What is refused, and what is not


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


# Nodes, and in whose name


def hold_lease(kubectl: Kubectl, identity: str) -> None:
    """Take the Lease in somebody's name, as the operator does: in place, so that it is never missing."""
    spec = {"holderIdentity": identity, "leaseDurationSeconds": 15}
    metadata = {"name": "aifactory", "namespace": SYSTEM}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
    kubectl(
        "apply", "--server-side", "--force-conflicts", "--filename=-", AS_OPERATOR, stdin=json.dumps(lease)
    )


def create_when_known(kubectl: Kubectl, manifest: str, *more: str) -> None:
    """Create a node as soon as the policy has seen the Lease as it is now."""
    wait_until(lambda: not refusal(lambda: kubectl("create", *TRY, *more, stdin=manifest)), "it is let in")
    kubectl("create", "--filename=-", *more, stdin=manifest)


def test_only_the_holder_of_the_lease_creates_nodes(installed: Kubectl) -> None:
    def said(leader: str | None) -> str:
        return refusal(lambda: installed("create", AS_OPERATOR, *TRY, stdin=node(leader=leader)))

    for holder, other in (("one", "two"), ("two", "one")):
        hold_lease(installed, holder)
        wait_until(partial(lambda h: not said(h), holder), "the holder may create nodes")
        for name in (other, None, ""):
            assert f'in the name of "{name or ""}", but the Lease is held by "{holder}"' in said(name)
    hold_lease(installed, "")  # given back
    wait_until(lambda: 'held by ""' in said("two"), "the former holder is refused")
    assert said("")


def test_without_a_lease_nothing_is_ordered_and_other_nodes_come_and_go(installed: Kubectl) -> None:
    hold_lease(installed, "one")
    installed("delete", "lease", "aifactory", f"--namespace={SYSTEM}")

    def said(*more: str, ours: bool = True) -> str:
        return refusal(lambda: installed("create", *more, *TRY, stdin=node(ours=ours, leader="one")))

    wait_until(lambda: "no params found" in said(AS_OPERATOR), "the operator is refused")
    assert "no params found" in said()  # a price of failing closed
    assert not said(ours=False)
    name = f"node-{secrets.token_hex(4)}"
    installed("create", "--filename=-", stdin=node(name, ours=False))
    installed("delete", "node", name)


def test_a_person_creates_any_node(installed: Kubectl) -> None:
    hold_lease(installed, "one")
    for ours, leader in ((True, None), (True, "two"), (False, None)):
        manifest = node(ours=ours, leader=leader)
        wait_until(
            partial(lambda m: not refusal(lambda: installed("create", *TRY, stdin=m)), manifest),
            "it is let in",
        )


def test_the_operator_writes_its_own_nodes_and_no_other(installed: Kubectl) -> None:
    hold_lease(installed, "one")
    own, foreign = (f"node-{secrets.token_hex(4)}" for _ in range(2))
    installed("create", "--filename=-", stdin=node(foreign, ours=False))
    create_when_known(installed, node(own, leader="one"), AS_OPERATOR)
    hold_lease(installed, "two")  # an update or a release is not done in the name of the node's creator

    message = "the operator writes only nodes with the label aifactory.dev/factory"
    cordon = '--patch={"spec":{"unschedulable":true}}'  # `kubectl cordon` ends well even when it is refused
    for write in (
        ("label", "node", foreign, "a=b"),
        ("label", "node", foreign, f"{names.LABEL_FACTORY}=lab"),
        ("taint", "node", foreign, "a=b:NoSchedule"),
        ("patch", "node", foreign, cordon),
        ("delete", "node", foreign),
        ("label", "node", own, f"{names.LABEL_FACTORY}-"),
    ):
        with pytest.raises(KubectlError, match=message):
            installed(*write, AS_OPERATOR)
    with pytest.raises(KubectlError, match=message):
        installed("create", AS_OPERATOR, *TRY, stdin=node(ours=False, leader="two"))
    for write in (
        ("label", "node", own, "a=b"),
        ("taint", "node", own, "a=b:NoSchedule"),
        ("patch", "node", own, cordon),
        ("delete", "node", own),
    ):
        installed(*write, AS_OPERATOR)
    installed("label", "node", foreign, "a=b")
    installed("delete", "node", foreign)
