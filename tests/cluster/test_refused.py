"""Writes that the API server refuses again and again: who waits for them says so, and goes round it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from aifactory.api import names
from cluster.operating import (
    FACTORIES,
    POOLS,
    Operator,
    apply,
    condition,
    factory,
    is_ready,
    nodes_in,
    nodes_of,
    pool,
    refusal,
)
from cluster.reading import get, read
from controlplane import Kubectl, KubectlError, wait_until

SECONDS = 60
WORDS = "every node needs the label cost-center"
ANY_BUT_ONE = "object.metadata.name != '{}.row.hgx-h100.1.1'"
LABELLED = "has(object.metadata.labels) && 'cost-center' in object.metadata.labels"


@contextmanager
def policy(
    kubectl: Kubectl, site: str, rule: str, *, on: str = "CREATE", resource: str = "nodes", group: str = ""
) -> Iterator[None]:
    """A policy of somebody else's: nodes of a site, or other objects, have to keep a rule."""
    kind, name = "ValidatingAdmissionPolicy", f"require-{site}"
    version = "admissionregistration.k8s.io/v1"
    matched = {"apiGroups": [group], "apiVersions": ["*"], "operations": [on], "resources": [resource]}
    inside = f"!object.metadata.name.startsWith('{site}.') || " if resource == "nodes" else ""
    apply(
        kubectl,
        {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [matched]},
                "validations": [{"expression": f"{inside}{rule}", "message": WORDS}],
            },
        },
        {
            "apiVersion": version,
            "kind": f"{kind}Binding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    )
    probe = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"{site}.row.hgx-h100.1.1"}}

    def in_force() -> bool:
        try:
            if on == "UPDATE":
                node, change = (
                    nodes_in(kubectl, site)[0]["metadata"]["name"],
                    '{"spec":{"unschedulable":true}}',
                )
                kubectl("patch", "node", node, "--dry-run=server", f"--patch={change}")
            else:
                kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(probe))
        except KubectlError as error:
            return WORDS in str(error)
        return False

    if resource == "nodes":
        wait_until(in_force, "the policy is in force")
    try:
        yield
    finally:
        kubectl("delete", f"{kind}Binding", name)
        kubectl("delete", kind, name)


def says(kubectl: Kubectl, obj: Callable[[], dict[str, Any]], kind: str, reason: str) -> str:
    """Wait until a condition has a reason; its message."""

    def told() -> str:
        found = condition(obj(), kind)
        return str(found["message"]) if found.get("reason") == reason else ""

    return wait_until(told, f"{kind} says {reason}", SECONDS)


def test_orders_that_are_refused_are_told_and_made_once_they_are_taken(
    operator: Operator, kubectl: Kubectl, tenant: str
) -> None:
    apply(kubectl, factory(tenant))

    def wish() -> dict[str, Any]:
        return read(kubectl, POOLS, "llm", tenant)

    def site() -> dict[str, Any]:
        return read(kubectl, FACTORIES, tenant)

    with policy(kubectl, tenant, LABELLED):
        apply(kubectl, pool("llm", tenant, 16, tenant))
        assert WORDS in says(kubectl, wish, "Stalled", "OrderRefused")
        assert WORDS in says(kubectl, site, "Ready", "OrderRefused")
        assert condition(wish(), "Ready")["reason"] == "OrderRefused"
        assert not condition(wish(), "Reconciling")
        fields = "involvedObject.name=llm,reason=OrderRefused"
        (event,) = get(kubectl, "events", tenant, fields=fields)
        assert WORDS in event["message"]
        assert event["type"] == "Warning"
        # It does not hammer: a try takes ever longer to come.
        tries = operator.metric("aifactory_writes_total", action="Order", outcome="failed")
        assert tries <= 12
        # Others are not held up.
        apply(kubectl, factory(f"{tenant}-b"[-40:].strip("-")))
        other = f"{tenant}-b"[-40:].strip("-")
        apply(kubectl, pool("other", tenant, 8, other))
        wait_until(lambda: is_ready(kubectl, "other", tenant), "another pool is ready", SECONDS)
    wait_until(lambda: is_ready(kubectl, "llm", tenant), "the pool is ready", 2 * SECONDS)
    says(kubectl, site, "Ready", "AsPlanned")


def test_a_pool_that_may_stand_elsewhere_goes_there(kubectl: Kubectl, tenant: str) -> None:
    first, second = f"a-{tenant}"[:40].strip("-"), f"b-{tenant}"[:40].strip("-")
    wish = pool("llm", tenant, 16, first)
    wish["spec"]["factories"] = {"names": [first, second]}
    with policy(kubectl, first, LABELLED):
        apply(kubectl, factory(first), factory(second), wish)
        wait_until(lambda: is_ready(kubectl, "llm", tenant), "the pool is ready", SECONDS)
        assert len(nodes_in(kubectl, second)) == 2
        assert nodes_in(kubectl, first) == []


def test_a_slot_that_alone_is_refused_is_left_and_the_next_one_used(kubectl: Kubectl, tenant: str) -> None:
    shut = f"{tenant}.row.hgx-h100.1.1"
    with policy(kubectl, tenant, ANY_BUT_ONE.format(tenant)):
        apply(kubectl, factory(tenant), pool("llm", tenant, 16, tenant))
        wait_until(lambda: is_ready(kubectl, "llm", tenant), "the pool is ready", SECONDS)
        assert shut not in {node["metadata"]["name"] for node in nodes_of(kubectl, "llm", tenant)}


def test_releases_that_are_refused_are_told(kubectl: Kubectl, tenant: str) -> None:
    apply(kubectl, factory(tenant), pool("llm", tenant, 16, tenant))
    wait_until(lambda: is_ready(kubectl, "llm", tenant), "the pool is ready", SECONDS)
    rule = "!has(object.spec.unschedulable) || !object.spec.unschedulable"
    with policy(kubectl, tenant, rule, on="UPDATE"):
        power = {"quota": "1", "basis": "CriticalIT"}
        change = json.dumps({"spec": {"power": power}})
        kubectl("patch", FACTORIES, tenant, "--type=merge", f"--patch={change}")

        def site() -> dict[str, Any]:
            return read(kubectl, FACTORIES, tenant)

        assert WORDS in says(kubectl, site, "WithinLimits", "ReleaseRefused")
        assert len(nodes_in(kubectl, tenant)) == 2
    wait_until(lambda: nodes_in(kubectl, tenant) == [], "the limit is met once they may go", 2 * SECONDS)


@pytest.mark.parametrize("kind", [POOLS, FACTORIES])
def test_a_finalizer_that_is_refused_is_told_in_the_status(kubectl: Kubectl, tenant: str, kind: str) -> None:
    name, resource = ("llm" if kind == POOLS else tenant), kind.removesuffix(f".{names.GROUP}")
    rule = f"!has(object.metadata.finalizers) || object.metadata.name != '{name}'"
    apply(kubectl, factory(tenant), pool("llm", tenant, 0, tenant))
    with policy(kubectl, tenant, rule, on="UPDATE", resource=resource, group=names.GROUP):
        held = '{"metadata": {"finalizers": ["example.com/held"]}}'
        change = ("patch", kind, name, f"-n={tenant}", "--type=merge", "--dry-run=server", f"--patch={held}")
        wait_until(lambda: WORDS in refusal(lambda: kubectl(*change)), "the policy is in force")
        kubectl("scale", POOLS, "llm", "--replicas=8", f"-n={tenant}")
        assert WORDS in says(kubectl, lambda: read(kubectl, kind, name, tenant), "Ready", "WriteRefused")
        assert nodes_in(kubectl, tenant) == []
    wait_until(lambda: is_ready(kubectl, "llm", tenant), "the pool is ready", 2 * SECONDS)


def test_a_status_that_cannot_be_written_is_told_by_an_event(kubectl: Kubectl, tenant: str) -> None:
    rule = f"object.metadata.namespace != '{tenant}'"
    with policy(kubectl, tenant, rule, on="UPDATE", resource="gpupools/status", group=names.GROUP):
        apply(kubectl, factory(tenant), pool("llm", tenant, 8, tenant))
        # The policy may come into force after the first status: each change makes another one.
        fields = "involvedObject.name=llm,reason=WriteRefused"

        def told() -> list[dict[str, Any]]:
            gpus = 8 if read(kubectl, POOLS, "llm", tenant)["spec"]["gpus"] > 8 else 16
            kubectl("scale", POOLS, "llm", f"--replicas={gpus}", f"-n={tenant}")
            return get(kubectl, "events", tenant, fields=fields)

        (event,) = wait_until(told, "an event says that the status is refused", SECONDS, poll=3)
        assert WORDS in event["message"]
    wait_until(lambda: is_ready(kubectl, "llm", tenant), "the status is written again", 2 * SECONDS)
