"""The rules of a CRD: CEL, with the functions that Kubernetes adds to it."""

import logging
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any, Final

import cel

from aifactory.api import quantity


def broken(rule: Mapping[str, str], value: Any) -> str:
    """Return what the API server says of a value that breaks the rule; empty where it holds.

    Raises ValueError where the rule has no answer, which the API server refuses, too.
    """
    if _evaluate(rule["rule"], value) is True:
        return ""
    try:
        return str(_evaluate(rule["messageExpression"], value))
    except (KeyError, ValueError):
        return rule["message"]


def matches(text: str, pattern: str) -> bool:
    """Say whether a pattern matches somewhere in a text, as the API server has it."""
    return re.search(pattern.replace("$", r"\Z"), text, re.ASCII) is not None


def _evaluate(expression: str, value: Any) -> Any:
    context = _context()
    context.add_variable("self", value)
    try:
        return compiled(expression).execute(context)
    except (ValueError, RuntimeError, TypeError, KeyError, OverflowError) as error:
        raise ValueError(str(error)) from None


@cache
def _context() -> cel.Context:
    # It warns of each function that refuses its arguments; what that means is said here.
    logging.getLogger("cel").setLevel(logging.CRITICAL)
    return cel.Context(functions=dict(_FUNCTIONS))


@cache
def compiled(expression: str) -> cel.Program:
    """Return an expression ready to be asked. Raises ValueError where it is none."""
    return cel.compile(expression)


def _is_quantity(text: str) -> bool:
    try:
        quantity.parse(text)
    except ValueError:
        return False
    return True


def _exact(text: str) -> Fraction:
    return quantity.billionths(quantity.parse(text))


def _substring(text: str, start: int, end: int | None = None) -> str:
    if not 0 <= start <= (len(text) if end is None else end) <= len(text):
        raise ValueError(f"index out of range: {start}, {end}")
    return text[start:end]


def _index_of(there: Any, what: Any) -> int:
    if isinstance(there, str):
        return there.find(what)
    return int(there.index(what)) if what in there else -1


def _find(text: str, pattern: str) -> str:
    found = re.search(pattern.replace("$", r"\Z"), text, re.ASCII)
    return found[0] if found else ""


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "find": _find,
    "indexOf": _index_of,
    "isGreaterThan": lambda one, other: _exact(one) > _exact(other),
    "isLessThan": lambda one, other: _exact(one) < _exact(other),
    "isQuantity": _is_quantity,
    "lastIndexOf": lambda text, what: text.rfind(what),
    "quantity": lambda text: text,
    "substring": _substring,
}
