"""Deletion, backends that cannot be driven, and objects that make no sense."""

from datetime import timedelta

from aifactory.api import names
from aifactory.decide.model.plan import Finalizer, Order
from unit.decide.build import boxes, factory, pool, racks
from unit.decide.operated import Cluster, cluster, settled, status_of

DFW, SJC = factory("dfw", boxes=4), factory("sjc", boxes=4)


def there(it: Cluster, prefix: str) -> dict[str, str]:
    return {n.name: n.uid for n in it.nodes.values() if n.name.startswith(prefix)}


# Deletion


def test_every_object_is_held_by_our_finalizer() -> None:
    it = settled(DFW, pool("a/train"))
    assert {it.objects[path].metadata.finalizers for path in ("dfw", "a/train")} == {(names.FINALIZER,)}


def test_the_finalizer_comes_before_any_order() -> None:
    it = cluster(DFW, pool("a/train"))
    kinds = [type(a) for a in it.decide().actions]
    assert kinds.index(Order) > max(i for i, kind in enumerate(kinds) if kind is Finalizer)


def test_a_pool_goes_after_its_last_node() -> None:
    it = settled(factory("dfw", racks=2), pool("a/train", racks(2), systems=("rack",)), linger=2)
    it.delete("a/train")
    while it.nodes_of("a/train"):
        assert "a/train" in it.objects
        it.cycle()
    assert it.settle().objects.keys() == {"dfw"}


def test_a_deleted_pool_says_so() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), linger=2).delete("a/train")
    status = status_of(it.cycle(), "a/train")
    says = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
    assert says["Ready"] == ("False", "Deleting")
    assert says["Reconciling"][0] == "True"


def test_a_deleted_pool_orders_nothing() -> None:
    it = cluster(DFW, pool("a/train", boxes(2)))
    it.cycle(stop_after=len(it.writes(it.decide())) // 2)
    assert it.delete("a/train").settle().nodes == {}


def test_a_deleted_factory_keeps_its_nodes() -> None:
    it = settled(DFW, pool("a/train", boxes(2)))
    before = there(it, "dfw")
    it.delete("dfw").settle()
    assert there(it, "dfw") == before
    assert it.says("dfw", "Ready") == "False: Deleting"
    assert "spec.drain" in it.conditions("dfw")["Ready"].message


def test_a_deleted_factory_takes_nothing_new() -> None:
    it = settled(DFW, pool("a/train", boxes(2))).delete("dfw").apply(pool("b/late")).settle()
    assert it.gpus("a/train", "b/late") == (boxes(2), 0)


def test_a_deleted_factory_goes_when_it_is_empty() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), SJC).delete("dfw").settle()
    it.edit("dfw", drain=True).settle()
    assert it.objects.keys() == {"sjc", "a/train"}
    assert it.units("a/train") == {"sjc/hall": 2}


def test_a_deleted_factory_is_kept_by_a_stray() -> None:
    it = settled(DFW, pool("a/train", boxes(2)))
    it.stray(like=it.nodes_of("a/train")[0], name="by-hand")
    it.delete("a/train").settle().delete("dfw").settle()
    assert "dfw" in it.objects


def test_nothing_is_done_while_our_own_resources_are_being_deleted() -> None:
    it = settled(DFW, pool("a/train", boxes(2)))
    it.resources_going = True
    for path in ("a/train", "dfw"):
        it.delete(path)
    assert it.decide().actions == ()
    assert status_of(it.decide(), "dfw")["conditions"][0]["reason"] == "ResourcesGoing"


def test_pools_that_went_with_their_definition_find_their_nodes_when_they_are_back() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), pool("a/other", boxes(1)))
    before = there(it, "dfw")
    lose_definition(it, "a/train", "a/other")
    assert there(it, "dfw") == before
    assert it.says("dfw", "Ready") == "False: PoolsLost"
    assert "a/other, a/train" in it.conditions("dfw")["Ready"].message
    it.apply(pool("a/train", boxes(2))).settle()
    assert there(it, "dfw") == before
    it.apply(pool("a/other", boxes(1))).settle()
    assert there(it, "dfw") == before
    assert it.says("dfw", "Ready") == "True: AsPlanned"
    assert it.gpus("a/train", "a/other") == (boxes(2), boxes(1))


def test_nobody_gets_the_room_of_a_pool_that_went_with_its_definition() -> None:
    it = settled(DFW, pool("a/train", boxes(3)))
    before = there(it, "dfw")
    lose_definition(it, "a/train")
    it.apply(pool("b/high", boxes(2), priority=9)).settle()
    assert it.gpus("b/high") == (0,)
    assert there(it, "dfw") == before


def lose_definition(it: Cluster, *pools: str) -> None:
    """The definition of pools goes with all of them, and is made again."""
    for path in pools:
        it.remove(path)
    it.now += timedelta(minutes=1)
    it.pools_since = it.now
    it.settle()


# Backends


def test_a_backend_that_cannot_be_driven_is_reported_and_left_alone() -> None:
    it = settled(DFW, pool("a/train", boxes(2))).edit("dfw", backend="karpenter").settle()
    assert it.says("dfw", "Ready") == "False: BackendNotSupported"
    assert it.gpus("a/train") == (boxes(2),)
    it.edit("a/train", gpus=0)
    assert it.decide().actions == ()


def test_a_backend_that_is_not_installed_is_told_and_stops_no_other() -> None:
    it = settled(DFW, SJC, pool("a/train", boxes(4)))
    it.edit("dfw", backend="karpenter").hide("dfw")
    it.not_installed = {"karpenter": "The cluster serves no NodeClaim."}
    it.settle()
    assert it.says("dfw", "Ready") == "False: BackendNotInstalled"
    assert it.says("sjc", "Ready").startswith("True")
    before = there(it, "dfw")
    it.apply(pool("a/more", boxes(4))).settle()
    assert there(it, "dfw") == before
    assert it.gpus("a/more") == (boxes(4),)


# Objects that make no sense


def test_a_refused_pool_keeps_its_nodes_and_says_why() -> None:
    it = settled(DFW, pool("a/train", boxes(2)))
    before = there(it, "dfw")
    it.spoil("a/train", "spec.gpus: found 'many'").settle()
    assert there(it, "dfw") == before
    status = it.statuses["a/train"]
    assert status["observedGeneration"] == 2
    assert status["gpus"] == boxes(2)
    assert {(c["type"], c["status"], c["reason"]) for c in status["conditions"]} >= {
        ("Ready", "False", "InvalidSpec"),
        ("Stalled", "True", "InvalidSpec"),
    }
    assert all("many" in c["message"] for c in status["conditions"] if c["reason"] == "InvalidSpec")


def test_nobody_gets_the_room_of_a_refused_pool() -> None:
    it = settled(DFW, pool("a/soft", boxes(3), preemptible=True)).spoil("a/soft")
    it.apply(pool("b/high", boxes(2), priority=9)).settle()
    assert it.gpus("a/soft", "b/high") == (boxes(3), 0)


def test_a_refused_pool_takes_up_its_nodes_when_it_makes_sense_again() -> None:
    it = settled(DFW, pool("a/train", boxes(2)))
    before, words = there(it, "dfw"), it.words["a/train"]
    it.spoil("a/train").settle().apply(words).settle()
    assert there(it, "dfw") == before
    assert it.says("a/train", "Ready") == "True: Ready"


def test_a_refused_pool_can_be_deleted_and_goes_after_its_nodes() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), linger=2).spoil("a/train").settle()
    it.delete("a/train")
    it.cycle()
    assert "a/train" in it.refused
    assert len(it.nodes_of("a/train")) == 2
    it.settle()
    assert it.refused == {}
    assert it.nodes == {}


def test_limits_of_a_factory_that_makes_no_sense_are_not_said_to_be_in_force() -> None:
    it = settled(DFW, pool("a/train", boxes(2))).spoil("dfw").settle()
    assert it.refused["dfw"].metadata.generation == 2
    assert it.statuses["dfw"]["observedGeneration"] == 1


def test_no_pool_hears_that_it_never_fits_because_of_a_factory_that_makes_no_sense() -> None:
    it = settled(factory("sjc", boxes=1), DFW).spoil("dfw").apply(pool("a/train", boxes(3))).settle()
    assert it.says("a/train", "Stalled") == "True: InsufficientUnits"


def test_a_broken_node_of_a_refused_pool_stays_and_keeps_its_slot() -> None:
    it = settled(DFW, pool("a/train", boxes(2))).spoil("a/train").settle()
    it.mark(it.nodes_of("a/train")[0]).settle()
    assert len(it.nodes_of("a/train")) == 2


def test_a_refused_factory_can_be_deleted_once_nothing_stands_there() -> None:
    it = settled(DFW, SJC, pool("a/train", boxes(2))).spoil("sjc").spoil("dfw").settle()
    it.delete("dfw", "sjc").settle()
    assert set(it.refused) == {"dfw"}
    it.lose(*it.nodes_of("a/train")).settle()
    assert it.refused == {}


def test_a_refused_factory_is_left_as_it_is() -> None:
    it = settled(DFW, pool("a/train", boxes(2)), SJC)
    before = there(it, "dfw")
    it.spoil("dfw").settle()
    assert it.nodes.keys() == before.keys()
    it.edit("a/train", gpus=boxes(3)).settle()
    assert it.units("a/train") == {"dfw/hall": 2, "sjc/hall": 1}
    assert it.statuses["dfw"]["conditions"][0]["reason"] == "InvalidSpec"


def test_a_refused_object_changes_nothing_for_the_others() -> None:
    it = cluster(DFW, SJC, pool("a/train", boxes(3)), pool("b/bad", boxes(3)))
    without, spoiled = it.copy(), it.copy().spoil("b/bad")
    without.remove("b/bad")
    alone, beside = without.decide(), spoiled.decide()
    assert alone.actions == beside.actions
    assert {w.name: w for w in alone.statuses} == {w.name: w for w in beside.statuses if w.name != "bad"}


def test_one_pool_that_can_never_be_served_stops_nobody() -> None:
    bad = (
        pool("z/system", systems=("no-such",), priority=99),
        pool("z/where", only_in=("nowhere",), priority=99),
        pool("z/pack", pack="no/such/path", priority=99),
        pool("z/spread", boxes(2), spread=2, over="no/such", priority=99),
        pool("z/many", 10_000_000, priority=99),
    )
    it = settled(DFW, *bad, pool("a/train", boxes(3)))
    assert it.gpus("a/train") == (boxes(3),)
    assert all(it.says(p.path, "Stalled").startswith("True") for p in bad)
