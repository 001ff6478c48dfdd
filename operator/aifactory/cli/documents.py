"""Reads files and folders of YAML and JSON as kubectl does."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

_SUFFIXES = (".yaml", ".yml", ".json")
_GO_PLAIN = 1e21  # from here on Go writes a float with an exponent, and it is no whole number any more


class Loader(yaml.CSafeLoader):
    """YAML with the scalars that kubectl knows: `1e6` is a number, a date is text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own


_SCALARS = (
    ("null", r"~|null|Null|NULL|", "~nN"),
    (
        "bool",
        r"[yY]|[nN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
        "yYnNtTfFoO",
    ),
    (
        "int",
        r"[-+]?(0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?0b[01_]+|[-+]?0o?[0-7_]+",
        "-+0123456789",
    ),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
    ),
    ("merge", r"<<", "<"),
)
for _tag, _pattern, _first in _SCALARS:
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))
Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("^$"), [""])


def _bool(loader: yaml.SafeLoader, node: yaml.Node) -> bool:
    return str(loader.construct_scalar(node)).lower() in ("y", "yes", "true", "on")  # type: ignore[arg-type]


def _int(loader: yaml.SafeLoader, node: yaml.Node) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")  # type: ignore[arg-type]
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    return int(text, 8 if octal else 0)


def _float(loader: yaml.SafeLoader, node: yaml.Node) -> float:
    text = str(loader.construct_scalar(node)).replace("_", "").lower()  # type: ignore[arg-type]
    return float(re.sub(r"\.(inf|nan)$", r"\1", text))


Loader.add_constructor("tag:yaml.org,2002:bool", _bool)
Loader.add_constructor("tag:yaml.org,2002:int", _int)
Loader.add_constructor("tag:yaml.org,2002:float", _float)


def as_json(value: Any) -> Any:
    """Return a value of YAML as kubectl sends it: `16.0` and `1e5` are whole numbers, keys are text."""
    if isinstance(value, dict):
        return {_key(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _GO_PLAIN:
        return int(value)
    return value


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else "null" if key is None else str(as_json(key))


def documents(paths: list[Path], wrong: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each object of files and folders (`-` is standard input) with its file; Lists are taken apart.

    What cannot be read is told in ``wrong``.
    """
    for path, text in _texts(paths, wrong):
        try:
            found = [json.loads(text)] if path.endswith(".json") else list(yaml.load_all(text, Loader))
        except (yaml.YAMLError, ValueError) as error:
            wrong.append(f"{path}: {' '.join(str(error).split())}")
            continue
        for document in map(as_json, found):
            if document is None:
                continue
            listed = isinstance(document, dict) and str(document.get("kind")).endswith("List")
            for item in document.get("items") or [] if listed else [document]:
                if isinstance(item, dict):
                    yield path, item
                else:
                    found_type = type(item).__name__
                    wrong.append(f"{path}: found {found_type}, allowed are objects with kind and spec")


def _texts(paths: list[Path], wrong: list[str]) -> Iterator[tuple[str, str]]:
    for path in paths:
        if str(path) == "-":
            yield "-", sys.stdin.read()
        elif path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
            if not files:
                wrong.append(f"{path}: there is no file in it that ends with {', '.join(_SUFFIXES)}")
            for file in files:
                yield from _text(file, wrong)
        elif path.exists():  # a pipe of the shell's is fine too
            yield from _text(path, wrong)
        else:
            wrong.append(f"{path}: there is no such file or folder")


def _text(path: Path, wrong: list[str]) -> Iterator[tuple[str, str]]:
    try:
        yield str(path), path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        wrong.append(f"{path}: {error}")
