"""What the API server says of an object at apply, by the CRD's own schema and rules, without a server.

It goes in the server's order: what no schema knows is named and dropped, nulls go, defaults come; then the
schema, the lists whose items are told apart, and the rules in CEL judge. The server leaves out later steps
after some errors; here all are made, so that all wrong fields are named at once.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from jsonschema import Draft7Validator, ValidationError, validators

from aifactory.api import columns, crd, names, quantity
from aifactory.api.reading import Problem
from aifactory.cli import cel_rules
from aifactory.cli.object_meta import OBJECT_META, unfit_metadata

Schema = Mapping[str, Any]

_KINDS: Final = {kind.model.__name__: kind for kind in (columns.FACTORY, columns.POOL)}
_TYPES: Final = {
    "integer": "a valid integer",
    "boolean": "a valid boolean",
    "string": "a valid string",
    "array": "a list",
    "object": "an object with fields",
}


@dataclass(frozen=True)
class Answer:
    """What the API server keeps of an object, and what it refuses it for."""

    kept: dict[str, Any]  # without its status, which the API server leaves aside
    problems: tuple[Problem, ...]


def admit(obj: Mapping[str, Any]) -> Answer:
    """Answer as the API server does when an AIFactory or GPUPool is applied."""
    kind = str(obj["kind"])
    schema = schema_of(kind)
    problems: list[Problem] = []
    kept = _kept(obj, schema, "", problems)
    kept.pop("status", None)
    problems += [_problem(error) for error in _validator(kind).iter_errors(kept)]
    wrong = frozenset(problem.path for problem in problems)
    problems += unfit_metadata(kept.get("metadata"))
    problems += _duplicates(kept, schema, "")
    problems += _broken_rules(kept, schema, "", wrong)
    return Answer(kept, tuple(dict.fromkeys(problems)))


@cache
def schema_of(kind: str) -> Schema:
    """Return the schema of a whole AIFactory or GPUPool, metadata included."""
    (version,) = crd.crd(_KINDS[kind])["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    schema["required"] = ["metadata", *schema["required"]]
    schema["properties"]["metadata"] = OBJECT_META
    schema["properties"]["apiVersion"]["enum"] = [names.API_VERSION]
    return schema


@cache
def _validator(kind: str) -> Draft7Validator:
    judge = validators.extend(Draft7Validator, {"pattern": _pattern, "required": _required})
    return judge(schema_of(kind))


# What the API server keeps


def _kept(value: Any, schema: Schema, path: str, problems: list[Problem]) -> Any:
    """Copy a value without what the schema does not know and without nulls, and with its defaults."""
    if isinstance(value, list):
        items = schema.get("items", {})
        return [_kept(item, items, f"{path}[{index}]", problems) for index, item in enumerate(value)]
    if not isinstance(value, Mapping) or schema.get("type") != "object":
        return value
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    kept = {}
    for key, item in value.items():
        below = known.get(key, others)
        if below is None:
            problems.append(Problem(_join(path, key), "is not a known field"))
        elif item is not None:
            kept[key] = _kept(item, below, _join(path, key), problems)
    return kept | {
        key: below["default"] for key, below in known.items() if key not in kept and "default" in below
    }


def _join(path: str, key: str) -> str:
    return f"{path}.{key}".removeprefix(".")


# The schema


def _pattern(
    validator: Draft7Validator, pattern: str, value: Any, schema: Schema
) -> Iterator[ValidationError]:
    """Go's `$` is the end of the text; Python's matches before a last newline, too."""
    if isinstance(value, str) and not cel_rules.matches(value, pattern):
        yield ValidationError("pattern")


def _required(
    validator: Draft7Validator, required: list[str], value: Any, schema: Schema
) -> Iterator[ValidationError]:
    """Name the field itself, as the API server does."""
    if isinstance(value, Mapping):
        for name in required:
            if name not in value:
                yield ValidationError("required", path=[name])


def _problem(error: ValidationError) -> Problem:
    """Say in our own words what the schema has against a value."""
    path = ""
    for step in error.absolute_path:
        path = f"{path}[{step}]" if isinstance(step, int) else _join(path, step)
    return Problem(path, _said(error))


def _said(error: ValidationError) -> str:
    found, bound = error.instance, error.validator_value
    if error.validator == "required":
        return "is required"
    if isinstance(error.schema, Mapping) and error.schema.get("x-kubernetes-int-or-string"):
        rule, *_ = error.schema["x-kubernetes-validations"]
        return _of_quantity(found, rule["message"])
    match error.validator:
        case "type":
            allowed = _TYPES[bound]
        case "enum":
            *most, last = map(repr, bound)
            allowed = f"{', '.join(most)} or {last}" if most else bound[0]
        case "minimum" | "maximum":
            allowed = f"{'greater' if error.validator == 'minimum' else 'less'} than or equal to {bound}"
        case "minLength" | "maxLength":
            allowed = (
                f"at {error.validator[:3].replace('min', 'least').replace('max', 'most')} {bound} characters"
            )
        case "minItems" | "maxItems" | "maxProperties":
            size = "at least" if error.validator == "minItems" else "at most"
            return f"found {len(found)} items, allowed are {size} {bound}"
        case "pattern":
            allowed = names.MEANING.get(bound, f"text that matches {bound}")
        case _:
            allowed = error.message
    shown = repr(found)
    return f"found {shown if len(shown) <= 80 else shown[:77] + '...'}, allowed is {allowed}"


def _of_quantity(found: Any, allowed: str) -> str:
    try:
        quantity.parse(found)
    except ValueError as error:
        return str(error)
    return f"found {found}, {allowed}"


# Lists whose items are told apart


def _duplicates(value: Any, schema: Schema, path: str) -> Iterator[Problem]:
    for below, part, place in _parts(value, schema, path):
        yield from _duplicates(below, part, place)
    if not isinstance(value, list) or schema.get("x-kubernetes-list-type") not in ("map", "set"):
        return
    keys = schema.get("x-kubernetes-list-map-keys")
    seen: set[str] = set()
    for index, item in enumerate(value):
        if keys and not isinstance(item, Mapping):
            continue  # its type is wrong
        names_it = [item.get(key) for key in keys] if keys else [item]
        identity = json.dumps(names_it, sort_keys=True)
        if identity in seen:
            yield Problem(f"{path}[{index}]", f"found {', '.join(map(str, names_it))} twice, allowed is once")
        seen.add(identity)


def _parts(value: Any, schema: Schema, path: str) -> Iterable[tuple[Any, Schema, str]]:
    """Yield what stands in a value, each part with its schema and its path."""
    if isinstance(value, Mapping):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        for key, item in value.items():
            if below := known.get(key, others):
                yield item, below, _join(path, key)
    elif isinstance(value, list) and (items := schema.get("items")):
        for index, item in enumerate(value):
            yield item, items, f"{path}[{index}]"


# Rules


def _broken_rules(value: Any, schema: Schema, path: str, wrong: frozenset[str]) -> Iterator[Problem]:
    """Yield the rules that a value and its parts break.

    Where the schema has something against the object, a rule without an answer says nothing more.
    """
    for below, part, place in _parts(value, schema, path):
        yield from _broken_rules(below, part, place, wrong)
    if path in wrong:
        return
    for rule in schema.get("x-kubernetes-validations", ()):
        if "oldSelf" in rule["rule"]:
            continue  # about a change, and there is none
        try:
            message = cel_rules.broken(rule, value)
        except ValueError as error:
            message = "" if wrong else f"{rule['message']}; this cannot be judged: {error}"
        if message:
            yield Problem(f"{path}{rule.get('fieldPath', '')}".removeprefix("."), message)
