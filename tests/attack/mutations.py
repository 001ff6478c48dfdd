"""Steps that a user might take, by accident or not: drawn from the schema of our resources, and from a list.

A step is plain data, so that a walk can be kept as YAML and played again without some of its steps:

    {kind: GPUPool, name: any, path: [spec, gpus], value: 7}     a field is set; without `value` it is removed
    {kind: GPUPool, name: any}                                   the object is deleted
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from random import Random
from typing import Any

import yaml

from attack.story import GPUS, NODE
from cluster.operating import ROOT

Object = dict[str, Any]
Fleet = dict[tuple[str, str], Object]  # by kind and name
Step = dict[str, Any]

MOST_NODES = 48  # that a step may bring about: the machine has to carry them
_ABSENT: Any = object()
_UNTOUCHED = ("backend",)  # what no driver of this version drives just stands still


def keyed(objects: list[Object]) -> Fleet:
    """Objects by kind and name."""
    return {(obj["kind"], obj["metadata"]["name"]): deepcopy(obj) for obj in objects}


def applied(fleet: Fleet, step: Step) -> Fleet:
    """The fleet after a step; the same where its object, or what its path leads through, is not there."""
    key = step["kind"], step["name"]
    if key not in fleet:
        return fleet
    after = deepcopy(fleet)
    if "path" not in step:
        del after[key]
        return after
    *way, last = step["path"]
    at: Any = after[key]
    for part in way:
        if isinstance(at, dict):
            at = at.setdefault(part, {})
        elif isinstance(at, list) and isinstance(part, int) and part < len(at):
            at = at[part]
        else:
            return fleet
    return after if _put(at, last, step.get("value", _ABSENT)) else fleet


def _put(at: Any, last: str | int, value: Any) -> bool:
    if isinstance(at, list) and isinstance(last, int) and last < len(at):
        if value is _ABSENT:
            del at[last]
        else:
            at[last] = value
    elif isinstance(at, dict):
        at.pop(last, None)
        if value is not _ABSENT:
            at[last] = value
    else:
        return False
    return True


def drawn(draw: Random, fleet: Fleet) -> Step:
    """A step for this fleet that the machine can carry: one half of them from the schema."""
    while True:
        key = draw.choice(sorted(fleet))
        step = _by_schema(draw, *key, fleet[key]) if draw.random() < 0.5 else _by_list(draw, *key, fleet)
        after = applied(fleet, step)
        if after != fleet and bearable(after):
            return step


def bearable(fleet: Fleet) -> bool:
    """Whether no more nodes can come of it than the machine carries: by the wishes, or by the racks."""
    specs = [(kind, obj.get("spec", {})) for (kind, _), obj in fleet.items()]
    wishes = sum(_number(spec.get("gpus")) for kind, spec in specs if kind == "GPUPool") // GPUS
    racks = 0
    for kind, spec in specs:
        if kind == "AIFactory":
            racks += sum(_racks(group, spec) for group in spec.get("racks") or ())
    return min(wishes, racks * 4) <= MOST_NODES


def _racks(group: Object, spec: Object) -> int:
    found = _number(group.get("count"), 1)
    for domain in (spec.get("power") or {}).get("domains") or ():
        found *= max(1, _number(domain.get("count"), 1))
    return found * max(1, _number(group.get("nodesPerRack"), 4) // 4)


def _number(value: Any, default: int = 0) -> int:
    return value if isinstance(value, int) else default


# From the schema


@cache
def _schemas() -> Mapping[str, Object]:
    found = {}
    for file in ("aifactories", "gpupools"):
        crd = yaml.safe_load((ROOT / "crds" / f"{file}.yaml").read_text())
        (version,) = crd["spec"]["versions"]
        found[crd["spec"]["names"]["kind"]] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def _by_schema(draw: Random, kind: str, name: str, obj: Object) -> Step:
    fields = list(_fields(_schemas()[kind], obj.get("spec", {}), ("spec",)))
    path, schema, value = draw.choice(fields)
    other = draw.choice(list(_others(schema, value)))
    step = {"kind": kind, "name": name, "path": list(path)}
    return step if other is _ABSENT else step | {"value": other}


def _fields(schema: Object, value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[Any, Object, Any]]:
    """All fields with their schemas and values: those that are there, and those that could be."""
    for name, its in sorted(schema.get("properties", {}).items()):
        if name in _UNTOUCHED:
            continue
        here = value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT
        yield (*path, name), its, here
        if here is not _ABSENT:
            yield from _fields(its, here, (*path, name))
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield (*path, number), schema["items"], item
            yield from _fields(schema["items"], item, (*path, number))


def _others(schema: Object, value: Any) -> Iterator[Any]:
    """Other values: of the kind, at the ends of its range, just beyond them, and none at all."""
    if value is not _ABSENT:
        yield _ABSENT
    if "enum" in schema:
        yield from (it for it in schema["enum"] if it != value)
    elif schema.get("x-kubernetes-int-or-string"):
        yield from (0, -1, 1, 3 * NODE, f"{5 * NODE}", "1M", "1.5", "much")
    elif schema.get("type") == "integer":
        low, high = schema.get("minimum", 0), schema.get("maximum", 2**31 - 1)
        yield from {low - 1, low, low + 1, high, high + 1, 0}
        if value is not _ABSENT:
            yield from {value - 1, value + 1, value * 2}
    elif schema.get("type") == "boolean":
        yield value is _ABSENT or not value
    elif schema.get("type") == "string":
        yield from ("", "x", "row", "row-1", "hgx-h100", "gb200-nvl72", "alpha", "no such thing", "x" * 300)
    elif schema.get("type") == "array":
        yield []
        if isinstance(value, list) and value:
            yield from (value[:-1], [*value, value[-1]])
        elif schema["items"].get("type") == "string":
            yield from (["row-1"], ["beta"], ["no such thing"])
    elif schema.get("type") == "object":
        yield {}


# From a list


def _by_list(draw: Random, kind: str, name: str, fleet: Fleet) -> Step:
    """What happens to sites and pools: power, racks, counts, priorities, drains, pauses and ends."""
    if kind == "GPUPool":
        choices: list[tuple[list[str | int], Any]] = [
            (["spec", "gpus"], draw.choice([0, 8, 16, 24, 40, 64])),
            (["spec", "minGpus"], draw.choice([0, 8, 24])),
            (["spec", "priority"], draw.choice([-5, 0, 7, 50])),
            (["spec", "preemptible"], draw.random() < 0.5),
            (["spec", "paused"], draw.random() < 0.5),
            (["spec", "topology"], draw.choice([{"pack": "Factory"}, {"pack": "Fabric"}, _ABSENT])),
            (["spec", "factories"], draw.choice([{"names": ["alpha"]}, {"names": ["beta"]}, _ABSENT])),
        ]
    else:
        watts = draw.randrange(13) * NODE
        choices = [
            (["spec", "power", "quota"], watts),
            (["spec", "power"], _gross(fleet[kind, name], draw.choice(["1.1", "1.5", "3"]))),
            (["spec", "power", "domains", 0, "limit"], watts // 2),
            (["spec", "power", "limits"], [{"domain": "row-1", "limit": watts // 3}]),
            (["spec", "power", "overheadPercent"], draw.choice([0, 14, 100])),
            (["spec", "racks"], []),
            (["spec", "racks", 0, "count"], draw.choice([1, 2, 3])),
            (["spec", "outOfService"], draw.choice([["row-1"], ["row"], []])),
            (["spec", "drain"], draw.random() < 0.7),
            (["spec", "paused"], draw.random() < 0.5),
        ]
    if draw.random() < 0.08:
        return {"kind": kind, "name": name}
    path, value = draw.choice(choices)
    step: Step = {"kind": kind, "name": name, "path": path}
    return step if value is _ABSENT else step | {"value": value}


def _gross(obj: Object, pue: str) -> Object:
    power = obj.get("spec", {}).get("power", {})
    return {**power, "basis": "Gross", "peakPUE": pue}
