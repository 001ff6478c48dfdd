"""Nobody's writes wait for another one's: releases go first, tenants have turns, what hangs comes last."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
import yaml

from aifactory.api.reading import parse_factory, parse_pool
from aifactory.backends import Backend
from aifactory.backends.port import NODE
from aifactory.decide.model.plan import Cause, Drain, Event, Finalizer, Plan, Relabel, StatusWrite
from aifactory.decide.model.world import World, key_of
from aifactory.shell.client import FACTORY, POOL, ApiError
from aifactory.shell.settings import DEFAULTS
from cluster.operating import a_namespace, pool
from cluster.shell.bench import Bench, carry_out
from cluster.shell.nodes import order, seen
from controlplane import Kubectl

MANY = 40


@pytest.fixture
async def crowded(bench: Bench, site: str, kubectl: Kubectl, namespace: str) -> AsyncIterator[Bench]:
    """The world has many pools of one tenant, and a single one of another, whose name comes last."""
    with a_namespace(kubectl, f"z-{namespace}") as other:
        pools = [pool(f"flood-{n:02}", namespace, 8, site) for n in range(MANY)]
        kubectl("create", "--filename=-", stdin=yaml.safe_dump_all([*pools, pool("late", other, 8, site)]))
        found = [
            it
            for it in await bench.client.read_all(POOL, dict)
            if it["metadata"]["namespace"] in (namespace, other)
        ]
        bench.world = World(
            factories=(parse_factory(await bench.client.get(FACTORY, site)),),
            pools=tuple(parse_pool(it) for it in found),
        )
        yield bench


def statuses(world: World) -> tuple[StatusWrite, ...]:
    return tuple(
        StatusWrite("GPUPool", it.metadata.namespace, it.metadata.name, {"observedGeneration": 1, "gpus": 8})
        for it in world.pools
    )


async def told(bench: Bench) -> set[str]:
    """The pools that have a status."""
    mine = {it.metadata.uid for it in bench.world.pools}
    found = await bench.client.read_all(POOL, dict)
    return {it["metadata"]["name"] for it in found if it["metadata"]["uid"] in mine and it.get("status")}


async def test_a_tenant_with_one_pool_is_told_before_the_last_of_one_with_many(crowded: Bench) -> None:
    asked = count()
    crowded.wished = lambda: next(asked) >= MANY // 2
    crowded.set(yields_after=0.0)
    summary = await crowded.apply(statuses=statuses(crowded.world))
    assert summary.left_off
    assert "late" in await told(crowded)
    assert len(await told(crowded)) <= MANY // 2 + DEFAULTS.writes_at_once


async def test_releases_wait_for_no_wish_and_for_no_finalizer(
    bench: Bench, driver: Backend, site: str
) -> None:
    await bench.apply(order(site, 1), order(site, 2))
    bench.set(yields_after=0.0)
    drains = [
        Drain(node, bench.client.clock.now(), Cause.SPEC) for node in (await seen(driver, site)).values()
    ]
    summary = await bench.apply(Finalizer("AIFactory", "", site, add=True), *drains, order(site, 3))
    there = await seen(driver, site)
    assert {slot: node.unschedulable for slot, node in there.items()} == {1: True, 2: True}
    assert summary.left_off


@pytest.mark.parametrize("few", ["orders", "upkeep"])
async def test_neither_orders_nor_upkeep_wait_for_all_of_the_other(
    bench: Bench, driver: Backend, site: str, monkeypatch: pytest.MonkeyPatch, few: str
) -> None:
    """A new version sets a label on a whole fleet, or somebody orders a whole fleet."""
    many = 4 * DEFAULTS.writes_at_once
    await bench.apply(*(order(site, slot) for slot in range(1, many + 1)))
    nodes = list((await seen(driver, site)).values())
    changes = [Relabel(node, order(site, labels={"team": "nlp"}).spec) for node in nodes]
    orders = [order(site, slot) for slot in range(many + 1, 2 * many + 1)]
    del (orders if few == "orders" else changes)[1:]
    made, create, patch = list[str](), bench.client.create, bench.client.patch

    async def creates(*what: Any) -> Any:
        made.append("orders")
        return await create(*what)

    async def patches(kind: Any, *what: Any) -> Any:
        made.append("upkeep" if kind is NODE else "")
        return await patch(kind, *what)

    monkeypatch.setattr(bench.client, "create", creates)
    monkeypatch.setattr(bench.client, "patch", patches)
    await bench.apply(*changes, *orders)
    assert made.count("orders") == len(orders)
    assert few in made[: 2 * DEFAULTS.writes_at_once]


async def test_what_was_unanswered_comes_last(crowded: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first pools of the plan are those that never answer, as behind a webhook that hangs."""
    written, apply_status = list[str](), crowded.client.apply_status

    async def hang(kind: Any, body: Any) -> Any:
        name = body["metadata"]["name"]
        if name < "flood-05":
            raise ApiError(0, "Timeout", f"{name}: no answer")
        written.append(name)
        return await apply_status(kind, body)

    clock = [0.0]
    monkeypatch.setattr(crowded.client, "apply_status", hang)
    monkeypatch.setattr(crowded.memory.failures, "_clock", lambda: clock[0])
    plan = statuses(crowded.world)
    assert (await crowded.apply(statuses=plan)).unanswered >= 5
    clock[0] += 1000  # all may be tried again
    assert (await crowded.apply(statuses=plan)).unanswered >= 5
    assert {"late", *(f"flood-{n:02}" for n in range(5, MANY))} == set(written)


@pytest.mark.parametrize("first", ["releases", "finalizers"])
async def test_writes_that_are_never_answered_hold_up_no_other_stage(
    crowded: Bench, driver: Backend, site: str, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """As many as would keep a cycle busy for ever, behind a webhook that hangs."""
    await crowded.apply(*(order(site, slot) for slot in range(1, 2 * DEFAULTS.writes_at_once + 1)))
    nodes = (await seen(driver, site)).values()
    asked, patch = list[str](), crowded.client.patch

    async def hang(kind: Any, name: str, *more: Any) -> Any:
        if kind is (NODE if first == "releases" else POOL):
            asked.append(name)
            raise ApiError(0, "Timeout", f"{name}: no answer")
        return await patch(kind, name, *more)

    monkeypatch.setattr(crowded.client, "patch", hang)
    plan = statuses(crowded.world)
    drains = [Drain(node, crowded.client.clock.now(), Cause.SPEC) for node in nodes]
    holds = [Finalizer(it.kind, it.namespace, it.name, add=True) for it in plan]
    last = replace(order(site, 101), pool=key_of(crowded.world.pools[-1]))  # its finalizer was not tried
    summary = await crowded.apply(
        *(drains if first == "releases" else holds), order(site, 100), last, statuses=plan
    )
    assert DEFAULTS.unanswered_writes <= len(asked) < DEFAULTS.unanswered_writes + DEFAULTS.writes_at_once
    assert summary.left_off, "the others are tried at once"
    assert await told(crowded) == {it.name for it in plan}
    ordered = {slot for slot in await seen(driver, site) if slot >= 100}
    assert ordered == ({100, 101} if first == "releases" else {100})


async def test_what_is_known_is_told_before_reasons_are_sought_and_failures_are_left_for_later(
    crowded: Bench,
) -> None:
    plan = Plan(statuses=statuses(crowded.world))
    crowded.memory.failures.failed(plan.statuses[0], "as before")
    work = crowded.applier.begin(crowded.world, crowded.leadership.term)
    await work.act(plan)
    assert await told(crowded) == {it.name for it in plan.statuses[1:]}
    done = work.summary.done
    await work.tell(plan)
    assert work.summary.done <= done + 1  # nothing is written twice


async def test_orders_give_way_at_once_to_what_is_urgent_and_releases_do_not(
    bench: Bench, driver: Backend, site: str
) -> None:
    await bench.apply(order(site, 1), order(site, 2))
    nodes = await seen(driver, site)
    drains = [Drain(node, bench.client.clock.now(), Cause.SPEC) for node in nodes.values()]
    bench.urgent = lambda: True
    bench.set(yields_at_once_after=0.0)
    summary = await bench.apply(*drains, order(site, 3))
    assert {slot: it.unschedulable for slot, it in (await seen(driver, site)).items()} == {1: True, 2: True}
    assert summary.left_off


async def test_who_has_a_place_is_told_so_among_another_ones_thousand_orders(
    crowded: Bench, site: str
) -> None:
    asked = count()
    crowded.wished = lambda: next(asked) >= MANY
    crowded.set(yields_after=0.0)
    orders = [order(site, slot) for slot in range(1, 1001)]
    summary = await crowded.apply(*orders, statuses=statuses(crowded.world))
    assert summary.left_off
    assert "late" in await told(crowded)


@pytest.mark.parametrize("cut", [10, 100, 1000])
async def test_what_a_status_tells_of_is_told_wherever_the_round_ends(
    crowded: Bench, kubectl: Kubectl, cut: int
) -> None:
    """Each pool that has its status has its event, each once; and no other pool has one."""
    asked = count()
    crowded.wished = lambda: next(asked) >= cut
    crowded.set(yields_after=0.0)
    writes = statuses(crowded.world)
    events = tuple(Event(it.kind, it.namespace, it.name, "Placed", "It has a place.") for it in writes)
    await carry_out(
        crowded.applier, Plan(statuses=writes, events=events), crowded.world, crowded.leadership.term
    )
    mine = posted(kubectl, crowded.world)
    assert {name for name, _ in mine} == await told(crowded)
    assert set(mine.values()) <= {1}


def posted(kubectl: Kubectl, world: World) -> dict[tuple[str, str], int]:
    """(pool, reason) of the events of a world's pools, and how often each was told."""
    names = {it.metadata.uid: it.metadata.name for it in world.pools}
    found = json.loads(kubectl("get", "events", "--all-namespaces", "--output=json"))["items"]
    return {
        (names[it["involvedObject"]["uid"]], it["reason"]): it["count"]
        for it in found
        if it["involvedObject"].get("uid") in names
    }


async def test_what_a_later_status_tells_of_is_told_too(crowded: Bench, kubectl: Kubectl) -> None:
    """A pool's reason is another one once it is worked out; what was told by then is not told again."""

    def plan(gpus: int, reason: str) -> Plan:
        writes = [replace(it, status={**it.status, "gpus": gpus}) for it in statuses(crowded.world)]
        events = [
            Event(it.kind, it.namespace, it.name, why, f"{why}.")
            for it in writes
            for why in ("Placed", reason)
        ]
        return Plan(statuses=tuple(writes), events=tuple(events))

    crowded.set(yields_after=60)  # however busy the machine is
    work = crowded.applier.begin(crowded.world, crowded.leadership.term)
    await work.act(plan(8, "InsufficientPower"))
    await work.tell(plan(16, "InsufficientUnits"))
    reasons = ("Placed", "InsufficientPower", "InsufficientUnits")
    expected = {(it.metadata.name, why): 1 for it in crowded.world.pools for why in reasons}
    assert posted(kubectl, crowded.world) == expected
