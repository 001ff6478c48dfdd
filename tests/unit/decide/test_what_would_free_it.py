"""What a waiting pool says would free it: with exactly that change it fits, whatever the world."""

import re
from random import Random

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from unit.decide.build import Factory, Pool, boxes, factory, pool
from unit.decide.fleets import SITES, some_factory, some_pool
from unit.decide.operated import Cluster, cluster

ASKS = "It would fit if "
POWER = re.compile(r"(?:the quota of (?P<quota>\S+)|(?P<at>\S+)) carried (?P<watts>\d+) W more")
UNITS = re.compile(r"(?P<units>\d+) more units? (?:was|were) free in (?:the quota of )?(?P<at>\S+)")


def message_of(made: Cluster, path: str) -> str:
    waits = made.statuses[path].get("waiting")
    return waits["message"] if waits else ""


def free(made: Cluster, path: str) -> None:
    """Apply exactly what the message of a waiting pool asks for."""
    message = message_of(made, path)
    (system,) = re.findall(r"more units? of (\S+)", message)
    for part in re.split(r" and (?=the quota|\d|\S+ carried)", message.split(ASKS)[1]):
        _apply(made, part, system)


def _apply(made: Cluster, part: str, system: str) -> None:
    """One change: a limit that is raised by so many watts, or so many units more."""
    power, units = POWER.match(part), UNITS.match(part)
    if power and power["quota"]:
        made.edit(power["quota"], quota=int(_site(made, power["quota"]).quota) + int(power["watts"]))
    elif power:
        name, _, path = power["at"].partition("/")
        level = re.sub(r"-\d+", "", path.split("/")[-1])
        made.edit(name, **{level: getattr(_site(made, name), level) + int(power["watts"])})
    elif units:
        name, field = units["at"].split("/")[0], {"box": "boxes", "rack": "racks", "cube": "cubes"}[system]
        made.edit(name, **{field: getattr(_site(made, name), field) + int(units["units"])})
    else:
        raise AssertionError(f"nobody can follow: {part}")


def _site(made: Cluster, name: str) -> Factory:
    site = made.words[name]
    assert isinstance(site, Factory)
    return site


TIGHT = [
    factory("dfw", quota=55, boxes=9),
    factory("dfw", halls=2, hall=38, boxes=9),
    factory("dfw", halls=2, hall=38, quota=49, boxes=9),
    factory("dfw", halls=2, rows=2, row=18, hall=29, quota=41, boxes=9),
    factory("dfw", halls=3, boxes=2),
    factory("dfw", halls=2, hall=40, boxes=6),
    factory("dfw", halls=2, hall=29, boxes=3),
]
WISHES = [
    pool("a/t", boxes(5)),
    pool("a/t", boxes(4), pack="hall"),
    pool("a/t", boxes(4), pack="Fabric"),
    pool("a/t", boxes(4), spread=2, over="hall"),
    pool("a/t", boxes(3), pack="Factory"),
]


@pytest.mark.parametrize("site", TIGHT, ids=range(len(TIGHT)))
@pytest.mark.parametrize("wish", WISHES, ids=range(len(WISHES)))
def test_with_exactly_the_named_change_it_fits(site: Factory, wish: Pool) -> None:
    made = cluster(site, pool("b/there", boxes(3))).settle().apply(wish).settle()
    if ASKS in message_of(made, "a/t"):
        free(made, "a/t")
        assert made.settle().gpus("a/t") >= (wish.minimum,)
    else:
        assert made.gpus("a/t") == (wish.gpus,) or "even" in message_of(made, "a/t")


@settings(deadline=None)
@given(dice=st.integers(0, 2**32 - 1).map(Random), sites=st.integers(1, 2), crowd=st.integers(1, 5))
def test_so_it_is_in_any_world(dice: Random, sites: int, crowd: int) -> None:
    made = cluster(*(some_factory(dice, name) for name in SITES[:sites]))
    for number in range(crowd):
        made.tick().apply(some_pool(dice, f"tenant/pool-{number}"))
    made.settle()
    waiting = [path for path, it in made.pools.items() if made.gpus(path)[0] < it.spec.minimum]
    for path in waiting:
        alone = made.copy().delete(*(other for other in waiting if other != path)).settle()
        if ASKS in message_of(alone, path):
            note(f"{path} of {list(alone.words.values())}: {message_of(alone, path)}")
            free(alone, path)
            assert alone.settle().gpus(path) >= (alone.pools[path].spec.minimum,)
