"""The cache against a store that changes under it: own writes at once, and in the end everything."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aifactory.shell.cache import Cache, Listed
from aifactory.shell.settings import Settings

Object = dict[str, Any]


class Store:
    """An API server with objects of one kind, and a watch whose events come when they may."""

    def __init__(self) -> None:
        self.version = 0
        self.objects: dict[str, Object] = {}
        self.events: dict[str, deque[tuple[Object, bool]]] = defaultdict(deque)
        self.begins = False  # the watch, and nobody has been told yet
        self.lists = 0
        self.during: Callable[[], None] = lambda: None

    def put(self, uid: str) -> Object:
        """Create or change an object; it says at which version."""
        self.version += 1
        meta = {"uid": uid, "resourceVersion": str(self.version)}
        self.objects[uid] = {"kind": "Node", "metadata": meta, "says": self.version}
        self.events[uid].append((self.objects[uid], False))
        return self.objects[uid]

    def drop(self, uid: str) -> None:
        self.version += 1
        last = self.objects.pop(uid)
        meta = {**last["metadata"], "resourceVersion": str(self.version)}
        self.events[uid].append(({**last, "metadata": meta}, True))

    def breaks(self) -> None:
        """The watch loses what it had not told yet, and begins anew with all objects, or none."""
        self.events.clear()
        self.begins = True
        for uid, obj in self.objects.items():
            self.events[uid].append((obj, False))

    async def list_all(self, keep: Callable[[Object], Any]) -> Listed[Any]:
        """Two pages of one snapshot; much may happen before each is there, and before anybody looks."""
        self.lists += 1
        objects, version, found = list(self.objects.values()), self.version, []
        for page in (objects[: len(objects) // 2], objects[len(objects) // 2 :]):
            self.during()
            await asyncio.sleep(0)
            found += [keep(obj) for obj in page]
        self.during()
        return Listed(found, version)

    def said(self) -> dict[str, int]:
        return {uid: obj["says"] for uid, obj in self.objects.items()}


def tell(store: Store, cache: Cache, uid: str) -> None:
    """One event more of an object, if there is any."""
    if store.events[uid]:
        obj, gone = store.events[uid].popleft()
        cache.told(obj, gone=gone)


def begin(store: Store, cache: Cache) -> None:
    """Tell that the watch has begun, if it has: its events come later than that, or sooner."""
    if store.begins:
        cache.begins("Node")
        store.begins = False


async def read(store: Store, cache: Cache) -> dict[str, int]:
    found = await cache.read("Node", store.list_all, lambda obj: (obj["metadata"]["uid"], obj["says"]))
    assert len(dict(found)) == len(found)
    return dict(found)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 10**9))
def test_it_has_its_own_writes_at_once_and_everything_once_all_is_told(seed: int) -> None:
    dice, store, cache = Random(seed), Store(), Cache()
    names = [f"n{number}" for number in range(dice.choice((1, 2, 6)))]
    lives: dict[str, int] = defaultdict(int)
    mine: dict[str, int | None] = {}  # own writes that nobody has changed since

    def uid_of(name: str) -> str:
        return f"{name}/{lives[name]}"

    def anybody(own: bool) -> None:
        name = dice.choice(names)
        uid = uid_of(name)
        if uid in store.objects and dice.random() < 0.4:
            store.drop(uid)
            lives[name] += 1
            mine[uid] = None
            if own:
                cache.deleted("Node", uid)
            else:
                del mine[uid]
        else:
            obj = store.put(uid)
            mine.pop(uid, None)
            if own:
                cache.wrote(obj)
                mine[uid] = obj["says"]

    def some_events() -> None:
        if dice.random() < 0.5:
            begin(store, cache)
        for uid in dice.sample(list(store.events), dice.randint(0, len(store.events))):
            tell(store, cache, uid)

    def meanwhile() -> None:
        for _ in range(dice.randint(0, 3)):
            anybody(dice.random() < 0.5)
            some_events()

    store.during = meanwhile

    async def live() -> None:
        for _ in range(dice.randint(1, 30)):
            match dice.choice(("own", "other", "events", "read", "break", "doubt")):
                case "own" | "other" as who:
                    anybody(who == "own")
                case "events":
                    some_events()
                case "break":
                    store.breaks()
                case "doubt":
                    cache.doubt("Node")
                case "read":
                    found = await read(store, cache)
                    for uid, says in mine.items():
                        assert found.get(uid) == says
        store.during = lambda: None
        begin(store, cache)
        for uid in list(store.events):
            while store.events[uid]:
                tell(store, cache, uid)
        assert await read(store, cache) == store.said()

    asyncio.run(live())


async def test_what_has_not_changed_is_neither_listed_nor_read_again() -> None:
    store, cache, reads = Store(), Cache(), list[str]()
    for number in range(3):
        store.put(f"n{number}")

    def remember(obj: Object) -> str:
        reads.append(obj["metadata"]["uid"])
        return str(obj["metadata"]["uid"])

    for _ in range(3):
        assert await cache.read("Node", store.list_all, remember) == ["n0", "n1", "n2"]
    store.put("n1")
    tell(store, cache, "n1")  # of its first version, which the list had
    tell(store, cache, "n1")
    await cache.read("Node", store.list_all, remember)
    cache.doubt("Node")
    await cache.read("Node", store.list_all, remember)
    assert (store.lists, reads) == (2, ["n0", "n1", "n2", "n1"])


async def test_each_object_is_read_as_it_is_told_and_not_all_at_once() -> None:
    """A hundred thousand that were told meanwhile would hold up the loop, and fill the memory until then."""
    store, cache, reads = Store(), Cache(), list[int]()

    def remember(obj: Object) -> int:
        reads.append(obj["says"])
        return int(obj["says"])

    await cache.read("Node", store.list_all, remember)
    cache.told(store.put("n0"))
    assert reads == [1]
    cache.wrote(store.put("n1"))
    assert reads == [1, 2]
    assert await cache.read("Node", store.list_all, remember) == [1, 2]
    assert reads == [1, 2]


async def test_what_cannot_be_read_as_it_is_told_is_a_doubt() -> None:
    store, cache = Store(), Cache()

    def strict(obj: Object) -> int:
        if obj["says"] == 2:
            raise KeyError("spec")
        return int(obj["says"])

    store.put("n0")
    assert await cache.read("Node", store.list_all, strict) == [1]
    cache.told(store.put("n0"))
    with pytest.raises(KeyError):  # as a LIST has it, too
        await cache.read("Node", store.list_all, strict)
    store.put("n0")
    assert await cache.read("Node", store.list_all, strict) == [3]


async def test_what_a_watch_has_missed_is_found_by_comparing_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, cache, differences = Store(), Cache(), list[int]()
    cache.differs = differences.append
    for number in range(3):
        store.put(f"n{number}")
    await read(store, cache)
    store.put("n0")
    store.drop("n2")
    store.events.clear()  # nobody tells of it
    assert (await read(store, cache)).keys() == {"n0", "n1", "n2"}
    vars(cache)["_settings"] = Settings(compare=0)
    assert await read(store, cache) == store.said()
    assert differences == [2]
    assert "2 objects were not as the watch had told of them" in caplog.text
    await read(store, cache)
    assert differences == [2]


async def test_nothing_is_kept_of_what_nobody_has_asked_for() -> None:
    store, cache = Store(), Cache()
    cache.told(store.put("n0"))
    cache.wrote(store.put("n1"))
    cache.deleted("Node", "n1")
    assert cache._kinds == {}
    await read(store, cache)
    cache.clear()
    assert cache._kinds == {}
