"""Reads manifests as kubectl does, and makes a world of them."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from aifactory.api import names
from aifactory.api.backend import KINDS
from aifactory.api.factory import AIFactory
from aifactory.api.meta import ObjectMeta
from aifactory.api.pool import GPUPool
from aifactory.api.reading import Invalid, parse_factory, parse_pool
from aifactory.decide.world import Refused, World, claims_of, key_of

_SUFFIXES = (".yaml", ".yml", ".json")


class _Loader(yaml.CSafeLoader):
    """YAML with the scalars that kubectl knows: `1e6` is a number, a date is text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own


_SCALARS = (
    ("null", r"~|null|Null|NULL|", "~nN"),
    (
        "bool",
        r"[yY]|[nN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
        "yYnNtTfFoO",
    ),
    ("int", r"[-+]?(0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?0b[01_]+|[-+]?0[0-7_]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
    ),
    ("merge", r"<<", "<"),
)
for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("^$"), [""])


def _bool(loader: yaml.SafeLoader, node: yaml.Node) -> bool:
    return str(loader.construct_scalar(node)).lower() in ("y", "yes", "true", "on")  # type: ignore[arg-type]


def _float(loader: yaml.SafeLoader, node: yaml.Node) -> float:
    return float(str(loader.construct_scalar(node)).replace("_", ""))  # type: ignore[arg-type]


_Loader.add_constructor("tag:yaml.org,2002:bool", _bool)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)


class BadInput(ValueError):  # noqa: N818 - as it reads in `except BadInput`
    """Manifests that cannot be read: one line for each thing that is wrong, with its file."""


@dataclass(frozen=True)
class Manifests:
    """The resources of some files, in the order in which they stand there."""

    factories: tuple[AIFactory, ...]
    pools: tuple[GPUPool, ...]
    objects: tuple[dict[str, Any], ...]  # as they were read
    refused: tuple[Refused, ...] = ()
    wrong: tuple[str, ...] = ()  # what is wrong with those


def read(paths: list[Path]) -> Manifests:
    """Read all AIFactories and GPUPools of files and folders (`-` is standard input).

    Objects of other kinds are left aside, as they may well stand in the same files. Raises BadInput for what
    is no object, has no name or is there twice; an object that is only not valid stops no other.
    """
    factories: dict[str, AIFactory] = {}
    pools: dict[tuple[str, str], GPUPool] = {}
    objects: list[dict[str, Any]] = []
    wrong: list[str] = []
    invalid: list[str] = []
    refused: list[Refused] = []
    for source, obj in _objects(paths, wrong):
        if not str(obj.get("apiVersion", "")).startswith(f"{names.GROUP}/"):
            continue
        try:
            if obj.get("kind") == "AIFactory":
                factory = parse_factory(obj, strict=True)
                twice = factories.setdefault(factory.metadata.name, factory) is not factory
            elif obj.get("kind") == "GPUPool":
                pool = parse_pool(obj, strict=True)
                twice = pools.setdefault(key_of(pool), pool) is not pool
            else:
                raise BadInput(f"found kind {obj.get('kind')!r}, allowed are AIFactory and GPUPool")
        except BadInput as error:
            wrong.append(f"{source}: {error}")
            continue
        except Invalid as error:
            meta = obj.get("metadata")
            named = isinstance(meta, dict) and isinstance(meta.get("name"), str)
            (invalid if named else wrong).append(f"{source}: {error}")
            if named:
                refused.append(_refused(obj, error))
                objects.append(obj)
            continue
        if twice:
            wrong.append(f"{source}: {obj['kind']} {obj['metadata']['name']} is there twice")
        objects.append(obj)
    if wrong:
        raise BadInput("\n".join((*wrong, *invalid)))
    return Manifests(
        tuple(factories.values()), tuple(pools.values()), tuple(objects), tuple(refused), tuple(invalid)
    )


def _refused(obj: dict[str, Any], error: Invalid) -> Refused:
    meta = obj["metadata"]
    namespace = "" if obj["kind"] == "AIFactory" else str(meta.get("namespace") or "default")
    generation = meta.get("generation")
    known = ObjectMeta(
        name=meta["name"],
        namespace=namespace,
        generation=generation if isinstance(generation, int) else 0,
    )
    status = obj.get("status")
    message = "; ".join(str(problem) for problem in error.problems)
    return Refused(obj["kind"], known, message, status if isinstance(status, dict) else {})


def _objects(paths: list[Path], wrong: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, text in _texts(paths, wrong):
        try:
            documents = [json.loads(text)] if path.endswith(".json") else list(yaml.load_all(text, _Loader))
        except (yaml.YAMLError, json.JSONDecodeError) as error:
            wrong.append(f"{path}: {' '.join(str(error).split())}")
            continue
        for document in documents:
            if not isinstance(document, dict):
                if document is not None:
                    wrong.append(
                        f"{path}: found {type(document).__name__}, allowed are objects with kind and spec"
                    )
                continue
            for item in (
                document.get("items") or [] if str(document.get("kind")).endswith("List") else [document]
            ):
                yield path, item


def _texts(paths: list[Path], wrong: list[str]) -> Iterator[tuple[str, str]]:
    for path in paths:
        if str(path) == "-":
            yield "-", sys.stdin.read()
        elif path.is_dir():
            for file in sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES):
                yield str(file), file.read_text(encoding="utf-8")
        elif path.exists():  # a pipe of the shell's is fine too
            yield str(path), path.read_text(encoding="utf-8")
        else:
            wrong.append(f"{path}: there is no such file or folder")


def world_of(manifests: Manifests) -> World:
    """The world that manifests describe: their statuses are the present state.

    Every backend can be planned for.
    """
    claims = tuple(claim for pool in manifests.pools for claim in claims_of(pool))
    return World(
        factories=manifests.factories,
        pools=manifests.pools,
        claims=claims,
        refused=manifests.refused,
        backends=frozenset(KINDS),
    )
