"""Prometheus metrics. Labels are bounded by the number of factories; no pool or node is ever a label."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, time  # noqa: TID251 - a moment that Prometheus compares with its own
from typing import Final

from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, Gauge, Histogram, disable_created_metrics
from prometheus_client import Counter as Total
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from aifactory.decide.model.plan import Plan, StatusWrite
from aifactory.decide.place.placed import Stopped

POOL_STATES: Final = ("ready", "partly_placed", "reconciling", "stalled", "unknown")
PHASES: Final = ("gather", "decide", "act", "report")
_SECONDS: Final = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
_POWER: Final = {
    "limit": "IT power limit in force.",
    "committed": "IT power of every unit that is on, on its way up or being drained.",
    "reserved": "IT power committed, and planned but not yet ordered.",
}

_NODES: Final = {
    "ready": "readyNodes",
    "not_ready": "notReadyNodes",
    "cordoned": "cordonedNodes",
    "out_of_service": "outOfServiceNodes",
}
_ENERGY: Final = {
    "energy_cost_per_day": (
        "costPerDay",
        "Money a day for the energy of the plan, at the meter and at peak.",
    ),
    "carbon_kilograms_per_day": ("carbonKilogramsPerDay", "Carbon dioxide a day of that energy."),
}


class Metrics:
    """What this process counts and what the last cycle saw."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._fleet = _Fleet()
        self.registry.register(self._fleet)
        self._cycles = Histogram(
            "aifactory_cycle_seconds",
            "Seconds that the phases of a cycle take.",
            ["phase"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._writes = Total(
            "aifactory_writes", "Writes to the Kubernetes API.", ["action", "outcome"], registry=self.registry
        )
        self._errors = Total(
            "aifactory_errors", "Cycles that did not come to their end.", ["phase"], registry=self.registry
        )
        self._differed = Total(
            "aifactory_cache_differences",
            "Objects that were not as a LIST has them, when what is kept was compared with one.",
            registry=self.registry,
        )
        self._leader = Gauge(
            "aifactory_leader", "1 while this process leads, else 0.", registry=self.registry
        )
        self._last = Gauge(
            "aifactory_last_cycle_timestamp_seconds",
            "Unix time at which the last whole cycle ended.",
            registry=self.registry,
        )
        self._solve = Gauge(
            "aifactory_solve_seconds", "Seconds that the last better plan took.", registry=self.registry
        )
        self._cut_off = Total(
            "aifactory_solves_cut_off",
            "Better plans or certificates that were given up.",
            ["reason"],
            registry=self.registry,
        )
        for phase in PHASES:
            self._errors.labels(phase)  # so that a first error is seen as an increase
        for reason in Stopped:
            self._cut_off.labels(reason)

    def handler(self) -> Handler:
        """What answers a scrape."""
        return make_aiohttp_handler(self.registry)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase of the cycle, and count it where it fails."""
        began = monotonic()
        try:
            yield
        except Exception:
            self._errors.labels(name).inc()
            raise
        finally:
            self._cycles.labels(name).observe(monotonic() - began)

    def at_rest(self) -> None:
        """Count a cycle that found nothing changed: all but its gathering took no time."""
        for name in ("decide", "act", "report"):
            self._cycles.labels(name).observe(0.0)

    def differed(self, objects: int) -> None:
        """So many objects were not as a LIST has them."""
        self._differed.inc(objects)

    def wrote(self, action: str, outcome: str) -> None:
        """Count a write: done, passed_by (the object had changed), refused (an eviction) or failed."""
        self._writes.labels(action, outcome).inc()

    def solved(self, seconds: float) -> None:
        """Show how long a better plan took."""
        self._solve.set(seconds)

    def cut_off(self, reason: Stopped) -> None:
        """Count a solver that was given up."""
        self._cut_off.labels(reason).inc()

    def show_leader(self, leads: Callable[[], bool]) -> None:
        """Show whether this process leads, as it is at each scrape."""
        self._leader.set_function(leads)

    def cycle_ended(self, plan: Plan) -> None:
        """Show what a plan that was carried out says of the fleet."""
        self._fleet.statuses = plan.statuses
        self._last.set(time())


class _Fleet(Collector):
    """The fleet as the last plan has it. Made anew for each scrape, so that what is gone is not shown."""

    statuses: tuple[StatusWrite, ...] = ()

    def collect(self) -> Iterator[Metric]:
        """The metrics of factories and pools."""
        factories = [write for write in self.statuses if write.kind == "AIFactory"]
        for figure, meaning in _POWER.items():
            family = GaugeMetricFamily(f"aifactory_{figure}_watts", meaning, labels=["factory"])
            for factory in factories:
                if power := factory.status.get("power"):
                    family.add_metric([factory.name], power[figure])
            yield family
        for figure, meaning in (("limit", "IT power limit"), ("committed", "Committed IT power")):
            family = GaugeMetricFamily(
                f"aifactory_domain_{figure}_watts",
                f"{meaning} of the few domains nearest to their limits.",
                labels=["factory", "domain"],
            )
            for factory in factories:
                for tight in factory.status.get("tightest", ()):
                    family.add_metric([factory.name, tight["domain"]], tight[figure])
            yield family
        family = GaugeMetricFamily(
            "aifactory_nodes", "Nodes that exist or are on their way up.", labels=["factory", "state"]
        )
        for factory in factories:
            for state, figure in _NODES.items():
                if figure in factory.status:
                    family.add_metric([factory.name, state], factory.status[figure])
        yield family
        for metric, (figure, meaning) in _ENERGY.items():
            family = GaugeMetricFamily(f"aifactory_{metric}", meaning, labels=["factory"])
            for factory in factories:
                if (amount := factory.status.get("energy", {}).get(figure)) is not None:
                    family.add_metric([factory.name], float(amount))
            yield family
        states = Counter(pool_state(write) for write in self.statuses if write.kind == "GPUPool")
        pools = GaugeMetricFamily("aifactory_pools", "Pools by state.", labels=["state"])
        for state in POOL_STATES:
            pools.add_metric([state], states[state])
        yield pools


def pool_state(write: StatusWrite) -> str:
    """A pool's state in one word, after its conditions: one of POOL_STATES."""
    says = {c["type"]: c for c in write.status.get("conditions", ())}
    if says.get("Stalled", {}).get("status") == "True":
        return "stalled"
    if says.get("Reconciling", {}).get("status") == "True":
        return "reconciling"
    ready = says.get("Ready", {})
    if ready.get("status") != "True":
        return "unknown"
    return "partly_placed" if ready.get("reason") == "PartlyPlaced" else "ready"
