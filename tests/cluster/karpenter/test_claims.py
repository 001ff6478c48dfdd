"""What the driver relies on, shown on the real Karpenter: a NodeClaim by itself is one machine, no more."""

from typing import Any

import pytest
import yaml

from aifactory.api import names
from aifactory.backends.claims import PODS_UNTIL
from aifactory.decide.model.world import Taint
from cluster.karpenter.conftest import Claim
from cluster.karpenter.seeing import claims_in, condition, machine_of
from cluster.machines import CLAIMS, GROUP
from cluster.operating import apply, guard, nodes_in
from cluster.reading import get, read
from controlplane import Kubectl, KubectlError, wait_until

# Of the pinned version of Karpenter: that only changes when the pin does.
pytestmark = pytest.mark.long

DISRUPTED = "karpenter.sh/disrupted"


def create(kubectl: Kubectl, body: dict[str, Any]) -> str:
    """Create a NodeClaim, and return its name."""
    kubectl("create", "--filename=-", stdin=yaml.safe_dump(body))
    name: str = body["metadata"]["name"]
    return name


def test_it_becomes_a_node_that_bears_all_that_it_says(kubectl: Kubectl, claim: Claim, site: str) -> None:
    wish = {"taints": (Taint("dedicated", "llm", "NoSchedule"),), "labels": {"team": "nlp"}}
    body = claim(**wish, first_taints=(Taint("starting", "", "NoSchedule"),), shared=False)
    name = create(kubectl, body)

    def registered() -> bool:
        return condition(read(kubectl, CLAIMS, name), "Registered") == "True"

    wait_until(registered, "its Node is registered")
    obj = read(kubectl, CLAIMS, name)
    node = read(kubectl, "node", obj["status"]["nodeName"])

    assert node["metadata"]["name"] != name
    assert node["spec"]["providerID"] == obj["status"]["providerID"]
    assert body["metadata"]["labels"].items() <= node["metadata"]["labels"].items()
    assert body["metadata"]["annotations"].items() <= node["metadata"]["annotations"].items()
    spec = body["spec"]
    taints = [
        {key: it for key, it in taint.items() if key != "timeAdded"} for taint in node["spec"]["taints"]
    ]
    assert all(taint in taints for taint in spec["taints"] + spec["startupTaints"])
    assert len(spec["taints"]) == 2  # the tenant's own, and what the pool wishes for
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "8"
    # Spot would have been cheaper.
    assert obj["metadata"]["labels"]["karpenter.sh/capacity-type"] == "on-demand"
    # Not even a startup taint that stays lets Karpenter give it up.
    assert condition(obj, "Initialized") != "True"
    kubectl("taint", "node", node["metadata"]["name"], "starting-")
    machine_of(kubectl, name)


def test_a_name_that_is_taken_is_refused(kubectl: Kubectl, claim: Claim) -> None:
    create(kubectl, claim())
    with pytest.raises(KubectlError, match="AlreadyExists"):
        create(kubectl, claim())


def test_what_it_says_of_itself_can_be_changed_and_what_it_is_cannot(kubectl: Kubectl, claim: Claim) -> None:
    name = create(kubectl, claim())
    kubectl("label", CLAIMS, name, "team=nlp")
    kubectl("annotate", CLAIMS, name, f"{names.ANNOTATION_PLACED_UNDER}=x", "--overwrite")
    with pytest.raises(KubectlError, match="immutable"):
        kubectl("patch", CLAIMS, name, "--type=merge", '--patch={"spec": {"expireAfter": "1h"}}')


def test_nobody_takes_it_over_and_nobody_ends_it(kubectl: Kubectl, claim: Claim, site: str) -> None:
    """Beside a NodePool that would: its empty node is consolidated away, and ours, as empty, stays."""
    ours = create(kubectl, claim())
    machine_of(kubectl, ours)
    uid = read(kubectl, CLAIMS, ours)["metadata"]["uid"]
    theirs = f"{site}-pool"
    labels = {"app": site}
    apply(kubectl, node_pool(theirs), wanting(theirs, labels))

    def its() -> list[dict[str, Any]]:
        return get(kubectl, CLAIMS, selector=f"karpenter.sh/nodepool={theirs}")

    try:
        wait_until(
            lambda: any(condition(it, "Initialized") == "True" for it in its()),
            "the NodePool has a node of its own",
        )
        kubectl("delete", "pod", theirs, "--namespace=default", "--grace-period=0", "--force")
        wait_until(lambda: not its(), "the NodePool has given its empty node up")
    finally:
        kubectl("delete", "nodepools.karpenter.sh", theirs)
    obj = read(kubectl, CLAIMS, ours)
    assert obj["metadata"]["uid"] == uid
    assert "deletionTimestamp" not in obj["metadata"]
    assert "ownerReferences" not in obj["metadata"]
    assert "karpenter.sh/nodepool" not in obj["metadata"]["labels"]
    for kind in ("Drifted", "Consolidatable", "DisruptionReason", "InstanceTerminating"):
        assert condition(obj, kind) == ""
    (node,) = nodes_in(kubectl, site)
    assert DISRUPTED not in {taint["key"] for taint in node["spec"].get("taints", ())}


def test_a_deleted_one_is_not_replaced(kubectl: Kubectl, claim: Claim, site: str) -> None:
    first, second = create(kubectl, claim(1)), create(kubectl, claim(2))
    machine_of(kubectl, first)
    machine_of(kubectl, second)
    kubectl("delete", CLAIMS, first)
    # Whoever replaced it would have done so before this one, which is ordered later, is up.
    third = create(kubectl, claim(3))
    machine_of(kubectl, third)
    assert {it["metadata"]["name"] for it in claims_in(kubectl, site)} == {second, third}
    assert len(nodes_in(kubectl, site)) == 2


def test_it_stays_until_its_machine_is_gone_whatever_holds_that_up(
    kubectl: Kubectl, claim: Claim, site: str, namespace: str
) -> None:
    name = create(kubectl, claim())
    node = machine_of(kubectl, name)["metadata"]["name"]
    guard(kubectl, namespace, node, tolerant=False)
    kubectl("delete", CLAIMS, name, "--wait=false")

    def held_up() -> bool:
        taints = read(kubectl, "node", node)["spec"].get("taints", ())
        blocked = any(it["reason"] == "FailedDraining" for it in events_of(kubectl, node))
        return blocked and DISRUPTED in {taint["key"] for taint in taints}

    wait_until(held_up, "the drain is held up by the budget")
    assert condition(read(kubectl, CLAIMS, name), "Drained") == "Unknown"
    assert [it["metadata"]["name"] for it in nodes_in(kubectl, site)] == [node]

    kubectl("delete", "poddisruptionbudget", "hold-on", f"--namespace={namespace}")

    def gone() -> bool:
        # The NodeClaims are read first: had one gone before its Node, the Node would be seen alone.
        there, nodes = claims_in(kubectl, site), nodes_in(kubectl, site)
        assert there or not nodes, "its Node stands without it"
        return not there

    wait_until(gone, "it is gone")


def test_its_grace_period_ends_what_a_budget_holds_up(
    kubectl: Kubectl, claim: Claim, site: str, namespace: str
) -> None:
    name = create(kubectl, claim(drain_seconds=1))
    guard(kubectl, namespace, machine_of(kubectl, name)["metadata"]["name"], tolerant=False)
    kubectl("delete", CLAIMS, name, "--wait=false")
    wait_until(lambda: not claims_in(kubectl, site), "it is gone although the budget stands")
    assert get(kubectl, "pods", namespace) == []


def test_pods_that_had_their_time_are_not_waited_for(
    kubectl: Kubectl, claim: Claim, site: str, namespace: str
) -> None:
    name = create(kubectl, claim(drain_seconds=3600))
    guard(kubectl, namespace, machine_of(kubectl, name)["metadata"]["name"], tolerant=False)
    kubectl("annotate", CLAIMS, name, f"{PODS_UNTIL}=2026-11-24T09:00:00+00:00")
    kubectl("delete", CLAIMS, name, "--wait=false")
    wait_until(lambda: not claims_in(kubectl, site), "it is gone although the budget stands")


def test_pods_that_tolerate_everything_go_with_their_machine(
    kubectl: Kubectl, claim: Claim, site: str, namespace: str
) -> None:
    """Karpenter leaves alone what tolerates its own taint: so the operator asks all pods to leave, before."""
    name = create(kubectl, claim(drain_seconds=3600))
    guard(kubectl, namespace, machine_of(kubectl, name)["metadata"]["name"], tolerant=True)
    kubectl("delete", CLAIMS, name, "--wait=false")
    wait_until(lambda: not claims_in(kubectl, site), "it is gone although the budget stands")


def test_where_nothing_can_be_launched_it_is_given_up(kubectl: Kubectl, claim: Claim, site: str) -> None:
    name = create(kubectl, claim(node_class="none-such"))
    wait_until(lambda: not claims_in(kubectl, site), "it is given up")
    wait_until(
        lambda: "InsufficientCapacityError" in {it["reason"] for it in events_of(kubectl, name)},
        "an event says why",
    )


def events_of(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    """The events about an object that is in no namespace."""
    return get(kubectl, "events", "default", fields=f"involvedObject.name={name}")


def node_pool(name: str) -> dict[str, Any]:
    """A NodePool that gives nodes up as soon as they are empty."""
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {
            "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "0s"},
            "template": {
                "spec": {
                    "nodeClassRef": {"group": GROUP, "kind": "KWOKNodeClass", "name": "default"},
                    "requirements": [
                        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]}
                    ],
                    "taints": [{"key": name, "effect": "NoSchedule"}],
                }
            },
        },
    }


def wanting(name: str, labels: dict[str, str]) -> dict[str, Any]:
    """A pod that only a node of a NodePool can take."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {
            "nodeSelector": {"karpenter.sh/nodepool": name},
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {"name": "main", "image": "none", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
            ],
        },
    }
