"""Our own resources during one cycle: as they were read, and as our writes have left them since."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from aifactory.api import names
from aifactory.api.factory_status import AIFactoryStatus
from aifactory.api.meta import ObjectMeta
from aifactory.api.pool_status import GPUPoolStatus
from aifactory.backends.port import Object
from aifactory.decide.model.plan import Event, Finalizer, StatusWrite
from aifactory.decide.model.world import World
from aifactory.shell.client import KINDS, KubernetesClient
from aifactory.shell.fingerprint import News

Status = AIFactoryStatus | GPUPoolStatus
_MODELS: Final[dict[str, type[Status]]] = {"AIFactory": AIFactoryStatus, "GPUPool": GPUPoolStatus}


class Key(NamedTuple):
    """Names one of our resources."""

    kind: str
    namespace: str  # empty for an AIFactory
    name: str


def key_of(about: StatusWrite | Finalizer | Event) -> Key:
    """The resource that a part of a plan is about."""
    return Key(about.kind, about.namespace, about.name)


class Objects:
    """Writes to our resources, each only if it is as it was read or as we have written it since."""

    def __init__(self, client: KubernetesClient, world: World, news: News) -> None:
        self._client = client
        self._news = news
        self._gone: set[Key] = set()
        self._wanted: dict[int, tuple[StatusWrite, Status | None]] = {}  # by identity: they are many
        found = [("AIFactory", f.metadata, f.status) for f in world.factories]
        found += [("GPUPool", p.metadata, p.status) for p in world.pools]  # type: ignore[misc]
        self._meta: dict[Key, ObjectMeta] = {Key(k, m.namespace, m.name): m for k, m, _ in found}
        self._status: dict[Key, Status | None] = {Key(k, m.namespace, m.name): s for k, m, s in found}
        for refused in world.refused:
            key = Key(refused.kind, refused.namespace, refused.name)
            self._meta[key] = refused.metadata
            self._status[key] = _read(refused.kind, refused.status)
        self._version = {key: meta.resource_version for key, meta in self._meta.items()}

    def uid(self, key: Key) -> str:
        """The resource's uid; empty where it is not known."""
        return self._meta[key].uid if key in self._meta else ""

    def differs(self, write: StatusWrite) -> bool:
        """Whether a resource that is still there has not yet the status that it should have."""
        if key_of(write) in self._gone:
            return False
        return self._status.get(key_of(write)) != self._read_once(write)

    def read(self, writes: Iterable[StatusWrite]) -> None:
        """Read what statuses should be, for `differs`. Of thousands that takes seconds: not for the loop."""
        for write in writes:
            self._read_once(write)

    def _read_once(self, write: StatusWrite) -> Status | None:
        known = self._wanted.get(id(write))
        if known is None:
            known = self._wanted[id(write)] = write, _read(write.kind, write.status)
        return known[1]

    async def write_status(self, write: StatusWrite) -> None:
        """Apply a status, if the resource is still as it was when the status was decided.

        By its resourceVersion, for the API server ignores a uid here: the status of a resource that was
        deleted and made again would be written to the new one.
        """
        key = key_of(write)
        self._news.writing(*key, write.status)
        obj = await self._client.apply_status(
            KINDS[key.kind],
            {
                "apiVersion": names.API_VERSION,
                "kind": key.kind,
                "metadata": self._named(key),
                "status": dict(write.status),
            },
        )
        self._took(key, obj)
        self._status[key] = _read(key.kind, obj.get("status") or {})

    async def write_finalizer(self, change: Finalizer) -> None:
        """Add our finalizer or take it off, and leave everybody else's."""
        key = key_of(change)
        others = [name for name in self._meta[key].finalizers if name != names.FINALIZER]
        wanted = [*others, names.FINALIZER] if change.add else others
        body: Object = {"metadata": {**self._named(key), "finalizers": wanted}}
        obj = await self._client.patch(KINDS[key.kind], key.name, body, key.namespace)
        self._took(key, obj)

    def _named(self, key: Key) -> Object:
        parts = {"name": key.name, "namespace": key.namespace, "resourceVersion": self._version.get(key, "")}
        return {part: value for part, value in parts.items() if value}

    def _took(self, key: Key, obj: Object) -> None:
        meta = obj["metadata"]
        if "deletionTimestamp" in meta and not meta.get("finalizers"):
            self._gone.add(key)
        if key in self._version:
            self._version[key] = meta["resourceVersion"]


def _read(kind: str, status: Mapping[str, Any]) -> Status | None:
    """A status in one form, whatever is left out in it; None where it cannot be read."""
    try:
        return _MODELS[kind].model_validate(status)
    except ValidationError:
        return None
