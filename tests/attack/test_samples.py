"""A sample of each attack, drawn by a seed: `SEED=... pytest tests/attack` draws the same again.

All of them is `make test-attack`. What is asked is told where each attack is: `killed`, `troubled`, `walk`
and `standing`. They are in one file, so that they share a cluster.
"""

from pathlib import Path
from random import Random

import pytest
import yaml

from aifactory.api.pool import GPUPool
from aifactory.api.reading import parse_factory, parse_pool
from aifactory.decide.model.layout import lay_out
from aifactory.decide.model.standing import allows
from attack.killed import killed_sometimes
from attack.profiles import SAMPLED
from attack.size import SEED, STEPS
from attack.stage import Show, Stage
from attack.standing import scribbled_sometimes
from attack.story import SHORT
from attack.troubled import troubled
from attack.walk import LENGTH, Walk, seed, shrunk, walks

KEPT = sorted((Path(__file__).parent / "walks").glob("*.yaml"))
SCRIBBLES = 3


@pytest.fixture(autouse=True)
def draw() -> Random:
    print(f"SEED={SEED}")
    return Random(SEED)


def test_killed_at_writes_that_are_drawn(stage: Stage, tenant: str, draw: Random) -> None:
    killed_sometimes(stage, tenant, draw)


def test_a_story_comes_to_its_end_in_trouble_that_is_drawn(stage: Stage, tenant: str, draw: Random) -> None:
    name = draw.choice(SAMPLED)
    print(name)
    troubled(stage, tenant, name, SHORT)


def test_walks_that_are_drawn(stage: Stage, tenant: str, show: Show) -> None:
    walks(stage, tenant, SEED, STEPS // LENGTH, print, shrinks=False)


def test_the_seed_has_room_in_each_row_for_all_that_may_stand_there() -> None:
    fleet = seed("tenant")
    pools = [parse_pool(obj) for obj in fleet if obj["kind"] == "GPUPool"]
    for site in (parse_factory(obj) for obj in fleet if obj["kind"] == "AIFactory"):
        layout = lay_out(site)
        for group in layout.groups:
            room = min(len(group.slots), layout.instances[group.instance].limit // (group.unit_watts or 0))
            each = group.system.gpus_per_unit
            assert sum(_most_in_a_row(pool, each) for pool in pools if allows(pool, site)) <= room


def _most_in_a_row(pool: GPUPool, gpus_per_unit: int) -> int:
    units, spread = -(-pool.spec.gpus // gpus_per_unit), pool.spec.topology.spread
    return -(-units // spread.at_least) if spread else units


def test_walks_that_once_failed(stage: Stage, tenant: str) -> None:
    walk = Walk(stage, tenant)
    for path in KEPT:
        print(path)
        walk.go(yaml.safe_load(path.read_text()))
    if KEPT:
        walk.clear()


def test_scribbles_that_are_drawn(stage: Stage, tenant: str, draw: Random) -> None:
    scribbled_sometimes(stage, tenant, draw, SCRIBBLES)


def test_a_walk_is_made_as_small_as_it_fails() -> None:
    steps = [{"number": number} for number in range(LENGTH)]
    wanted = [steps[2], steps[7]]
    assert shrunk(steps, lambda some: all(step in some for step in wanted)) == wanted
