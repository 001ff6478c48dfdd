"""Stand-ins for libraries of the solver that an image with CuPy and NumPy may lack."""

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from numpy.typing import DTypeLike


def stand_in() -> None:
    """Let the solver be imported; what really needs a library that is missing says so when it is used."""
    if find_spec("highspy") is None:
        sys.modules["highspy"] = Nothing("highspy")
    if find_spec("array_api_compat") is None and find_spec("cupy") is not None:
        import cupy  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415

        sys.modules["array_api_compat"] = ModuleType("array_api_compat")
        sys.modules["array_api_compat.cupy"] = Standard(cupy)


def has_highs() -> bool:
    """Whether HiGHS can be used."""
    return not isinstance(sys.modules.get("highspy"), Nothing) and find_spec("highspy") is not None


class Nothing(ModuleType):
    """A module of which everything has a name and nothing can be called."""

    def __getattr__(self, name: str) -> Any:
        """Any name but those that say what a real module is."""
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *given: object, **named: object) -> Any:
        """Raise ModuleNotFoundError."""
        raise ModuleNotFoundError(f"No module named {self.__name__!r}")


class Standard(ModuleType):
    """What the solver uses of the array API standard, on CuPy of any version. It has one device."""

    def __init__(self, library: Any) -> None:
        super().__init__(f"array_api_compat.{library.__name__}")
        self._library = library
        self.bool, self.concat = library.bool_, library.concatenate

    def __getattr__(self, name: str) -> Any:
        """What is called the same."""
        return getattr(self._library, name)

    def asarray(self, values: Any, *, dtype: DTypeLike | None = None, device: Any = None) -> Any:
        """An array."""
        return self._library.asarray(values, dtype=dtype)

    def zeros(self, shape: Any, *, dtype: DTypeLike = float, device: Any = None) -> Any:
        """Zeros."""
        return self._library.zeros(shape, dtype=dtype)

    def astype(self, values: Any, dtype: DTypeLike) -> Any:
        """The values as another type."""
        return values.astype(dtype)

    def argsort(self, values: Any, *, axis: int = -1, stable: bool = True) -> Any:
        """The order of the values; CuPy's is always stable."""
        return self._library.argsort(values, axis=axis, **({"kind": "stable"} if stable else {}))

    def cumulative_sum(self, values: Any, *, axis: int) -> Any:
        """Running sums, of integers as int64."""
        return self._library.cumsum(values, axis=axis)

    def take_along_axis(self, values: Any, indices: Any, *, axis: int = -1) -> Any:
        """Values at indices."""
        return self._library.take_along_axis(values, indices, axis)
