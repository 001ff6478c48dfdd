"""How much is tried: a sample with `make test`, all of it with `make test-attack`."""

import os
from typing import Final

WHOLE: Final = os.environ.get("ATTACK") == "whole"
PART: Final = 3


def sample(whole: int) -> int:
    """How many of so many cases are tried: all, or a third of them."""
    return whole if WHOLE else -(-whole // PART)
