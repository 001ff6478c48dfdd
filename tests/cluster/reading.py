"""Looks at objects without kubectl: to start it for each look, ten times a second, takes a processor."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from controlplane import Kubectl, KubectlError, wait_until
from recorder.client import BROKEN, AnswerError, Api

Object = dict[str, Any]
T = TypeVar("T")
TOO_MANY: Final = 429
AGAIN: Final = 0.5  # seconds until a server that wants that is asked again
TRIES: Final = 2  # a connection that was kept may have been closed meanwhile


class _Served(NamedTuple):
    root: str
    plural: str
    namespaced: bool


class Reader:
    """Reads from the cluster of a kubeconfig, as kubectl would."""

    def __init__(self, kubeconfig: Path) -> None:
        self.api = Api(kubeconfig)
        self._served: dict[str, _Served] = {}

    def get(self, kind: str, name: str, namespace: str, **selectors: str) -> Object:
        """One object, or without a name a list of them. Raises KubectlError."""
        query = {key: value for key, value in selectors.items() if value}
        return self._ask(self.path(kind, name, namespace), **query)

    def path(self, kind: str, name: str, namespace: str) -> str:
        """Where an object is, or without a name those of its kind. Raises KubectlError."""
        it = self._kind(kind)
        where = f"/namespaces/{namespace}" if namespace and it.namespaced else ""
        return f"{it.root}{where}/{it.plural}" + (f"/{name}" if name else "")

    def _kind(self, kind: str) -> "_Served":
        if kind not in self._served:
            self._discover()
        if kind not in self._served:
            raise KubectlError(f"the server does not have {kind} (NotFound)")
        return self._served[kind]

    def _discover(self) -> None:
        """Note what is served, by all the words that kubectl takes for it; the core's own come first."""
        groups = {"": "/api/v1"}
        for group in self._ask("/apis")["groups"]:
            groups[group["name"]] = f"/apis/{group['preferredVersion']['groupVersion']}"
        for name, root in groups.items():
            for it in self._ask(root)["resources"]:
                plural = it["name"]
                if "/" in plural:  # a part of an object
                    continue
                words = (plural, it["kind"], it["singularName"], *it.get("shortNames", ()))
                for word in (*words, *(f"{word}.{name}" for word in words)):
                    self._served.setdefault(word, _Served(root, plural, it["namespaced"]))

    def _ask(self, path: str, **query: str) -> Object:
        for left in reversed(range(TRIES)):
            try:
                return patiently(lambda: self.api.get(path, **query))
            except AnswerError as error:
                raise KubectlError(f"GET {path}: {error} ({error.reason or error.status})") from error
            except BROKEN as error:
                if not left:
                    raise KubectlError(f"GET {path}: {error}") from error
        raise AssertionError


def patiently(ask: Callable[[], T]) -> T:
    """What is answered, as kubectl has it: a server that has only just begun wants to be asked again.

    Raises what `ask` does otherwise, and TimeoutError.
    """

    def answered() -> list[T]:
        try:
            return [ask()]
        except AnswerError as error:
            if error.status != TOO_MANY or error.after is None:
                raise
            return []

    (answer,) = wait_until(answered, "the server no longer wants to be asked again", poll=AGAIN)
    return answer


@cache
def reader(kubeconfig: Path) -> Reader:
    """What reads from the cluster of a kubeconfig."""
    return Reader(kubeconfig)


def _reader(kubectl: Kubectl) -> Reader:
    assert not kubectl.options, "it reads as the user of the kubeconfig, wherever it is told to"
    return reader(kubectl.kubeconfig)


def get(
    kubectl: Kubectl, kind: str, namespace: str = "", *, selector: str = "", fields: str = ""
) -> list[Object]:
    """Objects of a kind: of all namespaces, or of one, or those that labels or fields select."""
    listed = _reader(kubectl).get(kind, "", namespace, labelSelector=selector, fieldSelector=fields)
    items: list[Object] = listed["items"]
    # The items of a list do not say what they are.
    whats = {"apiVersion": listed["apiVersion"], "kind": listed["kind"].removesuffix("List")}
    return [{**whats, **item} for item in items]


def read(kubectl: Kubectl, kind: str, name: str, namespace: str = "") -> Object:
    """One object."""
    return _reader(kubectl).get(kind, name, namespace)
