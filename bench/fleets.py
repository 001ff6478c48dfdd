"""Fleets of a given size, the same ones for a seed."""

from random import Random
from typing import Any

from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.api.pool_status import GPUPoolStatus
from aifactory.api.reading import parse_factory, parse_pool
from aifactory.decide.model.plan import Plan
from aifactory.decide.model.world import World, claims_of, key_of

SYSTEMS = ("gb200-nvl72", "gb300-nvl72", "hgx-h100", "hgx-b200")
TOPOLOGIES: tuple[dict[str, Any], ...] = (
    {},
    {"pack": "Fabric"},
    {"pack": "Factory"},
    {"pack": "Domain", "domain": "hall/row"},
    {"spread": {"over": "Factory", "atLeast": 2}},
)


def fleet(factories: int, racks: int, pools: int, seed: int) -> World:
    """A fleet whose pools ask for about 1.3 times what its quotas carry; nothing stands yet."""
    random = Random(seed)
    sites = [_factory(f"site-{i}", racks // factories, random) for i in range(factories)]
    watts = sum(float(site.spec.power.quota) / 1.2 for site in sites)
    wanted = [_pool(i, random) for i in range(pools)]
    # About 2 kW of IT power for each GPU, networking and storage included.
    scale = 1.3 * watts / 2_000 / sum(pool["spec"]["gpus"] for pool in wanted)
    for pool in wanted:
        spec = pool["spec"]
        spec["gpus"] = max(8, round(spec["gpus"] * scale))
        if "minGpus" in spec:
            spec["minGpus"] = spec["gpus"] // 4
    return World(factories=tuple(sites), pools=tuple(parse_pool(pool) for pool in wanted))


def _factory(name: str, racks: int, random: Random) -> AIFactory:
    rows = max(1, racks // (4 * 16))
    kilowatts = racks * 120
    return parse_factory(
        {
            "apiVersion": "aifactory.dev/v1alpha1",
            "kind": "AIFactory",
            "metadata": {"name": name, "labels": {"region": f"region-{random.randrange(4)}"}},
            "spec": {
                "power": {
                    "quota": f"{kilowatts}k",
                    "peakPUE": "1.2",
                    "overheadPercent": 12,
                    "domains": [
                        {"path": "hall", "count": 4, "limit": f"{kilowatts // 4}k"},
                        {"path": "hall/row", "count": rows, "limit": f"{16 * 140}k"},
                    ],
                },
                "racks": [
                    {"domain": "hall/row", "system": system, "count": count, "fabric": "hall"}
                    for system, count in zip(random.sample(SYSTEMS, 2), (10, 6), strict=True)
                ],
                "backend": {"kwok": {}},
            },
        }
    )


def _pool(number: int, random: Random) -> dict[str, Any]:
    topology = random.choice(TOPOLOGIES)
    gpus = min(4_000, int(16 * random.paretovariate(0.9)))
    spec: dict[str, Any] = {
        "gpus": min(gpus, 500) if topology.get("pack") == "Domain" else gpus,
        "systems": random.sample(SYSTEMS, random.randint(1, 3)),
        "priority": random.randrange(1_000),
        "preemptible": random.random() < 0.5,
        "topology": topology,
    }
    if random.random() < 0.3:
        spec["minGpus"] = 1
    return {
        "apiVersion": "aifactory.dev/v1alpha1",
        "kind": "GPUPool",
        "metadata": {"name": f"pool-{number}", "namespace": f"tenant-{number % 50}"},
        "spec": spec,
    }


def standing(world: World, plan: Plan, *, quota_percent: int = 100) -> World:
    """The world once the plan is carried out, with the first factory's quota at so many percent."""
    written = {(write.namespace, write.name): write.status for write in plan.statuses}
    pools = tuple(
        pool.model_copy(update={"status": GPUPoolStatus.model_validate(written[key_of(pool)])})
        for pool in world.pools
    )
    first, *others = world.factories
    power = first.spec.power
    lowered = power.model_copy(update={"quota": power.quota * quota_percent / 100})
    first = first.model_copy(update={"spec": first.spec.model_copy(update={"power": lowered})})
    claims = tuple(claim for pool in pools for claim in claims_of(pool))
    return World(factories=(first, *others), pools=pools, claims=claims)


def served(world: World, plan: Plan) -> int:
    """GPUs served: what is placed, without what whole units add."""
    wishes: dict[object, GPUPool] = {key_of(pool): pool for pool in world.pools}
    return sum(
        min(sum(p.gpus for p in placings), wishes[key].spec.gpus) for key, placings in plan.placings.items()
    )
