"""Keeps one kind of object in the history: a LIST, then a watch from its version, through every reconnect."""

import json
from collections.abc import Mapping
from threading import Event as Flag
from typing import Any

from .client import BROKEN, AnswerError, Api, Stream
from .history import History, Key

PATHS = {
    "AIFactory": "/apis/aifactory.dev/v1alpha1/aifactories",
    "GPUPool": "/apis/aifactory.dev/v1alpha1/gpupools",
    "Node": "/api/v1/nodes",
}
CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"
"""Recorded as nodes where Karpenter provisions them: its Nodes have other names, and go sooner."""
Versions = dict[Key, int]
GONE = 410
MOST_VERSIONS = 2_000  # that are read one by one after a watch could not be taken up again
PAUSE = 0.2


class ExpiredError(Exception):
    """The server no longer has the changes since the version that was asked for."""


class Watch:
    """The watch of one kind; `run` is for a thread of its own."""

    def __init__(self, api: Api, kind: str, history: History, path: str = "") -> None:
        """`path` is where the objects are that are recorded as this kind, if not its own."""
        self.kind = kind
        self._path = path or PATHS[kind]
        self.listed = Flag()
        self._api = api
        self._history = history
        self._stop = Flag()
        self._stream: Stream | None = None
        self._version = 0

    def stop(self) -> None:
        """End the watch, from any thread."""
        self._stop.set()
        if (stream := self._stream) is not None:
            stream.shut()

    def run(self) -> None:
        """Record until stopped."""
        while not self._stop.is_set():
            try:
                if not self.listed.is_set():
                    self._begin()
                else:
                    self._follow()
            except ExpiredError:
                self._bridge()
            except (AnswerError, *BROKEN):
                self._stop.wait(PAUSE)

    def items(self, **query: str | int) -> tuple[int, dict[Key, dict[str, Any]]]:
        """LIST: the version, and the objects by their keys. Raises AnswerError, or one of BROKEN."""
        answer = self._api.get(self._path, **query)
        objects = [{**item, "kind": self.kind} for item in answer["items"]]  # items of a LIST have no kind
        keyed = {(self.kind, o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in objects}
        return int(answer["metadata"]["resourceVersion"]), keyed

    def _begin(self) -> None:
        self._version, objects = self.items()
        for obj in objects.values():
            self._history.add(obj, initial=True)
        self.listed.set()

    def _follow(self) -> None:
        try:
            self._stream = self._api.stream(
                self._path, watch=1, allowWatchBookmarks="true", resourceVersion=self._version
            )
        except AnswerError as error:
            if error.status == GONE:
                raise ExpiredError from error
            raise
        if self._stop.is_set():  # it may have been too early for `stop` to see the stream
            return
        for line in self._stream:
            self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        obj = event["object"]
        if event["type"] == "ERROR":
            if obj.get("code") == GONE:
                raise ExpiredError
            raise AnswerError(obj.get("code", 0), obj.get("message", ""))
        if event["type"] != "BOOKMARK":
            self._history.add({**obj, "kind": self.kind}, gone=event["type"] == "DELETED")
        self._version = max(self._version, int(obj["metadata"]["resourceVersion"]))

    def _bridge(self) -> None:
        """Read what the watch missed from the old versions that the server still has."""
        try:
            newest, objects = self.items()
            known = self._history.versions(self.kind)
            if self.kind == "Node" and newest - self._version > MOST_VERSIONS:
                raise ExpiredError
            self._between(self._version, known, newest, versions_of(objects))
        except ExpiredError:
            gap = f"changes of {self.kind} between the versions {self._version} and {newest}"
            self._history.add_gap(gap)
        except (AnswerError, *BROKEN):
            self._stop.wait(PAUSE)
            return
        self._differ(newest, objects)

    def _between(self, low: int, at_low: Versions, high: int, at_high: Versions) -> None:
        """Record all changes between two versions at which it is known what was there.

        Where both are alike nothing can have changed, but that something came and went again: a node that
        did so drew power meanwhile, so for nodes every single version is read.
        """
        if high - low <= 1 or (at_low == at_high and self.kind != "Node"):
            return
        middle = (low + high) // 2
        try:
            _, objects = self.items(resourceVersion=middle, resourceVersionMatch="Exact")
        except AnswerError as error:
            raise (ExpiredError if error.status == GONE else error) from None
        self._between(low, at_low, middle, versions_of(objects))
        self._differ(middle, objects)
        self._between(middle, versions_of(objects), high, at_high)

    def _differ(self, version: int, then: Mapping[Key, dict[str, Any]]) -> None:
        """Record how a LIST differs from what is known."""
        for key, known in self._history.versions(self.kind).items():
            if key not in then and known < version:  # after a second loss, later ones may be known already
                self._history.add_end(key, version)
        for obj in then.values():
            self._history.add(obj)
        self._version = max(self._version, version)


def versions_of(objects: Mapping[Key, dict[str, Any]]) -> Versions:
    """The versions of listed objects."""
    return {key: int(obj["metadata"]["resourceVersion"]) for key, obj in objects.items()}
