"""A client that answers from the cache where it can, and keeps that up to date with what it writes."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from kubernetes.aio.client import Configuration

from aifactory.api import names
from aifactory.backends.port import NODE, NODE_CLAIM, Kind, Object
from aifactory.shell.cache import Cache, Listed
from aifactory.shell.client import FACTORY, JSON, POOL, ApiError, KubernetesClient
from aifactory.shell.settings import DEFAULTS, Settings

T = TypeVar("T")

# What is kept, and the labels that it is listed and watched by.
KEPT: Final = {FACTORY: "", POOL: "", NODE: names.LABEL_FACTORY, NODE_CLAIM: names.LABEL_FACTORY}
# What a cluster need not have: nobody watches it where it was installed later than we were started.
_MAYBE: Final = {NODE_CLAIM}
_DOUBTS: Final = (0, 404, 409)  # no answer; or the world is another one than the cache has it


class CachingClient(KubernetesClient):
    """Lists of what is kept are read once for each version of an object, always by the same function."""

    def __init__(self, config: Configuration, settings: Settings = DEFAULTS) -> None:
        super().__init__(config, settings)
        self.cache = Cache(settings)

    async def read_all(
        self,
        kind: Kind,
        read: Callable[[Object], T],
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> list[T]:
        """All objects, as `KubernetesClient.read_all`."""
        unwatched = kind in _MAYBE and not self.cache.watched(kind.name)
        if KEPT.get(kind) != labels or fields or metadata_only or unwatched:
            return await super().read_all(
                kind, read, labels=labels, fields=fields, metadata_only=metadata_only
            )

        async def list_all(keep: Callable[[Object], Any]) -> Listed[Any]:
            query = [("labelSelector", labels)] if labels else []
            return Listed(*await self._list(kind, keep, query, JSON))

        return await self.cache.read(kind.name, list_all, read)

    async def _write(self, method: str, path: str, *request: Any) -> Object:
        kind = next((kind for kind in KEPT if _is_of(kind, path)), None)
        try:
            answer = await super()._write(method, path, *request)
        except ApiError as error:
            if kind is not None and error.status in _DOUBTS:
                self.cache.doubt(kind.name)
            raise
        if kind is not None and answer.get("kind") == kind.name:
            self.cache.wrote(answer)
        elif kind is not None and method == "DELETE":
            self.cache.deleted(kind.name, (answer.get("details") or {}).get("uid", ""))
        return answer


def _is_of(kind: Kind, path: str) -> bool:
    """Whether a request's path is of objects of a kind."""
    return path.startswith(f"{kind.root}/") and kind.plural in path.removeprefix(kind.root).split("/")
