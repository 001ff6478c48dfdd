"""The order of what is best, step by step: `solve` takes the better of two plans that differ in one step."""

import numpy as np

from aifactory_solver import solve
from unit.solver.build import World
from unit.solver.halls import hall, taken_from, two_halls


def two_sites(first: tuple[int, int], second: tuple[int, int], slots: int = 6) -> World:
    """Factory a with few slots and b with many; money and carbon of a unit in each."""
    made = World().factory("a").factory("b").slots("a", slots, cost=first[0], carbon=first[1])
    return made.slots("b", 20, cost=second[0], carbon=second[1])


def three_packs(made: World) -> World:
    """Of 4, 3 and 3 units, each in one factory: best fit puts the largest where two others would fit."""
    for name, gpus in (("four", 4), ("three", 3), ("other", 3)):
        made.pool(name, gpus, pack="factory")
    return made


# Minima, then growth


def test_a_minimum_above_is_worth_more_than_all_below_and_all_growth() -> None:
    made = hall(10).pool("low", 9, priority=1).pool("grows", 99, minimum=0, priority=9)
    assert made.pool("high", 2, priority=2).solve(solve).totals("high", "low", "grows") == [2, 0, 8]


def test_age_never_costs_a_gpu_among_unlike_pools() -> None:
    made = hall(10).pool("old", 6).pool("young", 5).pool("younger", 5)
    assert made.solve(solve).totals("old", "young", "younger") == [0, 5, 5]


def test_among_pools_alike_the_older_is_served() -> None:
    made = two_halls(5, 5)
    for age in (4, 0, 3, 1, 2):
        made.pool(f"p{age}", 5, pack="hall", age=age)
    plan = made.pool("small", 3, pack="hall", age=9).solve(solve)
    assert plan.totals("p0", "p1", "p2", "p3", "p4", "small") == [5, 5, 0, 0, 0, 0]


def test_growth_goes_by_exact_priority() -> None:
    """Best fit puts both pools in one hall, where the higher one could not grow to all it wants."""
    made = two_halls(10, 10).pool("high", 12, minimum=1, priority=2, pack="hall")
    made.pool("low", 20, minimum=1, priority=1)
    assert made.solve(solve).totals("high", "low") == [10, 10]


def test_growth_is_worth_more_than_a_better_listed_system() -> None:
    made = World().factory("a").slots("a", 1, "two").slots("a", 8, "one")
    assert made.pool("p", 8, minimum=2, systems=("two", "one")).solve(solve).totals("p") == [8]


def test_growth_without_a_minimum_is_planned_as_a_whole() -> None:
    """Only where the first pool leaves the cheaper site to the second do both get all they want."""
    made = two_sites((1, 1), (2, 2), slots=9)
    made.pool("any", 20, minimum=0, priority=1, factories=("b",)).pool("small", 4, minimum=0)
    made.cells[1].units = 24
    made.pool("large", 9, minimum=0, pack="factory", factories=("a",))
    assert made.solve(solve).totals("any", "small", "large") == [20, 4, 9]


def test_growth_takes_no_standing_unit_and_no_minimum() -> None:
    made = hall(10).pool("stands", 4, priority=1, preemptible=True).stands("stands", "a", 4)
    made.pool("waits", 3, priority=2).pool("grows", 99, minimum=1, priority=9)
    assert made.solve(solve).totals("stands", "waits", "grows") == [4, 3, 3]


# Then what is lost and moved


def test_fewer_gpus_are_evicted() -> None:
    made = taken_from(4, 10, small={"holds": 4}, large={"holds": 6})
    assert made.solve(solve).totals("small", "large", "high") == [0, 6, 4]


def test_victims_are_the_lowest_first_then_growth_then_the_fewest_gpus_then_the_youngest() -> None:
    made = taken_from(
        3, 12, low={"holds": 3}, above={"holds": 3, "priority": 2}, other={"holds": 6, "priority": 2}
    )
    assert made.solve(solve).totals("low", "above", "other") == [0, 3, 6]
    made = taken_from(3, 9, grown={"holds": 6, "minimum": 3, "priority": 2}, low={"holds": 3})
    assert made.solve(solve).totals("grown", "low") == [3, 3]
    made = taken_from(
        3, 9, old={"holds": 3, "age": 0}, young={"holds": 3, "age": 7}, middle={"holds": 3, "age": 5}
    )
    made.pools["high"].age = 9
    assert made.solve(solve).totals("old", "young", "middle") == [3, 0, 3]


def test_nothing_moves_for_money_carbon_or_a_better_listed_system() -> None:
    made = two_sites((9, 9), (1, 1)).slots("b", 9, "two").pool("p", 4, systems=("two", "one"))
    plan = made.stands("p", "a", 4, "one").pool("waits", 1000).solve(solve)
    assert (plan.kept("p"), plan.new("p")) == ({"a": 4}, {})


# Then systems, money, carbon, and the lowest cell


def test_the_sum_of_places_in_the_lists_is_the_smallest() -> None:
    """The older pool leaves the first system to one whose next choice is its third."""
    made = World().factory("a").slots("a", 4, "one").slots("a", 9, "two").slots("a", 9, "node")
    made.pool("old", 4, systems=("one", "two")).pool("young", 4, systems=("one", "rack", "node"))
    plan = made.solve(solve)
    assert plan.totals("old", "young") == [2, 4]


def test_a_better_listed_system_is_worth_more_than_money() -> None:
    made = World().factory("a").slots("a", 9, "one", cost=9).factory("b").slots("b", 9, "two", cost=1)
    assert made.pool("p", 4, systems=("one", "two")).pool("q", 99).solve(solve).holds("p") == {"a": 4}


def test_equal_plans_differ_by_money() -> None:
    plan = three_packs(two_sites((1, 9), (2, 1))).solve(solve)
    assert [plan.holds(name) for name in ("four", "three", "other")] == [{"b": 4}, {"a": 3}, {"a": 3}]


def test_equal_plans_of_equal_money_differ_by_carbon() -> None:
    plan = three_packs(two_sites((2, 1), (2, 7))).solve(solve)
    assert [plan.holds(name) for name in ("four", "three", "other")] == [{"b": 4}, {"a": 3}, {"a": 3}]


def test_plans_that_are_worth_the_same_end_in_the_lowest_cell() -> None:
    made = World()
    for name in ("c", "b", "a"):
        made.factory(name).slots(name, 5)
    plan = made.pool("p", 5).pool("never", 99).solve(solve)
    assert plan.solution.new_cell.tolist() == [0]


# Rounding


def test_rounding_up_to_whole_units_earns_nothing() -> None:
    """72 GPUs for a wish of 8 are worth 8: the two pools of nodes are worth more than a rack for one GPU."""
    made = World().factory("a", 140).slots("a", 1, "rack", watts=130).slots("a", 4, "node", watts=10)
    made.pool("one", 1, systems=("rack",)).pool("p", 8, systems=("node",)).pool("q", 8, systems=("node",))
    plan = made.solve(solve)
    assert plan.totals("one", "p", "q") == [0, 1, 1]


def test_two_solves_of_one_world_are_one_plan() -> None:
    made = three_packs(two_sites((1, 9), (2, 1)))
    plans = [made.solve(solve).solution for _ in range(2)]
    assert all(np.array_equal(a, b) for a, b in zip(*(vars(plan).values() for plan in plans), strict=True))
