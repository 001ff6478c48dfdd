"""Reads whole resources, and names every wrong field at once, as the API server does."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from aifactory.api import names
from aifactory.api.base import Model
from aifactory.api.factory import AIFactory
from aifactory.api.factory_status import AIFactoryStatus
from aifactory.api.meta import ObjectMeta
from aifactory.api.pool import GPUPool
from aifactory.api.pool_status import GPUPoolStatus

Resource = TypeVar("Resource", AIFactory, GPUPool)


@dataclass(frozen=True)
class Problem:
    """One wrong field: its path as the API server prints it, and what is allowed."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class Invalid(ValueError):  # noqa: N818 - as it reads in `except Invalid`
    """A resource that is not valid, with all its problems."""

    def __init__(self, resource: str, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join([f"{resource} is not valid:", *(f"  {problem}" for problem in problems)]))
        self.problems = problems


def parse_factory(obj: Mapping[str, Any]) -> AIFactory:
    """Read an AIFactory. Raises Invalid."""
    return _parse(AIFactory, obj)


def parse_pool(obj: Mapping[str, Any]) -> GPUPool:
    """Read a GPUPool. Raises Invalid."""
    return _parse(GPUPool, obj)


def _parse(kind: type[Resource], obj: Mapping[str, Any]) -> Resource:
    wanted = {"apiVersion": names.API_VERSION, "kind": kind.__name__}
    problems = [
        Problem(key, f"found {obj.get(key)!r}, allowed is {value}")
        for key, value in wanted.items()
        if obj.get(key) != value
    ]
    metadata = obj.get("metadata")
    if isinstance(metadata, Mapping):
        metadata = {alias: metadata[alias] for alias in _METADATA if alias in metadata}
    try:
        parts = {"metadata": metadata, "spec": obj.get("spec")}
        resource = kind.model_validate({name: part for name, part in parts.items() if part is not None})
    except ValidationError as error:
        problems += [_problem(detail) for detail in error.errors(include_url=False)]
    else:
        problems += _broken_rules(resource, "")
        if not problems:
            return resource.model_copy(update={"status": _status(kind, obj.get("status"))})
    name = metadata.get("name") if isinstance(metadata, dict) else None
    raise Invalid(f"{kind.__name__} {name or '(without a name)'}", tuple(problems))


_METADATA: Final = [field.alias or name for name, field in ObjectMeta.model_fields.items()]


def status_problems(obj: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Return what cannot be read in the status of an AIFactory or GPUPool.

    A reading starts with an empty status then: it is our own summary, which nodes can tell anew. Who has
    nothing but the status has to ask first.
    """
    try:
        _status_model(str(obj.get("kind"))).model_validate({} if (it := obj.get("status")) is None else it)
    except ValidationError as error:
        found = (_problem(detail) for detail in error.errors(include_url=False))
        return tuple(Problem(f"status.{it.path}".removesuffix("."), it.message) for it in found)
    return ()


def _status_model(kind: str) -> type[AIFactoryStatus] | type[GPUPoolStatus]:
    return AIFactoryStatus if kind == AIFactory.__name__ else GPUPoolStatus


def _status(kind: type[Resource], status: object) -> AIFactoryStatus | GPUPoolStatus:
    model = _status_model(kind.__name__)
    try:
        return model.model_validate(status or {})
    except ValidationError:
        return model()


def _problem(detail: ErrorDetails) -> Problem:
    """Say what Pydantic found in our own words."""
    path = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in detail["loc"]
    ).removeprefix(".")
    found, context = detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return Problem(path, "is required")
        case "quantity":
            return Problem(path, context["reason"])
        case "too_long" | "too_short":
            bounds = (
                f"at most {context['max_length']}"
                if "max_length" in context
                else f"at least {context['min_length']}"
            )
            return Problem(path, f"found {len(found)} items, allowed are {bounds}")
        case "string_pattern_mismatch":
            allowed = names.MEANING.get(context["pattern"], f"text that matches {context['pattern']}")
        case "tuple_type":
            allowed = "a list"
        case "model_type" | "dict_type":
            allowed = "an object with fields"
        case _:
            allowed = re.sub(r"^\w+ should (be|have) ", "", detail["msg"])
    shown = repr(found)
    return Problem(path, f"found {shown if len(shown) <= 80 else shown[:77] + '...'}, allowed is {allowed}")


def _broken_rules(model: Model, path: str) -> Iterator[Problem]:
    """Yield the rules that a model and its parts break."""
    for rule in model.RULES:
        if not rule.at_apply and (message := rule.message(model)):
            yield Problem(f"{path}{rule.at}".removeprefix("."), message)
    for name, field in type(model).model_fields.items():
        value, place = getattr(model, name), f"{path}.{field.alias}"
        if isinstance(value, Model):
            yield from _broken_rules(value, place)
        elif isinstance(value, tuple):
            yield from _duplicates(value, field, place)
            for index, item in enumerate(value):
                if isinstance(item, Model):
                    yield from _broken_rules(item, f"{place}[{index}]")


def _duplicates(items: tuple[Any, ...], field: FieldInfo, path: str) -> Iterator[Problem]:
    """Yield the items of a list-map or a list-set that stand there twice."""
    keywords = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    if keywords.get("x-kubernetes-list-type") not in ("map", "set"):
        return
    keys = cast("list[str]", keywords.get("x-kubernetes-list-map-keys", []))
    seen = set()
    for index, item in enumerate(items):
        # List-map keys are single words, alike in Python and on the wire.
        identity = tuple(getattr(item, key) for key in keys) if keys else (item,)
        if identity in seen:
            yield Problem(
                f"{path}[{index}]".removeprefix("."), f"found {', '.join(identity)} twice, allowed is once"
            )
        seen.add(identity)
