"""Orders that Karpenter gives up at once are not repeated at once.

Where there is no capacity, or the node class is not ready, it deletes a NodeClaim before anything is
launched. Its slot is free again then, and would be ordered again within a second, for ever.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Final

from aifactory.api import names
from aifactory.backends.claims import Claim
from aifactory.backends.port import ApiError

FIRST: Final = 2.0  # seconds after which a slot is ordered again, then twice as long each time
LONGEST: Final = 120.0


@dataclass
class _GivenUp:
    times: int = 0
    until: float = 0.0


class Brake:
    """Remembers what was given up. Should it forget, an order is made in vain, and no more."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._coming: dict[str, str] = {}  # uid by name, of those that nothing was launched for yet
        self._given_up: dict[str, _GivenUp] = {}

    def ordered(self, claim: Claim) -> None:
        """One was ordered."""
        self._coming[claim.name] = claim.uid

    def look(self, claims: Iterable[Claim]) -> None:
        """These are there now."""
        present = {claim.name: claim for claim in claims}
        for name, uid in self._coming.items():
            if name not in present or present[name].uid != uid:
                it = self._given_up.setdefault(name, _GivenUp())
                it.times += 1
                it.until = self._clock() + min(LONGEST, FIRST * 2.0 ** min(it.times - 1, 30))
        self._coming = {claim.name: claim.uid for claim in claims if _waits(claim)}
        for claim in present.values():
            if claim.provider_id:
                self._given_up.pop(claim.name, None)

    def check(self, name: str) -> None:
        """Raise ApiError where it is too early to order a slot again."""
        it = self._given_up.get(name)
        if it is None or (left := it.until - self._clock()) <= 0:
            return
        said = (
            f"Karpenter gave NodeClaim {name} up before a machine was launched, {it.times} times in a row: "
            "there is no capacity, or the node class is not ready; its events say more"
        )
        raise ApiError(422, "GivenUp", said, left)


def _waits(claim: Claim) -> bool:
    """Whether it waits for its machine, and is not on its way out because we want it so."""
    return not claim.provider_id and names.ANNOTATION_DRAINING_SINCE not in claim.look.annotations
