"""Replays the tenants' days: scales what changed, waits until the operator has settled, and goes on."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final, Protocol

from aifactory.api.quantity import parse, show_power
from controlplane import Cluster, kubectl
from controlplane.processes import Process
from demo.running import check_alive
from demo.settled import settled
from demo.stage import FACTORY, POOL, factory_manifest
from demo.tenants import Day, changes, namespace_of
from recorder import History, Recorder

SETTLE_SECONDS: Final = 120.0
CALM_SECONDS: Final = 0.4


@dataclass(frozen=True)
class HallLimit:
    """A hall's limit from one day on, as the facility sets it."""

    day: int
    hall: str
    limit: str


# A feed of the middle hall is out for fifteen days.
HALL_LIMITS: Final = (HallLimit(60, "hall-b", "60k"), HallLimit(75, "hall-b", "200k"))


@dataclass(frozen=True)
class Step:
    """A day on which something changed, and when it was carried out by the recorder's clock."""

    day: Day
    began: float
    settled: float
    changes: int


@dataclass
class Outcome:
    """What was replayed."""

    days: int
    steps: list[Step] = field(default_factory=list)

    @property
    def changes(self) -> int:
        """Sizes and limits that were changed."""
        return sum(step.changes for step in self.steps)


class View(Protocol):
    """Whoever shows it."""

    def day(self, day: Day) -> None:
        """A new day begins."""

    def told(self, who: str, text: str) -> None:
        """Somebody did something."""

    def settled(self) -> None:
        """Everything that the day asked for is done."""


class Replay:
    """The stage is set; from here on the days are played."""

    def __init__(
        self, cluster: Cluster, recorder: Recorder, operator: Process, view: View, cache: Path
    ) -> None:
        self._kubeconfig = cluster.kubeconfig
        self._cache = f"--cache-dir={cache}"
        self._recorder = recorder
        self._operator = operator
        self._view = view
        self._generation = 0

    def play(self, days: Sequence[Day], limits: Sequence[HallLimit] = HALL_LIMITS) -> Outcome:
        """Play the days; on the first one the pools stand as they were applied. Raises TimeoutError."""
        outcome = Outcome(days=len(days))
        changed = changes(days)
        by_day = {limit.day: limit for limit in limits}
        for day in days:
            self._view.day(day)
            sizes = changed.get(day.number, {})
            limit = by_day.get(day.number)
            if not (sizes or limit or day is days[0]):
                continue
            began = monotonic()
            if limit is not None:
                self._set_limit(limit)
            self._scale(sizes)
            self._settle(day)
            count = len(sizes) + (limit is not None)
            outcome.steps.append(Step(day, began, monotonic(), count))
            self._view.settled()
        return outcome

    def _scale(self, sizes: Mapping[str, tuple[int, int]]) -> None:
        """Scale the pools, each as its tenant's user."""

        def scale(tenant: str) -> None:
            before, gpus = sizes[tenant]
            self._view.told(tenant, f"scales {before} -> {gpus} GPUs")
            where = (f"--as={tenant}", f"--namespace={namespace_of(tenant)}")
            self._kubectl("scale", f"gpupools.aifactory.dev/{POOL}", f"--replicas={gpus}", *where)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(scale, sizes))

    def _set_limit(self, change: HallLimit) -> None:
        """Set a hall's limit, as the facility's own people would."""
        paths = [domain["path"] for domain in factory_manifest()["spec"]["power"]["domains"]]
        path = f"/spec/power/domains/{paths.index(change.hall)}/limit"
        patch = f'[{{"op": "replace", "path": "{path}", "value": "{change.limit}"}}]'
        self._view.told(
            "facility", f"sets the limit of {change.hall} to {show_power(int(parse(change.limit)))}"
        )
        generation = self._kubectl(
            *("patch", "aifactory", FACTORY, "--type=json", f"--patch={patch}"),
            "--output=jsonpath={.metadata.generation}",
        )
        self._generation = int(generation)

    def _settle(self, day: Day) -> None:
        wanted = {namespace_of(tenant): gpus for tenant, gpus in day.gpus.items()}

        def done(history: History) -> bool:
            check_alive(self._operator)
            return settled(history, wanted, self._generation)

        history, what = self._recorder.history, f"the operator has settled on {day.date}"
        while True:
            self._recorder.wait(done, what, SETTLE_SECONDS)
            seen = history.count
            # A raised limit is in force a moment before anything is ordered under it.
            with suppress(TimeoutError):
                self._recorder.wait(lambda h: h.count > seen, "something new", CALM_SECONDS)  # noqa: B023
                continue
            return

    def _kubectl(self, *arguments: str) -> str:
        return kubectl(self._kubeconfig, self._cache, *arguments)
