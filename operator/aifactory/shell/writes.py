"""Makes many writes, a few at once, and counts what came of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from aifactory.decide.model.plan import (
    CallOff,
    Delete,
    Drain,
    Event,
    Evict,
    Finalizer,
    Hold,
    Order,
    Relabel,
    StatusWrite,
)
from aifactory.decide.model.world import Refusal
from aifactory.shell.client import BUDGET, ApiError
from aifactory.shell.failures import TOLD
from aifactory.shell.memory import Memory
from aifactory.shell.metrics import Metrics
from aifactory.shell.settings import Settings

logger = logging.getLogger(__name__)
T = TypeVar("T")

_UNANSWERED: Final = (0, 429, 503, 504)
_UNDONE: Final = 429  # of those, the one that was certainly not done: it was turned away at the door
_GONE: Final = 404
_PASSED_BY: Final = (_GONE, 409)  # the world has changed: the next cycle sees it
_TWO_BUDGETS: Final = 500  # what evicting a pod that two budgets cover is answered with


class LeadershipLost(Exception):  # noqa: N818 - as it reads in `except LeadershipLost`
    """This process leads no more; the rest of the plan is another one's."""


class Superseded(Exception):  # noqa: N818 - no error at all
    """A user wants something new: the rest of the plan is left to the next cycle."""


@dataclass
class Summary:
    """What came of a plan's writes."""

    done: int = 0
    passed_by: int = 0  # their object was gone or had changed
    refused: int = 0  # evictions
    failed: int = 0
    unanswered: int = 0  # of those that failed: of those there may be no end
    may_land: int = 0  # of those that were not answered: they may still be done
    after: float = 0.0  # seconds for which the API server wants to be left alone
    left_off: bool = False  # a user wants something new, it is time to say how far it has come, or to go on
    reasons: dict[tuple[str, int, str], list[str]] = field(default_factory=dict)  # why, with all messages

    @property
    def stuck(self) -> bool:
        """Whether there was something to do and none of it could be done."""
        return not self.done and bool(self.passed_by or self.failed)

    @property
    def nothing(self) -> bool:
        """Whether there was nothing to do at all."""
        return not (self.done or self.passed_by or self.refused or self.failed or self.left_off)

    def log(self) -> None:
        """Log the failures, those that are alike in one line."""
        for (what, status, _), messages in self.reasons.items():
            more = f" (and {len(messages) - 1} more like it)" if len(messages) > 1 else ""
            logger.error("%s failed: %s %s%s", what, status or "", messages[0], more)


class Writes:
    """The writes of one plan. Before every single one is asked whether this process `leads`."""

    def __init__(
        self,
        *,
        leads: Callable[[], bool],
        superseded: Callable[[], bool],
        urgent: Callable[[], bool],
        beat: Callable[[], None],
        memory: Memory,
        metrics: Metrics,
        settings: Settings,
    ) -> None:
        self._settings = settings
        self._leads = leads
        self._superseded, self._urgent = superseded, urgent
        self._beat = beat  # a sign of life with every write
        self._memory, self._failures = memory, memory.failures
        self._metrics = metrics
        self.summary = Summary()
        self.untold: list[Event] = []  # what cannot stand in an object's status, for that is what fails

    async def all(
        self, items: Iterable[T], write: Callable[[T], Awaitable[None]], until: float | None = None
    ) -> tuple[list[T], list[T]]:
        """Make all writes, started in their order; those that could not be made, and those not even tried.

        Not tried are, and wait for the next cycle, those that come after too many that got no answer. From
        the time `until` on, if given, they give way to a user's new wish, and to what is urgent almost at
        once. Raises Superseded then, and LeadershipLost where this process leads no more.
        """
        left, undone, untried = iter(items), list[T](), list[T]()
        most = self.summary.unanswered + self._settings.unanswered_writes
        cut: Exception | None = None
        urgently = (
            None if until is None else asyncio.get_running_loop().time() + self._settings.yields_at_once_after
        )

        async def work() -> None:
            nonlocal cut
            for item in left:
                cut = cut or self._cut(until, urgently)
                if cut:
                    return
                if self.summary.unanswered >= most:
                    untried.append(item)
                elif not await self._one(item, write):
                    undone.append(item)

        # No task group: where one write ends the stage, those under way still come to their end.
        await asyncio.gather(*(work() for _ in range(self._settings.writes_at_once)))
        if cut:
            raise cut
        self.summary.left_off |= bool(untried)
        return undone, untried

    def _cut(self, until: float | None, urgently: float | None) -> Exception | None:
        """Why nothing more may be written now."""
        if not self._leads():
            return LeadershipLost("no longer leading")
        now = asyncio.get_running_loop().time()
        late = until is not None and now >= until and self._superseded()
        if late or (urgently is not None and now >= urgently and self._urgent()):
            self.summary.left_off = True
            return Superseded()
        return None

    async def follow(self, item: T, write: Callable[[T], Awaitable[None]]) -> None:
        """Make a write that belongs to the one just made, unless this process leads no more."""
        if self._leads():
            await self._one(item, write)

    async def _one(self, item: T, write: Callable[[T], Awaitable[None]]) -> bool:
        """Make one write; whether it was made."""
        what, summary = type(item).__name__, self.summary
        retried = not isinstance(item, Event)
        if retried and self._failures.waits(item):
            return False
        self._beat()
        try:
            await write(item)
        except ApiError as error:
            if isinstance(item, Evict) and (error.reason == BUDGET or error.status == _TWO_BUDGETS):
                self._memory.refusals[item.pod.node] = Refusal(item.pod.namespace, error.message)
                summary.refused += 1
                outcome = "refused"
            elif error.status in _PASSED_BY:
                logger.debug("%s passed by: %s", what, error)
                summary.passed_by += 1
                outcome = "passed_by"
                # A slot that is taken; or an object that is still told of, in a namespace that is gone.
                lost = isinstance(item, StatusWrite | Finalizer) and error.status == _GONE
                if isinstance(item, Order) or lost:
                    self._failures.failed(item, error.message)
            else:
                reason = (what, error.status, error.reason)
                summary.reasons.setdefault(reason, []).append(error.message)
                summary.failed += 1
                summary.unanswered += error.status in _UNANSWERED
                summary.may_land += error.status in _UNANSWERED and error.status != _UNDONE
                summary.after = max(summary.after, error.after)
                outcome = "failed"
                if retried and self._failures.failed(item, error.message, error.after) == TOLD:
                    self._say(item, error.message)
        except Exception as error:
            logger.exception("%s failed", what)  # one object must not stop the others
            summary.failed += 1
            outcome = "failed"
            if retried:
                self._failures.failed(item, f"{type(error).__name__}: {error}")
        else:
            summary.done += 1
            outcome = "done"
            if retried and self._failures.done(item):
                summary.left_off = True  # others that waited for it may come now, and statuses have changed
        self._metrics.wrote(what, outcome)
        logger.debug("%s: %s", outcome, named(item))
        return outcome == "done"

    def _say(self, item: object, message: str) -> None:
        """What is to be told by an event."""
        if isinstance(item, StatusWrite | Finalizer):
            what = "status" if isinstance(item, StatusWrite) else "finalizer"
            says = f"Its {what} cannot be written: {message}"
            self.untold.append(
                Event(item.kind, item.namespace, item.name, "WriteRefused", says, warning=True)
            )


def named(item: object) -> str:
    """What a write is about, for the log."""
    match item:
        case Order(spec=spec, pool=pool):
            return f"{type(item).__name__} {spec.slot.node_name} for {pool}"
        case Drain(node=node, cause=cause):
            return f"Drain {node.name} ({cause}) of {node.stamp.pool if node.stamp else None}"
        case Relabel(node=node) | CallOff(node=node) | Hold(node=node) | Delete(node=node):
            return f"{type(item).__name__} {node.name}"
        case Evict(pod=pod):
            return f"Evict {pod.namespace}/{pod.name} from {pod.node}"
        case StatusWrite() | Finalizer() | Event():
            return f"{type(item).__name__} {item.kind} {item.namespace}/{item.name}".replace(" /", " ")
    return type(item).__name__
