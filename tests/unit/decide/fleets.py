"""Random factories and pools that are in each other's way: the same dice give the same fleet.

Trees are up to three deep, limits mostly a little too low for what stands below them, units small, priorities
many. Hypothesis draws the seed and the sizes, so that a failure shrinks to few sites and few pools.
"""

from random import Random
from typing import Any

from unit.decide.build import BOX_WATTS, RACK_WATTS, Factory, Pool, boxes, racks

SITES = ("dfw", "sjc", "lhr")
SHAPES: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {},
    {},
    {"pack": "Fabric"},
    {"pack": "Factory"},
    {"pack": "hall"},
    {"pack": "hall/row"},
    {"spread": 2},
    {"spread": 2, "over": "hall"},
    {"spread": 3, "over": "hall/row"},
)
ANY_SHAPE: dict[str, Any] = {"pack": None, "spread": 0, "over": "Factory"}
PLACES: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {},
    {},
    {},
    {"only_in": ("dfw",)},
    {"not_in": ("dfw",)},
    {"where": {"tier": "one"}},
)
ANY_PLACE: dict[str, Any] = {"only_in": (), "not_in": (), "where": None}
SYSTEMS = (("box",), ("box",), ("rack",), ("box", "cube"), ("cube", "box"), ("rack", "box"), ("box", "rack"))
PRIORITIES = (-7, 0, 0, 1, 2, 3, 5, 5, 8, 1000)
TIGHT = (0.4, 0.6, 0.8, 1.0, 1.0, 1.3)


def some_factory(dice: Random, name: str) -> Factory:
    """A factory with a tree of two or three levels and up to three systems."""
    made = Factory(
        name,
        overhead=dice.choice((0, 0, 0, 5, 50)),
        halls=dice.randint(1, 3),
        rows=dice.choice((0, 0, 1, 2)),
        boxes=dice.choice((0, 2, 3, 4)),
        racks=dice.choice((0, 1, 1, 2)),
        cubes=dice.choice((0, 0, 0, 2)),
        fabric=dice.choice((None, "hall")),
        labels=dice.choice(({}, {"tier": "one"})),
    )
    return made.but(**some_limits(dice, made))


def some_limits(dice: Random, it: Factory) -> dict[str, int]:
    """Limits near what could stand; now and then an outage."""
    leaf = (it.boxes + 2 * it.cubes) * BOX_WATTS + it.racks * RACK_WATTS
    hall = leaf * max(1, it.rows)
    full = {"row": leaf, "hall": hall, "quota": hall * it.halls}
    return {
        level: 0 if dice.random() < 0.03 else int(watts * dice.choice(TIGHT)) + dice.choice((0, 0, 5))
        for level, watts in full.items()
    }


def some_pool(dice: Random, path: str) -> Pool:
    """A pool of a few units."""
    systems = dice.choice(SYSTEMS)
    count = racks if systems[0] == "rack" else boxes
    most = 2 if systems[0] == "rack" else 5
    wish = dice.randint(1, most)
    return Pool(
        path,
        count(wish) - dice.choice((0, 0, 0, 3)),
        at_least=dice.choice((None, None, 0, count(1), count(dice.randint(1, most)))),
        priority=dice.choice(PRIORITIES),
        preemptible=dice.random() < 0.5,
        purpose=dice.choice(("Training", "Inference", "DataProcessing")),
        systems=systems,
        drain_timeout=4,
        **dice.choice(SHAPES),
        **dice.choice(PLACES),
    )


def some_site_edit(dice: Random, it: Factory) -> dict[str, Any]:
    """What somebody changes in a factory."""
    edits: tuple[dict[str, Any], ...] = (
        some_limits(dice, it),
        some_limits(dice, it),
        {"quota": some_limits(dice, it)["quota"]},
        {"hall": some_limits(dice, it)["hall"]},
        {"row": some_limits(dice, it)["row"]},
        {"overhead": dice.choice((0, 5, 50))},
        {"drain": not it.drain},
        {"drain": False},
        {"paused": not it.paused},
        {"paused": False},
        {"out_of_service": dice.choice(((), (), ("hall",), ("hall-1",)))},
        {"boxes": dice.randint(0, 4)},
        {"racks": dice.randint(0, 2)},
        {"halls": dice.randint(1, 3)},
        {"rows": dice.randint(1, 2)},
        {"apart": not it.apart},
        {"apart": not it.apart},
        {"limits": {dice.choice(("hall", "hall-1", "hall-2")): some_limits(dice, it)["hall"]}},
        {"limits": None},
        {"fabric": dice.choice((None, "hall"))},
        {"labels": dice.choice(({}, {"tier": "one"}))},
        {"systems": dice.choice((None, {"box": {"gpusPerNode": 4}}, {"rack": {"nodesPerRack": 2}}))},
        {"backend": dice.choice(("kwok", "kwok", "karpenter"))},
    )
    return dice.choice(edits)


def some_pool_edit(dice: Random, it: Pool) -> dict[str, Any]:
    """What somebody changes in a pool."""
    count = racks if it.systems[0] == "rack" else boxes
    edits: tuple[dict[str, Any], ...] = (
        {"gpus": count(dice.randint(0, 6))},
        {"gpus": count(dice.randint(0, 6))},
        {"at_least": dice.choice((None, 0, count(1), count(3)))},
        {"priority": dice.choice(PRIORITIES)},
        {"preemptible": not it.preemptible},
        {"paused": not it.paused},
        {"paused": False},
        {"systems": dice.choice(SYSTEMS)},
        ANY_SHAPE | dice.choice(SHAPES),
        ANY_PLACE | dice.choice(PLACES),
        {"node_labels": dice.choice(({}, {"team": "x"}, {"team": "y", "tier": "z"}))},
    )
    return dice.choice(edits)
