"""Whatever the CRDs accept: what is written can be read back, and nobody stops anybody else."""

import json
import re
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from aifactory.api.factory_status import AIFactoryStatus
from aifactory.api.pool_status import GPUPoolStatus
from aifactory.api.reading import parse_factory, parse_pool
from aifactory.backends.kwok import node_body
from aifactory.backends.nodes import drain_patch, read_node
from aifactory.backends.port import Mandate
from aifactory.decide import Plan, World, decide
from aifactory.decide.model.plan import Drain, Order
from aifactory.decide.model.world import Node
from aifactory.shell.events import event_body
from unit.decide.extremes import Manifest, factories, pools

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STATUS: dict[str, type[AIFactoryStatus] | type[GPUPoolStatus]] = {
    "AIFactory": AIFactoryStatus,
    "GPUPool": GPUPoolStatus,
}
SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
PART = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
SLOW = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))


def created(order: Order) -> Node:
    """The node of an order, as the API server hands it out; what Kubernetes would refuse fails here."""
    obj = json.loads(json.dumps(node_body(order.spec, Mandate("leader", 1))))
    meta = obj["metadata"]
    assert re.fullmatch(SUBDOMAIN, meta["name"])
    for key, value in meta["labels"].items():
        assert is_key(key), key
        assert value == "" or (len(value) <= 63 and re.fullmatch(PART, value)), (key, value)
    assert all(is_key(key) for key in meta["annotations"])
    assert sum(len(k) + len(v) for k, v in meta["annotations"].items()) <= 256 * 1024
    assert len({(t["key"], t["effect"]) for t in obj["spec"]["taints"]}) == len(obj["spec"]["taints"])
    assert all(is_key(taint["key"]) for taint in obj["spec"]["taints"])
    assert all(is_key(key) for key in obj["status"]["capacity"])
    meta |= {"uid": meta["name"], "creationTimestamp": "2026-01-01T00:00:00Z"}
    obj["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    node = read_node(obj)
    assert node.stamp is not None, meta
    assert node.stamp.slot == order.spec.slot
    assert node.stamp.pool == order.pool
    assert node.stamp.slot.node_name == node.name
    return node


def is_key(key: str) -> bool:
    """Whether Kubernetes takes a key for labels, annotations, taints or resources."""
    domain, slash, name = key.rpartition("/")
    fits = not slash or (len(domain) <= 253 and re.fullmatch(SUBDOMAIN, domain) is not None)
    return fits and re.fullmatch(PART, name) is not None


def sound(plan: Plan) -> None:
    """Every status is one that the API server would take, and reads back as it was written."""
    assert plan.log == ()
    for write in plan.statuses:
        wired = json.loads(json.dumps(write.status))
        read = STATUS[write.kind].model_validate(wired)
        assert STATUS[write.kind].model_validate(read.wire()) == read
        reasons = {c["type"]: c["reason"] for c in wired["conditions"]}
        assert "InvalidSpec" not in reasons.values(), (write.kind, write.name, wired["conditions"])
    for event in plan.events:
        body = event_body(event, "uid", "2026-01-01T00:00:00Z", "leader")
        name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
        assert len(name) <= 253, name
        assert re.fullmatch(SUBDOMAIN, name), name
        assert namespace == body["involvedObject"].get("namespace", "default")
        assert 0 < len(body["reason"]) <= 128
        assert 0 < len(body["message"].encode()) <= 1024


def lives(sites: list[Manifest], wishes: list[Manifest], cycles: int = 3) -> None:
    """Decide some cycles, with every order carried out."""
    note(json.dumps([sites, wishes]))
    parsed = tuple(parse_factory(site) for site in sites)
    asked = tuple(parse_pool(wish) for wish in wishes)
    nodes: dict[str, Node] = {}
    for cycle in range(cycles):
        world = World(factories=parsed, pools=asked, nodes=tuple(nodes.values()))
        plan = decide(world, NOW + timedelta(minutes=20 * cycle))
        sound(plan)
        orders = [action for action in plan.actions if isinstance(action, Order)]
        for order in orders[:100]:
            node = created(order)
            assert node.name not in nodes
            nodes[node.name] = node
        for site in parsed:
            status = next(w.status for w in plan.statuses if w.name == site.metadata.name)
            conditions = {c["type"]: c["reason"] for c in status["conditions"]}
            assert conditions["Ready"] in ("AsPlanned", "UnknownSystem", "QuotaTooSmall"), conditions
        for action in plan.actions:
            if isinstance(action, Drain):
                drain_patch(action)


@SLOW
@given(factories(), pools())
def test_what_is_written_can_be_read_back(site: Manifest, wish: Manifest) -> None:
    lives([site], [wish])


@SLOW
@given(st.data())
def test_no_world_of_extremes_stops_a_decision(data: st.DataObject) -> None:
    sites = [data.draw(factories(f"site-{n}")) for n in range(data.draw(st.integers(0, 3)))]
    wishes = [data.draw(pools(f"pool-{n}")) for n in range(data.draw(st.integers(1, 5)))]
    lives(sites, wishes)
