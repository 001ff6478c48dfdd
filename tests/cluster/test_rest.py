"""An operator with nothing to do: it looks again and again, and decides only once something has changed."""

from functools import partial

from cluster.operating import POOLS, Operator, Start, apply, condition, pool
from cluster.reading import read
from controlplane import Kubectl, wait_until

CYCLES = 5


def deciding(operator: Operator) -> float:
    """Seconds that it has spent on decisions."""
    return operator.metric("aifactory_cycle_seconds_sum", phase="decide")


def at_rest(operator: Operator) -> bool:
    """Whether some cycles in a row come and go without a decision."""
    cycles, before = operator.cycles(), deciding(operator)
    wait_until(lambda: operator.cycles() >= cycles + CYCLES, "some cycles")
    return deciding(operator) == before > 0


def test_what_is_at_rest_is_looked_at_and_not_decided_again(
    start: Start, kubectl: Kubectl, namespace: str, site: str
) -> None:
    operator = start(resync=0.1)

    def ready(name: str) -> bool:
        return condition(read(kubectl, POOLS, name, namespace), "Ready").get("status") == "True"

    for name in ("one", "two"):
        before = deciding(operator)
        apply(kubectl, pool(name, namespace, 8, site))
        wait_until(partial(ready, name), f"{name} is ready")
        assert deciding(operator) > before
        wait_until(partial(at_rest, operator), "it is at rest")
