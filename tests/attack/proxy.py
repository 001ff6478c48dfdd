"""The gate between the operator and the API server: it counts what the operator writes, and lets trouble in.

What counts as a write is told by its method alone, so that a new kind of write is attacked unasked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from time import monotonic

from cluster.faulty import Asked, Fault, Lost, Proxy, status

_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_TIMED = "/apis/coordination.k8s.io/"  # a Lease is renewed by time, not by what happens


def writes(asked: Asked) -> bool:
    """Whether a request writes something: anything but the Lease."""
    return asked.method in _WRITING and not asked.path.startswith(_TIMED)


Trouble = Callable[[Asked, int], Fault | None]
"""What comes of a request; the number is that of the write, from 1, or 0 where it only reads."""


def peace(asked: Asked, write: int) -> Fault | None:
    """No trouble."""
    return None


class Gate(Proxy):
    """A proxy that numbers the operator's writes. `trouble` says what comes of each request."""

    def __init__(self, kubeconfig: Path) -> None:
        super().__init__(kubeconfig)
        self.trouble: Trouble = peace
        self.writes = 0
        self.troubled = 0  # requests that trouble has come upon
        self.fault = self._judge
        self._last = monotonic()

    @property
    def calm(self) -> float:
        """Seconds since the last write came."""
        return monotonic() - self._last

    @property
    def upstream(self) -> str:
        """The URL of the API server behind it."""
        return str(self._cluster["server"])

    def move(self, url: str) -> None:
        """Ask another API server of the same cluster from now on, on new connections."""
        self._cluster["server"] = url
        self.sever()

    def _judge(self, asked: Asked) -> Fault | None:
        number = 0
        if writes(asked):
            self.writes += 1
            self._last, number = monotonic(), self.writes
        fault = self.trouble(asked, number)
        self.troubled += fault is not None
        return fault


class When(StrEnum):
    """When a writer is killed."""

    BEFORE = "before"  # the API server has heard of the write
    AFTER = "after"  # it was done, and before its answer came


@dataclass
class Kill:
    """Kills the operator at one of its writes, counted from 1; `killed` is that write, once it has come."""

    number: int
    when: When
    kill: Callable[[], None]
    killed: Asked | None = None

    def __call__(self, asked: Asked, write: int) -> Fault | None:
        """What comes of a request."""
        if self.killed is not None or write < self.number:
            return None
        self.killed = asked
        self.kill()
        # Nobody is there any more to hear either of them.
        return Lost() if self.when is When.AFTER else status(503, "ServiceUnavailable")

    def __str__(self) -> str:
        return f"{self.when} write {self.number}"
