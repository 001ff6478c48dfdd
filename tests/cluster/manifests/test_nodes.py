"""Who creates nodes, and in whose name."""

import secrets
from functools import partial

import pytest

from aifactory.api import names
from cluster.manifests.base import (
    AS_OPERATOR,
    SYSTEM,
    TRY,
    Kubectl,
    create_when_known,
    hold_lease,
    node,
)
from cluster.operating import refusal
from controlplane import KubectlError, wait_until


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


def test_the_holder_creates_nodes_in_its_present_term_alone(installed: Kubectl) -> None:
    def said(term: str | None) -> str:
        return refusal(lambda: installed("create", AS_OPERATOR, *TRY, stdin=node(leader="one", term=term)))

    for term in (7, 8):
        hold_lease(installed, "one", term)
        wait_until(partial(lambda t: not said(str(t)), term), "the holder may create nodes in this term")
        for other in (str(term - 1), str(term + 1), "", None):
            assert f'in term "{other or ""}", but the Lease is in term "{term}"' in said(other)


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
