"""Which namespace is taken. CuPy is played by a module here: no device is needed."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import array_api_strict
import numpy as np
import pytest

from aifactory_solver.array import namespace


class Device:
    id = 0

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *error: object) -> None:
        pass


def no_device() -> Device:
    raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected\nsee the manual")


def fake(monkeypatch: pytest.MonkeyPatch, device: Any) -> None:
    """CuPy as far as it is looked at."""
    cupy: Any = ModuleType("cupy")
    cupy.__version__, cupy.zeros, cupy.int64 = "13.6.0", np.zeros, np.int64
    properties = {"name": b"A Card"}
    cupy.cuda = SimpleNamespace(
        Device=device, runtime=SimpleNamespace(getDeviceProperties=lambda number: properties)
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "array_api_compat.cupy", array_api_strict)


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)


def asked(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("AIFACTORY_ARRAY", value)


@pytest.mark.usefixtures("missing")
@pytest.mark.parametrize("value", ["auto", "", None])
def test_auto_takes_numpy_where_there_is_no_cupy_and_says_why(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIFACTORY_ARRAY", raising=False)
    if value is not None:
        asked(monkeypatch, value)
    xp, line = namespace()
    assert xp is np
    assert line.startswith(f"arrays on NumPy {np.__version__}: ")
    assert "cupy" in line


def test_auto_takes_cupy_where_a_device_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, "auto")
    fake(monkeypatch, Device)
    assert namespace() == (array_api_strict, "arrays on CuPy 13.6.0: A Card")


def test_auto_takes_numpy_where_no_device_answers_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, "auto")
    fake(monkeypatch, no_device)
    xp, line = namespace()
    why = "no device answers (cudaErrorNoDevice: no CUDA-capable device is detected)"
    assert (xp, line) == (np, f"arrays on NumPy {np.__version__}: {why}")


def test_numpy_is_taken_although_a_device_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, "numpy")
    fake(monkeypatch, Device)
    assert namespace() == (np, f"arrays on NumPy {np.__version__}: AIFACTORY_ARRAY says so")


def test_cupy_is_taken_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, "cupy")
    fake(monkeypatch, Device)
    assert namespace()[0] is array_api_strict


@pytest.mark.usefixtures("missing")
def test_cupy_that_is_missing_is_an_error_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, "cupy")
    with pytest.raises(ValueError, match=r"AIFACTORY_ARRAY: found 'cupy', but .*cupy.*; allowed here are"):
        namespace()


def test_cupy_without_a_device_is_an_error_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, "cupy")
    fake(monkeypatch, no_device)
    with pytest.raises(ValueError, match="AIFACTORY_ARRAY: found 'cupy', but no device answers"):
        namespace()


def test_any_other_value_is_an_error_that_says_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, "torch")
    with pytest.raises(ValueError, match="AIFACTORY_ARRAY: found 'torch', allowed are auto, numpy, cupy"):
        namespace()
