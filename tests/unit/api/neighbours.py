"""Objects in which one field is other than in a full, valid one: made from the schema, field by field.

Each field is taken out, set to null, to other types, to its bounds and beyond, to each word of its enum and
another, to text that fits its pattern and text that does not. What is right is the API server's to say.
"""

import copy
from collections.abc import Iterator
from typing import Any, Final

from aifactory.api import columns, crd
from unit.api.bad_objects import FACTORY, POOL

Path = tuple[str | int, ...]

_TYPES: Final[tuple[Any, ...]] = ("8", 8, 16.0, 1e5, 2.5, True, [], {}, [None], {"a": None}, None)
_TEXTS: Final = ("", "a", "A", "a b", "a\n", "-a", "é", "a/b", "a/b/c/d/e/f/g", "hall-1", "a.b", "a_b", "1")
_QUANTITIES: Final = (
    *("0", "1", "0.5", ".5", "5.", "+1", "-1", "1e3", "1E3", "1e-3", "1e99", "1e-99", "1e100", "0e99"),
    *("100m", "1500m", "1u", "1n", "1k", "1K", "1M", "1Mi", "1T", "1.0000000001T", "1E", "1e", "k", "", " 1"),
    *("1 k", "1k\n", "٣", "0x10", "1_000", "1,5", "9" * 32, "9" * 33, "0.9999999999", "0.99999999999999"),
    *(0, 1, -1, 10**12, 10**12 + 1, 2**63, 1e5, 0.5),
)
_LABELS: Final = (
    {"team": "n l p"},
    {"team": ""},
    {"team": None},
    {"team": 3},
    {"a b": "c"},
    {"": "c"},
    {"a" * 63: "c"},
    {"a" * 64: "c"},
    {"d" * 253 + "/a": "c"},
    {"d" * 254 + "/a": "c"},
    {"Example.com/a": "c"},
    {"example.com/A": "c"},
    {"a": "c" * 63},
    {"a": "c" * 64},
    {"a": "c\n"},
    {"a/b/c": "d"},
)
_METADATA: Final = (
    *(("labels", labels) for labels in _LABELS),
    *(("annotations", labels) for labels in _LABELS),
    ("annotations", {"a": "b" * (262_144 - 1)}),
    ("annotations", {"a": "b" * 262_144}),
    *((field, None) for field in ("labels", "annotations", "finalizers", "creationTimestamp", "namespace")),
    *((field, "text") for field in ("labels", "annotations", "finalizers", "creationTimestamp")),
    ("finalizers", ["example.com/a"]),
    ("finalizers", ["a b"]),
    ("finalizers", ["plain"]),
    ("finalizers", [None]),
    ("creationTimestamp", "2026-11-24T07:28:00Z"),
    ("creationTimestamp", "2026-11-24T07:28:00+01:00"),
    ("creationTimestamp", "2026-11-24"),
    ("generation", 3),
    ("generation", "3"),
    ("colour", "red"),
    ("ownerReferences", []),
    ("ownerReferences", [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b"}]),
    ("ownerReferences", [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a"}]),
    ("ownerReferences", [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b", "colour": 1}]),
    ("name", "a" * 40),
    ("name", "a" * 41),
    ("name", "a" * 63),
    ("name", "a" * 64),
    ("name", "a.b"),
    ("name", "A"),
    ("name", "a\n"),
    ("name", 3),
)

# Objects with a value in every field.
_SYSTEM: Final = {
    "name": "box",
    "unit": "Rack",
    "nodesPerRack": 4,
    "gpusPerNode": 8,
    "maxWatts": "10k",
    "resourceName": "nvidia.com/gpu",
    "nodeLabels": {"example.com/box": "yes"},
}
_TYPE: Final = {"system": "hgx-h100", "instanceType": "big"}
_TEMPLATE: Final = {"kind": "Template", "name": "a", "apiGroup": "example.com"}
_BACKENDS: Final[tuple[dict[str, Any], ...]] = (
    {"kwok": {}},
    {
        "clusterAPI": {
            "namespace": "a",
            "clusterName": "b",
            "version": "v1.36.3",
            "machines": [{"system": "hgx-h100", "bootstrap": _TEMPLATE, "infrastructure": _TEMPLATE}],
        }
    },
    {"coreWeave": {"computeClass": "Spot", "instanceTypes": [_TYPE]}},
    {"karpenter": {"nodeClass": {"group": "a", "kind": "B", "name": "c"}, "instanceTypes": [_TYPE]}},
)


def full() -> Iterator[dict[str, Any]]:
    """Yield objects that are valid, with a value in every field of the schema that may stand together."""
    for backend in _BACKENDS:
        factory = copy.deepcopy(FACTORY)
        factory["spec"] |= {
            "region": "us-south",
            "backend": backend,
            "energy": {"pricePerMWh": "42.5", "carbonGramsPerKWh": 380},
            "systems": [_SYSTEM],
            "outOfService": ["hall-1/row-2"],
            "maintenance": {"hall-2": {"reason": "feeder swap"}},
            "sharedNodes": True,
            "tenantLabelPrefixes": ["example.com"],
            "longestDrainSeconds": 600,
            "shedDrainSeconds": 60,
            "foreignDrainSeconds": 60,
            "tellTenants": "Reason",
            "drain": True,
            "paused": True,
        }
        factory["spec"]["power"]["overheadPercent"] = "13.6"
        factory["spec"]["power"]["limits"] = [{"domain": "hall-2", "limit": "4M"}]
        factory["spec"]["racks"][0]["nodesPerRack"] = 4
        yield factory
    factories = {
        "names": ["dfw-1"],
        "exclude": ["phx-2"],
        "selector": {
            "matchLabels": {"region": "us"},
            "matchExpressions": [{"key": "region", "operator": "In", "values": ["us"]}],
        },
    }
    topologies = (
        {"pack": "Domain", "domain": "hall"},
        {"spread": {"over": "Domain", "domain": "hall", "atLeast": 2}},
    )
    for topology in topologies:
        pool = copy.deepcopy(POOL)
        pool["spec"] |= {
            "minGpus": 8,
            "purpose": "Inference",
            "priority": 5,
            "preemptible": True,
            "topology": topology,
            "factories": factories,
            "drainTimeoutSeconds": 60,
            "nodeLabels": {"team": "nlp"},
            "nodeTaints": [{"key": "team", "value": "nlp", "effect": "NoSchedule"}],
            "startupTaints": [{"key": "node.cilium.io/agent-not-ready", "effect": "NoExecute"}],
            "paused": True,
        }
        yield pool


def neighbours() -> dict[str, dict[str, Any]]:
    """Return every neighbour of the full objects, by the field and the value that differ."""
    found: dict[str, dict[str, Any]] = {}
    for base in full():
        kind = columns.FACTORY if base["kind"] == "AIFactory" else columns.POOL
        (version,) = crd.crd(kind)["spec"]["versions"]
        schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        fields = [(("spec", *path), part) for path, part in _fields(base["spec"], schema, ())]
        for path, part in [(("spec",), schema), *fields]:
            for value in _values(_at(base, path), part):
                found.setdefault(
                    f"{kind.model.__name__} {_show(path)} = {value!r:.120}", _with(base, path, value)
                )
            gone = copy.deepcopy(base)
            above = _at(gone, path[:-1])
            above.pop(path[-1])
            found.setdefault(f"{kind.model.__name__} without {_show(path)}", gone)
        for field, value in _METADATA:
            found.setdefault(
                f"{kind.model.__name__} metadata.{field} = {value!r:.120}",
                _with(base, ("metadata", field), value),
            )
    return found


def _fields(value: Any, schema: dict[str, Any], path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield all that stands below a value, with its schema."""
    below: list[tuple[str | int, Any, dict[str, Any]]] = []
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        below = [(key, item, known.get(key, others)) for key, item in value.items()]
    elif isinstance(value, list):
        below = [(index, item, schema["items"]) for index, item in enumerate(value)]
    for step, item, part in below:
        yield (*path, step), part
        yield from _fields(item, part, (*path, step))


def _values(given: Any, schema: dict[str, Any]) -> Iterator[Any]:
    yield from _TYPES
    if schema.get("x-kubernetes-int-or-string"):
        yield from _QUANTITIES
    elif "enum" in schema:
        yield from (*schema["enum"], "Other", "")
    elif schema["type"] == "integer":
        bounds = schema["minimum"], schema["maximum"]
        yield from (*bounds, bounds[0] - 1, bounds[1] + 1, float(bounds[0]), bounds[0] + 0.5)
    elif schema["type"] == "string":
        yield from _TEXTS
        yield from ("a" * (schema["maxLength"] + more) for more in (0, 1))
        yield from ("é" * (schema["maxLength"] + more) for more in (0, 1))
    elif schema["type"] == "array":
        yield from ([*given, *given], [*given, None], [*given, {}], [*given, "other"])
        yield from ([given[0]] * (schema["maxItems"] + 1), {"0": given[0]})
    elif "additionalProperties" in schema:
        yield from _LABELS
        yield {f"a{number}": "b" for number in range(schema["maxProperties"] + 1)}
    elif schema["type"] == "object":
        yield from ({**given, "colour": "red"}, {**given, "colour": None}, [given])


def _at(obj: Any, path: Path) -> Any:
    for step in path:
        obj = obj[step]
    return obj


def _with(base: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(base)
    _at(changed, path[:-1])[path[-1]] = value
    return changed


def _show(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
