"""A plan from statuses alone: what is committed and in no pool's placements is promised to nobody."""

import os
from collections import Counter
from random import Random

from hypothesis import HealthCheck, given, note, settings

from aifactory.cli.manifests import Manifests, world_of
from aifactory.cli.present import held_back, missing_pools
from aifactory.decide import Plan, decide
from thorough import sample
from unit.decide.build import BOX_WATTS, boxes, factory, pool
from unit.decide.count import committed, draws, limits, locked, parents, standing
from unit.decide.histories import DICE, Histories
from unit.decide.operated import Cluster, settled
from unit.decide.state import START


def from_statuses(it: Cluster, *without: str) -> Manifests:
    """What `kubectl get -o yaml` of a cluster tells, some pools left out."""
    return Manifests(
        factories=tuple(it.factories.values()),
        pools=tuple(found for path, found in it.pools.items() if path not in without),
        objects=(),
        refused=tuple(it.refused.values()),
    )


def planned(it: Cluster, *without: str) -> Plan:
    return decide(world_of(from_statuses(it, *without)), START, acting=False)


def units(found: Plan, path: str) -> dict[str, int]:
    (mine,) = (placings for key, placings in found.placings.items() if str(key) == path)
    return {f"{it.factory}/{it.domain}": it.units for it in mine}


def test_a_broken_unit_holds_its_slot_and_its_power() -> None:
    """Four slots, three of them used, two of these broken: one is free, and the pool asks for two."""
    it = settled(factory("dfw", boxes=4), pool("a/train", boxes(3)))
    it.mark(*it.nodes_of("a/train")[:2]).settle()
    assert it.units("a/train") == {"dfw/hall": 1}
    assert units(planned(it), "a/train") == {"dfw/hall": 1}


def test_what_is_being_released_is_no_loss_to_those_that_wait_for_it() -> None:
    """The limit fell; half of the pool is on its way out. The other half is not asked to go, too."""
    it = settled(factory("dfw", boxes=4, quota=4 * BOX_WATTS), pool("a/train", boxes(4), at_least=boxes(1)))
    it.linger = 5
    it.edit("dfw", quota=2 * BOX_WATTS)
    for _ in range(2):
        it.cycle()
    assert it.objects["dfw"].status.power.committed == 4 * BOX_WATTS  # type: ignore[union-attr]
    assert units(planned(it), "a/train") == {"dfw/hall": 2}


def test_pools_that_are_not_in_the_files_keep_their_room() -> None:
    it = settled(
        factory("dfw", boxes=4, quota=3 * BOX_WATTS), pool("a/one", boxes(1)), pool("a/two", boxes(1))
    )
    it.apply(pool("a/three", boxes(2)))
    assert units(planned(it), "a/three") == {}
    assert units(planned(it, "a/two"), "a/three") == {}
    manifests = from_statuses(it, "a/two")
    assert list(missing_pools(manifests.factories, manifests.pools)) == [
        "dfw: 1 pool of the 2 that its status counts are not in the files; their power is held back"
    ]
    assert list(missing_pools(manifests.factories, from_statuses(it).pools)) == []


def test_a_sum_that_a_domain_tells_is_held_back_there() -> None:
    it = settled(factory("dfw", halls=2, boxes=2, hall=2 * BOX_WATTS), pool("a/gone", boxes(2), pack="hall"))
    (hall,) = it.units("a/gone")
    it.apply(pool("a/next", boxes(4), at_least=boxes(1)))
    (other,) = {"dfw/hall-1", "dfw/hall-2"} - {hall if "-" in hall else f"{hall}-1"}
    assert units(planned(it, "a/gone"), "a/next") == {other: 2}


def test_power_that_no_unit_explains_is_held_back_in_the_quota() -> None:
    it = settled(factory("dfw", boxes=4, quota=2 * BOX_WATTS + 5), pool("a/one", boxes(1)))
    site = it.factories["dfw"]
    power = site.status.power.model_copy(update={"committed": 17, "reserved": 17})  # type: ignore[union-attr]
    known = site.model_copy(
        update={"status": site.status.model_copy(update={"power": power, "tightest": ()})}
    )
    (claim,) = held_back([known], it.pools.values())
    assert (claim.pool, claim.domain, claim.units, claim.nodes, claim.watts) == (None, "", 1, 0, 7)


@given(DICE)
@settings(
    max_examples=int(os.environ.get("HISTORIES", sample(30))),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_nothing_is_promised_that_is_committed(dice: Random) -> None:
    """Of any state whose statuses are the operator's: each limit keeps what is there and is to stay."""
    history = Histories()
    history.begin(dice=dice, sites=dice.randint(1, 2), crowd=dice.randint(2, 6))
    for _ in range(dice.randint(1, 5)):
        act = dice.choice((history.people, history.nature, history._mark, history._new_pool))
        act(dice=dice)
        history.work(cycles=dice.choice((1, 2, 5)))
        judge(history.it)
        # Without one pool only the sums tell of it: of the factory's, and of the few domains that are told.
        judge(history.it, dice.choice([*history.it.pools, ""]), only=("",))


def judge(it: Cluster, *without: str, only: tuple[str, ...] = ()) -> None:
    """Once the plan is carried out, no limit is exceeded where something new came."""
    found = planned(it, *without)
    for name, site in it.factories.items():
        if name in it.blind or locked(it, name):
            continue
        load, new = Counter(committed(site, it.nodes.values())), Counter[str]()
        for out in site.status.unplaced:
            if out.leaving:
                book(load, out.domain, -out.watts)
        for path in it.pools.keys() - set(without):
            for unit in standing(it, path):
                if unit.factory == name:
                    book(load, unit.path, -draws(site, unit))
        for placing in (placing for placings in found.placings.values() for placing in placings):
            if placing.factory == name:
                book(load, placing.domain, placing.watts)
                book(new, placing.domain, placing.planned_watts)
        for place, limit in limits(site).items():
            if not only or place in only:
                note(f"{name}/{place}: {load[place]} of {limit}, {new[place]} are new")
                assert load[place] <= limit or not new[place], f"{name}/{place}"


def book(load: Counter[str], domain: str, watts: int) -> None:
    """Count watts in a domain, as people read it, and above; nodes write the first without a number."""
    known = "/".join(step.removesuffix("-1") for step in domain.split("/"))
    for place in parents(known):
        load[place] += watts
