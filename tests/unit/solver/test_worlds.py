"""The random worlds are as hard as they claim, so that tests on them mean something."""

import numpy as np
import pytest

from aifactory_solver.check import validate, violations
from aifactory_solver.check.facts import Facts, Tree
from aifactory_solver.problem import Problem, Topology
from unit.solver.brute import empty
from unit.solver.draft import CHANGES, PRIORITIES, Knobs
from unit.solver.worlds import hard, world

PROBLEMS = [hard(seed) for seed in range(250)]


def share(found: list[bool]) -> float:
    return sum(found) / len(found)


def test_worlds_are_possible() -> None:
    for problem in PROBLEMS:
        validate(problem)


@pytest.mark.parametrize(("pools", "factories"), [(20, 4), (30, 3)])
def test_larger_worlds_are_possible_too(pools: int, factories: int) -> None:
    """Many pools in one cell: what leaves and what stays there never hold more than its slots."""
    for seed in range(400):
        validate(hard(seed, pools=pools, factories=factories))


def test_the_same_seed_gives_the_same_world() -> None:
    for array, again in zip(vars(PROBLEMS[3]).values(), vars(hard(3)).values(), strict=True):
        assert np.array_equal(array, again)


def test_trees_are_one_to_six_deep_and_cells_hang_on_inner_domains_too() -> None:
    assert {len(Tree(problem.parent).layers) for problem in PROBLEMS} == {1, 2, 3, 4, 5, 6}
    assert share([bool(np.isin(problem.cell_domain, problem.parent).any()) for problem in PROBLEMS]) > 0.3


def test_all_topologies_stand_and_wait() -> None:
    stand, wait = set(), set()
    for problem in PROBLEMS:
        standing = np.isin(np.arange(problem.pools), problem.row_pool)
        stand |= set(problem.topology[standing].tolist())
        wait |= set(problem.topology[~standing].tolist())
    assert stand == wait == set(Topology)


@pytest.mark.parametrize(
    "what",
    [
        lambda p: bool(Facts(p, empty(p)).exceeded.any()),
        lambda p: bool(p.row_leave.any()),
        lambda p: bool(p.row_locked.any()),
        lambda p: bool(p.changed.any()),
        lambda p: bool(p.frozen.any()),
        lambda p: bool(p.preemptible.any()),
        lambda p: bool((~p.row_fits).any()),
        lambda p: bool(p.cell_leaving.any()),
        lambda p: bool((p.row_watts > p.cell_watts[p.row_cell]).any()),
        lambda p: bool(((p.minimum < p.need) & (p.minimum > 0)).any()),
        lambda p: bool(violations(p, empty(p))),
    ],
    ids=[
        "exceeded",
        "leave",
        "locked",
        "changed",
        "paused",
        "preemptible",
        "misfit",
        "leaving",
        "watts",
        "elastic",
        "unsolved",
    ],
)
def test_every_trouble_is_common(what: object) -> None:
    assert callable(what)
    assert share([what(problem) for problem in PROBLEMS]) > 0.1


def test_priorities_tie_and_differ_up_to_the_ends_of_int32() -> None:
    seen: dict[str, list[Problem]] = {
        kind: [world(Knobs(priorities=kind, pools=20), seed) for seed in range(10)] for kind in PRIORITIES
    }
    assert all(np.unique(problem.priority).size == 1 for problem in seen["one"])
    assert all(np.unique(problem.priority).size < problem.pools for problem in seen["few"])
    assert all(np.unique(problem.priority).size == problem.pools for problem in seen["many"])
    ends = np.concatenate([problem.priority for problem in seen["extreme"]])
    assert (ends.min(), ends.max()) == (-(2**31), 2**31 - 1)


def test_before_anything_happens_a_fleet_is_sound_but_for_who_waits() -> None:
    for seed in range(60):
        calm = world(Knobs(changes=frozenset(), tightness=0.7), seed)
        rules = {line.split(":")[0] for line in violations(calm, empty(calm))}
        assert rules <= {"free room", "inversion"}


def test_every_change_changes_something() -> None:
    for change in CHANGES:
        shapes: list[frozenset[str]] = [frozenset(), frozenset({change})]
        one, other = ([world(Knobs(changes=shape), seed) for seed in range(10)] for shape in shapes)
        assert any(
            not np.array_equal(a, b)
            for before, after in zip(one, other, strict=True)
            for a, b in zip(vars(before).values(), vars(after).values(), strict=True)
        ), change
