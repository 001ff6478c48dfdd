"""What the benchmark's instances promise: looked up in their arrays, not in how they were made."""

from pathlib import Path

import numpy as np
import pytest

from aifactory.cli.manifests import read, world_of
from aifactory.decide.model.build import build
from aifactory.decide.model.world import key_of
from aifactory_solver.check import validate, violations
from aifactory_solver.problem import Problem, Topology
from bench.solver import helios, instances, openb
from bench.solver.claims import claims
from bench.solver.events import EVENTS
from bench.solver.instances import PROFILES, SCALES, to_yaml
from bench.solver.knapsack import FAMILIES, knapsack
from bench.solver.measure import demand_by_band, measure
from bench.solver.planted import answer, planted
from thorough import sample
from unit.bench.made import first_plan, running_fleet

MANY = [("S", 1), ("M", 1), *(("S", seed) for seed in (2, 3, 4, 5))]


def same(one: Problem, other: Problem) -> bool:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in pairs)


@pytest.mark.parametrize(("scale", "seed"), MANY[: sample(6)])
@pytest.mark.parametrize("profile", PROFILES)
def test_an_instance_keeps_its_claims(scale: str, seed: int, profile: str) -> None:
    problem = build(first_plan(scale, profile, seed)).problem
    validate(problem)
    found = claims(problem)
    assert 1.1 <= found.demand <= 1.4
    assert found.usable >= 0.95
    assert found.never == 0
    assert found.topologies == frozenset(Topology)
    assert found.levels == {3, 4}
    assert found.binding == {"row", "hall", "quota"}
    assert 0.1 <= found.elastic <= 0.45
    factories, _, pools = SCALES[scale]
    assert (problem.allowed.shape, int((problem.parent < 0).sum())) == ((pools, factories), factories)
    assert (problem.priority.size == np.unique(problem.priority).size) <= (profile == "many")
    assert profile == "many" or np.unique(problem.priority).size == 5


@pytest.mark.parametrize("scale", ["S", "M"])
def test_racks_are_as_many_as_the_scale_says_and_factories_differ(scale: str) -> None:
    world = first_plan(scale, "classes", 1)
    racks, shapes = 0, set()
    for factory in world.factories:
        spec = factory.spec
        counts = {domain.path: domain.count for domain in spec.power.domains}
        for group in spec.racks:
            above = [group.domain.rsplit("/", i)[0] for i in range(group.domain.count("/") + 1)]
            racks += group.count * int(np.prod([counts[path] for path in above]))
        shapes.add((tuple(sorted(counts)), tuple(sorted(group.system for group in spec.racks))))
    assert racks == SCALES[scale][1]
    assert len(shapes) > len(world.factories) // 2


def test_racks_of_several_systems_share_a_row_and_some_pool_wants_only_the_scarce_one() -> None:
    problem = build(first_plan("M", "many", 1)).problem
    _, systems = np.unique(problem.cell_domain, return_counts=True)
    assert (systems >= 2).mean() > 0.9
    units = np.bincount(problem.cell_system, problem.cell_units * problem.cell_watts)
    scarce = int(np.argmin(units))
    assert units[scarce] < 0.05 * units.sum()
    assert (scarce,) in problem.systems
    assert {len(accepted) for accepted in problem.systems} == {1, 2, 3, 4}


def test_there_are_rocks() -> None:
    """Pools of a tenth and more of a factory's GPUs."""
    problem = build(first_plan("M", "classes", 1)).problem
    gpus = problem.cell_units * problem.system_gpus[problem.cell_system]
    by_factory = np.bincount(problem.factory[problem.cell_domain], gpus)
    assert (problem.minimum > 0.1 * by_factory.mean()).sum() >= 5
    assert problem.need.max() > 10 * np.median(problem.need)


def test_the_same_seed_gives_the_same_instance_and_another_does_not() -> None:
    one, again, other = (build(instances.running_fleet("S", "many", seed)).problem for seed in (3, 3, 4))
    assert same(one, again)
    assert not same(one, other)


@pytest.mark.parametrize("standing", [False, True])
def test_an_instance_is_the_same_from_its_manifests(standing: bool, tmp_path: Path) -> None:
    world = running_fleet("S", "classes", 2) if standing else first_plan("S", "classes", 2)
    file = tmp_path / "instance.yaml"
    file.write_text(to_yaml(world), encoding="utf-8")
    assert same(build(world_of(read([file]))).problem, build(world).problem)


@pytest.mark.parametrize("scale", ["S", "M"])
def test_a_running_fleet_stands_as_it_may_and_others_wait(scale: str) -> None:
    problem = build(running_fleet(scale, "many", 1)).problem
    validate(problem)
    stands = np.unique(problem.row_pool)
    assert 0.5 * problem.pools < stands.size < problem.pools
    assert problem.row_fits.all()
    assert not problem.changed.any()
    assert 0.2 < problem.preemptible[stands].mean() < 0.8


@pytest.mark.parametrize("event", [event for event in EVENTS if event != "arrivals"])
def test_an_event_changes_what_it_says(event: str) -> None:
    fleet = running_fleet("M", "many", 1)
    before, after = build(fleet).problem, build(EVENTS[event](fleet, 1)).problem
    validate(after)
    roots = before.parent < 0
    lowered = np.flatnonzero(after.limit[roots] != before.limit[roots])
    raised = np.flatnonzero(after.priority != before.priority)
    ratio = after.limit[roots] / before.limit[roots]
    assert (lowered.size, raised.size > 0) == {
        "none": (0, False),
        "quota-20": (1, False),
        "factory-lost": (1, False),
        "raise-1": (0, True),
    }[event]
    if event == "quota-20":
        assert lowered[0] == np.argmax(before.limit[roots])
        assert ratio.min() == pytest.approx(0.8)
    if event == "factory-lost":
        assert ratio.min() == 0
    assert not np.isin(raised, before.row_pool).any()
    assert (after.priority[raised] == before.priority.max()).all()


def test_arrivals_stand_nowhere_and_have_the_highest_priority() -> None:
    fleet = running_fleet("M", "many", 1)
    before, after = build(fleet), build(EVENTS["arrivals"](fleet, 1))
    validate(after.problem)
    at = [after.index[key_of(pool)] for pool in before.pools]
    new = np.setdiff1d(np.arange(after.problem.pools), at)
    assert new.size == before.problem.pools * 15 // 100
    assert not np.isin(new, after.problem.row_pool).any()
    assert (after.problem.priority[new] == before.problem.priority.max()).all()
    assert np.array_equal(after.problem.priority[at], before.problem.priority)
    assert np.array_equal(after.problem.row_units, before.problem.row_units)


@pytest.mark.parametrize("scale", ["S", "M"])
def test_the_planted_answer_serves_everything_and_fills_every_quota(scale: str) -> None:
    for seed in (1, 2, 3) if scale == "S" else (1,):
        instance = planted(scale, seed)
        case = build(instance.world)
        problem, plan = case.problem, answer(instance, case)
        validate(problem)
        assert violations(problem, plan) == []
        found = measure(problem, plan)
        assert found.minima_by_band == demand_by_band(problem)
        assert sum(found.served_by_band) == problem.need.sum()
        watts = int((plan.new_units * problem.cell_watts[plan.new_cell]).sum())
        assert watts == problem.limit[problem.parent < 0].sum()
        assert len(set(problem.topology.tolist())) >= 5
        assert problem.pools > 0.95 * SCALES[scale][2]


def test_planted_items_fill_the_knapsacks_exactly() -> None:
    problem = build(knapsack("planted", "M", 1)).problem
    assert problem.need.sum() * 1000 == problem.limit[problem.parent < 0].sum()


@pytest.mark.parametrize("family", FAMILIES)
def test_knapsacks_hold_half_of_all_weights_and_priorities_are_profits(family: str) -> None:
    problem = build(knapsack(family, "S", 1)).problem
    validate(problem)
    quotas = problem.limit[problem.parent < 0] // 1000
    assert quotas.sum() == problem.need.sum() // 2
    assert 10 <= problem.need.min() <= problem.need.max() <= 100
    similar = quotas[:-1] * quotas.size / problem.need.sum()
    assert family == "dissimilar" or ((similar > 0.38) & (similar < 0.62)).all()
    off = problem.priority - problem.need
    assert {
        "uncorrelated": abs(off).max() > 20,
        "weak": abs(off).max() <= 10,
        "strong": (off == 10).all(),
        "subset-sum": np.unique(problem.priority).size == 1,
        "dissimilar": np.unique(problem.priority).size == 1,
    }[family]


def test_helios_is_a_stream_of_resizes_on_what_stands() -> None:
    worlds = list(helios.events())
    assert len(worlds) == 10  # days on which something changed
    sizes = [sum(pool.spec.gpus for pool in world.pools) for world in worlds]
    assert (sizes[-1], max(sizes)) == (1080, 1264)
    for world in worlds:
        problem = build(world).problem
        validate(problem)
        assert problem.rows > 0


def test_openb_has_its_nodes_and_gpus_and_asks_for_more_than_it_carries() -> None:
    problem = build(openb.world()).problem
    validate(problem)
    assert int(problem.cell_units.sum()) == 1213
    assert int((problem.cell_units * problem.system_gpus[problem.cell_system]).sum()) == 6212
    assert problem.need.sum() >= 6086
    assert claims(problem).never == 0
