"""What the manifests give, on a real API server."""

import json
import re
import secrets
from pathlib import Path

import pytest
import yaml

from aifactory.api import names
from cluster.manifests.base import (
    ONE,
    SYSTEM,
    TRY,
    Object,
    build,
    create_when_known,
    dump,
    hold_lease,
    node,
    production,
)
from cluster.reading import get
from controlplane import Kubectl, KubectlError, wait_until


def test_the_operators_pods_are_created_under_the_restricted_standard(installed: Kubectl) -> None:
    def pods() -> bool:
        return installed("get", "pods", f"--namespace={SYSTEM}", "--output=name").count("pod/") == 2

    wait_until(pods, "both replicas' pods are admitted")


@pytest.mark.parametrize("overlay", ["kind", "production"])
def test_an_overlay_is_taken_without_a_warning(installed: Kubectl, overlay: str) -> None:
    objects = production(installed) if overlay == "production" else build(installed, f"overlays/{overlay}")
    installed(
        "apply", "--server-side", "--force-conflicts", "--warnings-as-errors", *TRY, stdin=dump(objects)
    )


def test_the_api_server_finds_no_fault_with_the_policies_types(installed: Kubectl) -> None:
    def checked() -> list[Object]:
        policies = get(installed, "validatingadmissionpolicies")
        ours = [obj for obj in policies if obj["metadata"]["name"].endswith(names.GROUP)]
        known = [obj.get("status", {}).get("observedGeneration") for obj in ours]
        return ours if known == [obj["metadata"]["generation"] for obj in ours] else []

    ours = wait_until(checked, "types are checked")
    assert {obj["metadata"]["name"]: obj["status"].get("typeChecking", {}) for obj in ours} == {
        obj["metadata"]["name"]: {}
        for obj in production(installed)
        if obj["kind"] == "ValidatingAdmissionPolicy"
    }


def test_every_policy_is_attacked(installed: Kubectl) -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for policy in (obj for obj in production(installed) if obj["kind"] == "ValidatingAdmissionPolicy"):
        name = policy["metadata"]["name"].removesuffix(f".{names.GROUP}")
        assert re.search(rf'refused\(\s*"{name}",', tests), f"{name}: no test is refused by it"


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
    hold_lease(installed, ONE)
    manifest = node(name, ours=ours)
    manifest["metadata"]["labels"]["kubernetes.io/hostname"] = name
    create_when_known(installed, manifest)
    pod = pod_of(installed)
    pod["spec"]["nodeSelector"] = {"kubernetes.io/hostname": name}
    path = "jsonpath={.status.conditions[?(@.type=='PodScheduled')]}"
    ask = ("get", "pod", pod["metadata"]["name"], f"--namespace={SYSTEM}", f"--output={path}")
    try:
        installed("wait", f"node/{name}", "--for=condition=Ready")
        installed("create", "--filename=-", stdin=yaml.safe_dump(pod))
        scheduled = json.loads(wait_until(lambda: installed(*ask), "the scheduler has judged the pod"))
        assert scheduled.get("reason", "") == wanted
    finally:
        installed(
            "delete", "pod", pod["metadata"]["name"], f"--namespace={SYSTEM}", "--force", "--ignore-not-found"
        )
        installed("delete", "node", name)
