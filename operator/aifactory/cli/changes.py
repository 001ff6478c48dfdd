"""`--set aifactory/dfw-1:spec.power.quota=92M`: what-ifs without an edit of the files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import yaml

from aifactory.cli.documents import Loader, as_json

if TYPE_CHECKING:
    from aifactory.cli.admission import Schema

_KINDS = {
    **dict.fromkeys(("aifactory", "aifactories", "aif"), "AIFactory"),
    **dict.fromkeys(("gpupool", "gpupools", "agp"), "GPUPool"),
}
_FORM = "aifactory/NAME:FIELD=VALUE or gpupool/NAMESPACE/NAME:FIELD=VALUE"
_STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\]]*)\]")
_SHOWN = 12


class BadChange(ValueError):  # noqa: N818 - as it reads in `except BadChange`
    """A change that cannot be made: what was found and what is allowed."""


@dataclass(frozen=True)
class Change:
    """One field of one object and its new value."""

    kind: str
    namespace: str
    name: str
    steps: tuple[str, ...]
    value: Any

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind.lower(), self.namespace, self.name) if part)


def read_change(text: str) -> Change:
    """Read one change as it is written after `--set`. Raises BadChange."""
    where, colon, rest = text.partition(":")
    field, equals, value = rest.partition("=")
    kind, *names = where.split("/")
    known = _KINDS.get(kind.lower(), "")
    if not (colon and equals and field and known) or len(names) != (1 if known == "AIFactory" else 2):
        raise BadChange(f"found {text!r}, allowed is {_FORM}")
    steps = _STEP.findall(field)
    if "".join(f"[{key}]" if key else f".{name}" for name, key in steps) != f".{field}":
        raise BadChange(f"found {field!r}, allowed is a path such as spec.power.domains[hall].limit")
    try:
        read = as_json(yaml.load(value, Loader))
    except yaml.YAMLError:
        raise BadChange(f"{field}: found {value!r}, allowed is a value as YAML has it") from None
    namespace = names[0] if known == "GPUPool" else ""
    return Change(known, namespace, names[-1], tuple(name or key for name, key in steps), read)


def make_changes(changes: Sequence[Change], objects: Sequence[dict[str, Any]]) -> None:
    """Change the objects in place, as `kubectl edit` would: null takes a field out. Raises BadChange."""
    from aifactory.cli.admission import schema_of  # noqa: PLC0415 - it takes its time to import

    for change in changes:
        found = [obj for obj in objects if _is(obj, change)]
        if not found:
            there = sorted({_title(obj) for obj in objects if obj.get("kind") == change.kind})
            raise BadChange(f"found no {change} in the files, there are {_some(there)}")
        for obj in found:
            _set(obj, schema_of(change.kind), change.steps, change.value, "")


def _is(obj: Mapping[str, Any], change: Change) -> bool:
    return obj.get("kind") == change.kind and _title(obj) == str(change)


def _title(obj: Mapping[str, Any]) -> str:
    meta = obj.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    namespace = (meta.get("namespace") or "default",) if obj.get("kind") == "GPUPool" else ()
    return "/".join(map(str, (str(obj.get("kind")).lower(), *namespace, meta.get("name"))))


def _some(words: Sequence[str], near: str = "") -> str:
    shown = [*get_close_matches(near, words, 3), *words] if near else list(words)
    shown = list(dict.fromkeys(shown))
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return (", ".join(shown[:_SHOWN]) or "none") + more


def _set(place: Any, schema: "Schema", steps: tuple[str, ...], value: Any, path: str) -> None:
    """Set what is `steps` below a place of an object; places on the way there are made."""
    step, *below = steps
    if isinstance(place, list):
        _set_item(place, schema, steps, value, path)
        return
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    part = known.get(step, others)
    here = f"{path}.{step}".removeprefix(".")
    if not path:
        known = {name: known[name] for name in ("metadata", "spec")}
    if part is None or (not path and step not in known):
        raise BadChange(f"{here}: is not a known field, allowed are {_some(sorted(known), step)}")
    if not below:
        place.pop(step, None) if value is None else place.update({step: value})
        return
    kinds = {"object": dict, "array": list}
    made = kinds.get(part.get("type", ""))
    if made is None:
        raise BadChange(f"{here}: has no fields of its own, found .{'.'.join(below)}")
    if not isinstance(place.get(step), made):
        place[step] = made()
    _set(place[step], part, tuple(below), value, here)


def _set_item(items: list[Any], schema: "Schema", steps: tuple[str, ...], value: Any, path: str) -> None:
    """Set an item of a list, or something in it: by its number from 0, or by what tells it apart."""
    step, *below = steps
    keys = schema.get("x-kubernetes-list-map-keys", [])
    texts = [",".join(str(it.get(key)) for key in keys) if isinstance(it, dict) else str(it) for it in items]
    part = schema["items"]
    if step in texts:
        at = texts.index(step)
    elif step.isdecimal() and int(step) < len(items):
        at = int(step)
    elif keys and len(given := step.split(",")) == len(keys) and not step.isdecimal():
        at = len(items)
        items.append(dict(zip(keys, given, strict=True)))
    else:
        told = f"{','.join(keys)}: " if keys else ""
        numbers = f"0 to {len(items) - 1}" if items else "none"
        raise BadChange(
            f"{path}[{step}]: is not there, allowed are {told}{_some(texts)}; or numbers: {numbers}"
        )
    here = f"{path}[{step}]"
    if below and isinstance(items[at], dict):
        _set(items[at], part, tuple(below), value, here)
    elif below:
        raise BadChange(f"{here}: has no fields of its own, found .{'.'.join(below)}")
    elif value is None:
        del items[at]
    else:
        items[at] = value
