"""What a tenant can do to others by the fields of its pools: to their pods, their place, their names."""

import json
from typing import Any

import pytest

from aifactory.api import names
from aifactory.backends.marks import taints_of
from aifactory.decide.model.plan import Delete, Evict, Order, Relabel
from aifactory.decide.model.world import Pod, Taint
from unit.decide.build import boxes, factory, pool
from unit.decide.operated import Cluster, cluster, events_of, settled

DFW = factory("dfw", boxes=4)
TENANT = names.TAINT_TENANT


def visitor(it: Cluster, namespace: str, name: str = "guest", *, node: str = "") -> Cluster:
    """A pod of another namespace lands on a node."""
    it.pods[f"{namespace}/{name}"] = Pod(namespace, name, node or min(it.nodes))
    return it


def pods_taken(it: Cluster) -> list[str]:
    """The pods that would be deleted with their nodes now."""
    return [f"{p.namespace}/{p.name}" for a in it.decide().actions if isinstance(a, Delete) for p in a.pods]


# Whose pods come


@pytest.mark.parametrize("words", [{}, {"node_taints": ({"key": "team", "effect": "NoSchedule"},)}], ids=str)
def test_a_node_keeps_other_tenants_pods_away_from_the_first_moment(words: dict[str, Any]) -> None:
    it = cluster(DFW, pool("a/t", boxes(2), **words))
    orders = [a for a in it.decide().actions if isinstance(a, Order)]
    assert len(orders) == 2
    for order in orders:
        assert Taint(TENANT, "a", "NoSchedule") in taints_of(order.spec)
    assert it.settle().decide().actions == ()


def test_a_node_that_stood_before_gets_the_taint_in_place() -> None:
    it = settled(DFW, pool("a/t", boxes(1)))
    (name,) = it.nodes
    foreign = Taint("node.kubernetes.io/not-ready", "", "NoExecute")
    it.change(name, taints=(foreign,))
    assert [type(a) for a in it.decide().actions] == [Relabel]
    assert set(it.settle().nodes[name].taints) == {foreign, Taint(TENANT, "a", "NoSchedule")}


def test_a_taint_of_a_tenant_is_put_right_whatever_somebody_made_of_it() -> None:
    it = settled(DFW, pool("a/t", boxes(1)))
    (name,) = it.nodes
    for taints in ((), (Taint(TENANT, "b", "NoSchedule"),), (Taint(TENANT, "a", "PreferNoSchedule"),)):
        it.change(name, taints=taints)
        assert it.settle().nodes[name].taints == (Taint(TENANT, "a", "NoSchedule"),)


def test_a_node_that_changes_its_pool_changes_its_tenant() -> None:
    it = settled(DFW, pool("a/t", boxes(1)), pool("b/t", boxes(2)))
    (name,) = it.nodes_of("a/t")
    it.delete("a/t")
    it.scribble(name, **{names.LABEL_POOL_NAMESPACE: "b"}).settle()
    for node in it.nodes.values():
        assert node.taints == (Taint(TENANT, "b", "NoSchedule"),)


def test_a_site_may_share_its_nodes() -> None:
    it = settled(DFW.but(shared_nodes=True), pool("a/t", boxes(1)))
    assert [node.taints for node in it.nodes.values()] == [()]
    it.edit("dfw", shared_nodes=False).settle()
    assert [node.taints for node in it.nodes.values()] == [(Taint(TENANT, "a", "NoSchedule"),)]
    it.edit("dfw", shared_nodes=True).settle()
    assert [node.taints for node in it.nodes.values()] == [()]


# Whose pods go


def test_a_pool_cannot_delete_other_tenants_pods_past_their_budgets() -> None:
    """The attack: pods of others land on an own node, and the pool goes without any time."""
    it = settled(DFW, pool("a/jack", boxes(1), drain_timeout=0), budgets=frozenset({"kube-system", "b"}))
    visitor(visitor(it, "kube-system", "coredns"), "b").edit("a/jack", gpus=0)
    for _ in range(3):
        it.cycle()
        assert pods_taken(it) == []
    assert {type(a) for a in it.decide().actions} == {Evict}
    it.tick(595)
    assert pods_taken(it) == []
    it.tick(5)
    assert sorted(pods_taken(it)) == ["b/guest", "kube-system/coredns"]


def test_own_pods_have_the_time_of_their_pool() -> None:
    it = settled(DFW, pool("a/jack", boxes(2), drain_timeout=0), busy=True, budgets=frozenset({"a", "b"}))
    first, second = sorted(it.nodes)
    visitor(it, "b", node=second).edit("a/jack", gpus=0).cycle()
    assert pods_taken(it) == [f"a/on-{first}"]


def test_a_longer_time_of_the_pool_holds_for_others_too() -> None:
    it = settled(DFW, pool("a/t", boxes(1), drain_timeout=900), budgets=frozenset({"b"}))
    visitor(it, "b").edit("a/t", gpus=0).cycle()
    it.tick(890)
    assert pods_taken(it) == []
    it.tick(10)
    assert pods_taken(it) == ["b/guest"]


def test_a_site_says_how_long_others_have() -> None:
    it = settled(DFW.but(foreign_drain=50), pool("a/t", boxes(1), drain_timeout=0), budgets=frozenset({"b"}))
    visitor(it, "b").edit("a/t", gpus=0).cycle()
    it.tick(48)
    assert pods_taken(it) == []
    it.tick(1)
    assert pods_taken(it) == ["b/guest"]


def test_no_taint_of_a_pool_evicts_at_once() -> None:
    """An object with NoExecute in nodeTaints was taken by an earlier version."""
    taints = (
        {"key": "team", "value": "x", "effect": "NoExecute"},
        {"key": "team", "value": "y", "effect": "NoSchedule"},
    )
    it = settled(DFW, pool("a/t", boxes(1), node_taints=taints), pool("b/t", boxes(1)))
    (name,) = it.nodes_of("a/t")
    assert set(it.nodes[name].taints) == {Taint(TENANT, "a", "NoSchedule"), Taint("team", "y", "NoSchedule")}
    assert it.says("a/t", "Provisioned") == "True: PartlyAsWished"
    assert "team:NoExecute" in it.tells("a/t", "Provisioned")
    assert it.says("b/t", "Provisioned") == "True: Provisioned"
    it.edit("a/t", node_taints=taints[1:]).settle()
    assert it.says("a/t", "Provisioned") == "True: Provisioned"


def test_a_taint_that_evicts_goes_from_nodes_that_have_it_of_before() -> None:
    taint = {"key": "team", "value": "x", "effect": "NoExecute"}
    it = settled(DFW, pool("a/t", boxes(1), node_taints=(taint,)))
    (name,) = it.nodes
    it.change(
        name,
        taints=(Taint("team", "x", "NoExecute"),),
        annotations={names.ANNOTATION_TAINT_KEYS: "team=x:NoExecute"},
    )
    assert it.settle().nodes[name].taints == (Taint(TENANT, "a", "NoSchedule"),)


# Labels


PUBLIC = DFW.but(systems={"box": {"nodeLabels": {"example.com/zone": "public", "tier": "one"}}})


def labels(it: Cluster, path: str = "a/t") -> dict[str, str]:
    (name,) = it.nodes_of(path)
    return {key: value for key, value in it.nodes[name].labels.items() if not key.startswith(names.GROUP)}


@pytest.mark.parametrize("prefixes", [(), ("example.com",)])
def test_a_pool_cannot_overrule_what_its_site_says_of_a_node(prefixes: tuple[str, ...]) -> None:
    wish = {"example.com/zone": "confidential", "tier": "zero", "team": "nlp"}
    it = settled(PUBLIC.but(label_prefixes=prefixes), pool("a/t", boxes(1), node_labels=wish))
    found = labels(it)
    assert (found["example.com/zone"], found["tier"], found["team"]) == ("public", "one", "nlp")
    assert it.says("a/t", "Provisioned") == "True: PartlyAsWished"
    for key in ("example.com/zone", "tier"):
        assert key in it.tells("a/t", "Provisioned")
    assert "team" not in it.tells("a/t", "Provisioned")


def test_a_node_that_stood_overruled_says_what_its_site_says() -> None:
    wish = {"example.com/zone": "confidential"}
    it = settled(PUBLIC, pool("a/t", boxes(1), node_labels=wish))
    (name,) = it.nodes
    it.change(
        name,
        labels={**it.nodes[name].labels, **wish},
        annotations={names.ANNOTATION_LABEL_KEYS: "example.com/zone"},
    )
    assert labels(it.settle())["example.com/zone"] == "public"
    assert it.decide().actions == ()


STEERING = (
    "nvidia.com/mig.config",
    "karpenter.sh/do-not-disrupt",
    "node.cluster.x-k8s.io/zone",
    "example.com/a",
)


@pytest.mark.parametrize("key", STEERING)
def test_a_pool_uses_only_the_prefixes_that_the_site_gives_to_tenants(key: str) -> None:
    it = settled(DFW, pool("a/t", boxes(1), node_labels={key: "x", "team": "nlp"}))
    assert key not in labels(it)
    assert labels(it)["team"] == "nlp"
    told = it.tells("a/t", "Provisioned")
    assert key in told
    assert "dfw" in told
    it.edit("dfw", label_prefixes=(key.partition("/")[0],)).settle()
    assert labels(it)[key] == "x"
    assert it.says("a/t", "Provisioned") == "True: Provisioned"
    it.edit("dfw", label_prefixes=("other.example",)).settle()
    assert key not in labels(it)


def test_each_site_of_a_pool_judges_its_own_nodes() -> None:
    sjc = factory("sjc", boxes=1, label_prefixes=("example.com",))
    it = settled(factory("dfw", boxes=1), sjc, pool("a/t", boxes(2), node_labels={"example.com/a": "x"}))
    have = {n.factory: "example.com/a" in n.labels for n in it.nodes.values()}
    assert have == {"dfw": False, "sjc": True}
    assert "dfw" in it.tells("a/t", "Provisioned")
    assert "sjc" not in it.tells("a/t", "Provisioned")


def test_an_agents_startup_taint_is_allowed_everywhere() -> None:
    agent = {"key": "node.cilium.io/agent-not-ready", "value": "true", "effect": "NoExecute"}
    it = settled(DFW, pool("a/t", boxes(1), startup_taints=(agent,)))
    (node,) = it.nodes.values()
    assert Taint(*agent.values()) in node.taints
    assert it.says("a/t", "Provisioned") == "True: Provisioned"


# Time

WEEK = 604_800


def held(**words: Any) -> Cluster:
    """A pool that takes a week, on a site whose limit falls."""
    it = settled(
        DFW.but(**words), pool("a/slow", boxes(3), drain_timeout=WEEK), busy=True, budgets=frozenset({"a"})
    )
    return it.edit("dfw", quota=0)


def test_no_pool_holds_a_site_above_its_limit_for_a_week() -> None:
    it = held()
    it.cycle()
    it.tick(598)
    assert pods_taken(it) == []
    it.tick(1)
    assert len(pods_taken(it)) == 3
    assert it.settle().nodes == {}


def test_a_site_says_how_long_it_may_be_above_its_limit() -> None:
    it = held(shed_drain=30, foreign_drain=900)
    visitor(it, "b")
    it.cycle()
    it.tick(28)
    assert pods_taken(it) == []
    it.tick(1)
    assert len(pods_taken(it)) == 4


def test_only_below_the_exceeded_limit_time_is_short() -> None:
    it = settled(
        factory("dfw", halls=2, boxes=2),
        pool("a/slow", boxes(4), drain_timeout=WEEK),
        busy=True,
        budgets=frozenset({"a"}),
    )
    it.edit("dfw", limits={"hall-2": 0}).edit("a/slow", gpus=0).cycle()
    it.tick(600)
    assert {a.node.name.split(".")[1] for a in it.decide().actions if isinstance(a, Delete)} == {"hall-2"}


def test_a_limit_that_is_kept_again_gives_the_rest_its_time_back() -> None:
    it = held()
    it.edit("a/slow", gpus=0).cycle()
    it.edit("dfw", quota=100).cycle()
    it.tick(700)
    assert pods_taken(it) == []
    it.tick(3600)
    assert len(pods_taken(it)) == 3


def test_a_pool_that_wants_more_time_than_its_site_gives_is_told() -> None:
    it = settled(DFW, pool("a/slow", boxes(1), drain_timeout=WEEK), pool("b/t", boxes(1), drain_timeout=3600))
    assert "dfw gives pods at most 3600 s, and not 604800 s, to leave" in it.tells("a/slow", "Provisioned")
    assert it.says("a/slow", "Provisioned") == "True: PartlyAsWished"
    assert it.says("b/t", "Provisioned") == "True: Provisioned"
    it.edit("dfw", longest_drain=WEEK).settle()
    assert it.says("a/slow", "Provisioned") == "True: Provisioned"


def test_what_is_said_of_a_blocked_drain_is_when_it_ends() -> None:
    it = held()
    it.cycle()
    it.cycle()
    it.cycle()
    for path, kind in (("dfw", "WithinLimits"), ("a/slow", "Reconciling")):
        assert "until 2026-01-01T00:1" in it.tells(path, kind), it.tells(path, kind)


# Names


SECRET = ("victim-secret", "coredns", "kube-system", "other-tenant")


def blocked(*visitors: str) -> Cluster:
    """Pods of others keep a pool's node from going."""
    it = settled(
        DFW, pool("a/jack", boxes(1), drain_timeout=0), busy=True, budgets=frozenset({"a", *visitors})
    )
    for namespace in visitors:
        visitor(it, namespace, "victim-secret")
    return it.edit("dfw", quota=0)


def told_to_tenants(it: Cluster, path: str) -> str:
    """All that a pool's status and events say."""
    return json.dumps(it.statuses[path]) + repr(events_of(it.decide(), path))


def test_a_pools_status_and_events_name_nobody_elses_pods_and_budgets() -> None:
    it = blocked("other-tenant", "kube-system")
    for _ in range(4):
        it.cycle()
    said = told_to_tenants(it, "a/jack")
    assert "DrainBlocked" in said
    assert not [word for word in SECRET if word in said], said
    assert "2 pods of other namespaces" in said
    it.tick(600)
    said = told_to_tenants(it, "a/jack")
    assert "DrainTimedOut" in said
    assert not [word for word in SECRET if word in said], said


def test_a_pools_status_names_its_own_budgets() -> None:
    it = blocked()
    it.edit("a/jack", drain_timeout=600)
    for _ in range(4):
        it.cycle()
    assert "budget keep-all of a" in told_to_tenants(it, "a/jack")


def test_events_of_a_factory_name_no_tenant() -> None:
    """They are in the namespace `default`, for whoever may read events there."""
    it = blocked("other-tenant")
    told: list[str] = []
    for _ in range(5):
        plan = it.decide()
        told += [event.message for event in events_of(plan, "dfw")]
        it.carry_out(plan)
        it.tick()
    assert any("wait" in message for message in told), told
    assert not [message for message in told if "a/jack" in message or "other-tenant" in message], told
    assert "a/jack" in it.tells("dfw", "WithinLimits")  # the platform's own people read that


def test_events_of_a_factory_name_no_tenant_where_units_are_in_the_way() -> None:
    it = settled(DFW, pool("a/train", boxes(3))).edit("dfw", boxes=0)
    plan = it.decide()
    (event,) = events_of(plan, "dfw")
    assert event.reason == "InTheWay"
    assert "a/train" not in event.message
    assert "3 units" in event.message
    assert "a/train" in json.dumps([dict(w.status) for w in plan.statuses if w.name == "dfw"])


# Numbers


def numbers(it: Cluster, path: str) -> str:
    return json.dumps(it.statuses[path]["waiting"]) + it.tells(path, "Ready")


def test_a_site_may_keep_its_numbers_to_itself() -> None:
    it = settled(
        DFW.but(quota=25, boxes=40),
        pool("b/there", boxes(1)),
        pool("a/wide", boxes(3)),
        pool("a/many", boxes(99)),
    )
    assert "25" in numbers(it, "a/wide")
    it.edit("dfw", tells="Reason").settle()
    for path, reason in (("a/wide", "InsufficientPower"), ("a/many", "NeverFits")):
        waiting = it.statuses[path]["waiting"]
        assert waiting["reason"] == reason
        said = numbers(it, path)
        assert not any(letter.isdigit() for letter in said), said
    assert "dfw" in numbers(it, "a/wide")


def test_who_may_stand_where_numbers_are_told_hears_none_of_the_other_site() -> None:
    sites = (DFW.but(quota=25), factory("sjc", boxes=4, quota=35, tells="Reason"))
    it = settled(*sites, pool("a/wide", boxes(6)), pool("a/here", boxes(4), only_in=("dfw",)))
    assert "25" in numbers(it, "a/here")
    assert "35" not in numbers(it, "a/wide")
