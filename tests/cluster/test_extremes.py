"""What the CRDs accept at their edges: the API server takes it, and every node that comes of it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aifactory.api.reading import parse_factory, parse_pool
from aifactory.backends.kwok import node_body
from aifactory.backends.port import Mandate
from aifactory.decide import World, decide
from aifactory.decide.model.plan import Order
from controlplane import Kubectl
from unit.decide.extremes import factories, pools

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OBJECTS, NODES = 40, 5  # worlds that are tried, and nodes of each


def drawn(strategy: st.SearchStrategy[Any]) -> list[Any]:
    """Some values of a strategy, the same in every run."""
    found: list[Any] = []

    @settings(
        max_examples=OBJECTS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


@pytest.mark.usefixtures("crds")
def test_the_api_server_takes_them_and_every_node_that_is_ordered(kubectl: Kubectl, namespace: str) -> None:
    worlds = drawn(st.tuples(factories(), pools()))
    objects, nodes = [], []
    for site, wish in worlds:
        wish["metadata"]["namespace"] = namespace
        wish["spec"]["minGpus"] = 0
        for limited in (site["spec"]["power"]["domains"], [site["spec"]["power"]]):
            for it in limited:  # there has to be power for some node
                it.update(dict.fromkeys({"limit", "quota"} & it.keys(), "1T"))
        objects += [site, wish]
        parsed = World(factories=(parse_factory(site),), pools=(parse_pool(wish),))
        orders = [a for a in decide(parsed, NOW).actions if isinstance(a, Order)]
        nodes += [node_body(order.spec, Mandate("leader", 1)) for order in (*orders[:NODES], *orders[-1:])]
    assert len(nodes) > OBJECTS
    for batch in (objects, nodes):
        out = kubectl(
            *("create", "--dry-run=server", "--validate=strict", "--output=name", "--filename=-"),
            # JSON, for kubectl takes a plain `y` in YAML for a boolean.
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": batch}),
            seconds=300,
        )
        assert len(out.splitlines()) == len(batch), json.dumps(batch)[:1000]
