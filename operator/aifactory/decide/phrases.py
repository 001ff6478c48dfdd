"""Small parts of sentences, and how long a text may be."""

from collections.abc import Sequence

from aifactory.api.base import LARGEST, Model, bound


def counted(number: int, noun: str) -> str:
    """`1 unit`, `2 units`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(things: Sequence[str], most: int = 5) -> str:
    """`a, b and 3 more`: the first of some, and how many are left out."""
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return f"{', '.join(things[:most])}{more}"


def cut(text: str, model: type[Model], field: str) -> str:
    """A text as long as a field takes, that says how much of it is left out."""
    most = bound(model, field)
    if len(text) <= most:
        return text
    room = most - len(f" ... and {len(text)} more characters")
    return f"{text[:room]} ... and {len(text) - room} more characters"


def tally(number: int) -> int:
    """A number as large as a status takes: absurd ones are what that is at most."""
    return min(number, LARGEST)
