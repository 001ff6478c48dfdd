"""What is shown to Prometheus."""

import pytest
from prometheus_client import generate_latest

from aifactory.decide.model.plan import Plan, StatusWrite
from aifactory.shell.metrics import POOL_STATES, Metrics, pool_state

DFW = StatusWrite(
    "AIFactory",
    "",
    "dfw-1",
    {
        "power": {"limit": 84745762, "committed": 61395840, "reserved": 63201600, "free": 21544162},
        "tightest": [{"domain": "hall-2/row-5", "limit": 2600000, "committed": 2407680}],
    },
)


def pool(name: str = "p", **conditions: tuple[str, str]) -> StatusWrite:
    listed = [{"type": t, "status": status, "reason": reason} for t, (status, reason) in conditions.items()]
    return StatusWrite("GPUPool", "ns", name, {"conditions": listed})


def lines(metrics: Metrics) -> list[str]:
    return generate_latest(metrics.registry).decode().splitlines()


def test_power_is_shown_in_watts_by_factory() -> None:
    metrics = Metrics()
    metrics.cycle_ended(Plan(statuses=(DFW, pool(Ready=("True", "Ready")))))
    shown = lines(metrics)
    assert 'aifactory_limit_watts{factory="dfw-1"} 8.4745762e+07' in shown
    assert 'aifactory_committed_watts{factory="dfw-1"} 6.139584e+07' in shown
    assert 'aifactory_reserved_watts{factory="dfw-1"} 6.32016e+07' in shown
    assert 'aifactory_domain_committed_watts{domain="hall-2/row-5",factory="dfw-1"} 2.40768e+06' in shown
    assert 'aifactory_pools{state="ready"} 1.0' in shown


def test_the_cost_of_energy_is_shown_where_it_is_known() -> None:
    metrics = Metrics()
    energy = {"costPerDay": "1275.00", "carbonKilogramsPerDay": 11400}
    priced = StatusWrite("AIFactory", "", "sjc-1", {"energy": energy})
    metrics.cycle_ended(Plan(statuses=(DFW, priced)))
    shown = [line for line in lines(metrics) if "per_day{" in line]
    assert shown == [
        'aifactory_energy_cost_per_day{factory="sjc-1"} 1275.0',
        'aifactory_carbon_kilograms_per_day{factory="sjc-1"} 11400.0',
    ]


def test_a_factory_that_is_gone_is_not_shown() -> None:
    metrics = Metrics()
    metrics.cycle_ended(Plan(statuses=(DFW,)))
    metrics.cycle_ended(Plan())
    assert not [line for line in lines(metrics) if "dfw-1" in line]


def test_a_status_without_power_is_passed_over() -> None:
    metrics = Metrics()
    metrics.cycle_ended(Plan(statuses=(StatusWrite("AIFactory", "", "bad", {"conditions": []}),)))
    assert not [line for line in lines(metrics) if "bad" in line]


def test_a_phase_that_fails_is_counted_and_timed() -> None:
    metrics = Metrics()
    with pytest.raises(ValueError, match="x"), metrics.phase("gather"):
        raise ValueError("x")
    shown = lines(metrics)
    assert 'aifactory_errors_total{phase="gather"} 1.0' in shown
    assert 'aifactory_cycle_seconds_count{phase="gather"} 1.0' in shown
    assert 'aifactory_errors_total{phase="act"} 0.0' in shown


@pytest.mark.parametrize(
    ("write", "state"),
    [
        (pool(Ready=("True", "Ready")), "ready"),
        (pool(Ready=("True", "PartlyPlaced")), "partly_placed"),
        (pool(Ready=("True", "Ready"), Reconciling=("True", "Ordering")), "reconciling"),
        (pool(Ready=("False", "InsufficientPower"), Stalled=("True", "InsufficientPower")), "stalled"),
        (pool(), "unknown"),
    ],
)
def test_a_pool_has_one_state(write: StatusWrite, state: str) -> None:
    assert pool_state(write) == state
    assert state in POOL_STATES
