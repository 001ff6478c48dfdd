"""Node objects: reading, and the bodies and patches that are written."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aifactory.api import names
from aifactory.backends.kwok import node_body
from aifactory.backends.marks import annotations_of, labels_of, read_stamp
from aifactory.backends.nodes import (
    call_off_patch,
    drain_patch,
    read_node,
    read_pod,
    relabel_patch,
)
from aifactory.backends.port import Mandate
from aifactory.decide.model.plan import Cause, Drain
from aifactory.decide.model.world import MOST_WATTS, PoolKey, Slot, Stamp, Taint
from unit.shell.made import SLOT, STAMP, WISH, created

NOT_READY = {
    "key": "node.kubernetes.io/not-ready",
    "effect": "NoExecute",
    "timeAdded": "2026-11-24T08:00:00Z",
}


def test_an_ordered_node_reads_back_as_what_was_ordered() -> None:
    node = read_node(created())
    assert node.name == SLOT.node_name
    assert node.stamp == STAMP
    assert node.factory == "dfw-1"
    assert node.look.suits(WISH)
    assert node.ours
    assert node.unit_watts == STAMP.unit_watts
    assert node.created == datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert not node.ready
    assert not node.deleting
    assert not node.unschedulable


def test_a_node_body_names_kwok_the_leader_and_the_devices() -> None:
    body = node_body(WISH, Mandate("leader-1", 3))
    assert body["metadata"]["annotations"]["kwok.x-k8s.io/node"] == "fake"
    assert body["metadata"]["annotations"][names.ANNOTATION_LEADER] == "leader-1"
    assert body["metadata"]["annotations"][names.ANNOTATION_TERM] == "3"
    assert body["spec"]["providerID"] == f"kwok://{SLOT.node_name}"
    assert body["status"]["capacity"]["nvidia.com/gpu"] == "4"
    assert body["status"]["allocatable"] == body["status"]["capacity"]


@pytest.mark.parametrize(("ready", "expected"), [(True, True), (False, False), (None, False)])
def test_a_node_is_ready_when_its_condition_says_so(ready: bool | None, expected: bool) -> None:
    assert read_node(created(ready=ready)).ready is expected


def test_a_node_whose_stamp_cannot_be_read_still_counts_in_its_factory_with_its_watts() -> None:
    obj = created()
    del obj["metadata"]["labels"][names.LABEL_RACK]
    node = read_node(obj)
    assert node.stamp is None
    assert (node.factory, node.unit_watts) == ("dfw-1", 150_480)


@pytest.mark.parametrize("watts", ["", "lots", "-5", "1e5", "٣"])
def test_watts_that_are_no_number_count_as_none(watts: str) -> None:
    obj = created()
    obj["metadata"]["annotations"][names.ANNOTATION_WATTS] = watts
    assert read_node(obj).unit_watts == 0


def test_a_node_with_nothing_but_our_label_is_read() -> None:
    meta = {"name": "x", "uid": "u", "creationTimestamp": "2026-11-24T08:00:00Z"}
    node = read_node(
        {"metadata": meta | {"labels": {names.LABEL_FACTORY: "dfw-1"}, "deletionTimestamp": "now"}}
    )
    assert node.stamp is None
    assert node.deleting


@pytest.mark.parametrize(
    "note", [names.ANNOTATION_WATTS, names.ANNOTATION_GPUS, names.ANNOTATION_NODES, names.LABEL_RACK]
)
@pytest.mark.parametrize("huge", [str(10**20), "9" * 5000])
def test_a_number_that_no_unit_can_have_makes_a_stray_and_no_error(note: str, huge: str) -> None:
    obj = created()
    for notes in obj["metadata"]["annotations"], obj["metadata"]["labels"]:
        notes.update({note: huge} if note in notes else {})
    node = read_node(obj)
    assert node.stamp is None
    assert 0 <= node.unit_watts <= MOST_WATTS


def test_a_time_without_a_zone_is_in_utc() -> None:
    obj = created()
    obj["metadata"]["annotations"][names.ANNOTATION_DRAINING_SINCE] = "2026-01-01T00:00:00"
    stamp = read_node(obj).stamp
    assert stamp is not None
    assert stamp.draining_since == datetime(2026, 1, 1, tzinfo=UTC)


def test_the_time_that_draining_began_reads_back() -> None:
    since = datetime(2026, 11, 24, 9, 30, 1, 250, tzinfo=UTC)
    obj = created()
    drained = merged(obj, drain_patch(Drain(read_node(obj), since, Cause.POWER_LIMIT)))
    stamp = read_node(drained).stamp
    assert stamp is not None
    assert (stamp.draining_since, stamp.draining_for) == (since, Cause.POWER_LIMIT)
    assert merged(drained, call_off_patch(read_node(drained))) == obj


def test_a_cordon_that_was_there_before_a_drain_outlives_it() -> None:
    obj = created()
    obj["spec"]["unschedulable"] = True
    drained = merged(obj, drain_patch(Drain(read_node(obj), datetime.now(UTC), Cause.SPEC)))
    assert merged(drained, call_off_patch(read_node(drained))) == obj


def merged(obj: Any, patch: Any) -> Any:
    """A merge patch (RFC 7386), carried out."""
    if not isinstance(patch, dict):
        return patch
    base = obj if isinstance(obj, dict) else {}
    kept = {key: value for key, value in base.items() if key not in patch}
    return kept | {key: merged(base.get(key), value) for key, value in patch.items() if value is not None}


def with_taints(*entries: dict[str, Any], listed: str = "") -> dict[str, Any]:
    """A node with these taints, of which we have set those that are listed."""
    obj = created()
    obj["spec"]["taints"] = list(entries)
    obj["metadata"]["annotations"][names.ANNOTATION_TAINT_KEYS] = listed
    return obj


def taints_after(obj: dict[str, Any], *wanted: Taint) -> list[dict[str, Any]]:
    """The taints of a node once it has been brought up to date."""
    wish = replace(WISH, taints=wanted)
    patched = merged(obj, relabel_patch(obj, wish, labels_of(wish)))
    assert read_node(patched).look.suits(wish)
    found: list[dict[str, Any]] = patched["spec"]["taints"]
    return found


class TestTaints:
    ours = Taint("dedicated", "llm", "NoSchedule")

    def test_others_are_kept_as_they_are_with_the_time_they_were_added(self) -> None:
        assert taints_after(with_taints(NOT_READY), self.ours) == [NOT_READY, self.ours._asdict()]

    def test_our_own_key_is_changed_in_place(self) -> None:
        before = with_taints(self.ours._asdict() | {"value": "old"}, NOT_READY)
        assert taints_after(before, self.ours) == [NOT_READY, self.ours._asdict()]

    def test_one_key_may_have_two_effects(self) -> None:
        also = Taint("dedicated", "llm", "PreferNoSchedule")
        both = [self.ours._asdict(), also._asdict()]
        assert taints_after(with_taints(self.ours._asdict()), self.ours, also) == both
        assert taints_after(with_taints(also._asdict()), self.ours) == [self.ours._asdict()]

    def test_stale_keys_go(self) -> None:
        for listed in ("dedicated", "dedicated=llm:NoSchedule"):
            assert taints_after(with_taints(self.ours._asdict(), NOT_READY, listed=listed)) == [NOT_READY]

    def test_one_that_somebody_took_off_stays_off(self) -> None:
        assert taints_after(with_taints(NOT_READY, listed="dedicated=llm:NoSchedule"), self.ours) == [
            NOT_READY
        ]

    def test_an_entry_that_is_as_wished_is_not_written_anew(self) -> None:
        timed = self.ours._asdict() | {"timeAdded": "2026-11-24T08:00:00Z"}
        assert taints_after(with_taints(timed), self.ours) == [timed]

    def test_an_empty_value_is_left_out_and_recognised(self) -> None:
        bare = Taint("dedicated", "", "NoSchedule")
        written = taints_after(with_taints(), bare)
        assert written == [{"key": "dedicated", "effect": "NoSchedule"}]
        assert taints_after(with_taints(*written), bare) == written


def test_a_relabel_patch_takes_stale_labels_off_and_leaves_taints_alone_that_are_right() -> None:
    obj = created()
    obj["metadata"]["labels"]["gone"] = "x"
    obj["metadata"]["annotations"][names.ANNOTATION_LABEL_KEYS] = "team,gone,never"
    patch = relabel_patch(obj, WISH, labels_of(WISH))
    assert patch["metadata"]["labels"] == {"gone": None, **labels_of(WISH)}
    assert patch["metadata"]["annotations"] == annotations_of(WISH)
    assert "spec" not in patch


PATHS = st.lists(st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True), min_size=1, max_size=6)
STAMPS = st.builds(
    Stamp,
    slot=st.builds(
        Slot,
        factory=st.from_regex(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True),
        path=PATHS.map(lambda parts: names.canonical("/".join(parts))),
        system=st.from_regex(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True),
        rack=st.integers(1, 10**6),
        slot=st.integers(1, 10**6),
    ),
    pool=st.builds(PoolKey, st.just("ns"), st.just("llm")),
    fabric=PATHS.map(lambda parts: names.canonical("/".join(parts))),
    unit_watts=st.integers(1, MOST_WATTS),
    unit_gpus=st.just(72),
    unit_nodes=st.sampled_from((1, 18)),
    placed_under=st.from_regex("[0-9a-f]{8}", fullmatch=True),
)


@given(STAMPS)
def test_what_a_node_says_of_itself_is_read_back(stamp: Stamp) -> None:
    assert stamp.sane
    wish = replace(WISH, stamp=stamp)
    assert read_stamp(labels_of(wish), annotations_of(wish)) == stamp


def pod(**meta: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": "p", **meta}, "spec": {"nodeName": "n"}}


class TestPods:
    def test_a_pod_of_a_deployment_has_to_leave(self) -> None:
        found = read_pod(pod(ownerReferences=[{"kind": "ReplicaSet", "name": "x", "controller": True}]))
        assert found is not None
        assert (found.namespace, found.name, found.node, found.evicted) == ("ns", "p", "n", False)

    def test_a_bare_pod_has_to_leave(self) -> None:
        assert read_pod(pod()) is not None

    def test_a_pod_that_is_leaving_is_waited_for_and_not_evicted_again(self) -> None:
        found = read_pod(pod(deletionTimestamp="2026-11-24T08:00:00Z"))
        assert found is not None
        assert found.evicted

    def test_a_daemon_sets_pod_stays(self) -> None:
        assert read_pod(pod(ownerReferences=[{"kind": "DaemonSet", "name": "x", "controller": True}])) is None

    def test_a_mirror_pod_stays(self) -> None:
        assert read_pod(pod(annotations={"kubernetes.io/config.mirror": "hash"})) is None

    @pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
    def test_a_finished_pod_is_nobody(self, phase: str) -> None:
        assert read_pod(pod() | {"status": {"phase": phase}}) is None
