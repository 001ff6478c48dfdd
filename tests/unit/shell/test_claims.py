"""NodeClaims: their bodies and patches, how one is joined with its Node, and when an order has to wait."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aifactory.api import names
from aifactory.api.backend import Backend
from aifactory.backends.brake import FIRST, LONGEST, Brake
from aifactory.backends.claims import (
    PODS_UNTIL,
    Claim,
    called_off_patch,
    claim_body,
    claim_patch,
    end_patch,
    joined,
    read_claim,
    read_other_claim,
)
from aifactory.backends.nodes import Seen, drain_patch, read_node, read_seen
from aifactory.backends.port import ApiError, Mandate
from aifactory.decide.model.plan import Cause, Drain
from aifactory.decide.model.world import Node, Taint
from cluster.machines import backend
from unit.shell.made import WISH
from unit.shell.test_nodes import merged

KARPENTERS = replace(WISH, backend=Backend.model_validate(backend()), drain_seconds=900)
ORDERED = datetime(2026, 11, 24, 8, tzinfo=UTC)
SINCE = ORDERED + timedelta(hours=1)


def claim(**status: Any) -> dict[str, Any]:
    """A NodeClaim, as the API server hands it out."""
    obj = claim_body(KARPENTERS, Mandate("leader-1", 3))
    obj["metadata"] |= {"uid": "c-1", "creationTimestamp": ORDERED.isoformat()}
    return json.loads(json.dumps({**obj, "status": status}))  # type: ignore[no-any-return]


def machine(created: datetime = ORDERED + timedelta(minutes=5), **spec: Any) -> dict[str, Any]:
    """Its Node, as Karpenter leaves it once it is registered."""
    obj = claim()
    meta = {
        **obj["metadata"],
        "name": "ip-10-0-0-1",
        "uid": "n-1",
        "creationTimestamp": created.isoformat(),
        "labels": {**obj["metadata"]["labels"], "karpenter.sh/registered": "true"},
    }
    conditions = [{"type": "Ready", "status": "True"}]
    taints = obj["spec"]["taints"]
    spec = {"providerID": "cloud://i-1", "taints": taints, **spec}
    return {"kind": "Node", "metadata": meta, "spec": spec, "status": {"conditions": conditions}}


def whole(obj: dict[str, Any], node: dict[str, Any] | None = None) -> Node:
    return joined(read_claim(obj), read_seen(node) if node else None)


# The order


def test_it_never_expires_and_stands_in_no_node_pool() -> None:
    body = claim_body(KARPENTERS, Mandate("leader-1", 3))
    assert body["spec"]["expireAfter"] == "Never"
    assert body["spec"]["terminationGracePeriod"] == "900s"
    assert not [key for key in body["metadata"]["labels"] if key.startswith("karpenter.sh/")]
    assert "ownerReferences" not in body["metadata"]


def test_it_asks_for_one_instance_type_and_never_for_spot() -> None:
    asked = {
        it["key"]: it["values"] for it in claim_body(KARPENTERS, Mandate("x", 1))["spec"]["requirements"]
    }
    assert asked["node.kubernetes.io/instance-type"] == ["gb200-4x"]
    assert "spot" not in asked["karpenter.sh/capacity-type"]


def test_zone_region_and_host_name_are_left_to_the_machine() -> None:
    labels = claim_body(replace(KARPENTERS, region="us-south"), Mandate("x", 1))["metadata"]["labels"]
    assert not {key for key in labels if key.startswith(("topology.kubernetes.io/", "kubernetes.io/"))}


def test_a_system_without_an_instance_type_is_refused_with_the_field() -> None:
    told = Backend.model_validate(backend(**{"hgx-h100": "h100-8x"}))
    with pytest.raises(ApiError, match=r"karpenter\.instanceTypes names none for gb200-nvl72"):
        claim_body(replace(KARPENTERS, backend=told), Mandate("x", 1))


# One node of two objects


def test_before_its_node_is_there_it_is_on_its_way_up() -> None:
    node = whole(claim())
    assert (node.name, node.uid, node.created) == (WISH.slot.node_name, "c-1", ORDERED)
    assert (node.ready, node.unschedulable, node.deleting, node.unit_watts) == (False, False, False, 150_480)
    assert node.look.suits(KARPENTERS)


def test_how_it_is_its_node_says() -> None:
    node = whole(claim(), machine())
    assert (node.name, node.uid, node.ready) == (WISH.slot.node_name, "c-1", True)
    assert whole(claim(), machine(unschedulable=True)).cordoned
    assert node.look.suits(KARPENTERS)


def test_it_is_not_ready_before_karpenter_has_given_its_node_what_it_says() -> None:
    taints = [{"key": "karpenter.sh/unregistered", "effect": "NoExecute"}]
    node = whole(claim(), machine(taints=taints))
    assert not node.ready
    assert node.look.suits(KARPENTERS), "what it lacks is Karpenter's to bring"


def test_what_it_is_its_node_cannot_say() -> None:
    lying = machine()
    lying["metadata"]["labels"] |= {names.LABEL_POOL: "theirs", names.LABEL_FACTORY: "elsewhere"}
    lying["metadata"]["annotations"][names.ANNOTATION_WATTS] = "1"
    told = whole(claim(), lying)
    assert told.stamp == whole(claim(), machine()).stamp
    assert (told.factory, told.unit_watts) == ("dfw-1", 150_480)
    assert not told.look.suits(KARPENTERS)


@pytest.mark.parametrize("which", ["claim", "node"])
def test_either_can_be_marked_as_broken(which: str) -> None:
    obj, node = claim(), machine()
    (obj if which == "claim" else node)["metadata"]["labels"][names.LABEL_OUT_OF_SERVICE] = "true"
    assert whole(obj, node).out_of_service


def drained(node: Node, obj: dict[str, Any]) -> Any:
    return merged(obj, drain_patch(Drain(node, SINCE, Cause.SPEC)))


def test_a_drain_is_noted_on_the_node_with_its_cordon() -> None:
    node = whole(claim(), drained(whole(claim(), machine()), machine()))
    assert node.drains
    assert node.stamp is not None
    assert (node.stamp.draining_since, node.stamp.draining_for) == (SINCE, Cause.SPEC)


def test_a_drain_that_began_before_there_was_a_node_goes_on_when_it_comes() -> None:
    noted = drained(whole(claim()), claim())
    assert whole(noted).drains
    late = machine(created=SINCE + timedelta(minutes=1))
    late["metadata"]["annotations"] = {**late["metadata"]["annotations"], **noted["metadata"]["annotations"]}
    assert whole(noted, late).drains
    # One that was there before was cordoned, and somebody has taken the cordon off.
    early = {**late, "metadata": {**late["metadata"], "creationTimestamp": ORDERED.isoformat()}}
    assert whole(noted, early).spared


def test_what_ends_it_says_what_its_drain_was_and_whether_pods_are_waited_for() -> None:
    notes = {names.ANNOTATION_DRAINING_SINCE: SINCE.isoformat(), names.ANNOTATION_DRAINING_FOR: "Spec"}
    assert end_patch(notes, forced=False)["metadata"]["annotations"] == notes
    forced = merged(claim(), end_patch(notes, forced=True))
    assert forced["metadata"]["annotations"][PODS_UNTIL] == SINCE.isoformat()
    assert merged(forced, called_off_patch()) == claim()


def test_taints_are_set_with_the_order_and_then_on_the_node_alone() -> None:
    wish = replace(KARPENTERS, labels={"tier": "a"}, taints=(Taint("new", "y", "NoSchedule"),))
    assert not whole(claim()).look.suits(wish)
    patched = merged(claim(), claim_patch(read_claim(claim()).look, wish))
    node = whole(patched)
    assert node.look.suits(wish)
    assert patched["spec"] == claim()["spec"]
    # Its Node comes with the taints of the order, and says that it has these.
    born = machine()
    born["metadata"]["annotations"] = patched["metadata"]["annotations"]
    assert not whole(patched, born).look.suits(wish)


# What is not ours


def test_of_others_only_a_slots_name_concerns_us() -> None:
    meta = {"uid": "x", "creationTimestamp": ORDERED.isoformat()}
    assert read_other_claim({"metadata": {**meta, "name": "default-x7k2p"}}) is None
    stranger = read_other_claim({"metadata": {**meta, "name": WISH.slot.node_name}})
    assert stranger is not None
    assert not joined(stranger, None).ours
    lost = claim()
    del lost["metadata"]["labels"][names.LABEL_FACTORY]
    found = read_other_claim(lost)
    assert found is not None
    assert (joined(found, None).ours, joined(found, None).unit_watts) == (True, 150_480)


def test_karpenters_nodes_are_told_from_simulated_ones() -> None:
    assert read_seen(machine()).by_karpenter
    plain = machine()
    del plain["metadata"]["labels"]["karpenter.sh/registered"]
    assert read_seen(plain) == Seen(read_node(plain), "cloud://i-1", by_karpenter=False)


# The brake


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def coming(uid: str = "u", **more: Any) -> Claim:
    return read_claim(claim())._replace(name=uid, uid=uid, **more)


LABELS = read_claim(claim()).look.labels


def held(brake: Brake, labels: Mapping[str, str] = LABELS) -> bool:
    """Whether an order has to wait."""
    try:
        brake.check(labels)
    except ApiError:
        return True
    return False


def test_what_is_given_up_at_once_is_ordered_ever_more_slowly() -> None:
    clock = Clock()
    brake = Brake(clock)
    for attempt in range(10):
        assert not held(brake)
        brake.ordered(coming(str(attempt)))
        brake.look([])
        pause = min(LONGEST, FIRST * 2**attempt)
        clock.now += pause - 0.5
        assert held(brake)
        clock.now += 0.5


def test_whether_it_is_still_so_one_order_at_a_time_shows() -> None:
    clock = Clock()
    brake = Brake(clock)
    brake.ordered(coming("1"))
    brake.look([])
    clock.now += LONGEST
    assert not held(brake)
    brake.ordered(coming("2"))
    assert held(brake)
    brake.look([coming("2")])
    assert held(brake)
    brake.look([coming("2", provider_id="cloud://i-1")])
    assert not held(brake)


def test_others_are_not_held_up() -> None:
    brake = Brake(Clock())
    brake.ordered(coming("1"))
    brake.look([])
    for key in (names.LABEL_FACTORY, names.LABEL_SYSTEM):
        assert not held(brake, {**LABELS, key: "other"})
    assert held(brake, {**LABELS, names.LABEL_POOL: "other"})


def test_one_that_got_its_machine_and_is_lost_later_was_not_given_up() -> None:
    brake = Brake(Clock())
    brake.ordered(coming("1"))
    brake.look([coming("1", provider_id="cloud://i-1")])
    brake.look([])
    assert not held(brake)


def test_one_that_we_let_go_is_not_given_up() -> None:
    brake = Brake(Clock())
    brake.ordered(coming("u"))
    noted = read_claim(drained(whole(claim()), claim()))
    brake.look([noted._replace(uid="u")])
    brake.look([])
    assert not held(brake)
