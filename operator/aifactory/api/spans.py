"""Many names of domain instances in few words: `hall-2/row-5..9` is five of them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

_DEEPEST: Final = 6  # segments of a path
_NUMBERED: Final = re.compile(r"(.*-)([1-9][0-9]{0,4})")
_SPAN: Final = re.compile(r"([^.]*-)([1-9][0-9]{0,4})\.\.([1-9][0-9]{0,4})(/[^.]*)?")


def spans_of(names: Iterable[str]) -> list[str]:
    """The same names, those that differ in one number together; as few as one number of each name gives."""
    all_names = sorted(set(names))
    return min((_spans(all_names, place) for place in range(_DEEPEST)), key=len)


def names_in(span: str) -> Iterator[str]:
    """The names that a span stands for; a name stands for itself."""
    found = _SPAN.fullmatch(span)
    if found is None:
        yield span
        return
    before, first, last, after = found.groups()
    for number in range(int(first), int(last) + 1):
        yield f"{before}{number}{after or ''}"


def _spans(names: list[str], place: int) -> list[str]:
    """The names with runs of the number in one segment together."""
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    spans = []
    for name in names:
        segments = name.split("/")
        found = _NUMBERED.fullmatch(segments[place]) if place < len(segments) else None
        if found is None:
            spans.append(name)
            continue
        before = "/".join([*segments[:place], found[1]])
        numbers[before, "/".join(["", *segments[place + 1 :]])].append(int(found[2]))
    for (before, after), some in numbers.items():
        for first, last in _runs(sorted(some)):
            span = f"{first}..{last}" if last > first else str(first)
            spans.append(f"{before}{span}{after}")
    return spans


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = last = numbers[0]
    for number in numbers[1:]:
        if number > last + 1:
            yield first, last
            first = number
        last = number
    yield first, last
