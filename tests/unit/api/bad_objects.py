"""Wrong resources, and the fields that have to be named. The API server and our own reading judge alike."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FACTORY: dict[str, Any] = {
    "apiVersion": "aifactory.dev/v1alpha1",
    "kind": "AIFactory",
    "metadata": {"name": "site"},
    "spec": {
        "power": {
            "quota": "10M",
            "basis": "Gross",
            "peakPUE": "1.2",
            "domains": [
                {"path": "hall", "count": 2, "limit": "5M"},
                {"path": "hall/row", "count": 4, "limit": "1M"},
            ],
        },
        "racks": [{"domain": "hall/row", "system": "hgx-h100", "count": 4, "fabric": "hall"}],
        "backend": {"kwok": {}},
    },
}
POOL: dict[str, Any] = {
    "apiVersion": "aifactory.dev/v1alpha1",
    "kind": "GPUPool",
    "metadata": {"name": "pool", "namespace": "default"},
    "spec": {"gpus": 8, "systems": ["hgx-h100"]},
}


def changed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Copy an object with some fields changed, by paths such as `spec.racks.0.count`; None removes."""
    result = copy.deepcopy(dict(base))
    for path, value in changes.items():
        *above, last = (int(step) if step.isdecimal() else step for step in path.split("."))
        place: Any = result
        for step in above:
            place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
        if value is None:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return result


@dataclass(frozen=True)
class Bad:
    """A wrong object, and each wrong field with words of its message."""

    name: str
    object: dict[str, Any]
    wrong: dict[str, str]
    server: str  # words of the API server's message; empty: the same as ours

    def __str__(self) -> str:
        return f"{self.object['kind']} {self.name}"


def _read(rows: list[dict[str, Any]], base: Mapping[str, Any]) -> tuple[Bad, ...]:
    return tuple(
        Bad(row["name"], changed(base, row["set"]), row["wrong"], row.get("server", "")) for row in rows
    )


_TABLE = yaml.safe_load(Path(__file__).with_name("bad_objects.yaml").read_text("utf-8"))
BAD = _read(_TABLE["factory"], FACTORY) + _read(_TABLE["pool"], POOL)
READING_ONLY = _read(_TABLE["reading_only"], FACTORY)
AT_APPLY = _read(_TABLE["at_apply"], FACTORY) + _read(_TABLE["at_apply_pool"], POOL)
