"""The Kubernetes API, as far as the operator uses it: the only module that knows the client library.

It stands on `kubernetes.aio`, for its kubeconfig, credentials and connections. That library calls its
asynchronous part alpha, and its models cost time and memory for tens of thousands of nodes, so objects
stay plain JSON and the calls are these few.
"""

import asyncio
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import aiohttp
import yaml
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from aifactory.api import names
from aifactory.backends.port import POD, Kind, Object
from aifactory.backends.port import ApiError as ApiError  # noqa: PLC0414 - who knows the client finds it here
from aifactory.shell.clock import ServerClock
from aifactory.shell.settings import DEFAULTS, Settings

T = TypeVar("T")
logger = logging.getLogger(__name__)

_OURS = f"/apis/{names.API_VERSION}"
FACTORY: Final = Kind(_OURS, "aifactories", "AIFactory", namespaced=False)
POOL: Final = Kind(_OURS, "gpupools", "GPUPool", namespaced=True)
CRD: Final = Kind(
    "/apis/apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", False
)
EVENT: Final = Kind("/api/v1", "events", "Event", namespaced=True)
LEASE: Final = Kind("/apis/coordination.k8s.io/v1", "leases", "Lease", namespaced=True)
KINDS: Final = {kind.name: kind for kind in (FACTORY, POOL)}

BUDGET: Final = "DisruptionBudget"  # the reason of whoever refuses an eviction, which else is only called 429
_FIRST_PAGE: Final = 50  # objects, before anything is known of their size
_READ_AGAIN: Final = (0.1, 0.3)  # seconds after which a read that came to nothing is tried again
_PASSING_REASONS: Final = {"Unreachable", "Unreadable"}
_PASSING_STATUSES: Final = {500, 502, 503, 504}
# A write must have landed or failed before another replica can take the lease over: see lease.py.
WRITE_SECONDS: Final = 5.0

JSON: Final = "application/json"
_MERGE, _APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_MANAGER = ("fieldManager", names.FIELD_MANAGER)


class Unconfigured(Exception):  # noqa: N818 - as it reads in `except Unconfigured`
    """There is no kubeconfig and no service account, or it cannot be read."""


async def configuration(kubeconfig: str = "") -> Configuration:
    """Find the cluster: an explicit kubeconfig, $KUBECONFIG, the pod's service account, ~/.kube/config.

    Raises Unconfigured.
    """
    found = Configuration()
    path = kubeconfig or os.environ.get("KUBECONFIG", "")
    try:
        if not path and "KUBERNETES_SERVICE_HOST" in os.environ:
            load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]
        else:
            path = path or str(Path.home() / ".kube" / "config")
            await load_kube_config(  # type: ignore[no-untyped-call]
                config_file=path, client_configuration=found, persist_config=False
            )
    except (ConfigException, OSError, yaml.YAMLError) as error:
        raise Unconfigured(f"{path or 'service account'}: {error}") from error
    return found


class KubernetesClient:
    """A connection to one cluster. Every call raises ApiError, and ends within its time."""

    def __init__(self, config: Configuration, settings: Settings = DEFAULTS) -> None:
        self.config = config
        self.settings = settings
        self.clock = ServerClock()
        self._api = ApiClient(config)
        self._api.user_agent = names.FIELD_MANAGER
        self._page: dict[
            tuple[str, str], int
        ] = {}  # objects to a page, by path and form, from the last one's size

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def token(self) -> str | None:
        """The bearer token as it is now, if there is one."""
        try:
            header = await self.config.get_api_key_with_prefix("BearerToken", alias="authorization")
        except Exception as error:  # it is somebody else's program or file that gives the token
            raise _no_token(error) from error
        return str(header).rpartition(" ")[2] if header else None

    async def read_all(
        self,
        kind: Kind,
        read: Callable[[Object], T],
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> list[T]:
        """All objects, page by page, each passed through `read` as it arrives; all or an error.

        Without a resourceVersion the answer is consistent: it has everything that was written before. One
        from the server's cache could miss the nodes of the cycle before, and their power would be
        promised twice.
        """
        selectors = [("labelSelector", labels), ("fieldSelector", fields)]
        query = [(key, value) for key, value in selectors if value]
        accept = _METADATA if metadata_only else JSON
        found, _ = await self._list(kind, read, query, accept)
        return found

    async def _list(
        self, kind: Kind, read: Callable[[Object], T], query: list[tuple[str, str]], accept: str
    ) -> tuple[list[T], int]:
        """All objects, and the version of the store that they are of."""
        try:
            return await self._pages(kind, read, query, accept, paged=True)
        except ApiError as error:
            if error.status != 410:
                raise
            # The snapshot that the pages are of has expired. There is none to expire in a single page.
            logger.warning(
                "%s: the list expired between two pages, so once more in a single one", _path(kind)
            )
            return await self._pages(kind, read, query, accept, paged=False)

    async def _pages(
        self,
        kind: Kind,
        read: Callable[[Object], T],
        query: list[tuple[str, str]],
        accept: str,
        *,
        paged: bool,
    ) -> tuple[list[T], int]:
        found: list[T] = []
        more: list[tuple[str, str]] = []
        path = _path(kind)
        while True:
            objects = min(self.settings.page_objects, self._page.get((path, accept), _FIRST_PAGE))
            limit = [("limit", str(objects))] if paged else []
            page, size = await self._exchange(
                "GET", path, query=[*query, *limit, *more], seconds=self.settings.read_seconds, accept=accept
            )
            token = _token(kind, page)
            found += [_read(kind, item, read) for item in page["items"]]
            if items := len(page["items"]):
                self._page[path, accept] = max(1, items * self.settings.page_bytes // size)
            if not token:
                return found, version_of(page)
            more = [("continue", token)]

    async def get(self, kind: Kind, name: str, namespace: str = "") -> Object:
        """One object."""
        return _whole(
            await self._call("GET", _path(kind, namespace, name), seconds=self.settings.read_seconds)
        )

    async def create(self, kind: Kind, body: Object) -> Object:
        """Create an object; 409 if its name is taken."""
        path = _path(kind, body["metadata"].get("namespace", ""))
        return _whole(await self._write("POST", path, body, JSON, _MANAGER))

    async def review(self, kind: Kind, spec: Object) -> Object:
        """What the API server answers to a question about a user: a review's status. Nothing is kept."""
        body = {"apiVersion": kind.api_version, "kind": kind.name, "spec": spec}
        answer = await self._write("POST", _path(kind), body, JSON)
        status: Object = answer.get("status") or {}
        return status

    async def patch(self, kind: Kind, name: str, change: Object, namespace: str = "") -> Object:
        """Merge-patch an object; `metadata.uid` and `metadata.resourceVersion` are preconditions (409)."""
        return _whole(await self._write("PATCH", _path(kind, namespace, name), change, _MERGE, _MANAGER))

    async def apply_status(self, kind: Kind, body: Object) -> Object:
        """Server-side apply to the status, by force; preconditions as in `patch`."""
        meta = body["metadata"]
        path = _path(kind, meta.get("namespace", ""), meta["name"]) + "/status"
        return _whole(await self._write("PATCH", path, body, _APPLY, _MANAGER, ("force", "true")))

    async def delete(self, kind: Kind, name: str, *, uid: str, version: str = "") -> None:
        """Delete an object without a namespace, if it is still the one with this uid and version (409)."""
        only = {key: value for key, value in (("uid", uid), ("resourceVersion", version)) if value}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": only}
        await self._write("DELETE", _path(kind, name=name), body, JSON)

    async def evict(self, namespace: str, name: str, uid: str) -> None:
        """Ask a pod to leave: 429 means not yet, 500 that two budgets cover it and it never will.

        409 for another one that bears its name: a StatefulSet's next pod stands elsewhere by now.
        """
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"namespace": namespace, "name": name},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        await self._write("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", body, JSON)

    async def kill(self, namespace: str, name: str, uid: str) -> None:
        """Delete a pod without grace: its node goes anyway. One that bears the name of another is left."""
        only = {"uid": uid}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": only}
        try:
            await self._write("DELETE", _path(POD, namespace, name), body, JSON)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    async def _write(
        self, method: str, path: str, body: Object, content: str, *query: tuple[str, str]
    ) -> Object:
        # The server gives up after the same time, so that no write lands once we take it for failed.
        limit = ("timeout", f"{WRITE_SECONDS:g}s")
        return await self._call(method, path, [*query, limit], body, content, seconds=WRITE_SECONDS)

    async def _call(self, *request: Any, seconds: float) -> Object:
        answer, _ = await self._exchange(*request, seconds=seconds)
        return answer

    async def _exchange(self, method: str, *request: Any, **how: Any) -> tuple[Object, int]:
        """Ask; returns what is answered, and its size in bytes.

        One read that fails would end a whole cycle, so it is tried again. A write may have landed: never.
        """
        for pause in _READ_AGAIN if method == "GET" else ():
            try:
                return await self._ask(method, *request, **how)
            except ApiError as error:
                if not _may_pass(error):
                    raise
            await asyncio.sleep(pause)
        return await self._ask(method, *request, **how)

    async def _ask(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]] | None = None,
        body: Object | None = None,
        content: str = JSON,
        *,
        seconds: float,
        accept: str = JSON,
    ) -> tuple[Object, int]:
        headers = {"Accept": accept, "Content-Type": content}
        try:
            async with asyncio.timeout(seconds):
                try:
                    request = await self._api.param_serialize(
                        method,
                        path,
                        query_params=query or [],
                        header_params=headers,
                        body=body,
                        auth_settings=["BearerToken"],
                    )
                except Exception as error:  # it asks for the token, of which anything may come
                    raise _no_token(error) from error
                limit = aiohttp.ClientTimeout(total=seconds)
                answer = await self._api.call_api(*request, _request_timeout=limit)
                data: bytes = await answer.read()  # type: ignore[no-untyped-call]
        except TimeoutError as error:
            raise ApiError(0, "Timeout", f"{method} {path}: no answer within {seconds:g} s") from error
        except ApiError:
            raise
        except Exception as error:  # of the network, and of whatever else a request goes through
            said = str(error) or type(error).__name__
            raise ApiError(0, "Unreachable", f"{method} {path}: {said}") from error
        if answer.status >= 400:
            after = answer.headers.get("Retry-After", "")
            seconds = min(self.settings.longest_retry_after, float(after)) if after.isdecimal() else 0.0
            _refuse(answer.status, data, seconds)
        result = _object(data)
        if result is None:
            said = data[:200].decode(errors="replace")
            raise ApiError(0, "Unreadable", f"{method} {path}: no Kubernetes object in the answer: {said}")
        self.clock.heard(answer.headers.get("Date"))
        return result, len(data)


def _may_pass(error: ApiError) -> bool:
    """Whether it may be another time: no connection, no answer of sense, a server or a proxy in trouble.

    Who asks to be left alone, or has let the time run out, is left alone.
    """
    passing = error.status in _PASSING_STATUSES or error.reason in _PASSING_REASONS
    return passing and not error.after


def version_of(obj: Mapping[str, Any]) -> int:
    """The store's version at which an object or a list is as it is; they are compared as numbers."""
    text = str(obj["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdigit() else 0


def _path(kind: Kind, namespace: str = "", name: str = "") -> str:
    scope = f"/namespaces/{namespace}" if kind.namespaced and namespace else ""
    return f"{kind.root}{scope}/{kind.plural}" + (f"/{name}" if name else "")


def _no_token(error: Exception) -> ApiError:
    return ApiError(0, "NoToken", f"the token for the API server cannot be had: {error}")


def _object(data: bytes) -> Object | None:
    """What the API server answers always has metadata; None for anything else, or for a part of it."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("metadata"), dict) else None


def _whole(obj: Object) -> Object:
    """An object with all by which it is known. Raises ApiError for anything else."""
    if not all(isinstance(obj["metadata"].get(key), str) for key in ("name", "uid", "resourceVersion")):
        raise ApiError(0, "Unreadable", f"the answer is no object: {str(obj)[:200]}")
    return obj


def _token(kind: Kind, page: Object) -> str:
    """Where a list goes on; empty at its end. Raises ApiError if it is no list of this kind."""
    token = page["metadata"].get("continue") or ""
    if page.get("kind") == "PartialObjectMetadataList" and page.get("items", ...) is None:
        page["items"] = []  # so it says that there is nothing
    lists = (f"{kind.name}List", "PartialObjectMetadataList")
    if page.get("kind") not in lists or not isinstance(page.get("items"), list):
        raise ApiError(0, "Unreadable", f"{_path(kind)}: the answer is no list: {str(page)[:200]}")
    return str(token)


def _read(kind: Kind, item: Any, read: Callable[[Object], T]) -> T:
    """One item of a list; those carry no apiVersion and kind of their own."""
    try:
        return read({"apiVersion": kind.api_version, "kind": kind.name, **item})
    except Exception as error:
        what = f"{_path(kind)}: an item makes no sense ({type(error).__name__}: {error}): {str(item)[:200]}"
        raise ApiError(0, "Unreadable", what) from error


def _refuse(status: int, data: bytes, after: float) -> NoReturn:
    """Raise what the server's Status object says; a proxy in between may answer anything."""
    try:
        says: Mapping[str, Any] = json.loads(data)
        reason, message = str(says.get("reason") or "Unknown"), str(says["message"])
        causes = (says.get("details") or {}).get("causes") or ()
        # Only a cause names the budget that forbids an eviction.
        more = [text for cause in causes if (text := str(cause.get("message", ""))) not in message]
        if any(cause.get("field") == "metadata.uid" for cause in causes):
            status, reason = 409, "Conflict"  # a patch of the wrong uid is called invalid (422)
        if any(cause.get("reason") == BUDGET for cause in causes):
            reason = BUDGET
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ApiError(status, "Unknown", data[:200].decode(errors="replace"), after) from None
    raise ApiError(status, reason, " ".join([message, *more]), after)
