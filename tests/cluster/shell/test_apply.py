"""Carrying out plans, on a real API server."""

import json
import secrets
import threading
from dataclasses import replace
from typing import Any

import pytest
import yaml
from kubernetes.aio.client import Configuration

from aifactory.api import names
from aifactory.api.reading import parse_factory, parse_pool
from aifactory.backends import Backend, drivers
from aifactory.decide import decide
from aifactory.decide.model.plan import Cause, Drain, Event, Evict, Plan, StatusWrite
from aifactory.decide.model.world import Pod, World
from aifactory.shell import objects as module
from aifactory.shell.apply import Applier
from aifactory.shell.client import FACTORY, ApiError, KubernetesClient
from aifactory.shell.fingerprint import Change, News
from aifactory.shell.metrics import Metrics
from aifactory.shell.settings import DEFAULTS
from aifactory.shell.writes import LeadershipLost
from cluster.operating import pool
from cluster.shell.bench import Bench, carry_out
from cluster.shell.nodes import order, seen
from controlplane import Kubectl
from controlplane.ports import free_port


async def test_an_order_waits_for_the_generation_that_it_was_decided_under(
    bench: Bench, driver: Backend, site: str, kubectl: Kubectl
) -> None:
    first = StatusWrite("AIFactory", "", site, {"observedGeneration": 1}, first=True)
    kubectl("label", f"{FACTORY.plural}.{names.GROUP}", site, "changed=meanwhile")
    summary = await bench.apply(order(site), statuses=(first,))
    assert (summary.done, summary.passed_by) == (0, 1)
    assert await seen(driver, site) == {}

    world = World(factories=(parse_factory(await bench.client.get(FACTORY, site)),))
    await carry_out(
        bench.applier, Plan(actions=(order(site),), statuses=(first,)), world, bench.leadership.term
    )
    assert set(await seen(driver, site)) == {1}


async def test_one_that_is_refused_stops_no_other(bench: Bench, driver: Backend, site: str) -> None:
    bad = order(site, 1, labels={"team": "not a label value!"})
    summary = await bench.apply(bad, order(site, 2), order(site, 3))
    assert set(await seen(driver, site)) == {2, 3}
    assert (summary.done, summary.failed) == (2, 1)
    ((what, status, _),) = summary.reasons
    assert (what, status) == ("Order", 422)


async def test_a_slot_that_is_taken_is_passed_by(bench: Bench, driver: Backend, site: str) -> None:
    await bench.apply(order(site, 1))
    summary = await bench.apply(order(site, 1), order(site, 2))
    assert (summary.done, summary.passed_by, summary.failed) == (1, 1, 0)


async def test_a_pool_whose_namespace_is_gone_is_tried_ever_less_often(bench: Bench) -> None:
    lost = parse_pool(pool("lost", f"gone-{secrets.token_hex(4)}", 8, "anywhere"))
    bench.world = replace(bench.world, pools=(lost,))
    status = StatusWrite("GPUPool", lost.metadata.namespace, "lost", {"observedGeneration": 1})
    tried = [(await bench.apply(statuses=(status,))).passed_by for _ in range(5)]
    assert tried[0] == 1
    assert sum(tried) < len(tried)


async def test_who_does_not_lead_writes_nothing(bench: Bench, driver: Backend, site: str) -> None:
    bench.leadership.resign()
    with pytest.raises(LeadershipLost):
        await bench.apply(order(site))
    assert await seen(driver, site) == {}


async def test_a_plan_of_an_earlier_term_is_never_carried_out(
    bench: Bench, driver: Backend, site: str
) -> None:
    with pytest.raises(LeadershipLost):
        await carry_out(bench.applier, Plan(actions=(order(site),)), bench.world, bench.leadership.term - 1)
    assert await seen(driver, site) == {}


async def test_orders_that_take_long_let_the_statuses_have_their_turn(
    bench: Bench, driver: Backend, site: str
) -> None:
    bench.set(ordering=0.0)
    status = StatusWrite("AIFactory", "", site, {"observedGeneration": 1})
    summary = await bench.apply(order(site), statuses=(status,))
    assert (summary.done, summary.left_off) == (1, True)
    assert await seen(driver, site) == {}


async def test_it_stops_before_the_next_write_when_it_leads_no_more(
    bench: Bench, driver: Backend, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def holds() -> bool:
        nonlocal asked
        asked += 1
        return asked <= 20

    monkeypatch.setattr(bench.leadership, "holds", holds)
    orders = [order(site, slot) for slot in range(1, 61)]
    with pytest.raises(LeadershipLost):
        await bench.apply(*orders)
    # In the plan's order, up to the writes that were under way.
    assert sorted(await seen(driver, site)) == list(range(1, 21))


async def test_what_is_decided_anew_half_way_goes_on_at_once_only_where_there_is_more_to_release(
    bench: Bench, driver: Backend, site: str
) -> None:
    await bench.apply(order(site, 1), order(site, 2))
    drains = [Drain(node, node.created, Cause.SPEC) for node in (await seen(driver, site)).values()]
    for more in (False, True):
        work = bench.applier.begin(bench.world, bench.leadership.term)
        await work.release(Plan(actions=tuple(drains[:1])))
        await work.act(Plan(actions=(replace(drains[0]), *drains[1:][:more])))
        assert work.summary.left_off == more


async def test_a_refused_eviction_is_remembered_until_it_is_asked_again(
    bench: Bench, driver: Backend, site: str, kubectl: Kubectl, namespace: str
) -> None:
    await bench.apply(order(site))
    node = (await seen(driver, site))[1]
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "trainer", "namespace": namespace, "labels": {"app": "trainer"}},
        "spec": {"nodeName": node.name, "containers": [{"name": "main", "image": "none"}]},
    }
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(body))
    kubectl("wait", "--for=condition=Ready", "pod/trainer", f"-n={namespace}")
    kubectl(
        *("create", "poddisruptionbudget", "hold-on", f"-n={namespace}"),
        *("--selector=app=trainer", "--min-available=1"),
    )
    bench.world = replace(bench.world, nodes=(node,))
    evict = Evict(Pod(namespace, "trainer", node.name))
    summary = await bench.apply(evict)
    assert (summary.refused, summary.failed, summary.stuck) == (1, 0, False)
    assert "hold-on" in bench.memory.refusals[node.name].message

    kubectl("delete", "poddisruptionbudget", "hold-on", f"-n={namespace}")
    await bench.apply(evict)
    assert bench.memory.refusals == {}


async def test_a_server_that_is_busy_is_no_budget_that_forbids_an_eviction(
    bench: Bench, driver: Backend, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.apply(order(site))
    node = (await seen(driver, site))[1]

    async def busy(*_: Any) -> None:
        raise ApiError(429, "TooManyRequests", "too many requests", 20.0)

    monkeypatch.setattr(bench.client, "evict", busy)
    bench.world = replace(bench.world, nodes=(node,))
    summary = await bench.apply(Evict(Pod("default", "trainer", node.name)))
    assert (summary.refused, summary.failed) == (0, 1)
    assert bench.memory.refusals == {}
    assert (bench.memory.failures.seconds or 0) > 15


async def test_a_status_that_is_already_there_is_not_written(bench: Bench, site: str) -> None:
    status = StatusWrite("AIFactory", "", site, {"observedGeneration": 1, "nodes": 4})
    assert (await bench.apply(statuses=(status,))).done == 1
    bench.world = World(factories=(parse_factory(await bench.client.get(FACTORY, site)),))
    assert (await bench.apply(statuses=(status,))).done == 0


async def test_what_statuses_should_be_is_read_beside_the_loop_and_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ten thousand pools it takes seconds, and the Lease has to be renewed."""
    read, beside = module._read, list[int]()

    def noted(kind: str, status: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            beside.append(id(status))
        return read(kind, status)

    monkeypatch.setattr(module, "_read", noted)
    plan = decide(bench.world, bench.client.clock.now())
    work = bench.applier.begin(bench.world, bench.leadership.term)
    await work.act(plan)
    await work.tell(plan)
    assert beside == [id(write.status) for write in plan.statuses]


async def test_an_event_that_comes_again_is_counted(bench: Bench, site: str, kubectl: Kubectl) -> None:
    event = Event("AIFactory", "", site, "OverLimit", "row-1: 10 W above its limit. " * 100, warning=True)
    fields = f"--field-selector=involvedObject.name={site}"
    for happened in range(1, 6):
        await carry_out(bench.applier, Plan(events=(event,)), bench.world, bench.leadership.term)
        (posted,) = json.loads(kubectl("get", "events", "-n=default", fields, "-o=json"))["items"]
        assert posted["count"] == happened
        if happened == 3:
            bench.memory.clear()  # a restart
    assert (posted["reason"], posted["type"], posted["source"]["component"]) == (
        "OverLimit",
        "Warning",
        "aifactory",
    )
    assert "row-1: 10 W above" in kubectl("describe", f"{FACTORY.plural}.{names.GROUP}", site)


async def test_a_long_plan_gives_way_to_a_new_wish_between_two_writes(
    bench: Bench, driver: Backend, site: str
) -> None:
    orders = [order(site, slot) for slot in range(1, 61)]
    bench.set(yields_after=0.1)
    summary = await bench.apply(*orders)
    assert summary.left_off
    assert 0 < summary.done < 60
    assert sorted(await seen(driver, site)) == list(range(1, summary.done + 1))
    # In its patience every plan gets somewhere.
    bench.set(yields_after=60)  # however busy the machine is
    rest = await bench.apply(*orders)
    assert (rest.left_off, rest.done, rest.passed_by) == (False, 60 - summary.done, summary.done)


async def test_statuses_have_their_turn_however_often_somebody_wishes_for_something(
    bench: Bench, site: str
) -> None:
    bench.set(yields_after=0.5)
    orders = [order(site, slot) for slot in range(1, 1000)]
    status = StatusWrite("AIFactory", "", site, {"observedGeneration": 1, "nodes": 4})
    summary = await bench.apply(*orders, statuses=(status,))
    assert summary.left_off
    assert (await bench.client.get(FACTORY, site))["status"]["nodes"] == 4


async def test_nothing_is_ordered_where_it_is_not_claimed(
    bench: Bench, driver: Backend, site: str, kubectl: Kubectl
) -> None:
    claim = StatusWrite("AIFactory", "", site, {"observedGeneration": 1, "nodes": 1}, first=True)
    kubectl("label", f"{FACTORY.plural}.{names.GROUP}", site, "changed=meanwhile")
    await bench.apply(order(site), statuses=(claim,))
    assert await seen(driver, site) == {}
    bench.world = World(factories=(parse_factory(await bench.client.get(FACTORY, site)),))
    asked = []
    create = bench.client.create

    async def late(*arguments: Any) -> Any:
        asked.append((await bench.client.get(FACTORY, site))["status"]["nodes"])
        return await create(*arguments)

    vars(bench.client)["create"] = late
    await bench.apply(order(site), statuses=(claim,))
    assert asked == [1]  # it was there before the node was asked for


async def test_a_status_of_ours_is_no_news_when_it_comes_back(bench: Bench, site: str) -> None:
    before = await bench.client.get(FACTORY, site)
    bench.news.judge(before, gone=False)
    plan = decide(bench.world, bench.client.clock.now())
    (write,) = (write for write in plan.statuses if write.name == site)
    await bench.apply(statuses=(write,))
    after = await bench.client.get(FACTORY, site)
    assert after["status"]["conditions"]
    assert bench.news.judge(after, gone=False) is Change.NOTHING
    after["status"] = {}
    assert bench.news.judge(after, gone=False) is Change.NEWS


async def test_a_server_that_is_away_is_not_asked_for_every_single_write(bench: Bench, site: str) -> None:
    away = KubernetesClient(Configuration(host=f"http://127.0.0.1:{free_port()}"))
    applier = Applier(
        client=away,
        backends=drivers(away),
        leadership=bench.leadership,
        memory=bench.memory,
        metrics=Metrics(),
        news=News(),
        settings=DEFAULTS,
    )
    orders = tuple(order(site, slot) for slot in range(1, 61))
    summary = await carry_out(applier, Plan(actions=orders), bench.world, bench.leadership.term)
    assert summary.done == 0
    assert summary.stuck
    assert summary.unanswered < DEFAULTS.unanswered_writes + DEFAULTS.writes_at_once
    await away.close()


@pytest.mark.parametrize(("status", "landing"), [(0, 1), (503, 1), (504, 1), (429, 0), (422, 0)])
async def test_only_what_may_still_be_done_is_waited_for(
    bench: Bench, site: str, monkeypatch: pytest.MonkeyPatch, status: int, landing: int
) -> None:
    """Who is turned away at the door was not let in by another one: the next cycle may come at once."""

    async def refuse(*_: Any) -> Any:
        raise ApiError(status, "No", "not now", after=1.0)

    monkeypatch.setattr(bench.client, "create", refuse)
    summary = await bench.apply(order(site))
    assert (summary.failed, summary.may_land, summary.after) == (1, landing, 1.0)
