"""The same question asked in another way gets an answer that is worth the same."""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aifactory.decide.model.build import build
from aifactory_solver import certify, check, solve, solve_plainly
from aifactory_solver.check import validate
from aifactory_solver.exact import Budget
from aifactory_solver.problem import Ints, Problem, Solution
from aifactory_solver.value import Value, value
from bench.solver.instances import first_plan
from thorough import sample
from unit.solver.brute import empty
from unit.solver.draft import CHANGES, Knobs
from unit.solver.worlds import hard, world, worlds

Solver = Callable[[Problem], Solution]
Rng = np.random.Generator

some = settings(max_examples=sample(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
both = pytest.mark.parametrize("by", [solve_plainly, solve], ids=["plain", "full"])
DOMAIN = ("parent", "limit", "level", "factory", "fixed_watts", "leaving_watts")
WATTS = ("limit", "fixed_watts", "leaving_watts", "cell_watts", "row_watts")


def small(seed: int) -> Problem:
    """Few pools of which nothing stands, each with a minimum: answered exactly in hundredths of a second."""
    problem = world(Knobs(2, 4, 2, 8, standing=0.0, tightness=0.6, changes=frozenset()), seed)
    return replace(problem, minimum=np.maximum(problem.minimum, np.minimum(problem.need, 1)))


def numbers(worth: Value) -> list[Any]:
    """All that a plan is worth, without its ties."""
    return [worth.minima.tolist(), worth.growth.tolist(), *(getattr(worth, name) for name in LESSER)]


LESSER = ("evicted", "moved", "listed", "cost", "carbon")


def solved(problem: Problem, by: Solver) -> Value:
    """The worth of a plan that the checker lets pass."""
    validate(problem)
    plan = by(problem)
    check(problem, plan)
    return value(problem, plan)


def proved(problem: Problem) -> bool:
    """Whether the certificate says of the solver's plan that no minimum can be served better."""
    proof = certify(problem, solve(problem))
    return proof.proved == proof.wished


# Other units


def scaled(problem: Problem, times: int) -> Problem:
    """All watts in another unit."""
    return replace(problem, **{name: getattr(problem, name) * times for name in WATTS})


@some
@given(worlds(), st.integers(2, 10_000))
def test_watts_in_another_unit_change_nothing(problem: Problem, times: int) -> None:
    one, other = solve_plainly(problem), solve_plainly(scaled(problem, times))
    assert all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


@pytest.mark.parametrize("times", [2, 7, 1000])
def test_watts_in_another_unit_leave_an_exact_plan_worth_the_same(times: int) -> None:
    for seed in range(sample(10)):
        problem = small(seed)
        assert numbers(solved(scaled(problem, times), solve)) == numbers(solved(problem, solve)), seed


# Other names


def renamed(problem: Problem, rng: Rng) -> Problem:
    """Domains, cells, systems, levels, factories, rows and pools in another order; ages are kept."""
    depth = np.zeros(problem.domains, np.int64)
    for domain, up in enumerate(problem.parent.tolist()):
        depth[domain] = depth[up] + 1 if up >= 0 else 0
    domains = np.lexsort((rng.permutation(problem.domains), depth))  # parents stay before their children
    cells, pools, rows = (rng.permutation(n) for n in (problem.cells, problem.pools, problem.rows))
    factories = rng.permutation(problem.allowed.shape[1])
    systems, levels = rng.permutation(problem.system_gpus.size), 1 + int(problem.level.max(initial=-1))
    level = rng.permutation(max(levels, 1 + int(problem.topology_level.max(initial=-1))))
    order = {"cell_": cells, "row_": rows, **dict.fromkeys(DOMAIN, domains), "system_gpus": systems}
    parts: dict[str, Any] = {}
    for field in fields(problem):
        here = order.get(field.name, order.get(field.name.partition("_")[0] + "_", pools))
        parts[field.name] = None if field.name == "systems" else getattr(problem, field.name)[here]
    known = inverse(systems).tolist()
    parts["systems"] = tuple(tuple(known[s] for s in problem.systems[p]) for p in pools.tolist())
    parts["allowed"] = parts["allowed"][:, factories]
    for names, numbering in (
        (("parent", "cell_domain", "cell_fabric"), inverse(domains)),
        (("level", "topology_level"), level),
        (("factory",), inverse(factories)),
        (("cell_system",), inverse(systems)),
        (("row_cell",), inverse(cells)),
        (("row_pool",), inverse(pools)),
    ):
        for name in names:
            parts[name] = np.append(numbering, -1)[parts[name]]  # -1, for none, stays
    return Problem(**parts)


def inverse(order: Ints) -> Ints:
    found = np.empty_like(order)
    found[order] = np.arange(order.size)
    return found


@some
@given(worlds(), st.integers(0, 2**32 - 1))
def test_other_names_give_a_sound_plan(problem: Problem, seed: int) -> None:
    other = renamed(problem, np.random.default_rng(seed))
    for by in (solve_plainly, solve):
        solved(other, by)


def test_other_names_give_a_plan_of_the_same_worth() -> None:
    for seed in range(sample(20)):
        problem = small(seed)
        other = renamed(problem, np.random.default_rng(seed))
        assert proved(problem), seed
        assert proved(other), seed
        assert numbers(solved(other, solve))[:2] == numbers(solved(problem, solve))[:2], seed


# Twice as much


def doubled(problem: Problem, *, apart: bool) -> Problem:
    """Two of each factory and two of each pool; ``apart``: each pool in its own half of the fleet only."""
    parts: dict[str, Any] = {}
    for field in fields(problem):
        array = getattr(problem, field.name)
        parts[field.name] = array if field.name == "system_gpus" else (*array, *array)
        if isinstance(array, np.ndarray) and field.name != "system_gpus":
            parts[field.name] = np.concatenate((array, array))
    shifts = {"parent": problem.domains, "cell_domain": problem.domains, "cell_fabric": problem.domains}
    shifts |= {"factory": problem.allowed.shape[1], "row_pool": problem.pools, "row_cell": problem.cells}
    for name, shift in shifts.items():
        array = getattr(problem, name)
        parts[name] = np.concatenate((array, np.where(array >= 0, array + shift, -1)))
    parts["age"] = np.concatenate((2 * problem.age, 2 * problem.age + 1))
    own, other = problem.allowed, problem.allowed & (not apart)
    parts["allowed"] = np.block([[own, other], [other, own]])
    return Problem(**parts)


def no_less(mine: Value, theirs: Value, times: int = 1) -> bool:
    """Whether a plan serves at least so many times as much as another, by the order of the rules."""
    served = [np.concatenate((worth.minima, worth.growth)) for worth in (mine, theirs)]
    return bool(served[0].tolist() >= (served[1] * times).tolist())


@pytest.mark.parametrize("apart", [True, False], ids=["apart", "together"])
def test_two_fleets_serve_two_of_each_pool(apart: bool) -> None:
    for seed in range(sample(10)):
        problem = small(seed)
        twice = doubled(problem, apart=apart)
        if proved(twice):  # else the budget of the exact answer was too short for so many pools
            mine, theirs = solved(twice, solve), solved(problem, solve)
            assert mine.minima.tolist() >= (2 * theirs.minima).tolist(), seed


@some
@given(worlds(pools=8, changes=()))
def test_two_fleets_apart_are_two_plans(problem: Problem) -> None:
    """The engine alone: where no pool may stand in both, each half is planned as if it were all there is."""
    assert no_less(solved(doubled(problem, apart=True), solve_plainly), solved(problem, solve_plainly), 2)


# More that is of no use


def with_factory(problem: Problem, limit: int, units: int, system: int) -> Problem:
    """One more factory, the last: so many slots of one system on its root; any pool may stand in it."""
    more = {"parent": -1, "limit": limit, "level": -1, "factory": problem.allowed.shape[1]}
    more |= {"cell_domain": problem.domains, "cell_fabric": problem.domains, "cell_system": system}
    more |= {"cell_units": units, "cell_watts": 1, "cell_open": True}
    parts: dict[str, Any] = {}
    for name in [field.name for field in fields(problem) if field.name.startswith("cell_")]:
        parts[name] = np.append(getattr(problem, name), more.get(name, 0)).astype(
            getattr(problem, name).dtype
        )
    for name in DOMAIN:
        parts[name] = np.append(getattr(problem, name), more.get(name, 0))
    parts["allowed"] = np.append(problem.allowed, np.ones((problem.pools, 1), np.bool_), axis=1)
    return replace(problem, **parts)


def of_no_use(problem: Problem, why: str) -> Problem:
    if why == "no slots":
        return with_factory(problem, 10**9, 0, 0)
    if why == "no power":
        return with_factory(problem, 0, 50, 0)
    stranger = replace(problem, system_gpus=np.append(problem.system_gpus, 8))
    return with_factory(stranger, 10**9, 50, problem.system_gpus.size)


@pytest.mark.parametrize("why", ["no slots", "no power", "a system that nobody accepts"])
@both
def test_a_factory_of_no_use_changes_nothing(why: str, by: Solver) -> None:
    for seed in range(sample(15)):
        for problem in (small(seed), hard(seed, pools=8, factories=2)):
            if by is solve and problem.rows:
                continue
            more = of_no_use(problem, why)
            assert numbers(solved(more, by)) == numbers(solved(problem, by)), seed


# More power, more weight


def test_a_raised_limit_serves_no_less() -> None:
    rng = np.random.default_rng(0)
    for seed in range(sample(15)):
        problem = small(seed)
        limit = problem.limit.copy()
        limit[rng.random(problem.domains) < 0.5] *= 2
        raised = replace(problem, limit=limit)
        assert proved(raised), seed
        assert no_less(solved(raised, solve), solved(problem, solve)), seed


@both
def test_a_pool_that_is_raised_to_the_top_is_served_if_it_could_be_alone(by: Solver) -> None:
    """What stands below it is in its way only where it may not be taken from."""
    changes = frozenset({"paused", "fixed", "locked", "closed", "watts"}) & set(CHANGES)
    for seed in range(sample(12)):
        problem = world(Knobs(3, 5, 3, 20, standing=0.5, tightness=0.7, changes=changes), seed)
        holds = np.bincount(problem.row_pool, minlength=problem.pools) > 0
        waits = ~holds & ~problem.frozen & (problem.minimum > 0)
        for pool in np.flatnonzero(waits)[:3].tolist():
            priority = np.minimum(problem.priority, 2**30)
            priority[pool] = 2**30 + 1
            raised = replace(problem, priority=priority, preemptible=problem.preemptible & holds)
            others = ~holds & (np.arange(problem.pools) != pool)
            alone = replace(raised, need=np.where(others, 0, raised.need))
            alone = replace(alone, minimum=np.minimum(alone.minimum, alone.need))
            served = [pool in by(each).new_pool for each in (raised, alone)]
            assert served[0] == served[1], (seed, pool)


# Another process, another clock


CHILD = """
import pickle, sys
from aifactory_solver import solve, solve_plainly
problems = pickle.load(sys.stdin.buffer)
plans = [by(problem) for problem in problems for by in (solve_plainly, solve)]
pickle.dump([[a.tolist() for a in vars(plan).values()] for plan in plans], sys.stdout.buffer)
"""


@pytest.mark.long
def test_every_process_gives_the_same_plan() -> None:
    """Whatever order its sets and hashes have."""
    medium = build(first_plan("M", "many", 1)).problem
    unfinished = build(first_plan("S", "classes", 1)).problem  # its exact answer is stopped by the budget
    problems = [
        medium,
        unfinished,
        *(small(seed) for seed in range(sample(8))),
        *(hard(seed, pools=35) for seed in range(sample(12))),
    ]
    plans = []
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            input=pickle.dumps(problems),
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
            timeout=120,
        )
        plans.append(pickle.loads(done.stdout))
    assert plans[0] == plans[1]


def test_no_clock_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, the plan is the same and so is what is proved of it."""

    def read(*_: object) -> float:
        raise AssertionError("a clock was read")

    problem = small(3)
    plan, proof = solve(problem), certify(problem, solve(problem))
    with monkeypatch.context() as patched:
        for clock in ("monotonic", "perf_counter", "process_time", "time"):
            patched.setattr(time, clock, read)
            patched.setattr(time, f"{clock}_ns", read)
        again = solve(problem)
        assert certify(problem, again) == proof
        with pytest.raises(AssertionError, match="a clock was read"):
            Budget(seconds=1)  # what asks for time would have been found
    assert all(np.array_equal(a, b) for a, b in zip(vars(plan).values(), vars(again).values(), strict=True))


def test_a_plan_that_changes_nothing_is_worth_nothing_more() -> None:
    """`numbers` tells plans apart."""
    problem = small(0)
    assert numbers(value(problem, empty(problem))) != numbers(value(problem, solve(problem)))
