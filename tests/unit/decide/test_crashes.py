"""Promise 6: killed at any write, it goes on to the same state; nothing is lost, nothing is ordered twice."""

from collections.abc import Callable

import pytest

from unit.decide.build import Factory, boxes, factory, pool, racks
from unit.decide.judge import judge_settled
from unit.decide.operated import Cluster, cluster, settled

DFW, SJC = factory("dfw", halls=2, hall=40, boxes=4), factory("sjc", boxes=4)


def first_pools() -> Cluster:
    return cluster(
        DFW, pool("a/train", boxes(5)), pool("b/infer", boxes(2), at_least=8), pool("c/late", boxes(4))
    )


def racks_first() -> Cluster:
    return cluster(factory("dfw", quota=80, racks=3), pool("a/train", racks(2), systems=("rack",)))


def preemption() -> Cluster:
    it = settled(DFW, pool("a/soft", boxes(3), preemptible=True), pool("b/firm", boxes(2)), SJC.but(boxes=1))
    return it.apply(pool("c/high", boxes(5), priority=3))


def growth_gives_way() -> Cluster:
    it = settled(DFW, pool("a/soft", boxes(8), at_least=boxes(2), preemptible=True))
    return it.apply(pool("c/high", boxes(4), priority=3, pack="hall"))


def a_limit_falls() -> Cluster:
    it = settled(DFW, pool("a/low", boxes(4)), pool("b/high", boxes(4), at_least=boxes(2), priority=1))
    return it.edit("dfw", quota=55)


def a_whole_pool_has_to_go() -> Cluster:
    return settled(DFW, pool("a/low", boxes(4)), pool("b/high", boxes(4), priority=1)).edit("dfw", quota=70)


def racks_have_to_go() -> Cluster:
    it = settled(factory("dfw", racks=4), pool("a/train", racks(4), at_least=racks(1), systems=("rack",)))
    return it.edit("dfw", quota=90)


def a_factory_drains() -> Cluster:
    it = settled(DFW, pool("a/low", boxes(4)), pool("b/high", boxes(4), priority=1), SJC)
    return it.edit("dfw", drain=True)


def a_pool_moves() -> Cluster:
    it = settled(DFW, pool("a/train", boxes(3), only_in=("dfw",)), SJC)
    return it.edit("a/train", only_in=("sjc",))


def a_pool_is_deleted() -> Cluster:
    return settled(DFW, pool("a/train", boxes(8)), pool("b/next", boxes(6))).delete("a/train")


def a_node_breaks() -> Cluster:
    it = settled(DFW, pool("a/train", boxes(4)))
    return it.mark(it.nodes_of("a/train")[1])


def nodes_are_lost() -> Cluster:
    it = settled(
        DFW, pool("a/train", boxes(4)), factory("sjc", racks=1), pool("b/big", racks(1), systems=("rack",))
    )
    return it.lose(it.nodes_of("a/train")[0], *it.nodes_of("b/big")[:2])


def a_limit_rises() -> Cluster:
    it = settled(DFW.but(quota=40), pool("a/train", boxes(4)), pool("b/late", boxes(4)))
    return it.edit("dfw", quota=80)


def a_spread_pool_shrinks() -> Cluster:
    it = settled(DFW, SJC, pool("a/infer", boxes(8), at_least=boxes(2), spread=2))
    return it.edit("dfw", quota=20)


def a_spread_pool_comes() -> Cluster:
    return cluster(
        factory("dfw", halls=3, boxes=2), pool("a/infer", boxes(4), at_least=8, spread=3, over="hall")
    )


def a_grown_pool_moves() -> Cluster:
    halls = ({"path": "north", "limit": 30}, {"path": "south", "limit": 30})
    boxes_there = tuple({"domain": h["path"], "system": "box", "count": 1} for h in halls)
    it = settled(
        factory("dfw", domains=halls, groups=boxes_there),
        pool("a/train", boxes(3), at_least=8, pack="Fabric"),
    )
    (home,) = (place.split("/")[1] for place in it.units("a/train"))
    return it.edit("dfw", domains=tuple({**h, "limit": 10} if h["path"] == home else h for h in halls))


SCENES = [
    first_pools,
    racks_first,
    preemption,
    growth_gives_way,
    a_limit_falls,
    a_whole_pool_has_to_go,
    racks_have_to_go,
    a_factory_drains,
    a_pool_moves,
    a_pool_is_deleted,
    a_node_breaks,
    nodes_are_lost,
    a_limit_rises,
    a_spread_pool_shrinks,
    a_spread_pool_comes,
    a_grown_pool_moves,
]


def outcome(it: Cluster) -> dict[str, tuple[int, ...]]:
    """GPUs of every pool that is left, once all has settled and is as it should be."""
    it.settle()
    judge_settled(it)
    for path, its in it.pools.items():
        (gpus,) = it.gpus(path)
        assert gpus == 0 or gpus >= its.spec.minimum, f"{path} is left with {gpus} GPUs"
    return {path: it.gpus(path) for path in it.pools}


@pytest.mark.parametrize("scene", SCENES)
def test_a_crash_after_any_write_changes_nothing_in_the_end(scene: Callable[[], Cluster]) -> None:
    start = scene()
    start.linger = 1
    start.busy = True
    wanted = outcome(start.copy())
    for _ in range(30):
        writes = start.writes(start.decide())
        for stop in range(len(writes)):
            it = start.copy()
            it.cycle(stop_after=stop)
            assert outcome(it.restart()) == wanted, [type(w).__name__ for w in writes[:stop]]
        if not start.carry_out(start.decide()) and not start.pending:
            return
        start.tick()
    raise AssertionError("it never settled")


@pytest.mark.parametrize("scene", SCENES)
def test_an_operator_that_only_ever_makes_one_write_gets_there_too(scene: Callable[[], Cluster]) -> None:
    start = scene()
    wanted = outcome(start.copy())
    for _ in range(300):
        if not start.carry_out(start.decide(), stop_after=1) and not start.pending:
            break
        start.restart().tick()
    assert outcome(start) == wanted


@pytest.mark.parametrize("scene", SCENES)
def test_a_slow_backend_gets_there_too(scene: Callable[[], Cluster]) -> None:
    start = scene()
    wanted = outcome(start.copy())
    start.linger, start.denies, start.boot = 4, True, 7
    assert outcome(start) == wanted


def test_a_status_that_is_lost_between_two_writes_changes_nothing() -> None:
    it = preemption()
    wanted = outcome(it.copy())
    for _ in range(20):
        it.cycle(stop_after=3)
        for path, thing in list(it.objects.items()):
            if not isinstance(it.words[path], Factory):
                it.objects[path] = thing.model_copy(update={"status": type(thing.status)()})
                it.statuses.pop(path, None)
    assert outcome(it) == wanted
