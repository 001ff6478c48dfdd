"""Turns: nobody's many wait before another one's first."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def in_turns(
    items: Iterable[T], owner: Callable[[T], Hashable], before: Mapping[Hashable, int] | None = None
) -> list[T]:
    """One item of each owner, then another one of each, and so on; each owner's are in the given order.

    ``before`` is how many turns each owner has had already.
    """
    had: Counter[Hashable] = Counter(before)
    ranked: list[tuple[int, T]] = []
    for item in items:
        ranked.append((had[owner(item)], item))
        had[owner(item)] += 1
    return [item for _, item in sorted(ranked, key=lambda pair: pair[0])]
