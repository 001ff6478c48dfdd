"""The CRDs are generated, structural, bounded and described."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import Field

from aifactory.api import columns, crd
from aifactory.api.base import Model

CRDS = Path(__file__).parents[3] / "crds"
KINDS = (columns.FACTORY, columns.POOL)


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema below one, with its path."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from nodes(part, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{path}[]")


def schema_of(kind: columns.Kind) -> dict[str, Any]:
    schema: dict[str, Any] = crd.crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return {**schema, "properties": {part: schema["properties"][part] for part in ("spec", "status")}}


NODES = [(f"{kind.plural}{path}", node) for kind in KINDS for path, node in nodes(schema_of(kind))]


def test_the_files_are_the_generated_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert crd.main(["--check", str(CRDS)]) == 0, capsys.readouterr().err


def test_check_names_a_stale_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crd.main([str(tmp_path)]) == 0
    assert crd.main(["--check", str(tmp_path)]) == 0
    (tmp_path / "gpupools.yaml").write_text("old", "utf-8")
    assert crd.main(["--check", str(tmp_path)]) == 1
    assert "gpupools.yaml differs" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_the_text_is_plain_yaml(kind: columns.Kind) -> None:
    text = crd.rendered()[f"{kind.plural}.yaml"]
    assert yaml.safe_load(text) == crd.crd(kind)
    assert "&id" not in text


def test_every_field_is_described() -> None:
    named = [(path, node) for path, node in NODES if not path.endswith("[]") and "." in path]
    assert [path for path, node in named if len(node.get("description", "")) < 10] == []


def test_everything_has_a_bound() -> None:
    unbound = []
    for path, node in NODES:
        wanted = {
            "string": node.get("enum") or node.get("maxLength") or node.get("format"),
            "integer": "minimum" in node and "maximum" in node,
            "array": node.get("maxItems") and node.get("x-kubernetes-list-type"),
        }.get(node.get("type", ""), True)
        if not wanted:
            unbound.append(path)
    assert unbound == []


def test_bounds_are_exact_as_floats() -> None:
    # The API server keeps them as such, and refuses every value beside a bound that it had to round up.
    bounds = {node[key] for _, node in NODES for key in ("minimum", "maximum") if key in node}
    assert [bound for bound in bounds if abs(bound) > 2**53] == []


def test_there_are_no_floats_nor_nulls() -> None:
    assert [path for path, node in NODES if node.get("type") == "number" or node.get("nullable")] == []


def test_quantities_have_exactly_the_form_that_is_allowed() -> None:
    quantities = {path: node for path, node in NODES if node.get("x-kubernetes-int-or-string")}
    assert {path.rpartition(".")[2] for path in quantities} == {
        "quota", "limit", "peakPUE", "overheadPercent", "pricePerMWh", "maxWatts",
    }  # fmt: skip
    for node in quantities.values():
        assert node["anyOf"] == [{"type": "integer"}, {"type": "string"}]
        assert "type" not in node
        assert 'Quote numbers that are not whole: "42.5".' in node["description"]


def test_enums_are_camel_case() -> None:
    values = [value for _, node in NODES for value in node.get("enum", [])]
    assert [value for value in values if not value[0].isupper()] == []


def test_defaults_are_the_models_own_and_only_in_spec() -> None:
    found = {path: node["default"] for path, node in NODES if "default" in node}
    assert found == {
        "aifactories.spec.power.basis": "Gross",
        "aifactories.spec.power.overheadPercent": 0,
        "aifactories.spec.power.domains[].count": 1,
        "aifactories.spec.energy.pricePerMWh": 0,
        "aifactories.spec.energy.carbonGramsPerKWh": 0,
        "aifactories.spec.backend.coreWeave.computeClass": "Default",
        "aifactories.spec.sharedNodes": False,
        "aifactories.spec.longestDrainSeconds": 3600,
        "aifactories.spec.shedDrainSeconds": 600,
        "aifactories.spec.foreignDrainSeconds": 600,
        "aifactories.spec.tellTenants": "Numbers",
        "aifactories.spec.drain": False,
        "aifactories.spec.paused": False,
        "gpupools.spec.purpose": "Training",
        "gpupools.spec.priority": 0,
        "gpupools.spec.preemptible": False,
        "gpupools.spec.topology.pack": "None",
        "gpupools.spec.drainTimeoutSeconds": 600,
        "gpupools.spec.paused": False,
    }


def test_lists_of_named_things_are_maps_by_name() -> None:
    keys = {
        path: node.get("x-kubernetes-list-map-keys") for path, node in NODES if node.get("type") == "array"
    }
    assert {path: key for path, key in keys.items() if key} == {
        "aifactories.spec.power.domains": ["path"],
        "aifactories.spec.power.limits": ["domain"],
        "aifactories.spec.racks": ["domain", "system"],
        "aifactories.spec.systems": ["name"],
        "aifactories.spec.backend.clusterAPI.machines": ["system"],
        "aifactories.spec.backend.coreWeave.instanceTypes": ["system"],
        "aifactories.spec.backend.karpenter.instanceTypes": ["system"],
        "aifactories.status.conditions": ["type"],
        "gpupools.spec.nodeTaints": ["key", "effect"],
        "gpupools.spec.startupTaints": ["key", "effect"],
        "gpupools.status.conditions": ["type"],
    }


class _Recursive(Model):
    parts: Annotated[tuple["_Recursive", ...], Field(max_length=1)] = ()


class _Union(Model):
    value: Annotated[int, Field(ge=0, le=1)] | Literal["a", "b"]


class _Constant(Model):
    value: Literal["only"]


@pytest.mark.parametrize(
    ("model", "message"), [(_Recursive, "recursive"), (_Union, "union"), (_Constant, "const")]
)
def test_what_kubernetes_does_not_take_is_refused(model: type[Model], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        crd.structural(model)
