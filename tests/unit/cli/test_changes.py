"""`--set`: one field of one object, by its path; what is wrong with it is said with what is allowed."""

import copy
from typing import Any

import pytest

from aifactory.cli.admission import admit
from aifactory.cli.changes import BadChange, make_changes, read_change
from unit.api.bad_objects import FACTORY, POOL


def changed(*texts: str) -> tuple[dict[str, Any], dict[str, Any]]:
    site, pool = copy.deepcopy(FACTORY), copy.deepcopy(POOL)
    make_changes([read_change(text) for text in texts], [site, pool])
    return site["spec"], pool["spec"]


def test_a_field_is_set_to_a_value_as_yaml_has_it() -> None:
    site, pool = changed(
        "aifactory/site:spec.power.quota=92M",
        "AIFactory/site:spec.drain=yes",
        "gpupool/default/pool:spec.gpus=1e2",
        "agp/default/pool:spec.systems=[hgx-h200, hgx-h100]",
        "gpupool/default/pool:spec.nodeLabels[example.com/team]=nlp",
    )
    assert (site["power"]["quota"], site["drain"]) == ("92M", True)
    assert (pool["gpus"], pool["systems"]) == (100, ["hgx-h200", "hgx-h100"])
    assert pool["nodeLabels"] == {"example.com/team": "nlp"}


def test_items_of_a_list_go_by_what_tells_them_apart_or_by_number() -> None:
    site, _ = changed(
        "aifactory/site:spec.power.domains[hall/row].limit=2M",
        "aifactory/site:spec.power.domains[0].count=3",
        "aifactory/site:spec.racks[hall/row,hgx-h100].count=2",
        "aifactory/site:spec.power.limits[hall-2].limit=4M",
    )
    assert [it["limit"] for it in site["power"]["domains"]] == ["5M", "2M"]
    assert site["power"]["domains"][0]["count"] == 3
    assert site["racks"][0]["count"] == 2
    assert site["power"]["limits"] == [{"domain": "hall-2", "limit": "4M"}]


def test_maps_and_missing_parents_are_made_and_null_takes_out() -> None:
    site, pool = changed(
        "aifactory/site:spec.maintenance[hall-2]={}",
        'aifactory/site:spec.energy.pricePerMWh="42.5"',
        "aifactory/site:spec.power.domains[hall/row]=null",
        "gpupool/default/pool:spec.topology.spread={over: Factory, atLeast: 2}",
    )
    assert site["maintenance"] == {"hall-2": {}}
    assert site["energy"] == {"pricePerMWh": "42.5"}
    assert [it["path"] for it in site["power"]["domains"]] == ["hall"]
    assert pool["topology"] == {"spread": {"over": "Factory", "atLeast": 2}}
    assert admit({**POOL, "spec": pool}).problems == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("site:spec.power.quota=92M", "allowed is aifactory/NAME:FIELD=VALUE"),
        ("aifactory/site", "allowed is aifactory/NAME:FIELD=VALUE"),
        ("gpupool/pool:spec.gpus=8", "gpupool/NAMESPACE/NAME:FIELD=VALUE"),
        ("aifactory/site:spec.power..quota=92M", "allowed is a path such as"),
        ("aifactory/site:spec.power.quota=[", "allowed is a value as YAML has it"),
        (
            "aifactory/other:spec.power.quota=92M",
            "found no aifactory/other in the files, there are aifactory/site",
        ),
        (
            "aifactory/site:spec.power.qouta=92M",
            "spec.power.qouta: is not a known field, allowed are quota, ",
        ),
        ("aifactory/site:status.nodes=1", "status: is not a known field, allowed are metadata, spec"),
        ("aifactory/site:spec.drain.now=1", "spec.drain: has no fields of its own"),
        ("aifactory/site:spec.racks[annex,box,1].count=1", "allowed are domain,system: hall/row,hgx-h100"),
        ("aifactory/site:spec.power.domains[7].count=1", "or numbers: 0 to 1"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_allowed(text: str, words: str) -> None:
    with pytest.raises(BadChange) as caught:
        changed(text)
    assert words in str(caught.value)
