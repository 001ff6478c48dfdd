"""What the API server says at apply, without one: every wrong field, and what would be kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from aifactory.api import columns, crd
from aifactory.cli import cel_rules
from aifactory.cli.admission import admit
from unit.api.bad_objects import AT_APPLY, BAD, FACTORY, POOL, READING_ONLY, Bad, changed

EXAMPLES = sorted((Path(__file__).parents[3] / "manifests" / "examples").glob("*.yaml"))


def said(obj: dict[str, Any]) -> dict[str, str]:
    messages: dict[str, str] = {}
    for problem in admit(obj).problems:
        messages[problem.path] = messages.get(problem.path, "") + problem.message
    return messages


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_taken(path: Path) -> None:
    for obj in yaml.safe_load_all(path.read_text("utf-8")):
        assert said(obj) == {}


@pytest.mark.parametrize("bad", [*BAD, *AT_APPLY], ids=str)
def test_every_wrong_field_is_named(bad: Bad) -> None:
    messages = said(bad.object)
    for path, words in bad.wrong.items():
        assert words in messages[path]


@pytest.mark.parametrize("bad", READING_ONLY, ids=str)
def test_what_only_the_operator_refuses_is_taken(bad: Bad) -> None:
    assert said(bad.object) == {}


def rules(schema: dict[str, Any]) -> Iterator[dict[str, str]]:
    yield from schema.get("x-kubernetes-validations", ())
    parts = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for part in parts:
        if isinstance(part, dict):
            yield from rules(part)


def test_every_rule_of_the_crds_can_be_read() -> None:
    found = []
    for kind in (columns.FACTORY, columns.POOL):
        (version,) = crd.crd(kind)["spec"]["versions"]
        found += list(rules(version["schema"]["openAPIV3Schema"]))
    assert found
    for rule in found:
        cel_rules.compiled(rule["rule"])
        cel_rules.compiled(rule.get("messageExpression", "''"))


def test_all_wrong_fields_are_named_at_once_also_where_one_has_the_wrong_type() -> None:
    wrong = {
        "spec.power.quota": [],
        "spec.power.domains.1.path": "nowhere/row",
        "spec.racks.0.fabric": "annex",
        "spec.drain": "yes",
        "spec.colour": "red",
        "metadata.labels": {"team": "n l p"},
    }
    assert set(said(changed(FACTORY, wrong))) == {
        "spec.power.quota",
        "spec.power.domains",
        "spec.racks",
        "spec.racks[0].fabric",
        "spec.drain",
        "spec.colour",
        "metadata.labels.team",
    }


def test_nulls_go_and_defaults_come() -> None:
    obj = {**POOL, "spec": {**POOL["spec"], "priority": None, "factories": None, "nodeLabels": {"a": None}}}
    kept = admit({**obj, "metadata": {**POOL["metadata"], "labels": None}, "status": {"gpus": "eight"}})
    assert kept.problems == ()
    assert kept.kept["spec"] == {
        "gpus": 8,
        "systems": ["hgx-h100"],
        "nodeLabels": {},
        "priority": 0,
        "purpose": "Training",
        "preemptible": False,
        "drainTimeoutSeconds": 600,
        "paused": False,
    }
    assert "status" not in kept.kept
    assert obj["spec"]["priority"] is None  # what was given is left as it is


def test_a_null_in_a_list_and_in_place_of_what_is_required_is_refused() -> None:
    assert said({**POOL, "spec": {**POOL["spec"], "systems": [None]}}) == {
        "spec.systems[0]": "found None, allowed is a valid string"
    }
    assert said({**POOL, "spec": None}) == {"spec": "is required"}


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("labels", {"team": "n l p"}, "metadata.labels.team"),
        ("labels", {"a b": "c"}, "metadata.labels"),
        ("labels", {"team": 3}, "metadata.labels.team"),
        ("labels", ["team"], "metadata.labels"),
        ("annotations", {"a b": "c"}, "metadata.annotations"),
        ("annotations", {"a": "b" * 262_144}, "metadata.annotations"),
        ("finalizers", ["a b"], "metadata.finalizers[0]"),
        ("namespace", "Team", "metadata.namespace"),
        ("colour", "red", "metadata.colour"),
        ("creationTimestamp", "yesterday", "metadata.creationTimestamp"),
        (
            "ownerReferences",
            [{"kind": "A", "name": "a", "apiVersion": "v1"}],
            "metadata.ownerReferences[0].uid",
        ),
    ],
)
def test_metadata_is_judged(field: str, value: Any, path: str) -> None:
    assert set(said({**POOL, "metadata": {**POOL["metadata"], field: value}})) == {path}


def test_quantities_count_in_billionths_rounded_up() -> None:
    assert said(changed(FACTORY, {"spec.power.peakPUE": "0.9999999999"})) == {}
    assert "spec.power.peakPUE" in said(changed(FACTORY, {"spec.power.peakPUE": "0.999999999"}))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_FIELDS = [
    "metadata",
    "spec",
    "spec.power",
    "spec.power.domains",
    "spec.racks",
    "spec.backend",
    "spec.systems",
]


@settings(deadline=None)
@given(st.sampled_from(_FIELDS), _JSON)
def test_whatever_stands_in_a_field_there_is_an_answer(field: str, value: Any) -> None:
    obj = changed(FACTORY, {field: 0})
    above, _, last = field.rpartition(".")
    place: Any = obj
    for step in above.split(".") if above else ():
        place = place[step]
    place[last] = value
    for problem in admit(obj).problems:
        assert problem.message
