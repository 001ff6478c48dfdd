"""A bug to sow: one attribute of one module, replaced."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Function = Callable[..., Any]


@dataclass(frozen=True)
class Bug:
    """``breaks`` makes the broken function out of the sound one."""

    promise: str
    name: str
    module: str
    attribute: str
    breaks: Callable[[Function], Any]


def column(name: str, change: Callable[[Any], Any]) -> Callable[[Function], Function]:
    """A function that gives arrays by name, one of them changed."""

    def breaks(sound: Function) -> Function:
        def broken(*args: Any, **kwargs: Any) -> dict[str, Any]:
            arrays: dict[str, Any] = sound(*args, **kwargs)
            return {**arrays, name: change(arrays)}

        return broken

    return breaks


def result(change: Callable[[Any], Any]) -> Callable[[Function], Function]:
    """A function whose result is changed."""
    return lambda sound: lambda *args, **kwargs: change(sound(*args, **kwargs))


def instead(value: Any) -> Callable[[Function], Any]:
    """Something else altogether."""
    return lambda _: value
