"""The checker: plans and problems that are no such thing."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aifactory_solver.check import validate, violations
from aifactory_solver.problem import Wrong
from unit.solver.halls import ROW_1, ROW_2, mixed, site


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ({"kept": np.asarray([3])}, "form: kept has shape (1,), must have (2,)"),
        ({"kept": np.asarray([3.0, 2.0])}, "form: kept is float64, must be int64"),
        ({"kept": np.asarray([4, 2])}, "form: kept[0] is 4, must be at least 0, at most 3"),
        ({"kept": np.asarray([-1, 2])}, "form: kept[0] is -1, must be at least 0, at most 3"),
        ({"new_pool": np.asarray([2])}, "form: new_pool[0] is 2, must be at least 0, at most 1"),
        ({"new_cell": np.asarray([2])}, "form: new_cell[0] is 2, must be at least 0, at most 1"),
        ({"new_cell": np.asarray([-1])}, "form: new_cell[0] is -1, must be at least 0, at most 1"),
        ({"new_units": np.asarray([0])}, "form: new_units[0] is 0, must be at least 1"),
        ({"new_units": np.asarray([1, 1])}, "form: new_units has shape (2,), must have (1,)"),
        (
            {name: np.asarray([1, 1]) for name in ("new_pool", "new_cell", "new_units")},
            "form: pool 1 has 2 new placements in cell 1, at most 1 is allowed",
        ),
    ],
)
def test_a_misshapen_plan_is_refused(broken: dict[str, Any], line: str) -> None:
    made = site().pool("p", 3).pool("q", 3).stands("p", ROW_1, 3).stands("q", ROW_1, 2)
    plan = made.plan({"q": {ROW_2: 1}})
    assert made.broken({"q": {ROW_2: 1}}) == []
    assert violations(made.problem(), replace(plan, **broken)) == [line]


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ({"parent": np.asarray([-1, 1, 0, 1, 2])}, "parent[1] is 1, must be at least -1, at most 0"),
        ({"limit": np.asarray([1, 2, 3, -4, 5])}, "limit[3] is -4, must be at least 0"),
        ({"limit": np.ones(5)}, "limit is float64, must be int64"),
        ({"level": np.asarray([-1, 0, 0, 1, -1])}, "domain 4 has level -1 and parent 2"),
        ({"level": np.asarray([-1, 0, 1, 1, 0])}, "domain 3 of level 1 is on level 0, not -1"),
        ({"factory": np.asarray([0, 0, 0, 0, 1])}, "factory[4] is 1, must be at least 0, at most 0"),
        ({"cell_fabric": np.asarray([1, 1])}, "cell 1 does not lie under its fabric 1"),
        (
            {"cell_watts": np.asarray([1, 2])},
            "cell 1 counts 2 W a unit, others of its system and factory 1 W",
        ),
        ({"cell_watts": np.asarray([0, 1])}, "cell_watts[0] is 0, must be at least 1"),
        ({"cell_units": np.asarray([2, 10])}, "cell 0 holds 3 units in 2 slots"),
        ({"cell_leaving": np.asarray([8, 0])}, "cell 0 holds 11 units in 10 slots"),
        ({"cell_leaving": np.asarray([0, 11])}, "cell_leaving[1] is 11, must be at least 0, at most 10"),
        ({"row_watts": np.asarray([0])}, "row_watts[0] is 0, must be at least 1"),
        ({"row_cell": np.asarray([2])}, "row_cell[0] is 2, must be at least 0, at most 1"),
        ({"row_units": np.asarray([0])}, "row_units[0] is 0, must be at least 1"),
        ({"minimum": np.asarray([4])}, "minimum[0] is 4, must be at least 0, at most 3"),
        (
            {"priority": np.asarray([2**31])},
            "priority[0] is 2147483648, must be at least -2147483648, at most 2147483647",
        ),
        ({"purpose": np.asarray([3])}, "purpose[0] is 3, must be at least 0, at most 2"),
        ({"spread": np.asarray([2])}, "pool 0 of topology 0 has spread 2"),
        ({"topology": np.asarray([3])}, "pool 0 of topology 3 has level -1"),
        ({"topology": np.asarray([6])}, "topology[0] is 6, must be at least 0, at most 5"),
        ({"systems": ((1,),)}, "pool 0 accepts systems (1,)"),
        ({"systems": ((0, 0),)}, "pool 0 accepts systems (0, 0)"),
        ({"systems": ()}, "systems has 0 entries, must have 1"),
        ({"allowed": np.ones((1, 2), np.bool_)}, "allowed has shape (1, 2), must have (1, 1)"),
        ({"frozen": np.zeros(1, np.int64)}, "frozen is int64, must be bool"),
    ],
)
def test_an_impossible_problem_is_refused(broken: dict[str, Any], line: str) -> None:
    problem = site().pool("p", 3).stands("p", ROW_1, 3).problem()
    with pytest.raises(Wrong) as caught:
        validate(replace(problem, **broken))
    assert f"problem: {line}" in str(caught.value).splitlines()


def test_a_row_counts_at_least_its_cells_watts_unless_that_is_closed() -> None:
    made = site().pool("p", 3)
    made.cells[0].watts = made.cells[1].watts = 5
    made.stands("p", ROW_1, 3, watts=4)
    with pytest.raises(Wrong, match="row 0 counts 4 W a unit, less than its cell 0"):
        made.problem()
    made.cells[0].open = False
    made.problem()


def test_two_pools_of_one_age_and_two_systems_under_one_pool_are_refused() -> None:
    with pytest.raises(Wrong, match="two pools have one age"):
        site().pool("p", 3).pool("q", 3, age=0).problem()
    made = mixed().pool("p", 3).stands("p", "a", 1).stands("p", "a", 1, "two")
    with pytest.raises(Wrong, match="row 0 stands on another system than other rows of pool 0"):
        made.problem()
