"""Generated instances: the same ones for a scale, a profile of priorities and a seed."""

from dataclasses import replace
from random import Random

import yaml

from aifactory.api import names
from aifactory.api.base import Model
from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.api.pool_status import GPUPoolStatus, Placement
from aifactory.decide.model.build import build
from aifactory.decide.model.case import Case
from aifactory.decide.model.world import World, claims_of, key_of
from aifactory_solver.problem import Solution
from bench.solver.claims import claims
from bench.solver.greedy import best_fit
from bench.solver.sites import factory, sites
from bench.solver.tenants import tenants

SCALES = {"S": (3, 60, 40), "M": (10, 2_000, 1_000), "L": (40, 40_000, 10_000)}  # factories, racks, pools
PROFILES = ("classes", "many")
ATTEMPTS = 100  # an instance that does not keep its claims is drawn anew; at S about every second one


def first_plan(scale: str, profile: str, seed: int) -> World:
    """Factories and pools of which nothing stands."""
    factories, racks, pools = SCALES[scale]
    for attempt in range(ATTEMPTS):
        random = Random(f"{scale} {profile} {seed} {attempt}")
        drawn = sites(scale, racks, factories, random)
        drafts = tenants(scale, drawn, pools, profile, random)
        world = World(
            factories=tuple(factory(site) for site in drawn), pools=tuple(draft.pool() for draft in drafts)
        )
        if claims(build(world).problem).hold:
            return world
    raise ValueError(f"no instance of {scale}, {profile}, seed {seed} keeps its claims")


def running_fleet(scale: str, profile: str, seed: int) -> World:
    """The same, when a plan has been carried out: what it serves stands, the others wait.

    That plan is best fit of this benchmark, so that an instance does not change with the solver.
    """
    case = build(first_plan(scale, profile, seed))
    return carried_out(case, best_fit(case.problem))


def carried_out(case: Case, solution: Solution) -> World:
    """The world once a plan is carried out: every unit of it stands and is ready."""
    problem, held = case.problem, {pool: dict[int, int]() for pool in range(case.problem.pools)}
    for who, where, number in (
        (problem.row_pool, problem.row_cell, solution.kept),
        (solution.new_pool, solution.new_cell, solution.new_units),
    ):
        for pool, cell, count in zip(who.tolist(), where.tolist(), number.tolist(), strict=True):
            if count:
                held[pool][cell] = held[pool].get(cell, 0) + count
    pools = tuple(
        pool.model_copy(
            update={
                "status": GPUPoolStatus(
                    placed_under=case.stamps[key_of(pool)][0],
                    placements=tuple(_placement(case, cell, n) for cell, n in sorted(held[p].items())),
                )
            }
        )
        for p, pool in enumerate(case.pools)
    )
    claims = tuple(claim for pool in pools for claim in claims_of(pool))
    return replace(case.world, pools=pools, claims=claims)


def _placement(case: Case, number: int, units: int) -> Placement:
    cell, group = case.cells[number], case.cells[number].group
    assert group is not None
    instances = case.layouts[cell.factory].instances
    return Placement(
        factory=cell.factory,
        domain=instances[cell.instance].name,
        fabric=instances[cell.fabric].name,
        system=cell.system,
        units=units,
        nodes=units * group.system.nodes_per_unit,
        gpus=units * cell.gpus,
        ready_gpus=units * cell.gpus,
        watts=units * int(case.problem.cell_watts[number]),
    )


def to_yaml(world: World) -> str:
    """The instance as manifests that `aifactory plan -f` reads, what stands included."""
    documents = []
    resources: tuple[AIFactory | GPUPool, ...] = (*world.factories, *world.pools)
    for resource in resources:
        document: dict[str, object] = {
            "apiVersion": names.API_VERSION,
            "kind": type(resource).__name__,
            "metadata": {key: value for key, value in _given(resource.metadata).items() if value},
            "spec": _given(resource.spec),
        }
        if isinstance(resource, GPUPool) and resource.status.placements:
            document["status"] = _given(resource.status)
        documents.append(document)
    return yaml.dump_all(documents, Dumper=yaml.CSafeDumper, sort_keys=False)


def _given(part: Model) -> dict[str, object]:
    """Fields that were given, as YAML has them."""
    return part.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
