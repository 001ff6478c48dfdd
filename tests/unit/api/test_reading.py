"""Whole resources: good ones are read, bad ones named field by field."""

from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from aifactory.api import names
from aifactory.api.base import Model, Rule
from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.api.reading import Invalid, parse_factory, parse_pool
from aifactory.cli.admission import admit
from unit.api.bad_objects import AT_APPLY, BAD, FACTORY, POOL, READING_ONLY, Bad, changed

EXAMPLES = sorted((Path(__file__).parents[3] / "manifests" / "examples").glob("*.yaml"))


def reading(obj: dict[str, Any]) -> Callable[..., AIFactory | GPUPool]:
    return parse_factory if obj["kind"] == "AIFactory" else parse_pool


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_read(path: Path) -> None:
    for obj in yaml.safe_load_all(path.read_text("utf-8")):
        assert reading(obj)(obj).metadata.name == obj["metadata"]["name"]


@pytest.mark.parametrize("bad", [*BAD, *READING_ONLY], ids=str)
def test_every_wrong_field_is_named(bad: Bad) -> None:
    with pytest.raises(Invalid) as caught:
        reading(bad.object)(bad.object)
    messages: dict[str, str] = {}
    for problem in caught.value.problems:
        messages[problem.path] = messages.get(problem.path, "") + problem.message
    assert set(messages) == set(bad.wrong)
    for path, words in bad.wrong.items():
        assert words in messages[path]


@pytest.mark.parametrize("bad", AT_APPLY, ids=str)
def test_what_is_only_refused_at_apply_is_read_where_it_stands(bad: Bad) -> None:
    assert reading(bad.object)(bad.object).metadata.name == bad.object["metadata"]["name"]


def all_rules(model: type[Model] = Model) -> set[Rule]:
    return set(model.RULES).union(*(all_rules(part) for part in model.__subclasses__()))


def test_every_rule_is_broken_by_some_bad_object() -> None:
    messages = [str(problem) for bad in AT_APPLY for problem in admit(bad.object).problems]
    for bad in (*BAD, *READING_ONLY):
        with pytest.raises(Invalid) as caught:
            reading(bad.object)(bad.object)
        messages.append(str(caught.value))
    assert [
        rule.allowed for rule in all_rules() if not any(rule.allowed in message for message in messages)
    ] == []


def test_the_message_names_the_object_and_every_field() -> None:
    with pytest.raises(Invalid) as caught:
        parse_factory(changed(FACTORY, {"spec.power.quota": "2T", "spec.drain": "yes"}))
    assert str(caught.value) == (
        "AIFactory site is not valid:\n"
        "  spec.power.quota: found 2T, allowed is 0 to 1T, such as 2600k\n"
        "  spec.drain: found 'yes', allowed is a valid boolean"
    )


@pytest.mark.parametrize("obj", [{}, {"metadata": 3, "spec": []}, {"metadata": {"name": 3}, "spec": None}])
def test_no_resource_at_all(obj: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="apiVersion: found None, allowed is aifactory"):
        parse_pool(obj)


def test_another_kind_is_refused() -> None:
    with pytest.raises(Invalid, match="kind: found 'AIFactory', allowed is GPUPool"):
        parse_pool(FACTORY)


def test_fields_of_newer_versions_are_left_aside() -> None:
    newer = changed(FACTORY, {"spec.power.curtailment": "1M", "metadata.managedFields": []})
    assert parse_factory(newer).spec == parse_factory(FACTORY).spec


def test_metadata() -> None:
    metadata = {
        "name": "site",
        "uid": "u",
        "generation": 3,
        "resourceVersion": "42",
        "creationTimestamp": "2026-11-24T07:28:00Z",
        "deletionTimestamp": None,
        "labels": {"region": "us-south"},
        "finalizers": [names.FINALIZER],
    }
    read = parse_factory(changed(FACTORY, {"metadata": metadata})).metadata
    assert (read.generation, read.resource_version, read.finalizers) == (3, "42", (names.FINALIZER,))
    assert read.creation_timestamp == datetime(2026, 11, 24, 7, 28, tzinfo=UTC)
    assert read.deletion_timestamp is None


def test_defaults() -> None:
    spec = parse_pool(POOL).spec
    assert (spec.purpose, spec.priority, spec.preemptible, spec.drain_timeout_seconds) == (
        "Training",
        0,
        False,
        600,
    )
    assert (spec.topology.pack, spec.minimum, spec.factories.names) == ("None", 8, ())
    factory = parse_factory(FACTORY).spec
    assert (factory.energy, factory.drain, factory.paused) == (None, False, False)
    assert (factory.power.overhead_percent, factory.power.peak_pue) == (Fraction(0), Fraction(6, 5))


def test_the_minimum_is_the_smaller_of_the_two() -> None:
    assert parse_pool(changed(POOL, {"spec.minGpus": 16})).spec.minimum == 8
    assert parse_pool(changed(POOL, {"spec.minGpus": 0})).spec.minimum == 0
    assert parse_pool(changed(POOL, {"spec.gpus": 0})).spec.minimum == 0


def test_a_fabric_is_the_own_domain_by_default() -> None:
    assert parse_factory(FACTORY).spec.racks[0].fabric_path == "hall"
    group = parse_factory(changed(FACTORY, {"spec.racks.0.fabric": None})).spec.racks[0]
    assert group.fabric_path == "hall/row"


@pytest.mark.parametrize("status", [None, {}, {"gpus": "many"}, {"conditions": ["Ready"]}, 7])
def test_a_status_that_cannot_be_read_is_as_if_there_were_none(status: object) -> None:
    assert parse_factory(FACTORY | {"status": status}).status.conditions == ()
    assert parse_pool(POOL | {"status": status}).status.gpus == 0


def test_a_status_is_read_back_as_it_was_written() -> None:
    status = {
        "observedGeneration": 3,
        "gpus": 1152,
        "readyGpus": 1080,
        "placements": [
            {"factory": "dfw-1", "domain": "hall-2/row-5", "fabric": "hall-2", "system": "gb200-nvl72",
             "units": 16, "nodes": 288, "gpus": 1152, "readyGpus": 1080, "watts": 2407680}
        ],
        "waiting": {"reason": "InsufficientPower", "factory": "dfw-1", "shortWatts": 100},
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "PartlyPlaced", "message": "m",
             "lastTransitionTime": "2026-11-24T07:28:00Z", "observedGeneration": 3}
        ],
    }  # fmt: skip
    read = parse_pool(POOL | {"status": status}).status
    assert parse_pool(POOL | {"status": read.wire()}).status == read
    assert read.placements[0].domain == "hall-2/row-5"
    assert read.conditions[0].status == "False"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_what_is_read_is_written_the_same(path: Path) -> None:
    obj = yaml.safe_load(path.read_text("utf-8"))
    resource = reading(obj)(obj)
    again = {**obj, "spec": resource.spec.wire()}
    assert reading(again)(again).spec == resource.spec


def test_resources_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse_pool(POOL).spec.gpus = 3
