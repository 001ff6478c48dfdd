"""Our objects as the API server last told them, so that not every cycle has to list them.

Three sources keep it: a LIST when it begins and whenever there is a doubt, the events of Kopf's watches, and
the answers to our own writes. So whoever decides has seen all of its own writes, without having to wait for a
watch. What a watch may miss is a deletion: while its connection was broken. It begins anew with all objects
then, and that is a doubt, as are a write of which no answer came and one that was too late. And every few
minutes all is compared with a LIST all the same.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Any, Final, NamedTuple, TypeVar

from aifactory.backends.port import Object
from aifactory.shell.client import version_of

logger = logging.getLogger(__name__)
T = TypeVar("T")

COMPARE: Final = 300.0  # seconds after which what is kept is compared with a LIST


class Listed(NamedTuple):
    """What a LIST answers: all objects as they were at a version of the whole store."""

    objects: list[Object]
    version: int


@dataclass
class _Kept:
    """One object. It is read when it is first asked for."""

    version: int
    raw: Object | None
    read: Any = None


class _Gone(NamedTuple):
    version: float  # of the deletion, as far as it was told: what is told of later ones is another life
    at: float


@dataclass
class _Kind:
    """All objects of one kind, by uid."""

    version: int = 0  # of the last LIST: what is told of earlier versions is old
    listed: float = -inf  # when that was
    kept: dict[str, _Kept] = field(default_factory=dict)
    gone: dict[str, _Gone] = field(default_factory=dict)  # a late event must not bring one back
    doubt: bool = True


class Cache:
    """Objects by kind. Used in one event loop."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}
        self._heard_of: set[str] = set()
        self.differs: Callable[[int], None] = lambda _: None
        """Is told how many objects were not as a LIST has them."""

    async def read(
        self, kind: str, list_all: Callable[[], Awaitable[Listed]], read: Callable[[Object], T]
    ) -> list[T]:
        """All objects of a kind, each passed through `read` once for each version of it."""
        known = self._kinds.setdefault(kind, _Kind())
        if known.doubt or monotonic() - known.listed >= COMPARE:
            known = await self._list(kind, known, list_all)
        for kept in known.kept.values():
            if kept.raw is not None:
                kept.read, kept.raw = read(kept.raw), None
        return [kept.read for kept in known.kept.values()]

    def told(self, obj: Mapping[str, Any], *, gone: bool = False, anew: bool = False) -> None:
        """A watch tells of an object: as it is, that it is `gone`, or all of them `anew`."""
        self._heard_of.add(obj["kind"])
        known = self._kinds.get(obj["kind"])
        if known is None:
            return
        meta, version = obj["metadata"], version_of(obj)
        if gone:
            known.gone[meta["uid"]] = _Gone(version, monotonic())
            known.kept.pop(meta["uid"], None)
        else:
            self._put(known, obj)
        known.doubt = known.doubt or anew

    def hears_of(self, kind: str) -> bool:
        """Whether a watch has ever told of this kind. Before that, there may be none."""
        return kind in self._heard_of

    def wrote(self, obj: Object) -> None:
        """A write of ours was answered with the object as it is since."""
        if (known := self._kinds.get(obj.get("kind", ""))) is not None:
            self._put(known, obj)

    def deleted(self, kind: str, uid: str) -> None:
        """A deletion of ours was answered: the object is gone."""
        if (known := self._kinds.get(kind)) is not None:
            known.kept.pop(uid, None)
            known.gone[uid] = _Gone(inf, monotonic())

    def doubt(self, kind: str = "") -> None:
        """What is kept of a kind, or of all, may not be so: it is listed before it is used again."""
        for name, known in self._kinds.items():
            known.doubt = known.doubt or not kind or name == kind

    def clear(self) -> None:
        """Forget everything; nothing more is kept until somebody reads."""
        self._kinds.clear()

    def _put(self, known: _Kind, obj: Mapping[str, Any]) -> None:
        uid, version = obj["metadata"]["uid"], version_of(obj)
        before = known.kept.get(uid)
        if version <= (before.version if before else known.version):
            return
        if uid in known.gone and version <= known.gone[uid].version:
            return
        known.kept[uid] = _Kept(version, dict(obj))

    async def _list(self, kind: str, known: _Kind, list_all: Callable[[], Awaitable[Listed]]) -> _Kind:
        """All as a LIST has it now; what was kept of unchanged objects stays as it was read."""
        began, compared = monotonic(), not known.doubt
        known.doubt = False  # what is told meanwhile is a doubt of its own
        try:
            listed = await list_all()
        except BaseException:
            known.doubt = True
            raise
        before, different = known.kept, 0
        found = _Kind(listed.version, began, doubt=known.doubt)
        for obj in listed.objects:
            uid, version = obj["metadata"]["uid"], version_of(obj)
            kept = before.get(uid)
            if kept is not None and kept.version >= version:
                found.kept[uid] = kept
            else:
                found.kept[uid] = _Kept(version, obj)
                different += kept is not None
        # What was told while the LIST was under way is newer than it.
        later = [uid for uid, it in before.items() if uid not in found.kept and it.version > listed.version]
        found.kept |= {uid: before[uid] for uid in later}
        different += len(before.keys() - found.kept.keys())
        # So is a deletion. Of earlier ones the LIST knows.
        found.gone = {uid: it for uid, it in known.gone.items() if it.at >= began}
        for uid, it in found.gone.items():
            if uid in found.kept and found.kept[uid].version <= it.version:
                del found.kept[uid]
        self._kinds[kind] = found
        if compared and different:
            logger.warning("%s: %d objects were not as the watch had told of them", kind, different)
            self.differs(different)
        return found
