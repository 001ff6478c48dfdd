"""One place has one identity, however a spec writes it, and limits for one instance alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aifactory.api import names
from aifactory.api.reading import parse_factory
from aifactory.decide import World, decide
from aifactory.decide.model.layout import lay_out
from aifactory.decide.model.world import claims_of
from unit.decide.build import Factory, boxes, factory, pool
from unit.decide.count import committed, excess, units
from unit.decide.operated import Cluster, settled

LAB = factory("dfw", halls=2, hall=50, boxes=8)


def full(*changes: Factory) -> Cluster:
    """A lab with five boxes at most in each hall, four of them standing in the first, after some edits."""
    it = settled(LAB, pool("a/train", boxes(4)))
    assert it.units("a/train") == {"dfw/hall": 4}
    for change in changes:
        it.apply(change).settle()
    return it


@pytest.mark.parametrize(
    "changes",
    [
        (LAB.but(apart=True),),
        (LAB.but(halls=1),),
        (LAB.but(apart=True), LAB),
        (LAB.but(halls=1, apart=True),),
    ],
)
def test_a_place_keeps_its_load_however_it_is_written(changes: tuple[Factory, ...]) -> None:
    it = full(*changes).apply(pool("b/next", boxes(12), at_least=0)).settle()
    load = committed(it.factories["dfw"], it.nodes.values())
    assert load["hall"] == 50
    assert not excess(it)
    slots = [unit[:5] for unit in (tuple(vars(u).values()) for u in units(it.nodes.values()))]
    assert len(slots) == len(set(slots))


def test_splitting_halls_moves_nothing_and_renames_nothing() -> None:
    it = full()
    before = dict(it.nodes)
    it.apply(LAB.but(apart=True)).settle()
    assert it.nodes == before
    assert it.pools["a/train"].status.placements[0].domain == "hall-1"


def test_a_limit_of_a_split_hall_counts_what_stands_there() -> None:
    it = full()
    split = LAB.but(
        domains=({"path": "hall-1", "limit": 20}, {"path": "hall-2", "limit": 50}),
        groups=tuple({"domain": f"hall-{n}", "system": "box", "count": 1, "nodesPerRack": 8} for n in (1, 2)),
    )
    it.apply(split).settle()
    assert it.units("a/train") == {"dfw/hall": 2, "dfw/hall-2": 2}


@pytest.mark.parametrize("spec", [LAB.but(apart=True), LAB.but(halls=1), LAB.but(apart=True, halls=1)])
def test_planner_and_operator_agree_on_what_stands(spec: Factory) -> None:
    it = full(LAB.but(halls=3, apart=True)).apply(spec)
    claims = tuple(claim for it in it.pools.values() for claim in claims_of(it))
    world = World(tuple(it.factories.values()), tuple(it.pools.values()), claims=claims)
    told, seen = (
        next(w.status for w in decide(of, it.now).statuses if w.kind == "AIFactory")
        for of in (world, it.world())
    )
    assert told["power"] == seen["power"]
    assert told["tightest"] == seen["tightest"]


def test_one_instance_may_have_a_lower_limit() -> None:
    it = settled(LAB.but(limits={"hall-2": 20}), pool("a/train", boxes(10), at_least=0))
    assert it.units("a/train") == {"dfw/hall": 5, "dfw/hall-2": 2}


def test_the_lower_one_of_two_limits_holds() -> None:
    it = settled(
        LAB.but(limits={"hall-2": 70, "hall": 30, "hall-1": 40}), pool("a/train", boxes(10), at_least=0)
    )
    assert it.units("a/train") == {"dfw/hall": 3, "dfw/hall-2": 5}


def test_a_limit_of_one_instance_sheds_there() -> None:
    it = settled(LAB, pool("a/train", boxes(8), at_least=0))
    it.edit("dfw", limits={"hall": 10}).settle()
    assert it.units("a/train") == {"dfw/hall": 1, "dfw/hall-2": 5}


def test_a_limit_of_no_instance_is_told_and_stops_nothing() -> None:
    it = settled(LAB.but(limits={"hall-9": 10, "hall-2": 20}), pool("a/train", boxes(10), at_least=0))
    assert it.units("a/train") == {"dfw/hall": 5, "dfw/hall-2": 2}
    assert it.says("dfw", "Ready") == "False: UnknownInstance"
    assert "spec.power.limits" in it.tells("dfw", "Ready")
    assert "hall-9" in it.tells("dfw", "Ready")


# Names

SEGMENTS = st.from_regex(r"[a-c](-[1-3]){0,2}", fullmatch=True)
TREES = st.dictionaries(SEGMENTS, st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=4)


@given(TREES)
def test_no_two_instances_of_a_valid_spec_are_one_place(tree: dict[str, tuple[int, bool]]) -> None:
    domains = [{"path": name, "count": count, "limit": 1} for name, (count, _) in tree.items()]
    domains += [
        {"path": f"{name}/{name}", "count": 2, "limit": 1} for name, (_, more) in tree.items() if more
    ]
    spec = factory("dfw", domains=tuple(domains), groups=()).manifest()
    try:
        instances = lay_out(parse_factory(spec)).instances
    except ValueError:
        return  # refused: two entries give one instance
    assert len({it.path for it in instances}) == len(instances)
    assert all(names.canonical(it.name) == it.path for it in instances)
