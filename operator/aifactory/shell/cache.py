"""Our objects as the API server last told them, so that not every cycle has to list them.

Three sources keep it: a LIST when it begins and whenever there is a doubt, the events of Kopf's watches, and
the answers to our own writes. So whoever decides has seen all of its own writes, without having to wait for a
watch. What a watch may miss is a deletion: while its connection was broken. It begins anew then, and that is
a doubt, as are a write of which no answer came and one that was too late. And every few minutes all is
compared with a LIST all the same.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Any, Generic, NamedTuple, TypeVar

from aifactory.backends.port import Object
from aifactory.shell.client import version_of
from aifactory.shell.settings import DEFAULTS, Settings

logger = logging.getLogger(__name__)
T = TypeVar("T")
ListAll = Callable[[Callable[[Object], Any]], Awaitable["Listed[Any]"]]


class Listed(NamedTuple, Generic[T]):
    """What a LIST answers: all objects, as they were at a version of the whole store."""

    objects: list[T]
    version: int


class _Kept(NamedTuple):
    """One object, as it was read: what it was read from is ten times as large."""

    version: int
    value: Any


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
    read: Callable[[Object], Any] = dict


class Cache:
    """Objects by kind, each read as soon as it is told: what was told of many would else be read at once, and
    hold up the loop. Used in one event loop.
    """

    def __init__(self, settings: Settings = DEFAULTS) -> None:
        self._settings = settings
        self._kinds: dict[str, _Kind] = {}
        self._watched: set[str] = set()
        self.differs: Callable[[int], None] = lambda _: None
        """Is told how many objects were not as a LIST has them."""

    async def read(self, kind: str, list_all: ListAll, read: Callable[[Object], T]) -> list[T]:
        """All objects of a kind, each passed through `read` once for each version of it.

        `list_all` gives what it is given for each object, as it comes.
        """
        known = self._kinds.setdefault(kind, _Kind())
        known.read = read
        if known.doubt or monotonic() - known.listed >= self._settings.compare:
            known = await self._list(kind, known, list_all)
        return [kept.value for kept in known.kept.values()]

    def begins(self, kind: str) -> None:
        """A watch of this kind has begun, perhaps anew."""
        self._watched.add(kind)
        self.doubt(kind)

    def told(self, obj: Mapping[str, Any], *, gone: bool = False) -> None:
        """A watch tells of an object: as it is, or that it is `gone`."""
        known = self._kinds.get(obj["kind"])
        if known is None:
            return
        meta, version = obj["metadata"], version_of(obj)
        if gone:
            known.gone[meta["uid"]] = _Gone(version, monotonic())
            known.kept.pop(meta["uid"], None)
        else:
            self._put(known, obj)

    def watched(self, kind: str) -> bool:
        """Whether a watch of this kind has ever begun. Before that, there may be none."""
        return kind in self._watched

    def wrote(self, obj: Object) -> None:
        """A write of ours was answered with the object as it is since."""
        if (known := self._kinds.get(obj.get("kind", ""))) is not None:
            self._put(known, obj)

    def deleted(self, kind: str, uid: str) -> None:
        """A deletion of ours was answered: the object is gone."""
        if (known := self._kinds.get(kind)) is not None:
            known.kept.pop(uid, None)
            known.gone[uid] = _Gone(inf, monotonic())

    def doubt(self, kind: str) -> None:
        """What is kept of a kind may not be so: it is listed before it is used again."""
        if (known := self._kinds.get(kind)) is not None:
            known.doubt = True

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
        try:
            known.kept[uid] = _Kept(version, known.read(dict(obj)))
        except Exception:  # whatever it is: a LIST says it to whoever asks for it
            known.doubt = True

    async def _list(self, kind: str, known: _Kind, list_all: ListAll) -> _Kind:
        """All as a LIST has it now; what was kept of unchanged objects stays as it was read."""
        began, compared = monotonic(), not known.doubt
        known.doubt = False  # what is told meanwhile is a doubt of its own
        before, different = known.kept, 0

        def keep(obj: Object) -> tuple[str, _Kept]:
            uid, version = obj["metadata"]["uid"], version_of(obj)
            kept = before.get(uid)
            return uid, kept if kept and kept.version >= version else _Kept(version, known.read(obj))

        try:
            listed = await list_all(keep)
        except BaseException:
            known.doubt = True
            raise
        found = _Kind(listed.version, began, dict(listed.objects), doubt=known.doubt, read=known.read)
        for uid, kept in before.items():
            # What was told while the LIST was under way is newer than it.
            if kept.version >= (found.kept[uid].version if uid in found.kept else listed.version + 1):
                found.kept[uid] = kept
            else:
                different += 1
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
