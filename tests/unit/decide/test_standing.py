"""The stamp of a spec: no upgrade is an edit, and every edit of where a pool may stand is one."""

import hashlib
import json

import pytest
from pydantic import BaseModel

from aifactory.api import pool as api
from aifactory.api.reading import parse_pool
from aifactory.decide.model.standing import known_stamps
from unit.decide.build import Pool, boxes, factory, pool
from unit.decide.operated import settled

PLAIN = pool("a/t")
SHAPES = [
    PLAIN,
    PLAIN.but(pack="hall"),
    PLAIN.but(pack="Fabric"),
    PLAIN.but(spread=2),
    PLAIN.but(spread=3),
    PLAIN.but(spread=2, over="hall"),
    PLAIN.but(only_in=("dfw",)),
    PLAIN.but(not_in=("dfw",)),
    PLAIN.but(where={"tier": "one"}),
    PLAIN.but(systems=("box", "cube")),
    PLAIN.but(gpus=boxes(2)),
]


def read(wish: Pool) -> api.GPUPool:
    return parse_pool(wish.manifest())


def first_version(wish: api.GPUPool) -> str:
    """What the first version stamped: all fields that it had, defaults too."""
    spec = wish.spec
    says = {
        "systems": sorted(spec.systems),
        "topology": spec.topology.wire(),
        "factories": spec.factories.wire(),
        "minimum": spec.minimum,
    }
    return hashlib.sha256(json.dumps(says, sort_keys=True).encode()).hexdigest()[:16]


@pytest.mark.parametrize("part", ["topology", "factories"])
@pytest.mark.parametrize("wish", SHAPES, ids=repr)
def test_a_field_with_a_default_that_comes_later_changes_no_stamp(wish: Pool, part: str) -> None:
    now = read(wish)
    model = type(getattr(now.spec, part))
    later: type[BaseModel] = type(model.__name__, (model,), {"__annotations__": {"rails": int}, "rails": 1})
    grown = later.model_validate(getattr(now.spec, part).model_dump(exclude_unset=True))
    then = now.model_copy(update={"spec": now.spec.model_copy(update={part: grown})})
    assert known_stamps(then) == known_stamps(now)


@pytest.mark.parametrize("wish", SHAPES, ids=repr)
def test_what_the_first_version_stamped_is_known(wish: Pool) -> None:
    assert first_version(read(wish)) in known_stamps(read(wish))


def test_selectors_too() -> None:
    manifest = PLAIN.manifest()
    for selector in (
        {},
        {"matchLabels": {"a": "b"}},
        {"matchExpressions": [{"key": "a", "operator": "Exists"}]},
        {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}], "matchLabels": {"c": "d"}},
    ):
        manifest["spec"]["factories"]["selector"] = selector
        read = parse_pool(manifest)
        assert first_version(read) in known_stamps(read)


def test_no_two_specs_share_a_stamp() -> None:
    found = [stamp for wish in SHAPES for stamp in known_stamps(read(wish))]
    assert len(set(found)) == len(found)


def test_nodes_of_an_earlier_version_do_not_count_as_edited_and_are_not_written() -> None:
    """An uneven spread stays as it is, which it would not after an edit."""
    wish = pool("a/t", boxes(4), spread=2, over="hall")
    made = settled(factory("dfw", halls=2, boxes=4), wish)
    old = first_version(made.pools["a/t"])
    for name in list(made.nodes):
        made.change(name, annotations={"aifactory.dev/placed-under": old})
    assert made.decide().actions == ()
    made.lose(made.nodes_of("a/t")[0])
    before = dict(made.nodes)
    made.settle()
    assert before.items() <= made.nodes.items()
    made.edit("a/t", systems=("box", "cube")).settle()
    assert {n.stamp.placed_under for n in made.nodes.values() if n.stamp} == {
        known_stamps(made.pools["a/t"])[0]
    }
