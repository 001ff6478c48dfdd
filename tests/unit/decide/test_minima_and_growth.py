"""Who is served: minima before growth, priority by priority, and the older among equals."""

from unit.decide.build import boxes, factory, pool, racks
from unit.decide.judge import judge_settled
from unit.decide.operated import cluster, settled

# Minimum and growth


def test_minima_of_all_come_before_any_growth() -> None:
    high, low = pool("a/high", boxes(4), at_least=boxes(1), priority=9), pool("b/low", boxes(2))
    it = cluster(factory("dfw", boxes=4), high, low).settle()
    assert it.gpus("a/high", "b/low") == (boxes(2), boxes(2))


def test_growth_goes_by_priority() -> None:
    low = pool("a/low", boxes(4), at_least=boxes(1))
    high = pool("b/high", boxes(4), at_least=boxes(1), priority=1)
    it = cluster(factory("dfw", boxes=5), low, high).settle()
    assert it.gpus("a/low", "b/high") == (boxes(1), boxes(4))


def test_a_pool_below_its_minimum_gets_nothing() -> None:
    it = settled(factory("dfw", boxes=3), pool("a/train", boxes(4)))
    assert it.gpus("a/train") == (0,)
    assert it.nodes == {}


def test_the_minimum_is_the_smaller_of_min_gpus_and_gpus() -> None:
    it = settled(factory("dfw", boxes=4), pool("a/train", boxes(2), at_least=boxes(9)))
    assert it.gpus("a/train") == (boxes(2),)


def test_without_a_minimum_all_is_growth() -> None:
    it = cluster(
        factory("dfw", boxes=4), pool("a/spare", boxes(9), at_least=0, priority=5), pool("b/low", boxes(3))
    ).settle()
    assert it.gpus("a/spare", "b/low") == (boxes(1), boxes(3))
    assert it.says("a/spare", "Ready") == "True: PartlyPlaced"


def test_a_pool_of_no_gpus_holds_nothing_and_is_ready() -> None:
    it = settled(factory("dfw", boxes=4), pool("a/none", 0))
    assert it.gpus("a/none") == (0,)
    assert it.says("a/none", "Ready") == "True: Ready"
    assert it.says("a/none", "Stalled") == ""


def test_whole_units_are_placed() -> None:
    it = settled(factory("dfw", racks=4), pool("a/train", racks(1) + 1, systems=("rack",)))
    assert it.gpus("a/train") == (racks(2),)
    assert it.pools["a/train"].status.gpus == racks(2)


def test_rounding_up_to_whole_units_earns_nothing() -> None:
    # 1 GPU on a box and 8 GPUs on a box take the same room; only the second serves 8.
    it = cluster(factory("dfw", boxes=1), pool("a/one", 1), pool("b/eight", 8)).settle()
    assert it.gpus("a/one", "b/eight") == (0, 8)


def test_growth_never_displaces_a_standing_unit() -> None:
    it = settled(factory("dfw", boxes=4), pool("a/low", boxes(3), at_least=0, preemptible=True))
    it.apply(pool("b/high", boxes(4), at_least=boxes(1), priority=9)).settle()
    assert it.gpus("a/low", "b/high") == (boxes(3), boxes(1))


def test_a_lower_pool_never_takes_a_higher_pools_growth() -> None:
    it = settled(factory("dfw", boxes=4), pool("a/high", boxes(4), at_least=0, priority=1, preemptible=True))
    it.apply(pool("b/low", boxes(1))).settle()
    assert it.gpus("a/high", "b/low") == (boxes(4), 0)


def test_a_minimum_takes_growth_before_it_takes_pools() -> None:
    it = settled(
        factory("dfw", boxes=6),
        pool("a/whole", boxes(2), priority=-5, preemptible=True),
        pool("b/grown", boxes(4), at_least=boxes(1), preemptible=True),
    )
    it.apply(pool("c/high", boxes(3), priority=9)).settle()
    assert it.gpus("a/whole", "b/grown", "c/high") == (boxes(2), boxes(1), boxes(3))


def test_when_growth_does_not_suffice_pools_go_too() -> None:
    it = settled(
        factory("dfw", boxes=6),
        pool("a/whole", boxes(2), priority=-5, preemptible=True),
        pool("b/grown", boxes(4), at_least=boxes(1), preemptible=True),
    )
    it.apply(pool("c/high", boxes(4), priority=9)).settle()
    assert it.gpus("a/whole", "c/high") == (0, boxes(4))
    assert it.gpus("b/grown") == (boxes(2),)


def test_a_lower_pool_that_fits_anyway_is_served() -> None:
    it = cluster(
        factory("dfw", boxes=4), pool("a/high", boxes(9), priority=9), pool("b/low", boxes(2))
    ).settle()
    assert it.gpus("a/high", "b/low") == (0, boxes(2))


def test_a_minimum_is_ordered_all_at_once_or_not_yet() -> None:
    it = settled(factory("dfw", boxes=3), pool("a/soft", boxes(2), preemptible=True), linger=2)
    it.apply(pool("b/high", boxes(3), priority=1))
    sizes = set()
    while it.gpus("b/high") != (boxes(3),):
        it.cycle()
        sizes.add(len(it.nodes_of("b/high")))
    assert sizes == {0, 3}


# Victims of preemption


def test_the_lowest_priority_gives_way_first() -> None:
    it = settled(
        factory("dfw", boxes=4),
        pool("a/low", boxes(2), priority=1, preemptible=True),
        pool("b/lower", boxes(2), priority=0, preemptible=True),
    )
    it.apply(pool("c/high", boxes(2), priority=9)).settle()
    assert it.gpus("a/low", "b/lower", "c/high") == (boxes(2), 0, boxes(2))


def test_the_fewest_gpus_are_lost() -> None:
    it = settled(
        factory("dfw", boxes=5),
        pool("a/large", boxes(3), preemptible=True),
        pool("b/small", boxes(2), preemptible=True),
    )
    it.apply(pool("c/high", boxes(2), priority=9)).settle()
    assert it.gpus("a/large", "b/small", "c/high") == (boxes(3), 0, boxes(2))


def test_then_the_youngest_gives_way() -> None:
    it = settled(
        factory("dfw", boxes=4),
        pool("b/older", boxes(2), preemptible=True),
        pool("a/younger", boxes(2), preemptible=True),
    )
    it.apply(pool("c/high", boxes(2), priority=9)).settle()
    assert it.gpus("b/older", "a/younger") == (boxes(2), 0)


def test_only_preemptible_pools_give_way() -> None:
    it = settled(factory("dfw", boxes=4), pool("a/firm", boxes(4)))
    it.apply(pool("b/high", boxes(1), priority=9)).settle()
    assert it.gpus("a/firm", "b/high") == (boxes(4), 0)


def test_nobody_is_preempted_in_vain() -> None:
    it = settled(
        factory("dfw", boxes=4),
        pool("a/firm", boxes(2)),
        pool("b/soft", boxes(2), preemptible=True),
    )
    it.apply(pool("c/high", boxes(3), priority=9)).settle()
    assert it.gpus("a/firm", "b/soft", "c/high") == (boxes(2), boxes(2), 0)


def test_room_of_several_victims_adds_up() -> None:
    small = [pool(f"a/small-{i}", boxes(1), preemptible=True) for i in range(4)]
    it = settled(factory("dfw", boxes=4), *small).apply(pool("b/high", boxes(3), priority=1)).settle()
    assert sum(it.gpus(*(p.path for p in small))) == boxes(1)
    assert it.gpus("b/high") == (boxes(3),)


def test_a_victim_that_fits_elsewhere_waits_its_turn_like_any_other() -> None:
    it = settled(factory("dfw", boxes=2), factory("sjc", boxes=2), pool("a/soft", boxes(2), preemptible=True))
    home = next(iter(it.units("a/soft"))).split("/")[0]
    it.apply(pool("b/high", boxes(2), priority=1, only_in=(home,))).settle()
    assert it.gpus("a/soft", "b/high") == (boxes(2), boxes(2))
    judge_settled(it)


# Equals


def test_standing_beats_waiting_among_equals() -> None:
    it = settled(factory("dfw", boxes=2), pool("b/stands", boxes(2), preemptible=True))
    it.apply(pool("a/comes", boxes(2))).settle()
    assert it.gpus("b/stands", "a/comes") == (boxes(2), 0)


def test_the_older_of_equals_is_served() -> None:
    it = cluster(factory("dfw", boxes=2), pool("b/older", boxes(2)), pool("a/younger", boxes(2))).settle()
    assert it.gpus("b/older", "a/younger") == (boxes(2), 0)


def test_equals_of_one_age_go_by_name() -> None:
    it = cluster(factory("dfw", boxes=2)).apply(pool("b/same", boxes(2)), pool("a/same", boxes(2))).settle()
    assert it.gpus("a/same", "b/same") == (boxes(2), 0)


def test_priority_counts_by_exact_value() -> None:
    last = 2**31 - 1
    it = cluster(
        factory("dfw", boxes=2),
        pool("a/second", boxes(2), priority=last - 1),
        pool("b/first", boxes(2), priority=last),
        pool("c/never", boxes(2), priority=-last - 1),
    ).settle()
    assert it.gpus("a/second", "b/first", "c/never") == (0, boxes(2), 0)


def test_age_never_costs_a_gpu_across_unlike_pools() -> None:
    # Three boxes: the older pair of 1 box would leave one box idle for the younger pool of 3.
    it = cluster(factory("dfw", boxes=3), pool("a/older", boxes(1)), pool("b/younger", boxes(3))).settle()
    assert it.gpus("a/older", "b/younger") == (0, boxes(3))


# Systems


def test_the_better_listed_system_is_taken() -> None:
    it = settled(factory("dfw", boxes=2, cubes=2), pool("a/train", boxes(2), systems=("cube", "box")))
    assert {n.stamp.slot.system for n in it.nodes.values() if n.stamp} == {"cube"}


def test_more_gpus_go_before_the_better_listed_system() -> None:
    it = settled(
        factory("dfw", boxes=3, cubes=1), pool("a/train", boxes(3), at_least=0, systems=("cube", "box"))
    )
    assert it.gpus("a/train") == (boxes(3),)


def test_a_pool_uses_one_system_at_a_time() -> None:
    it = settled(factory("dfw", boxes=2, cubes=2), pool("a/train", boxes(3), systems=("cube", "box")))
    assert it.gpus("a/train") == (0,)


def test_a_system_of_another_shape_in_another_factory_is_another_system() -> None:
    half = {"box": {"gpusPerNode": 4}}
    it = settled(
        factory("dfw", boxes=1), factory("sjc", boxes=1, systems=half), pool("a/train", 12, at_least=0)
    )
    assert it.gpus("a/train") == (8,)


def test_the_cheaper_factory_is_taken() -> None:
    it = settled(
        factory("dfw", boxes=2, energy={"pricePerMWh": "50"}),
        factory("sjc", boxes=2, energy={"pricePerMWh": "40"}),
        pool("a/train", boxes(2)),
    )
    assert it.units("a/train") == {"sjc/hall": 2}


def test_at_one_price_the_cleaner_factory_is_taken() -> None:
    it = settled(
        factory("dfw", boxes=2, energy={"pricePerMWh": "50", "carbonGramsPerKWh": 400}),
        factory("sjc", boxes=2, energy={"pricePerMWh": "50", "carbonGramsPerKWh": 30}),
        pool("a/train", boxes(2)),
    )
    assert it.units("a/train") == {"sjc/hall": 2}
