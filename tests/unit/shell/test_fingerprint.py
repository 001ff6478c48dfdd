"""Which events wake the loop."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from aifactory.shell.fingerprint import Change, News

POOL: dict[str, Any] = {
    "kind": "GPUPool",
    "metadata": {"namespace": "ns", "name": "p", "uid": "u", "generation": 1, "resourceVersion": "7"},
    "spec": {"gpus": 8},
}
NODE: dict[str, Any] = {
    "kind": "Node",
    "metadata": {"name": "n", "uid": "u", "labels": {"a": "b"}, "annotations": {"x": "y"}},
    "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]},
    "status": {
        "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-11-24T08:00:00Z"}]
    },
}
CLAIM: dict[str, Any] = {
    "kind": "NodeClaim",
    "metadata": {"name": "c", "uid": "u", "labels": {"a": "b"}, "annotations": {"x": "y"}},
    "status": {"conditions": [{"type": "Launched", "status": "Unknown"}]},
}
Edit = Callable[[dict[str, Any]], object]


def news_of(obj: dict[str, Any], change: Edit) -> Change:
    news = News()
    news.judge(obj, gone=False)
    changed = copy.deepcopy(obj)
    change(changed)
    return news.judge(changed, gone=False)


def test_an_object_is_news_once() -> None:
    news = News()
    assert news.judge(POOL, gone=False)
    assert not news.judge(POOL, gone=False)


def test_its_deletion_is_news_once() -> None:
    news = News()
    news.judge(POOL, gone=False)
    assert news.judge(POOL, gone=True)
    assert not news.judge(POOL, gone=True)


def test_objects_of_one_name_are_told_apart() -> None:
    news = News()
    assert news.judge(POOL, gone=False)
    elsewhere = POOL | {"metadata": POOL["metadata"] | {"namespace": "other"}}
    assert news.judge(elsewhere, gone=False)
    assert news.judge(POOL | {"kind": "AIFactory"}, gone=False)


@pytest.mark.parametrize(
    ("obj", "change"),
    [
        pytest.param(POOL, lambda o: o["metadata"].update(generation=2), id="a new generation"),
        pytest.param(POOL, lambda o: o["metadata"].update(labels={"a": "b"}), id="a label"),
        pytest.param(POOL, lambda o: o["metadata"].update(deletionTimestamp="now"), id="a deletion"),
        pytest.param(POOL, lambda o: o["metadata"].update(finalizers=["x"]), id="a finalizer"),
        pytest.param(POOL, lambda o: o["metadata"].update(uid="v"), id="another object of the name"),
        pytest.param(NODE, lambda o: o["status"]["conditions"][0].update(status="Unknown"), id="not ready"),
        pytest.param(NODE, lambda o: o["spec"].update(unschedulable=True), id="a cordon"),
        pytest.param(NODE, lambda o: o["spec"]["taints"].clear(), id="a taint"),
        pytest.param(NODE, lambda o: o["metadata"]["annotations"].update(x="z"), id="what it says of itself"),
        pytest.param(CLAIM, lambda o: o["metadata"]["annotations"].update(x="z"), id="what a claim says"),
        pytest.param(CLAIM, lambda o: o["metadata"].update(deletionTimestamp="now"), id="a claim that goes"),
        pytest.param(CLAIM, lambda o: o["status"].update(providerID="x://1"), id="a machine"),
        pytest.param(CLAIM, lambda o: o["status"].update(nodeName="n"), id="its Node"),
    ],
)
def test_is_news(obj: dict[str, Any], change: Edit) -> None:
    assert news_of(obj, change) is not Change.NOTHING


def with_status(status: dict[str, Any]) -> dict[str, Any]:
    return POOL | {"status": status}


FIRST: dict[str, Any] = {
    "gpus": 8,
    "waiting": None,
    "conditions": [{"type": "Ready", "status": "True"}, {"type": "Placed", "status": "True"}],
}
SECOND = FIRST | {"gpus": 16}
NO_NULLS = {key: value for key, value in FIRST.items() if value is not None}


def known(*statuses: dict[str, Any]) -> News:
    """News of a pool that had no status yet, to which these are written."""
    news = News()
    news.judge(POOL, gone=False)
    for status in statuses:
        news.writing("GPUPool", "ns", "p", status)
    return news


def test_our_own_status_is_no_news_in_whichever_order_it_comes_back() -> None:
    news = known(FIRST)
    back = NO_NULLS | {"conditions": FIRST["conditions"][::-1]}
    assert news.judge(with_status(back), gone=False) is Change.NOTHING
    assert news.judge(with_status(back), gone=False) is Change.NOTHING


def test_statuses_of_ours_that_come_back_late_are_no_news() -> None:
    news = known(FIRST, SECOND)
    for status in (FIRST, SECOND):
        assert news.judge(with_status(status), gone=False) is Change.NOTHING
    # The watch may pass over one.
    news = known(FIRST, SECOND)
    assert news.judge(with_status(SECOND), gone=False) is Change.NOTHING


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({}, id="wiped"),
        pytest.param(SECOND | {"gpus": 0}, id="another one"),
        pytest.param({"gpus": 16}, id="a part of it"),
        pytest.param(FIRST, id="one that was ours before"),
    ],
)
def test_a_status_that_somebody_else_wrote_is_news_once(status: dict[str, Any]) -> None:
    news = known(FIRST, SECOND)
    news.judge(with_status(SECOND), gone=False)
    assert news.judge(with_status(status), gone=False) is Change.NEWS
    assert news.judge(with_status(status), gone=False) is Change.NOTHING
    # As it is put right, that is our own again.
    news.writing("GPUPool", "ns", "p", SECOND)
    assert news.judge(with_status(SECOND), gone=False) is Change.NOTHING


def test_a_status_is_told_from_that_of_another_object() -> None:
    news = known(FIRST)
    other = {"metadata": POOL["metadata"] | {"name": "q"}}
    news.judge(POOL | other, gone=False)
    assert news.judge(with_status(FIRST) | other, gone=False) is Change.NEWS


@pytest.mark.parametrize(
    ("obj", "change"),
    [
        pytest.param(POOL, lambda o: o["metadata"].update(resourceVersion="8"), id="a version"),
        pytest.param(
            NODE, lambda o: o["status"]["conditions"][0].update(lastHeartbeatTime="later"), id="a heartbeat"
        ),
        pytest.param(
            NODE,
            lambda o: o["spec"]["taints"][0].update(timeAdded="2026-11-24T08:00:00Z"),
            id="a taint that is as it was",
        ),
    ],
)
def test_is_no_news(obj: dict[str, Any], change: Edit) -> None:
    assert news_of(obj, change) is Change.NOTHING


def test_a_users_wish_is_told_from_what_happens_by_itself() -> None:
    assert News().judge(POOL, gone=False) is Change.WISH
    assert news_of(POOL, lambda o: o["metadata"].update(generation=2)) is Change.WISH
    assert news_of(POOL, lambda o: o["metadata"].update(deletionTimestamp="now")) is Change.WISH
    # Our own finalizer, and nodes that come and go.
    assert news_of(POOL, lambda o: o["metadata"].update(finalizers=["x"])) is Change.NEWS
    assert News().judge(NODE, gone=False) is Change.NEWS
    assert news_of(NODE, lambda o: o["spec"].update(unschedulable=True)) is Change.NEWS


def test_what_a_provisioner_does_is_nobodys_wish() -> None:
    for obj in (NODE, CLAIM):
        assert News().judge(obj, gone=False) is Change.NEWS
    assert news_of(CLAIM, lambda o: o["metadata"].update(generation=2)) is Change.NEWS
    assert news_of(CLAIM, lambda o: o["status"]["conditions"].clear()) is Change.NOTHING
