"""Packing and spreading, and where a pool may stand."""

import pytest

from unit.decide.build import Pool, boxes, factory, pool
from unit.decide.operated import cluster, settled

HALLS = factory("dfw", halls=3, rows=2, boxes=2, fabric="hall")

# Packing


@pytest.mark.parametrize(("pack", "most"), [("hall/row", 2), ("hall", 4), ("Fabric", 4), ("Factory", 12)])
def test_a_pack_keeps_all_units_in_one_place(pack: str, most: int) -> None:
    it = settled(
        HALLS,
        factory("sjc", halls=3, rows=2, boxes=2, fabric="hall"),
        pool("a/train", boxes(most), pack=pack),
    )
    assert it.gpus("a/train") == (boxes(most),)
    it = settled(HALLS, pool("a/train", boxes(most + 1), pack=pack))
    assert it.gpus("a/train") == (0,)
    assert it.says("a/train", "Stalled").startswith("True")


def test_without_a_topology_a_pool_may_stand_anywhere() -> None:
    it = settled(factory("dfw", boxes=2), factory("sjc", boxes=2), pool("a/train", boxes(4)))
    assert it.units("a/train") == {"dfw/hall": 2, "sjc/hall": 2}


def test_a_path_that_a_factory_lacks_rules_it_out() -> None:
    it = settled(factory("dfw", boxes=4), pool("a/train", boxes(1), pack="hall/row"))
    assert it.gpus("a/train") == (0,)
    assert it.apply(HALLS.but(name="sjc")).settle().gpus("a/train") == (boxes(1),)


def test_a_fabric_is_one_instance_whatever_stands_on_it() -> None:
    groups = (
        {"domain": "hall/row", "system": "box", "count": 1, "nodesPerRack": 2, "fabric": "hall"},
        {"domain": "hall", "system": "box", "count": 1, "nodesPerRack": 2},
    )
    it = settled(factory("dfw", rows=1, groups=groups), pool("a/train", boxes(4), pack="Fabric"))
    assert it.units("a/train") == {"dfw/hall": 2, "dfw/hall/row": 2}


def test_growth_stays_in_the_pack() -> None:
    it = settled(HALLS, pool("a/train", boxes(6), at_least=boxes(2), pack="hall"))
    assert it.gpus("a/train") == (boxes(4),)
    assert len({place.split("/")[1] for place in it.units("a/train")}) == 1


# Spreading


def split(it_pool: Pool, *sites: int) -> list[int]:
    """Units by place, the largest first, when factories have so many boxes each."""
    made = settled(*(factory(f"f{i}", boxes=n) for i, n in enumerate(sites)), it_pool)
    return sorted(made.units(it_pool.path).values(), reverse=True)


@pytest.mark.parametrize(("units", "sites"), [(4, (9, 9, 9)), (5, (9, 2, 9)), (6, (2, 2, 2)), (3, (1, 9))])
def test_a_spread_pool_stands_in_that_many_places_and_none_above_its_share(
    units: int, sites: tuple[int, ...]
) -> None:
    held = split(pool("a/infer", boxes(units), spread=2), *sites)
    assert sum(held) == units
    assert len(held) >= 2
    assert max(held) <= (units + 1) // 2


def test_a_share_that_cannot_be_placed_keeps_it_waiting() -> None:
    assert split(pool("a/infer", boxes(6), spread=2), 9, 2) == []


def test_growth_skips_numbers_that_no_split_allows() -> None:
    # Room for 9, 2 and 1. Nine have a share of 5: 5 + 2 + 1 are 8. Eight have 4: 4 + 2 + 1 are 7. Seven fit.
    assert split(pool("a/infer", boxes(9), at_least=boxes(2), spread=2), 9, 2, 1) == [4, 2, 1]
    # Room for 9 and 2. Five have a share of 3: 3 + 2. Six have 3 as well: 3 + 2 are 5.
    assert split(pool("a/infer", boxes(9), at_least=boxes(2), spread=2), 9, 2) == [3, 2]


def test_the_minimum_is_at_least_one_unit_in_each_place() -> None:
    assert split(pool("a/infer", boxes(4), at_least=boxes(1), spread=3), 9, 9) == []
    assert split(pool("a/infer", boxes(4), at_least=boxes(1), spread=3), 1, 1, 1) == [1, 1, 1]


def test_a_wish_for_fewer_units_than_places_never_fits() -> None:
    it = settled(*(factory(f"f{i}", boxes=4) for i in range(3)), pool("a/infer", boxes(2), spread=3))
    assert it.gpus("a/infer") == (0,)
    assert it.says("a/infer", "Stalled") == "True: NeverFits"


def test_domains_are_counted_in_all_factories() -> None:
    it = settled(
        factory("dfw", boxes=4), factory("sjc", boxes=4), pool("a/infer", boxes(4), spread=2, over="hall")
    )
    assert it.units("a/infer") == {"dfw/hall": 2, "sjc/hall": 2}


def test_units_outside_every_place_do_not_count() -> None:
    it = settled(factory("dfw", halls=2, boxes=2), pool("a/infer", boxes(2), spread=2, over="hall/row"))
    assert it.gpus("a/infer") == (0,)


def test_a_loss_does_not_shrink_a_spread_pool() -> None:
    it = settled(*(factory(f"f{i}", boxes=2) for i in range(2)), pool("a/infer", boxes(4), spread=2))
    there = it.units("a/infer")
    it.edit("f1", paused=True).settle()
    it.lose(*[n for n in it.nodes_of("a/infer") if n.startswith("f1")]).settle()
    assert it.units("a/infer") == {"f0/hall": there["f0/hall"]}
    assert it.edit("f1", paused=False).settle().units("a/infer") == there


def test_what_is_placed_again_after_a_loss_keeps_the_share() -> None:
    it = settled(*(factory(f"f{i}", boxes=4) for i in range(2)), pool("a/infer", boxes(4), spread=2))
    it.lose(it.nodes_of("a/infer")[0]).settle()
    assert sorted(it.units("a/infer").values()) == [2, 2]


def test_a_spread_pool_shrinks_evenly_when_a_limit_falls() -> None:
    it = settled(
        *(factory(f"f{i}", boxes=4) for i in range(2)), pool("a/infer", boxes(8), at_least=boxes(2), spread=2)
    )
    it.edit("f0", quota=20).settle()
    assert it.units("a/infer")["f0/hall"] == 2
    assert it.units("a/infer")["f1/hall"] <= 3


def test_a_spread_pool_that_lost_a_place_preempts_for_it() -> None:
    it = settled(
        factory("dfw", boxes=1),
        factory("sjc", boxes=2),
        pool("a/high", boxes(2), at_least=boxes(1), spread=2, priority=5),
        pool("b/low", preemptible=True),
    )
    assert it.units("b/low") == {"sjc/hall": 1}
    it.mark(next(node for node in it.nodes_of("a/high") if node.startswith("sjc"))).settle()
    assert it.units("a/high") == {"dfw/hall": 1, "sjc/hall": 1}
    assert it.gpus("b/low") == (0,)


def test_a_spread_that_became_uneven_is_evened_by_the_fewest_units() -> None:
    sites = (factory("dfw", boxes=8), factory("sjc", boxes=8))
    it = settled(*sites, pool("a/infer", boxes(12), spread=2, priority=9))
    it.edit("sjc", paused=True).edit("a/infer", gpus=boxes(8)).settle()
    assert it.units("a/infer") == {"dfw/hall": 2, "sjc/hall": 6}  # nothing is released where it is paused
    before = {name: node.uid for name, node in it.nodes.items()}
    it.edit("sjc", paused=False).settle()
    assert it.units("a/infer") == {"dfw/hall": 4, "sjc/hall": 4}
    assert sum(before.get(name) == node.uid for name, node in it.nodes.items()) == 6


# Factories


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ({"only_in": ("dfw",)}, "dfw"),
        ({"not_in": ("dfw", "lhr")}, "sjc"),
        ({"where": {"region": "south"}}, "dfw"),
        ({"where": {"region": "south"}, "only_in": ("sjc", "dfw")}, "dfw"),
        ({"where": {}, "only_in": ("lhr",)}, "lhr"),
    ],
    ids=str,
)
def test_all_conditions_on_factories_hold(words: dict[str, object], where: str) -> None:
    it = settled(
        factory("dfw", boxes=2, labels={"region": "south"}),
        factory("lhr", boxes=2, labels={"region": "north"}),
        factory("sjc", boxes=2, labels={"region": "west"}),
        pool("a/train", boxes(2), **words),
    )
    assert it.units("a/train") == {f"{where}/hall": 2}


def test_conditions_that_contradict_each_other_name_no_factory() -> None:
    it = settled(
        factory("dfw", boxes=2, labels={"region": "south"}),
        pool("a/train", only_in=("dfw",), where={"region": "north"}),
    )
    assert it.says("a/train", "Stalled") == "True: NoSuchFactory"


def test_a_pool_that_comes_before_its_factory_is_served_when_that_comes() -> None:
    it = cluster(pool("a/train", only_in=("dfw",))).settle()
    assert it.says("a/train", "Stalled") == "True: NoSuchFactory"
    assert it.apply(factory("dfw", boxes=1)).settle().gpus("a/train") == (boxes(1),)
