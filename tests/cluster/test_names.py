"""Nodes whose names and labels do not agree with what the operator ordered, on a real cluster."""

from typing import Any

from aifactory.api import names
from cluster.operating import FACTORIES, apply, condition, factory, is_ready, nodes_of, pool
from cluster.reading import get, read
from controlplane import Kubectl, wait_until

NODE = 10_200  # watts


def committed(kubectl: Kubectl, site: str) -> int:
    """The watts that a factory's status counts."""
    return int(read(kubectl, FACTORIES, site)["status"].get("power", {}).get("committed", 0))


def stands(kubectl: Kubectl, name: str, namespace: str, nodes: int) -> list[str]:
    """Wait until a pool is Ready with so many nodes; their names."""

    def ready() -> list[str]:
        found = [node["metadata"]["name"] for node in nodes_of(kubectl, name, namespace)]
        return found if len(found) == nodes and is_ready(kubectl, name, namespace) else []

    return wait_until(ready, f"{name} has {nodes} nodes", 60)


def test_a_taken_name_costs_its_slot_and_its_power_and_nothing_else(kubectl: Kubectl, tenant: str) -> None:
    taken = f"{tenant}.row.hgx-h100.1.1"
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": taken, "annotations": {"kwok.x-k8s.io/node": "fake"}},
    }
    apply(kubectl, node)
    try:
        apply(kubectl, factory(tenant, rows=1), pool("llm", tenant, 24, tenant))
        assert taken not in stands(kubectl, "llm", tenant, 3)

        def told() -> dict[str, Any]:
            site = read(kubectl, FACTORIES, tenant)
            return site if condition(site, "Ready").get("reason") == "NameTaken" else {}

        site = wait_until(told, "the factory names the stranger")
        assert taken in condition(site, "Ready")["message"]
        wait_until(lambda: committed(kubectl, tenant) == 4 * NODE, "it counts as its slot's unit")
        (there,) = get(kubectl, "nodes", fields=f"metadata.name={taken}")
        assert names.LABEL_FACTORY not in there["metadata"].get("labels", {})
    finally:
        kubectl("delete", "node", taken)


def test_a_node_that_is_relabelled_to_another_factory_stays_where_it_is(
    kubectl: Kubectl, tenant: str
) -> None:
    other = f"{tenant}-b"[-40:].strip("-")
    apply(kubectl, factory(tenant, rows=1), factory(other, rows=1), pool("llm", tenant, 16, tenant))
    first = stands(kubectl, "llm", tenant, 2)
    kubectl("label", "node", first[0], "--overwrite", f"{names.LABEL_FACTORY}={other}")

    def replaced() -> bool:
        is_stray = condition(read(kubectl, FACTORIES, tenant), "Ready").get("reason") == "Stray"
        return is_stray and committed(kubectl, tenant) == 3 * NODE

    wait_until(replaced, "it counts as a stray where it stands, beside another one in its place", 60)
    assert committed(kubectl, other) == 0
    assert condition(read(kubectl, FACTORIES, other), "Ready")["reason"] == "AsPlanned"
    # Its pool's labels are still on it.
    wait_until(lambda: len(nodes_of(kubectl, "llm", tenant)) == 3, "the other one stands")
