"""Which array namespace the solver's array work runs on."""

import os
from importlib import import_module

import numpy as np

from aifactory_solver.problem import Array

VARIABLE = "AIFACTORY_ARRAY"
ALLOWED = ("auto", "numpy", "cupy")


class _NoCupyError(Exception):
    """CuPy cannot be used. The text says why."""


def namespace() -> tuple[Array, str]:
    """The namespace that the environment asks for, and one line for the log: which it is, and why.

    ``auto``, as when the variable is not set, takes CuPy where it can be imported and a device answers, else
    NumPy. Raises ValueError for a value that is not allowed, and for ``cupy`` where CuPy cannot be used.
    """
    asked = os.environ.get(VARIABLE) or "auto"
    if asked not in ALLOWED:
        raise ValueError(f"{VARIABLE}: found {asked!r}, allowed are {', '.join(ALLOWED)}")
    if asked == "numpy":
        return np, f"arrays on NumPy {np.__version__}: {VARIABLE} says so"
    try:
        return _cupy()
    except _NoCupyError as missing:
        if asked == "cupy":
            message = f"{VARIABLE}: found 'cupy', but {missing}; allowed here are auto, numpy"
            raise ValueError(message) from missing
        return np, f"arrays on NumPy {np.__version__}: {missing}"


def _cupy() -> tuple[Array, str]:
    try:
        cupy = import_module("cupy")
        xp = import_module("array_api_compat.cupy")
    except ImportError as error:  # its text may be a page about how to install a driver
        raise _NoCupyError(_first_line(error)) from error
    try:
        with cupy.cuda.Device() as device:
            name = cupy.cuda.runtime.getDeviceProperties(device.id)["name"].decode()
            int(cupy.zeros(1, dtype=cupy.int64).sum())  # compiles and runs something
    except Exception as error:  # whatever a driver, a compiler or a device can say
        raise _NoCupyError(f"no device answers ({_first_line(error)})") from error
    return xp, f"arrays on CuPy {cupy.__version__}: {name}"


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return text[:1].lower() + text[1:] if text.startswith("No ") else text or type(error).__name__
