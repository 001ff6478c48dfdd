"""What every driver keeps when something goes wrong: others meddle, answers are lost, the process dies."""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest
import yaml

from aifactory.api import names
from aifactory.backends import Backend, Mandate
from aifactory.backends.port import ApiError
from aifactory.decide.model.plan import CallOff, Cause, Delete, Drain, Hold, Relabel
from aifactory.decide.model.world import Node, NodeSpec, Taint
from aifactory.shell.client import KubernetesClient
from cluster.backends.bed import Bed, gone, made, now, seen, up
from cluster.faulty import Asked, Cut, Fault, Lost, Proxy, status
from controlplane import Kubectl

LEADER = Mandate("leader-1", 3)
MOST_WRITES = 4  # of one step
DOWN = status(503, "ServiceUnavailable")
Write = Callable[[Backend, Node], Awaitable[None]]


async def test_a_name_that_is_taken_is_refused_whoever_took_it(
    bed: Bed, driver: Backend, site: str, kubectl: Kubectl
) -> None:
    await driver.create(bed.order(site, 1), LEADER)
    stranger = bed.stranger(bed.order(site, 2).spec.slot.node_name)
    kubectl("create", "--filename=-", stdin=yaml.safe_dump(stranger))
    try:
        for slot in (1, 2):
            with pytest.raises(ApiError) as caught:
                await driver.create(bed.order(site, slot), Mandate("leader-2", 4))
            assert caught.value.status == 409
        nodes = {node.name: node for node in (await driver.observe())[site]}
        mine, theirs = (nodes[bed.order(site, slot).spec.slot.node_name] for slot in (1, 2))
        assert (mine.ours, theirs.ours, theirs.stamp) == (True, False, None)
    finally:
        kubectl("delete", bed.kind, stranger["metadata"]["name"], "--wait=false")


async def test_what_somebody_deletes_is_seen_to_go_and_can_be_ordered_again(
    bed: Bed, driver: Backend, site: str, kubectl: Kubectl
) -> None:
    for slot in (1, 2):
        await driver.create(bed.order(site, slot), LEADER)
    before = await up(driver, site, 1, 2)
    kubectl("delete", bed.kind, before[1].name, "--wait=false")
    left = await gone(driver, site, 1)
    assert left[2].uid == before[2].uid
    await driver.create(bed.order(site, 1), LEADER)
    assert (await up(driver, site, 1))[1].uid != before[1].uid


async def test_what_somebody_deletes_by_its_node_goes_too(
    bed: Bed, driver: Backend, site: str, kubectl: Kubectl
) -> None:
    await driver.create(bed.order(site), LEADER)
    kubectl("delete", "node", bed.machine(kubectl, (await up(driver, site, 1))[1].name), "--wait=false")
    await gone(driver, site, 1)


async def test_what_somebody_takes_our_labels_from_still_counts(
    bed: Bed, driver: Backend, site: str, kubectl: Kubectl
) -> None:
    await driver.create(bed.order(site), LEADER)
    name = (await up(driver, site, 1))[1].name
    kubectl("label", bed.kind, name, f"{names.LABEL_FACTORY}-")
    (counted,) = (await driver.observe())[site]
    assert (counted.name, counted.unit_watts, counted.ours) == (name, 10_200, True)
    kubectl("label", bed.kind, name, f"{names.LABEL_FACTORY}={site}")
    assert (await seen(driver, site))[1].name == name


async def test_what_somebody_has_edited_is_put_right(
    bed: Bed, driver: Backend, site: str, kubectl: Kubectl
) -> None:
    wish = bed.order(site, shared=False).spec
    await driver.create(bed.order(site, shared=False), LEADER)
    node = (await up(driver, site, 1))[1]
    machine = bed.machine(kubectl, node.name)
    kubectl("label", bed.kind, node.name, f"{names.LABEL_POOL}=other", "--overwrite")
    kubectl("label", "node", machine, f"{names.LABEL_FABRIC}=elsewhere", "--overwrite")
    kubectl("taint", "node", machine, f"{names.TAINT_TENANT}-")
    assert not (await seen(driver, site))[1].look.suits(wish)
    await made(lambda node: driver.relabel(Relabel(node, wish)), driver, site)
    after = (await seen(driver, site))[1]
    assert (after.uid, after.stamp, after.look.suits(wish)) == (node.uid, node.stamp, True)


async def test_what_the_api_server_refuses_is_not_there(bed: Bed, driver: Backend, site: str) -> None:
    wanted = bed.order(site, labels={"no label": "at all"})
    with pytest.raises(ApiError) as caught:
        await driver.create(wanted, LEADER)
    assert caught.value.status == 422
    assert await seen(driver, site) == {}


async def test_a_look_is_whole_or_an_error_whatever_part_of_it_fails(
    bed: Bed, site: str, proxy: Proxy, through: KubernetesClient, driver: Backend
) -> None:
    await driver.create(bed.order(site), LEADER)
    await up(driver, site, 1)
    behind = bed.driver(through)
    proxy.asked.clear()
    whole = await seen(behind, site)
    parts = len(proxy.asked)
    assert whole.keys() == {1}
    faults: tuple[Fault, ...] = (DOWN, Cut())  # a look whose answer is lost is taken again by itself
    for part in range(parts):
        for fault in faults:
            proxy.fault = from_nth(part, fault, fault)  # one that fails once is read again
            with pytest.raises(ApiError):
                await behind.observe()
    proxy.fault = lambda asked: None
    assert (await seen(behind, site))[1].uid == whole[1].uid


async def test_an_order_whose_answer_is_lost_is_made_once(
    bed: Bed, site: str, proxy: Proxy, through: KubernetesClient, driver: Backend
) -> None:
    proxy.fault = writes(nth(0, Lost()))
    with pytest.raises(ApiError) as caught:
        await bed.driver(through).create(bed.order(site), LEADER)
    assert caught.value.status == 0
    node = (await seen(driver, site))[1]
    with pytest.raises(ApiError) as caught:
        await driver.create(bed.order(site), Mandate("leader-2", 4))
    assert caught.value.status == 409
    assert (await seen(driver, site))[1].uid == node.uid


def steps(wish: NodeSpec) -> Iterator[tuple[str, list[Write]]]:
    """What is done with a node, each after what has to come before it; `wish` is what a relabel brings."""
    since = now()

    async def drain(driver: Backend, node: Node) -> None:
        await driver.drain(Drain(node, since, Cause.SPEC))

    async def call_off(driver: Backend, node: Node) -> None:
        await driver.call_off(CallOff(node))

    async def relabel(driver: Backend, node: Node) -> None:
        await driver.relabel(Relabel(node, wish))

    async def hold(driver: Backend, node: Node) -> None:
        await driver.hold(Hold(node))

    async def delete(driver: Backend, node: Node) -> None:
        await driver.delete(Delete(node))

    yield "drain", [drain]
    yield "call off", [drain, call_off]
    yield "relabel", [relabel]
    yield "hold", [drain, hold]
    yield "delete", [drain, delete]


def other(bed: Bed, site: str, slot: int) -> NodeSpec:
    """What somebody wishes for after the order."""
    return bed.order(site, slot, labels={"team": "nlp"}, taints=(Taint("new", "y", "NoSchedule"),)).spec


def said(node: Node | None) -> Any:
    """What counts of a node when two of them are compared."""
    return None if node is None else (node.uid, node.stamp, node.unschedulable)


@pytest.mark.parametrize("step", ["drain", "call off", "relabel", "hold", "delete"])
async def test_a_step_that_is_made_twice_does_what_it_does_once(
    bed: Bed, driver: Backend, site: str, step: str
) -> None:
    *before, last = dict(steps(other(bed, site, 1)))[step]
    await driver.create(bed.order(site), LEADER)
    await up(driver, site, 1)
    for write in before:
        await made(partial(write, driver), driver, site)
    old = await made(partial(last, driver), driver, site)
    once = (await seen(driver, site)).get(1)
    assert await refused(last(driver, old)) in (None, 404, 409)
    assert said((await seen(driver, site)).get(1)) == said(once)


@pytest.mark.parametrize("step", ["drain", "call off", "relabel", "hold", "delete"])
@pytest.mark.parametrize("answered", [True, False], ids=["before", "after"])
async def test_killed_at_any_write_the_next_one_goes_on(
    bed: Bed,
    site: str,
    proxy: Proxy,
    through: KubernetesClient,
    driver: Backend,
    *,
    step: str,
    answered: bool,
) -> None:
    """The write that it dies at is not made, or it is made and nobody hears of it; no later one is."""
    slots = range(1, MOST_WRITES + 2)
    for slot in slots:
        await driver.create(bed.order(site, slot), LEADER)
    await up(driver, site, *slots)
    for dies_at, slot in enumerate(slots):
        wish = other(bed, site, slot)
        *before, last = dict(steps(wish))[step]
        for write in before:
            await made(partial(write, driver), driver, site, slot)
        proxy.fault = writes(from_nth(dies_at, DOWN if answered else Lost(), DOWN))
        died = await refused(made(partial(last, bed.driver(through)), driver, site, slot))
        proxy.fault = lambda asked: None
        # Another one looks, and does it as a cycle would: whatever it finds.
        node = (await seen(driver, site)).get(slot)
        if node is not None and not node.deleting:
            await made(partial(last, driver), driver, site, slot)
        if step == "delete":
            await gone(driver, site, slot)
        else:
            node = (await seen(driver, site))[slot]
            assert node.stamp is not None
            assert node.drains == (step in ("drain", "hold"))
            assert (node.stamp.draining_since is not None) == node.drains
            assert (node.stamp.pool is None) == (step == "hold")
            assert step != "relabel" or node.look.suits(wish)
        if died is None:
            return
    raise AssertionError(f"{step} takes more than {MOST_WRITES} writes")


async def refused(write: Awaitable[object]) -> int | None:
    """The status that a write was refused with; None where it was made."""
    try:
        await write
    except ApiError as error:
        return error.status
    return None


def nth(number: int, fault: Fault) -> Callable[[Asked], Fault | None]:
    """The request of this number, from 0, meets a fault."""
    return from_nth(number, fault, None)


def from_nth(number: int, fault: Fault, then: Fault | None) -> Callable[[Asked], Fault | None]:
    """The request of this number, from 0, meets a fault, and all that come later another one."""
    numbers = count()

    def judge(asked: Asked) -> Fault | None:
        now = next(numbers)
        return fault if now == number else then if now > number else None

    return judge


def writes(judge: Callable[[Asked], Fault | None]) -> Callable[[Asked], Fault | None]:
    """Only writes are judged."""
    return lambda asked: judge(asked) if asked.method != "GET" else None
