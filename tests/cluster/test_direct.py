"""What tests ask the API server for without kubectl is what kubectl would ask for, and reads alike."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from cluster.operating import POOLS, pool, refusal
from cluster.reading import get, patiently, read
from controlplane import Kubectl
from recorder.client import AnswerError

pytestmark = pytest.mark.usefixtures("crds")
NEW, APPLY = ("create", "--filename=-"), ("apply", "--server-side", "--filename=-")
HOLD = {"metadata": {"finalizers": ["example.com/hold"]}}


def note(namespace: str, name: str, **more: Any) -> str:
    meta = {"name": name, "namespace": namespace, **more}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})


def unknown(namespace: str) -> str:
    return json.dumps(pool("p", namespace, 8, "f", gpu=1))


def names_in(kubectl: Kubectl, namespace: str) -> set[str]:
    return {it["metadata"]["name"] for it in get(kubectl, "configmaps", namespace)} - {"kube-root-ca.crt"}


@pytest.mark.parametrize(
    ("words", "ask"),
    [
        ("spec.gpus: Invalid value: -1", lambda k, ns: k(*NEW, stdin=json.dumps(pool("p", ns, -1, "f")))),
        ('(BadRequest): |unknown field "spec.gpu"', lambda k, ns: k(*NEW, stdin=unknown(ns))),
        ("Error from server: |.spec.gpu: field not declared", lambda k, ns: k(*APPLY, stdin=unknown(ns))),
        ('(Forbidden): |"nobody" cannot create', lambda k, ns: k(*NEW, "--as=nobody", stdin=note(ns, "n"))),
        (
            '(NotFound): |"no"',
            lambda k, ns: k("patch", POOLS, "no", f"-n={ns}", "--type=merge", "--patch={}"),
        ),
        ('(NotFound): |"no"', lambda k, ns: k("delete", "configmap", "no", f"--namespace={ns}")),
        ('(NotFound): |"no"', lambda k, ns: k("delete", "configmaps/no", f"--namespace={ns}")),
    ],
)
def test_a_refusal_reads_as_kubectl_has_it(
    kubectl: Kubectl, namespace: str, words: str, ask: Callable[[Kubectl, str], object]
) -> None:
    for it in (kubectl, Kubectl(kubectl.kubeconfig)):
        said = refusal(partial(ask, it, namespace))
        assert all(part in said for part in words.split("|")), said


def test_a_dry_run_changes_nothing(kubectl: Kubectl, namespace: str) -> None:
    dry = "--dry-run=server"
    kubectl("create", "-f", "-", dry, stdin=note(namespace, "one"))
    kubectl("apply", "--server-side", "-f", "-", dry, stdin=note(namespace, "one"))
    assert names_in(kubectl, namespace) == set()
    kubectl("create", "-f", "-", stdin=note(namespace, "one"))
    kubectl("patch", "configmap", "one", f"-n={namespace}", "--type=merge", '--patch={"data":{"a":"b"}}', dry)
    kubectl("delete", "configmap", "one", f"-n={namespace}", dry)
    assert "data" not in read(kubectl, "configmap", "one", namespace)


def test_of_many_objects_each_is_tried(kubectl: Kubectl, namespace: str) -> None:
    one, two = note(namespace, "one"), note(namespace, "two")
    kubectl("create", "-f", "-", stdin=one)
    assert "AlreadyExists" in refusal(lambda: kubectl("create", "-f", "-", stdin=f"{one}\n---\n{two}"))
    assert names_in(kubectl, namespace) == {"one", "two"}


def test_a_deletion_is_waited_for(kubectl: Kubectl, namespace: str) -> None:
    kubectl("create", "-f", "-", stdin=note(namespace, "held", **HOLD["metadata"]))
    where = f"--namespace={namespace}"
    kubectl("delete", "configmap", "held", where, "--wait=false")
    assert "timed out" in refusal(lambda: kubectl("delete", "configmap", "held", where, "--timeout=1s"))
    kubectl("patch", "configmap", "held", where, "--type=merge", '--patch={"metadata":{"finalizers":null}}')
    kubectl("delete", "configmap", "held", where, "--ignore-not-found")
    assert names_in(kubectl, namespace) == set()


def test_a_server_that_wants_to_be_asked_again_is() -> None:
    said = [AnswerError(429, "storage is (re)initializing", after=0.0), AnswerError(409, "it is there")]

    def ask() -> None:
        raise said.pop(0)

    with pytest.raises(AnswerError, match="it is there"):
        patiently(ask)
    said[:] = [AnswerError(429, "a budget is against it")]
    with pytest.raises(AnswerError, match="budget"):
        patiently(ask)
