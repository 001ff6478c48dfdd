"""Ways in which an API server, or what stands before it, answers badly, as one profile each."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from attack.proxy import Trouble, writes
from attack.size import SEED
from cluster.faulty import Asked, Changed, Cut, Fault, Instead, Late, Lost, Silent, error_event, status

SHARE = 0.125  # of the requests are hit: a cycle needs some five in a row that are not
LATENCY = 2.0  # seconds
SILENCE = 8.0  # seconds: some minutes, scaled down
PAGE = 2  # objects of a page, so that small lists have several


@dataclass(frozen=True)
class Profile:
    """One kind of trouble. `make` gives it anew for each story, since it counts.

    What cannot be overcome `lifts` after so many requests in each step; 0: it stays.
    """

    make: Callable[[], Trouble]
    lifts: int = 0


def _is_lease(asked: Asked) -> bool:
    return "/leases" in asked.path


def some(fault: Fault, applies: Callable[[Asked], bool], share: float = SHARE) -> Callable[[], Trouble]:
    """Trouble that hits a share of the requests to which it applies, drawn by the seed."""

    def make() -> Trouble:
        draw = Random(SEED)

        def trouble(asked: Asked, write: int) -> Fault | None:
            return fault if applies(asked) and draw.random() < share else None

        return trouble

    return make


def all_of(fault: Fault, applies: Callable[[Asked], bool]) -> Callable[[], Trouble]:
    """Trouble that hits every request to which it applies."""
    return some(fault, applies, share=1.0)


def _plain(asked: Asked) -> bool:
    """Anything but a watch, and but the Lease, without which nobody would decide."""
    return not asked.watches and not _is_lease(asked)


def _lists(asked: Asked) -> bool:
    return asked.method == "GET" and not asked.watches and asked.path.endswith(_LISTED)


_LISTED = ("/aifactories", "/gpupools", "/nodes", "/pods")


def _anything(asked: Asked) -> bool:
    return True


def _watches(asked: Asked) -> bool:
    return asked.watches


def expiring_pages() -> Trouble:
    """LISTs come in small pages, and of those that are to go on a share has expired."""
    expired = some(status(410, "Expired"), lambda asked: "continue" in asked.query)()

    def trouble(asked: Asked, write: int) -> Fault | None:
        return (expired(asked, write) or Changed(query={"limit": str(PAGE)})) if _lists(asked) else None

    return trouble


@dataclass
class Ghosts:
    """LISTs that show what is gone: all nodes and pods that any earlier LIST has shown."""

    seen: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __call__(self, asked: Asked, write: int) -> Fault | None:
        """What comes of a request."""
        if not _lists(asked) or not asked.path.endswith("/nodes"):
            return None
        form = f"{asked.query.get('labelSelector')}"  # what is asked for, and so how its answer looks

        def haunt(answer: dict[str, Any]) -> None:
            known, there = self.seen.setdefault(form, {}), answer.get("items") or []
            uids = {item["metadata"]["uid"] for item in there}
            answer["items"] = [*there, *(it for uid, it in known.items() if uid not in uids)]
            known.update({item["metadata"]["uid"]: item for item in there})

        return Changed(haunt)


PROFILES: dict[str, Profile] = {
    "409": Profile(some(status(409, "Conflict"), writes, share=0.3)),
    "429": Profile(some(replace(status(429, "TooManyRequests"), headers={"Retry-After": "1"}), _plain)),
    "500": Profile(some(status(500, "InternalError"), _plain)),
    "503": Profile(some(status(503, "ServiceUnavailable"), _plain)),
    "answers lost": Profile(some(Lost(), writes)),
    "answers cut": Profile(some(Cut(), _plain)),
    "late": Profile(all_of(Late(LATENCY), _plain)),
    "watches expired": Profile(all_of(error_event(410, "Expired"), _watches)),
    "watches silent": Profile(all_of(Silent(SILENCE), _watches), lifts=3),
    "pages expired": Profile(expiring_pages),
    "nothing answers": Profile(all_of(Instead(502, "<html>", "text/html"), _anything), lifts=12),
    "ghosts": Profile(Ghosts, lifts=2),
}
SAMPLED = (
    "409",
    "answers lost",
    "watches expired",
    "watches silent",
    "pages expired",
    "nothing answers",
    "ghosts",
)
"""Those that take little longer than no trouble does."""
