"""The decision's modules by their own names, whichever room they are in."""

import pkgutil

from aifactory import decide


def module_of(name: str) -> str:
    """The full name of one of them."""
    names = (it.name for it in pkgutil.walk_packages(decide.__path__, "aifactory.decide."))
    (found,) = (it for it in names if it.endswith(f".{name}"))
    return found
