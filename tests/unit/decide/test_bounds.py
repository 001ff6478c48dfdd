"""Whatever a spec allows, its status fits into the schema and into etcd, and says what it leaves out."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aifactory.api.base import LARGEST
from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.api.pool_status import GPUPoolStatus
from aifactory.api.reading import parse_factory, parse_pool
from aifactory.decide import Plan, World, decide
from aifactory.decide.model.plan import Placing, StatusWrite
from aifactory.decide.model.world import Refused, claims_of
from aifactory.decide.report.places import placements_status
from unit.decide.simulator import unknown_fields

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAR_BELOW_ETCD = 750_000  # bytes, of 1.5 MB that an object may have
Manifest = dict[str, Any]


def site(name: str = "colo", *, quota: str = "1T", **spec: Any) -> Manifest:
    """A factory; `domains` are (path, count) of no limit that binds."""
    domains = [{"path": path, "count": n, "limit": "1T"} for path, n in spec.pop("domains")]
    return {
        "apiVersion": "aifactory.dev/v1alpha1",
        "kind": "AIFactory",
        "metadata": {"name": name},
        "spec": {
            "power": {"quota": quota, "basis": "CriticalIT", "domains": domains},
            "backend": {"kwok": {}},
            **spec,
        },
    }


def wish(name: str, gpus: int, **spec: Any) -> Manifest:
    return {
        "apiVersion": "aifactory.dev/v1alpha1",
        "kind": "GPUPool",
        "metadata": {"name": name, "namespace": "ml"},
        "spec": {"gpus": gpus, "systems": ["hgx-h100"], **spec},
    }


def world(*manifests: Manifest) -> World:
    """What is declared; what stands is what the statuses say."""
    factories = tuple(parse_factory(m) for m in manifests if m["kind"] == "AIFactory")
    pools = tuple(parse_pool(m) for m in manifests if m["kind"] == "GPUPool")
    claims = tuple(claim for pool in pools for claim in claims_of(pool))
    return World(factories=factories, pools=pools, claims=claims)


def fits(write: StatusWrite) -> None:
    """A status passes its schema with nothing lost, and leaves etcd room."""
    model = AIFactory if write.kind == "AIFactory" else GPUPool
    status = type(model.model_fields["status"].default).model_validate(write.status)
    assert unknown_fields(write.status, status.wire()) == []
    assert type(status).model_validate(status.wire()) == status
    assert len(json.dumps(dict(write.status))) < FAR_BELOW_ETCD


def planned(*manifests: Manifest) -> Plan:
    plan = decide(world(*manifests), NOW, acting=False)
    for write in plan.statuses:
        fits(write)
    return plan


def again(manifests: tuple[Manifest, ...], plan: Plan) -> Plan:
    """The plan of the same objects, with the statuses of a plan as the present state."""
    statuses = {(w.kind, w.name): dict(w.status) for w in plan.statuses}
    return planned(*({**m, "status": statuses[m["kind"], m["metadata"]["name"]]} for m in manifests))


# Placements


def rack(domain: str, **more: Any) -> Manifest:
    return {"domain": domain, "system": "hgx-h100", "count": 1, "nodesPerRack": 1, **more}


MANY: dict[str, tuple[Manifest, ...]] = {
    "cabinets": (site(domains=[("cabinet", 4097)], racks=[rack("cabinet")]), wish("big", 8 * 4097)),
    "rows of halls": (
        site(domains=[("hall", 45), ("hall/row", 100)], racks=[rack("hall/row", fabric="hall")]),
        wish("big", 8 * 4200),
    ),
    "a row in each hall": (
        site(domains=[("hall", 4500), ("hall/row", 1)], racks=[rack("hall/row", fabric="hall")]),
        wish("big", 8 * 4300),
    ),
    "several pools and sites": (
        site("a", domains=[("cabinet", 3000)], racks=[rack("cabinet", nodesPerRack=2)]),
        site("b", domains=[("cabinet", 3000)], racks=[rack("cabinet", nodesPerRack=3)]),
        wish("big", 8 * 9001, priority=9),
        wish("small", 8 * 5000, minGpus=8),
    ),
    "short of 512": (site(domains=[("cabinet", 600)], racks=[rack("cabinet")]), wish("big", 8 * 512)),
}


@pytest.mark.parametrize("manifests", MANY.values(), ids=MANY)
def test_many_placements_are_bounded_and_read_back_one_by_one(manifests: tuple[Manifest, ...]) -> None:
    first = planned(*manifests)
    second = again(manifests, first)
    shape = {
        pool: [(p.factory, p.domain, p.fabric, p.system, p.units, p.nodes, p.gpus, p.watts) for p in placed]
        for pool, placed in first.placings.items()
    }
    assert shape == {
        pool: [(p.factory, p.domain, p.fabric, p.system, p.units, p.nodes, p.gpus, p.watts) for p in placed]
        for pool, placed in second.placings.items()
    }
    assert all(p.standing == p.units for placed in second.placings.values() for p in placed)
    for write in first.statuses:
        if write.kind == "GPUPool":
            listed = [*write.status["placements"], *write.status.get("morePlacements", [])]
            assert sum(p["gpus"] for p in listed) == write.status["gpus"]
            assert sum(p["watts"] for p in listed) == write.status["watts"]


def test_of_more_places_than_there_is_room_for_the_sums_are_given() -> None:
    """Every second of 40,000 places under names as long as they may be, of two systems in two factories."""
    above = "/".join(["hall-10000", *["d" * 25] * 4])
    placings = tuple(
        Placing(
            factory=f"f{n % 2}".ljust(40, "x"),
            domain=f"{above}/row-{2 * n}",
            fabric=above,
            system=f"s{n // 20_000}".ljust(40, "x"),
            units=1 + n % 3,
            nodes=2,
            gpus=16 * (1 + n % 3),
            watts=n,
            standing=1,
            missing=0,
            planned_nodes=0,
            planned_watts=0,
            ready_gpus=n % 16,
        )
        for n in range(40_000)
    )
    status = placements_status(placings)
    assert len(json.dumps(status)) < FAR_BELOW_ETCD
    read = GPUPoolStatus.model_validate(status)
    for figure in ("units", "nodes", "gpus", "ready_gpus", "watts"):
        parts = (*read.placements, *read.more_placements)
        assert sum(getattr(p, figure) for p in parts) == sum(getattr(p, figure) for p in placings)
    assert sum(p.gpus for p in read.everywhere) == sum(p.gpus for p in placings)


# Texts and numbers at the schema's maxima

LONG = {n: f"{n:02}".rjust(40, "x") for n in range(64)}


def extreme(dice: Random) -> tuple[Manifest, ...]:
    """Objects of the longest names, the most of them, and numbers as large as they may be."""
    segment = "d" * 12
    path = "/".join([segment] * 6) + "x"[: dice.randint(0, 1)]
    levels = ["/".join(path.split("/")[: i + 1]) for i in range(6)]
    huge = dice.choice(["1T", "1k", "0", "999999999999"])
    own = [
        {
            "name": LONG[n],
            "unit": "Node",
            "gpusPerNode": dice.choice([1, 8, 256]),
            "maxWatts": dice.choice(["100G", "1", "10k"]),
            "resourceName": "nvidia.com/gpu",
        }
        for n in range(dice.choice([1, 64]))
    ]
    used = [LONG[n] for n in range(dice.randint(1, len(own)))]
    factory = site(
        "f" * 40,
        quota=huge,
        domains=[(level, dice.choice([1, 3]) if level == path else 1) for level in levels],
        systems=own,
        racks=[
            {"domain": path, "system": name, "count": dice.choice([1, 10, 100])}
            for name in used[: 1 if dice.random() < 0.5 else 3]
        ]
        + [{"domain": path, "system": f"unknown-{n:032}", "count": 1} for n in range(dice.choice([0, 200]))],
        energy={"pricePerMWh": dice.choice(["0", "1k"]), "carbonGramsPerKWh": 100_000},
    )
    factory["spec"]["power"]["overheadPercent"] = dice.choice([0, 100])
    some = [
        wish(
            f"p{n}".ljust(63, "x"),
            dice.choice([0, 1, 8, 1000, 10_000_000]),
            minGpus=dice.choice([0, 1, 10_000_000]),
            systems=[LONG[i] for i in dice.sample(range(64), dice.choice([1, 16]))],
            priority=dice.choice([-(2**31), 2**31 - 1, 0]),
            factories=dice.choice([{}, {"names": list(LONG.values())}, {"exclude": ["f" * 40]}]),
            topology=dice.choice(
                [
                    {},
                    {"pack": "Fabric"},
                    {"pack": "Domain", "domain": levels[dice.randint(0, 5)]},
                    {"pack": "Domain", "domain": "e" * 80},
                    {"spread": {"over": "Domain", "domain": path, "atLeast": dice.choice([1, 2, 256])}},
                ]
            ),
            paused=dice.random() < 0.2,
        )
        for n in range(dice.randint(1, 4))
    ]
    return factory, *some


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32 - 1).map(Random))
def test_every_status_of_any_world_fits_its_schema(dice: Random) -> None:
    manifests = extreme(dice)
    again(manifests, planned(*manifests))


def test_a_site_that_nobody_knows_is_one_of_many() -> None:
    """What is left out is counted."""
    names = [f"site-{n:02}-{'x' * 32}" for n in range(50)]
    lab = site("lab", domains=[("hall", 1)], racks=[rack("hall")])
    plan = planned(lab, wish("p", 8, factories={"names": names}))
    (status,) = (w.status for w in plan.statuses if w.kind == "GPUPool")
    assert status["waiting"]["reason"] == "NoSuchFactory"
    assert names[0] in status["waiting"]["message"]
    assert "and 45 more" in status["waiting"]["message"]


def test_what_is_wrong_with_an_object_may_be_long() -> None:
    pool = parse_pool(wish("p", 8))
    message = "spec.systems: " + "x" * 100_000
    refused = Refused("GPUPool", pool.metadata, message)
    (write,) = decide(replace(World(), refused=(refused,)), NOW, acting=False).statuses
    fits(write)
    told = write.status["conditions"][0]["message"]
    left = int(told.rpartition(" ... and ")[2].split()[0])
    assert len(told.rpartition(" ... and ")[0]) + left == len(message)


def test_no_number_is_too_large_to_be_read_back() -> None:
    """What stands in two halls draws, by a status that somebody wrote, as much as a status takes in each."""
    lab, pool = site(domains=[("hall", 2)], racks=[rack("hall")]), wish("p", 16)
    statuses = {w.kind: dict(w.status) for w in planned(lab, pool).statuses}
    absurd = [{**placement, "watts": LARGEST} for placement in statuses["GPUPool"]["placements"]]
    assert len(absurd) == 2
    stands = {**statuses["GPUPool"], "placements": absurd}
    plan = planned({**lab, "status": statuses["AIFactory"]}, {**pool, "status": stands})
    (power,) = (w.status["power"] for w in plan.statuses if w.kind == "AIFactory")
    assert power["committed"] == LARGEST
