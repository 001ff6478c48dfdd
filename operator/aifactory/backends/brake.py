"""Orders that Karpenter gives up at once are not repeated at once.

Where there is no capacity, or the node class is not ready, it deletes a NodeClaim before anything is
launched. Its slot is free again then, and all would be ordered again within a second, for ever. What one site
lacks of one system, it lacks for each slot: so there one order at a time shows whether it is still so.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, NamedTuple

from aifactory.api import names
from aifactory.backends.claims import Claim
from aifactory.backends.port import ApiError

FIRST: Final = 4.0  # seconds after which it is tried again, then twice as long each time
LONGEST: Final = 120.0


class Machines(NamedTuple):
    """What is had or lacked as a whole: the machines of one system in one factory."""

    factory: str
    system: str


@dataclass
class _Known:
    coming: dict[str, str] = field(default_factory=dict)  # uid by name, of those that wait for a machine
    given_up: int = 0  # times in a row
    until: float = 0.0  # not to be tried before


class Brake:
    """Remembers what was given up. Should it forget, an order is made in vain, and no more."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._known: dict[Machines, _Known] = {}

    def ordered(self, claim: Claim) -> None:
        """One was ordered."""
        self._known.setdefault(machines_of(claim.look.labels), _Known()).coming[claim.name] = claim.uid

    def look(self, claims: Iterable[Claim]) -> None:
        """These are there now."""
        present = {claim.uid: claim for claim in claims}
        for it in self._known.values():
            if any(uid in present and present[uid].provider_id for uid in it.coming.values()):
                it.given_up, it.until = 0, 0.0
            if any(uid not in present for uid in it.coming.values()):
                it.given_up += 1
                it.until = self._clock() + min(LONGEST, FIRST * 2.0 ** min(it.given_up - 1, 30))
            it.coming = {}
        for claim in present.values():
            if _waits(claim):
                self.ordered(claim)
        self._known = {key: it for key, it in self._known.items() if it.coming or it.given_up}

    def check(self, labels: Mapping[str, str]) -> None:
        """Raise ApiError where it is too early for an order with these labels."""
        wanted = machines_of(labels)
        it = self._known.get(wanted)
        if it is None or not it.given_up or (self._clock() >= it.until and not it.coming):
            return
        said = (
            f"Karpenter gives NodeClaims for {wanted.system} in {wanted.factory} up before a machine is "
            "launched: there is no capacity, or the node class is not ready. Their events say which"
        )
        raise ApiError(422, "GivenUp", said)


def machines_of(labels: Mapping[str, str]) -> Machines:
    """What a NodeClaim with these labels asks for."""
    return Machines(labels.get(names.LABEL_FACTORY, ""), labels.get(names.LABEL_SYSTEM, ""))


def _waits(claim: Claim) -> bool:
    """Whether it waits for its machine, and is not on its way out because we want it so."""
    return not claim.provider_id and names.ANNOTATION_DRAINING_SINCE not in claim.look.annotations
