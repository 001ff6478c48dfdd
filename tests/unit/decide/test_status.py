"""Promise 5: status says what is, in the right condition, with the generation that it speaks of."""

import json
from datetime import timedelta

import pytest

from aifactory.api import names
from unit.decide.build import Thing, boxes, factory, pool, racks
from unit.decide.operated import Cluster, cluster, events_of, settled, status_of
from unit.decide.truth import factory_lies, pool_lies

DFW = factory("dfw", boxes=4)


def types(it: Cluster, path: str) -> list[str]:
    return [c.type for c in it.objects[path].status.conditions]


# A pool


def test_a_served_pool() -> None:
    it = settled(
        factory("dfw", halls=2, rows=2, racks=2, fabric="hall"), pool("a/t", racks(2), systems=("rack",))
    )
    status = it.statuses["a/t"]
    (placement,) = status["placements"]
    assert placement == {
        "factory": "dfw",
        "domain": placement["domain"],
        "fabric": placement["domain"].split("/")[0],
        "system": "rack",
        "units": 2,
        "nodes": 8,
        "gpus": 64,
        "readyGpus": 64,
        "watts": 80,
    }
    assert (status["gpus"], status["readyGpus"], status["watts"]) == (64, 64, 80)
    assert status["selector"] == "aifactory.dev/pool=t,aifactory.dev/pool-namespace=a"
    assert types(it, "a/t") == ["Ready", "Placed", "Provisioned"]
    assert "waiting" not in status


def test_the_selector_matches_the_pools_nodes_and_no_others() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), pool("b/train", boxes(1)))
    for path in ("a/train", "b/train"):
        wanted = dict(part.split("=") for part in it.statuses[path]["selector"].split(","))
        found = [n.name for n in it.nodes.values() if wanted.items() <= n.labels.items()]
        assert sorted(found) == it.nodes_of(path)


def test_placed_then_provisioned_then_ready() -> None:
    it = cluster(DFW, pool("a/train", boxes(2)), boot=3)
    seen = []
    for _ in range(6):
        it.cycle()
        says = [
            it.says("a/train", kind).split(":")[0]
            for kind in ("Placed", "Provisioned", "Ready", "Reconciling")
        ]
        seen.append(says)
    assert seen[0] == ["True", "False", "False", "True"]
    assert seen[1] == ["True", "True", "False", "True"]
    assert seen[-1] == ["True", "True", "True", ""]


def test_ready_is_at_the_minimum() -> None:
    it = settled(DFW, pool("a/train", boxes(3), at_least=boxes(2)))
    it.duds = frozenset(it.nodes)
    first, second, _ = it.nodes_of("a/train")
    it.change(first, ready=False)
    assert it.settle().says("a/train", "Ready") == "True: Ready"
    it.change(second, ready=False)
    assert it.settle().says("a/train", "Ready").startswith("False")
    assert it.pools["a/train"].status.ready_gpus == boxes(1)


def test_a_pool_below_its_wish_is_ready_and_partly_placed() -> None:
    it = settled(DFW, pool("a/train", boxes(6), at_least=boxes(2)))
    assert it.says("a/train", "Ready") == "True: PartlyPlaced"
    assert it.says("a/train", "Placed") == "True: PartlyPlaced"
    assert types(it, "a/train") == ["Ready", "Placed", "Provisioned"]
    assert it.statuses["a/train"]["waiting"]["shortUnits"] == 2


def test_a_waiting_pool_is_stalled() -> None:
    it = settled(DFW, pool("b/there", boxes(3)), pool("a/train", boxes(2)))
    assert types(it, "a/train") == ["Ready", "Placed", "Provisioned", "Stalled"]
    assert it.says("a/train", "Ready") == it.says("a/train", "Placed") == "False: InsufficientUnits"
    assert it.says("a/train", "Stalled") == "True: InsufficientUnits"


def test_a_pool_that_waits_for_room_that_is_being_vacated_is_not_stalled() -> None:
    it = settled(DFW, pool("a/soft", boxes(4), preemptible=True), linger=3)
    it.apply(pool("b/high", boxes(4), priority=1))
    for _ in range(3):
        it.cycle()
        assert it.says("b/high", "Stalled") == ""
        assert it.says("b/high", "Reconciling").startswith("True")


def test_a_node_that_never_becomes_ready_counts_and_is_reported_after_15_minutes() -> None:
    it = cluster(DFW, pool("a/train", boxes(2)), boot=1e6)
    for _ in range(3):
        it.cycle()
    assert it.says("a/train", "Reconciling").startswith("True")
    assert it.says("a/train", "Stalled") == ""
    it.tick(timedelta(minutes=15).total_seconds())
    it.cycle()
    assert it.says("a/train", "Stalled") == it.says("a/train", "Ready").replace("False", "True")
    assert it.says("a/train", "Ready") == "False: NodesNotReady"
    assert it.says("a/train", "Reconciling") == ""
    assert it.gpus("a/train") == (boxes(2),)
    assert factory_lies(it, "dfw") == []


def test_the_operator_asks_to_be_woken_when_a_node_is_due() -> None:
    it = cluster(DFW, pool("a/train", boxes(2)), boot=1e6)
    it.cycle()
    it.cycle()
    it.tick(97)
    assert it.decide().again_after == 900 - (1 + 1 + 97)


def test_every_status_carries_the_generation_it_speaks_of() -> None:
    it = settled(DFW, pool("a/train")).edit("a/train", priority=4).edit("dfw", region="south").settle()
    for path in ("a/train", "dfw"):
        assert it.objects[path].metadata.generation == 2
        assert it.statuses[path]["observedGeneration"] == 2
        assert {c["observedGeneration"] for c in it.statuses[path]["conditions"]} == {2}


def test_a_transition_time_moves_only_with_the_status() -> None:
    it = settled(DFW, pool("b/there", boxes(3)), pool("a/train", boxes(2)))
    since = it.conditions("a/train")["Ready"].last_transition_time
    it.tick(1000).edit("dfw", drain=True).settle()
    assert it.says("a/train", "Ready") == "False: OutOfService"
    assert it.conditions("a/train")["Ready"].last_transition_time == since
    it.tick(1000).edit("dfw", drain=False).delete("b/there").settle()
    assert it.conditions("a/train")["Ready"].last_transition_time > since + timedelta(seconds=1999)


# Several tenants


def test_a_status_and_its_events_name_no_other_tenants_pool() -> None:
    it = settled(
        factory("dfw", halls=2, quota=60, boxes=4),
        pool("acme/quasar", boxes(4), preemptible=True),
        pool("globex/pulsar", boxes(2), priority=3),
    )
    it.apply(pool("initech/nebula", boxes(4), priority=2)).edit("dfw", quota=40)
    told: list[str] = []
    for _ in range(12):
        plan = it.cycle()
        for path in it.pools:
            own = path.split("/")
            told += [
                word
                for word in ("acme", "quasar", "globex", "pulsar", "initech", "nebula")
                if word not in own
                and word in json.dumps([status_of(plan, path), [vars(e) for e in events_of(plan, path)]])
            ]
    assert told == []
    assert it.gpus("acme/quasar", "globex/pulsar") == (0, boxes(2))


# A factory


def test_a_factory_with_nothing_in_it() -> None:
    it = settled(factory("dfw", quota=100, pue="1.25", boxes=4))
    status = it.statuses["dfw"]
    assert status["power"] == {"limit": 80, "committed": 0, "reserved": 0, "free": 80}
    assert types(it, "dfw") == ["Ready", "WithinLimits", "Certified"]
    assert (status["nodes"], status["gpus"], status["readyGpus"], status["pools"]) == (0, 0, 0, 0)
    assert status["tightest"] == []


def test_a_factory_counts_what_stands_there() -> None:
    it = settled(
        factory("dfw", racks=2, boxes=2), pool("a/t", racks(1), systems=("rack",)), pool("b/t", boxes(2))
    )
    status = it.statuses["dfw"]
    assert (status["nodes"], status["gpus"], status["readyGpus"], status["pools"]) == (6, 48, 48, 2)
    assert status["power"]["committed"] == 60


def test_the_tightest_are_the_domains_nearest_to_their_limits() -> None:
    domains = tuple(
        {"path": f"h{c}", "limit": n} for c, n in (("a", 100), ("b", 40), ("c", 30), ("d", 25), ("e", 9))
    )
    groups = tuple({"domain": f"h{c}", "system": "box", "count": 1, "nodesPerRack": 2} for c in "abcde")
    it = settled(factory("dfw", domains=domains, groups=groups), pool("a/train", boxes(8)))
    assert [(t["domain"], t["limit"], t["committed"]) for t in it.statuses["dfw"]["tightest"]] == [
        ("hd", 25, 20),
        ("hc", 30, 20),
        ("hb", 40, 20),
    ]


def test_the_energy_of_the_plan_has_its_price_and_its_carbon_at_the_meter() -> None:
    """A megawatt of IT power is 30 MWh a day with a PUE of 1.25."""
    hungry = {"box": {"maxWatts": 500_000}}
    energy = {"pricePerMWh": "42.50", "carbonGramsPerKWh": 380}
    site = factory("dfw", quota=5_000_000, pue="1.25", hall=5_000_000, boxes=4, systems=hungry, energy=energy)
    it = settled(site, pool("a/t", boxes(2)))
    assert it.statuses["dfw"]["energy"] == {"costPerDay": "1275.00", "carbonKilogramsPerDay": 11400}
    it.delete("a/t").settle()
    assert it.statuses["dfw"]["energy"] == {"costPerDay": "0.00", "carbonKilogramsPerDay": 0}


@pytest.mark.parametrize(
    ("energy", "given"),
    [
        (None, []),
        ({}, []),
        ({"pricePerMWh": "50"}, ["costPerDay"]),
        ({"carbonGramsPerKWh": 30}, ["carbonKilogramsPerDay"]),
    ],
)
def test_what_a_factory_does_not_give_it_does_not_cost(
    energy: dict[str, object] | None, given: list[str]
) -> None:
    it = settled(DFW.but(energy=energy), pool("a/t"))
    assert list(it.statuses["dfw"].get("energy", {})) == given


def test_what_is_planned_and_not_ordered_yet_is_reserved() -> None:
    it = settled(DFW.but(quota=40), pool("a/soft", boxes(3), preemptible=True), linger=3)
    it.apply(pool("b/high", boxes(2), priority=1))
    it.cycle()
    power = it.factories["dfw"].status.power
    assert power is not None
    assert (power.committed, power.reserved, power.free) == (30, 50, 0)


def test_only_the_site_that_changed_is_written() -> None:
    it = settled(DFW, factory("sjc", boxes=4), pool("a/train", boxes(2), only_in=("dfw",)))
    it.apply(pool("b/infer", boxes(1), only_in=("sjc",)))
    written = [w for _ in range(4) for w in it.writes(it.cycle())]
    assert not any(getattr(w, "name", "") == "dfw" for w in written)


def test_a_status_that_was_lost_is_rebuilt() -> None:
    things: tuple[Thing, ...] = (DFW, pool("a/train", boxes(2)), pool("b/late", boxes(3)))
    it = settled(*things)
    before = {path: {**s, "conditions": None} for path, s in it.statuses.items()}
    nodes = dict(it.nodes)
    for path, thing in list(it.objects.items()):
        it.objects[path] = thing.model_copy(update={"status": type(thing.status)()})
    it.statuses.clear()
    it.settle()
    assert {path: {**s, "conditions": None} for path, s in it.statuses.items()} == before
    assert it.nodes == nodes


@pytest.mark.parametrize("stop", range(1, 12))
def test_a_status_never_lies_about_what_it_saw(stop: int) -> None:
    it = cluster(DFW, pool("a/train", boxes(2)), pool("b/wide", boxes(9), at_least=0))
    it.cycle(stop_after=stop)
    it.settle()
    assert [*pool_lies(it, "a/train"), *pool_lies(it, "b/wide"), *factory_lies(it, "dfw")] == []


# Events


def test_who_gives_way_hears_why_once() -> None:
    it = settled(factory("dfw", boxes=4), pool("a/soft", boxes(4), preemptible=True))
    it.apply(pool("b/high", boxes(2), priority=9))
    told = [event for _ in range(8) for event in events_of(it.cycle(), "a/soft")]
    assert [event.reason for event in told].count("Preemption") == 1
    assert next(e for e in told if e.reason == "Preemption").message.startswith("Being released: 4 nodes (")


def test_what_needs_somebody_from_its_first_moment_is_an_event() -> None:
    it = cluster(factory("dfw", boxes=1), pool("a/lost", only_in=("nowhere",)), pool("b/fine"))
    plan = it.cycle()
    assert [(e.reason, e.warning) for e in events_of(plan, "a/lost")] == [("NoSuchFactory", True)]
    assert events_of(plan, "b/fine") == []
    it.spoil("b/fine")
    assert [e.reason for _ in range(3) for e in it.cycle().events if e.name == "fine"] == ["InvalidSpec"]


def test_events_tell_transitions_once() -> None:
    it = settled(DFW, pool("a/train", boxes(6)))
    it.edit("dfw", boxes=6)
    told = [event.reason for _ in range(8) for event in events_of(it.cycle(), "a/train")]
    assert told == list(dict.fromkeys(told))
    assert "Ready" in told


def test_a_settled_cluster_has_nothing_to_tell() -> None:
    it = settled(DFW, pool("a/train", boxes(6)), pool("b/t", boxes(1)))
    assert it.decide().events == ()


def test_to_be_above_a_limit_is_a_warning_although_it_passes() -> None:
    it = settled(DFW, pool("a/train", boxes(6), at_least=boxes(1))).edit("dfw", quota=20)
    told = [event for _ in range(6) for event in it.cycle().events if event.kind == "AIFactory"]
    assert ("Shedding", True) in [(event.reason, event.warning) for event in told]


def test_a_bad_turn_is_a_warning() -> None:
    it = settled(DFW, pool("a/train", boxes(4))).edit("dfw", quota=0)
    told = [event for _ in range(6) for event in events_of(it.cycle(), "a/train")]
    assert any(event.warning for event in told)


# What is ready, and what runs on


@pytest.mark.parametrize("value", ["true", "", "yes", "broken", "True"])
def test_any_value_of_the_label_is_heard_but_false(value: str) -> None:
    it = settled(DFW, pool("a/train", boxes(2)))
    first, *_ = it.nodes_of("a/train")
    label = names.LABEL_OUT_OF_SERVICE
    it.change(first, labels={**it.nodes[first].labels, label: "false"})
    assert it.decide().actions == ()
    it.change(first, labels={**it.nodes[first].labels, label: value})
    it.settle()
    assert first not in it.nodes_of("a/train")
    assert it.statuses["dfw"]["outOfServiceNodes"] == 1
    assert (it.statuses["dfw"]["readyNodes"], it.statuses["dfw"]["nodes"]) == (2, 3)


def test_a_cordoned_node_takes_no_pods_and_is_not_ready() -> None:
    it = settled(DFW, pool("a/train", boxes(2)))
    first, *_ = it.nodes_of("a/train")
    it.change(first, unschedulable=True)
    it.settle()
    status = it.statuses["a/train"]
    assert (status["readyGpus"], status["cordonedNodes"], status["notReadyNodes"]) == (boxes(1), 1, 0)
    assert it.says("a/train", "Ready") == "False: NodesCordoned"
    assert it.says("a/train", "Stalled") == "True: NodesCordoned"
    assert first in it.tells("a/train", "Ready")
    assert it.statuses["dfw"]["readyGpus"] == boxes(1)
    it.change(first, unschedulable=False)
    assert it.settle().says("a/train", "Ready") == "True: Ready"


def test_a_pool_above_its_minimum_stays_ready_beside_a_cordoned_node() -> None:
    it = settled(DFW, pool("a/train", boxes(2), at_least=boxes(1)))
    it.change(it.nodes_of("a/train")[0], unschedulable=True)
    assert it.settle().says("a/train", "Ready") == "True: Ready"
    assert it.statuses["a/train"]["cordonedNodes"] == 1


def test_a_running_pool_that_asks_for_more_than_fits_says_that_it_runs_on() -> None:
    it = settled(DFW.but(quota=20), pool("a/train", boxes(2)))
    it.edit("a/train", gpus=boxes(3)).settle()
    assert it.says("a/train", "Ready") == "False: InsufficientPower"
    assert "What it has still runs: 16 of 16 placed GPUs are ready." in it.tells("a/train", "Ready")
    assert it.statuses["a/train"]["printed"]["waits"] == "dfw 10 W short, keeps 16 GPUs"


def test_a_pool_that_is_being_released_is_not_short_of_power() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), linger=3).edit("dfw", quota=5)
    seen = []
    for _ in range(4):
        it.cycle()
        seen.append((it.says("a/train", "Ready"), it.says("a/train", "Placed")))
    assert seen[1] == ("False: Releasing", "False: Releasing")
    assert it.settle().says("a/train", "Ready") == "False: InsufficientPower"
    assert "runs" not in it.tells("a/train", "Ready")


def test_keeping_the_old_place_is_seen_in_a_column() -> None:
    it = settled(factory("dfw", boxes=4), factory("sjc", boxes=1), pool("a/t", boxes(2), only_in=("dfw",)))
    it.edit("a/t", only_in=("sjc",)).settle()
    assert it.says("a/t", "Placed") == "True: KeepsOldPlace"
    assert it.statuses["a/t"]["printed"]["waits"] == "KeepsOldPlace"


def test_whole_units_are_not_more_than_all() -> None:
    it = settled(DFW, pool("a/t", 1))
    assert (
        it.tells("a/t", "Ready")
        == "8 of 8 GPUs are ready, 8 are placed for 1 that are wanted, in whole units."
    )
