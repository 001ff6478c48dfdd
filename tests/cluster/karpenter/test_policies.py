"""What the operator's account may do to NodeClaims, and what a kubelet says that registers with Karpenter."""

import json
import secrets
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from aifactory.api import names
from aifactory.backends.claims import PODS_UNTIL
from cluster.karpenter.conftest import Claim
from cluster.machines import CLAIMS
from cluster.manifests.base import (
    AS_OPERATOR,
    CRDS,
    READING,
    Object,
    asking,
    create_when_known,
    dump,
    fill,
    hold_lease,
    make_factory,
    node,
    patch,
    refused,
)
from cluster.manifests.test_kubelets import TAINT, kubelet
from controlplane import Kubectl, wait_until

pytestmark = pytest.mark.long

UNREGISTERED = {"key": "karpenter.sh/unregistered", "effect": "NoExecute"}


@pytest.fixture(scope="module")
def installed(kubectl: Kubectl, kubeconfig: Path) -> Iterator[Kubectl]:
    """The component, with what it is put on, in force; ``leader-1`` leads in term 3."""
    kubectl("apply", "--server-side", "--filename=-", stdin=dump(READING))
    hold_lease(kubectl, "leader-1", 3)
    yield kubectl
    kubectl("delete", "--ignore-not-found", "--filename=-", stdin=dump(READING))


@pytest.fixture
def own(installed: Kubectl, claim: Claim) -> str:
    """A NodeClaim that the operator has ordered."""
    body = claim(node_class="slow")
    create_when_known(installed, body, *AS_OPERATOR)
    name: str = body["metadata"]["name"]
    return name


def changed(body: Object, change: Callable[[Object], object]) -> Object:
    """A copy of an object with a change."""
    copy: Object = json.loads(json.dumps(body))
    change(copy)
    return copy


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda o: o["metadata"]["annotations"].update({names.ANNOTATION_TERM: "2"}), id="term"),
        pytest.param(
            lambda o: o["metadata"]["annotations"].update({names.ANNOTATION_LEADER: "x"}), id="name"
        ),
        pytest.param(lambda o: o["metadata"]["annotations"].pop(names.ANNOTATION_LEADER), id="nobody's"),
    ],
)
def test_it_orders_in_the_leaders_name_and_term_alone(
    installed: Kubectl, own: str, claim: Claim, change: Callable[[Object], object]
) -> None:
    refused("leader-only", asking(installed, changed(claim(2), change), *AS_OPERATOR))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda o: o["spec"].update(expireAfter="720h"), id="expires"),
        pytest.param(lambda o: o["spec"].pop("expireAfter"), id="expires by default"),
        pytest.param(
            lambda o: o["metadata"]["labels"].update({"karpenter.sh/nodepool": "x"}), id="node pool"
        ),
        pytest.param(lambda o: o["metadata"]["labels"].update({"kubernetes.io/hostname": "x"}), id="host"),
        pytest.param(lambda o: o["metadata"]["labels"].pop(names.LABEL_FACTORY), id="nobody's"),
        pytest.param(lambda o: o["metadata"].update(name="another"), id="name"),
        pytest.param(lambda o: o["metadata"].update(finalizers=["example.com/x"]), id="finalizer"),
        pytest.param(lambda o: o["metadata"]["annotations"].update({PODS_UNTIL: "x"}), id="annotation"),
    ],
)
def test_it_orders_what_its_driver_makes_and_no_other(
    installed: Kubectl, own: str, claim: Claim, change: Callable[[Object], object]
) -> None:
    refused("own-claims", asking(installed, changed(claim(2), change), *AS_OPERATOR))


def test_of_its_own_it_changes_labels_and_notes_alone(installed: Kubectl, own: str) -> None:
    write = partial(patch, installed, CLAIMS, own)
    changes: tuple[Object, ...] = (
        {"labels": {names.LABEL_FACTORY: "elsewhere"}},
        {"labels": {names.LABEL_FACTORY: None}},
        {"labels": {"karpenter.sh/nodepool": "x"}},
        {"labels": {"node.kubernetes.io/instance-type": "x"}},
        {"annotations": {"example.com/x": "y"}},
        {"finalizers": []},
        {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "x", "uid": "y"}]},
    )
    for meta in changes:
        refused("own-claims", partial(write, {"metadata": meta}, *AS_OPERATOR))
    said = {"labels": {"team": "nlp", names.LABEL_POOL: None}, "annotations": {PODS_UNTIL: "x"}}
    write({"metadata": said}, *AS_OPERATOR)


def test_it_deletes_what_is_noted_as_draining_and_only_its_own(
    installed: Kubectl, own: str, claim: Claim
) -> None:
    delete = partial(installed, "delete", CLAIMS, own, "--wait=false", *AS_OPERATOR)
    refused("own-claims", delete)
    note = {"annotations": {names.ANNOTATION_DRAINING_SINCE: "2026-11-24T09:00:00+00:00"}}
    patch(installed, CLAIMS, own, {"metadata": note}, *AS_OPERATOR)
    delete()
    theirs = changed(claim(2, node_class="slow"), lambda o: o["metadata"].update(labels={}, annotations={}))
    installed("create", "--filename=-", stdin=json.dumps(theirs))
    name = theirs["metadata"]["name"]
    refused("own-claims", partial(patch, installed, CLAIMS, name, {"metadata": note}, *AS_OPERATOR))
    refused("own-claims", partial(installed, "delete", CLAIMS, name, "--wait=false", *AS_OPERATOR))
    installed("delete", CLAIMS, name, "--wait=false")


def test_a_factory_stays_while_a_claim_bears_its_name(installed: Kubectl, own: str, site: str) -> None:
    make_factory(installed, site)
    fill(installed, site)
    remove = partial(installed, "delete", CRDS[0], site)
    refused("standing-claims", remove)
    installed("delete", CLAIMS, own)

    def removed() -> bool:
        remove()
        return True

    wait_until(removed, "it can be deleted")


def test_a_kubelet_registers_with_what_its_claim_says(installed: Kubectl, own: str) -> None:
    name = f"ip-{secrets.token_hex(4)}"
    body = node(name, annotations={}) | {"spec": {"taints": [TAINT, UNREGISTERED]}}
    create = partial(installed, "create", "--filename=-", "--dry-run=server", *kubelet(name))
    create(stdin=json.dumps(body))
    # Only until Karpenter has taken it on, and never what a drain or the counting goes by.
    late = body | {"spec": {"taints": [TAINT]}}
    refused("kubelets", partial(create, stdin=json.dumps(late)))
    lying = changed(body, lambda o: o["metadata"]["annotations"].update({names.ANNOTATION_WATTS: "1"}))
    refused("kubelets", partial(create, stdin=json.dumps(lying)))
