"""Records in threads of its own, from when it is entered until the verdict is asked for."""

from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar

from controlplane.waiting import PATIENCE

from .client import BROKEN, AnswerError, Api
from .history import KINDS, History
from .proof import prove
from .series import Series
from .verdict import Verdict
from .watch import CLAIMS, Watch, versions_of

T = TypeVar("T")


class Recorder:
    """Watches a cluster with a kubeconfig that may read factories, pools and nodes.

    with Recorder(kubeconfig) as recorder:
        ...
        verdict, series = recorder.verdict()
    """

    def __init__(self, kubeconfig: Path, *, claims: bool = False) -> None:
        """`claims` is whether Karpenter provisions the nodes: then its NodeClaims are recorded as them."""
        self.history = History()
        api = Api(kubeconfig)
        paths = {"Node": CLAIMS} if claims else {}
        self._watches = [Watch(api, kind, self.history, paths.get(kind, "")) for kind in KINDS]
        self._threads = [
            Thread(target=watch.run, name=f"recorder {watch.kind}", daemon=True) for watch in self._watches
        ]
        self._excused: set[str] = set()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        for watch in self._watches:
            if not watch.listed.wait(PATIENCE):
                self._stop()
                raise TimeoutError(
                    f"{watch.kind} could not be listed within {PATIENCE:g} s; are the CRDs there?"
                )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for watch in self._watches:
            watch.stop()
        for thread in self._threads:
            thread.join(10)

    def excuse(self, node: str) -> None:
        """Say that somebody else than the operator deletes this node, on purpose."""
        self._excused.add(node)

    def wait(self, condition: Callable[[History], T], what: str, seconds: float = PATIENCE) -> T:
        """Wait until a condition on what is recorded gives something true, and return that.

        Raises TimeoutError naming `what`. What the condition raises goes through.
        """
        deadline = monotonic() + seconds
        with self.history.changed:
            while not (result := condition(self.history)):
                left = deadline - monotonic()
                if left <= 0:
                    raise TimeoutError(f"not within {seconds:g} s: {what}")
                self.history.changed.wait(min(left, 1.0))  # the condition may look elsewhere, too
            return result

    def catch_up(self, seconds: float = PATIENCE) -> None:
        """Wait until everything that has happened is recorded. Raises TimeoutError."""
        deadline = monotonic() + seconds
        for watch in self._watches:
            while monotonic() < deadline:
                with suppress(AnswerError, TimeoutError, *BROKEN):
                    _, objects = watch.items()
                    listed = versions_of(objects)
                    self.wait(lambda h: h.versions(watch.kind) == listed, "the same as listed", 1)  # noqa: B023
                    break
            else:
                raise TimeoutError(f"the recording of {watch.kind} lags behind after {seconds:g} s")

    def verdict(
        self, *, at_rest: bool = True, operator: Collection[str] | None = None
    ) -> tuple[Verdict, Series]:
        """Catch up, and judge what is recorded; see `prove`."""
        self.catch_up()
        more = {} if operator is None else {"operator": operator}
        return prove(self.history, excused=self._excused, at_rest=at_rest, **more)
