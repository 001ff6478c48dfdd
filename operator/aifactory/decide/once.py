"""What follows from one object alone is worked out once for it, in however many decisions it takes part."""

import weakref
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def once(function: Callable[[T], R]) -> Callable[[T], R]:
    """A function of one frozen object that remembers what it gave, as long as the object lives."""
    given: dict[int, tuple[weakref.ref[T], R]] = {}

    @wraps(function)
    def remembered(it: T) -> R:
        number = id(it)
        if (found := given.get(number)) is not None and found[0]() is it:
            return found[1]
        result = function(it)
        given[number] = weakref.ref(it, lambda _: given.pop(number, None)), result
        return result

    return remembered
