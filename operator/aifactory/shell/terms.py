"""When a candidate may take a Lease, and which term it begins: a function of what it reads and of its clock.

A term is the Lease's number of transitions. A candidate that has not held the Lease without a break begins a
new one, whoever's name the Lease bears: another one may have led in between. So the name and the term of a
leader, taken together, never come back.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from aifactory.shell.client import WRITE_SECONDS

DURATION: Final = 15.0  # seconds after which others may take a lease that they have not seen renewed
DEADLINE: Final = 10.0  # seconds after which the holder believes it no more

# The holder stops DEADLINE after its last renewal *began*, others wait DURATION since they *saw* it, which
# is later. In between, a write that was on its way has landed or failed.
assert DURATION - DEADLINE >= WRITE_SECONDS


class Name(NamedTuple):
    """Names one process, ever. Of two in one pod the later one starts only when the earlier one is dead."""

    pod: str  # empty where nobody says which pod it is
    process: str

    def __str__(self) -> str:
        return f"{self.pod}_{self.process}" if self.pod else self.process

    def succeeds(self, holder: str) -> bool:
        """Whether the holder of a Lease is an earlier process of the same pod."""
        return bool(self.pod) and holder.startswith(f"{self.pod}_") and holder != str(self)


class Candidate:
    """One candidate for one Lease. Times are those of its own clock; two clocks are never compared."""

    def __init__(self, name: Name) -> None:
        self.name = name
        self.identity = str(name)
        self.term = 0  # the last one that was its own
        self._highest = 0  # of all terms that it knows of
        self._until = float("-inf")
        self._other: tuple[object, ...] = ()  # another one's lease as it was last seen
        self._other_until = float("-inf")

    def holds(self, now: float) -> bool:
        """Whether it leads, in `term`. False well before any other one can take the lease."""
        return now < self._until

    def bid(self, lease: Mapping[str, Any] | None, now: float) -> int | None:
        """The term in which to write one's name into a lease that was just read; None: leave it.

        Without a break of one's own that is the present term. `lease` is None where there is none.
        """
        spec = (lease or {}).get("spec") or {}
        holder, written = spec.get("holderIdentity") or "", int(spec.get("leaseTransitions") or 0)
        self._highest = max(self._highest, written)
        if lease is not None and holder not in ("", self.identity):
            self._look(lease, holder, now)
        elif lease is not None:
            self._other_until = float("-inf")
        if now < self._other_until:
            # Also where somebody has deleted it: whoever held it believes in it for a while.
            self._until = float("-inf")
            return None
        if holder == self.identity and written == self.term and self.holds(now):
            return self.term
        self._until = float("-inf")
        return self._highest + 1

    def won(self, term: int, began: float) -> None:
        """Lead in this term, for a while from when the attempt began: what was bid has been written."""
        self.term, self._highest = term, max(self._highest, term)
        self._until = began + DEADLINE

    def _look(self, lease: Mapping[str, Any], holder: str, now: float) -> None:
        """Note until when another's lease lasts: so long from when it was first seen as it is now.

        What an earlier process of this pod has sent has landed or failed within the time of a write.
        """
        seen = (holder, lease["spec"].get("renewTime"), lease["metadata"]["resourceVersion"])
        if seen == self._other:
            return
        lasts = max(DURATION, float(lease["spec"].get("leaseDurationSeconds") or 0))
        self._other = seen
        self._other_until = now + (WRITE_SECONDS if self.name.succeeds(holder) else lasts)
