"""Leadership on a real Lease; the candidates' clock is the test's."""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from aifactory.shell import lease as module
from aifactory.shell.client import KubernetesClient, configuration
from aifactory.shell.lease import Leadership
from aifactory.shell.terms import DEADLINE, DURATION, Name
from cluster.faulty import HTML, Cut, Fault, Instead, Lost, Proxy, status
from cluster.reading import read
from controlplane import Cluster, Kubectl
from controlplane.waiting import PATIENCE


class Race:
    """Candidates for one Lease."""

    def __init__(self, client: KubernetesClient, kubectl: Kubectl) -> None:
        self.now = 1000.0
        self.name = f"test-{secrets.token_hex(4)}"
        self.client = client
        self.kubectl = kubectl
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.renewals = Counter[str]()

    def join(self, identity: str) -> Leadership:
        def renewed() -> None:
            self.renewals[identity] += 1

        candidate = Leadership(
            self.client, "default", self.name, Name("", identity), clock=lambda: self.now, renewed=renewed
        )
        self.tasks[identity] = asyncio.create_task(candidate.run())
        return candidate

    async def freeze(self, identity: str) -> None:
        """Let a candidate do nothing any more, as if it had died or hung."""
        self.tasks[identity].cancel()
        with suppress(asyncio.CancelledError):
            await self.tasks[identity]

    @property
    def spec(self) -> dict[str, Any]:
        return dict(read(self.kubectl, "lease", self.name, "default")["spec"])

    @property
    def holder(self) -> str:
        return str(self.spec.get("holderIdentity") or "")

    def version(self) -> str:
        return str(read(self.kubectl, "lease", self.name, "default")["metadata"]["resourceVersion"])


@pytest.fixture
async def race(cluster: Cluster, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Race]:
    monkeypatch.setattr(module, "RETRY", 0.02)
    client = KubernetesClient(await configuration(str(cluster.kubeconfig)))
    race = Race(client, kubectl)
    yield race
    for identity in race.tasks:
        await race.freeze(identity)
    kubectl("delete", "lease", race.name, "-n=default", "--ignore-not-found")
    await client.close()


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is the API server's, who sets no event
            await asyncio.sleep(0.01)


async def taken(candidate: Leadership) -> None:
    async with asyncio.timeout(PATIENCE):
        await candidate.taken()


async def some_tries(race: Race, candidate: Leadership) -> None:
    """Wait until a candidate has looked at the lease a few times."""
    seen = 0
    original = race.client.get

    async def get(*args: object) -> object:
        nonlocal seen
        seen += 1
        return await original(*args)  # type: ignore[arg-type]

    race.client.get = get  # type: ignore[assignment,method-assign]
    await until(lambda: seen >= 5)
    race.client.get = original  # type: ignore[method-assign]


async def test_one_of_many_candidates_leads(race: Race) -> None:
    candidates = [race.join(f"c{i}") for i in range(5)]
    await until(lambda: any(c.holds() for c in candidates))
    await some_tries(race, candidates[0])
    assert [c.identity for c in candidates if c.holds()] == [race.holder]


async def test_whoever_leads_is_told_each_time_that_the_lease_was_renewed(race: Race) -> None:
    first = race.join("first")
    await taken(first)
    second = race.join("second")
    before = race.renewals["first"]
    await until(lambda: race.renewals["first"] >= before + 3)
    await some_tries(race, second)
    assert race.renewals["second"] == 0


async def test_a_leader_renews_as_long_as_it_lives(race: Race) -> None:
    first, second = race.join("first"), race.join("second")
    await until(lambda: first.holds() or second.holds())
    leader = race.holder
    for _ in range(6):
        before = race.version()
        race.now += DEADLINE / 2
        await until(lambda before=before: race.version() != before)  # type: ignore[misc]
        await until(lambda: first.holds() or second.holds())
    assert race.holder == leader


async def test_a_leader_that_cannot_renew_gives_up_before_another_one_may_take_over(race: Race) -> None:
    first = race.join("first")
    await taken(first)
    second = race.join("second")
    await race.freeze("first")
    await some_tries(race, second)  # so that it has seen the last renewal
    renewed = race.now

    race.now = renewed + DEADLINE - 0.01
    assert first.holds()
    race.now = renewed + DEADLINE
    assert not first.holds()
    race.now = renewed + DURATION - 0.01
    await some_tries(race, second)
    assert not second.holds()
    race.now = renewed + DURATION + 0.01
    await taken(second)
    assert race.holder == "second"
    assert not first.holds()


async def test_every_taking_is_a_new_term_and_no_renewal_is(race: Race) -> None:
    first = race.join("first")
    await taken(first)
    assert first.term == 1
    before = race.version()
    race.now += DEADLINE / 2
    await until(lambda: race.version() != before)
    assert first.term == 1
    assert race.spec["leaseTransitions"] == 1
    race.now += DEADLINE  # nobody else came, and yet somebody could have
    await until(lambda: first.term == 2)
    assert first.holds()
    spec = {"holderIdentity": "other", "leaseDurationSeconds": 1}
    race.kubectl(
        "patch", "lease", race.name, "-n=default", "--type=merge", f"-p={json.dumps({'spec': spec})}"
    )
    await until(lambda: not first.holds())
    race.now += DURATION
    await taken(first)
    assert first.term == 3
    assert (race.holder, race.spec["leaseTransitions"]) == ("first", 3)


async def test_a_takeover_whose_answer_is_lost_begins_a_new_term(
    proxy: Proxy, through: KubernetesClient, race: Race
) -> None:
    race.client = through
    first = race.join("first")
    await taken(first)
    decided = first.term  # a plan is being decided in it
    # The lease lapses, and another one leads meanwhile.
    race.now += DEADLINE
    spec = {"holderIdentity": "other", "leaseDurationSeconds": 15, "leaseTransitions": decided + 1}
    race.kubectl(
        "patch", "lease", race.name, "-n=default", "--type=merge", f"-p={json.dumps({'spec': spec})}"
    )
    await some_tries(race, first)
    assert not first.holds()

    proxy.fault = lambda asked: Lost() if asked.method == "PATCH" else None
    race.now += DURATION
    await until(lambda: race.holder == "first")  # it has landed
    assert not first.holds()
    proxy.fault = lambda asked: None
    await taken(first)

    assert first.term > decided + 1
    assert race.spec["leaseTransitions"] == first.term
    await race.freeze("first")


async def test_a_renewal_whose_answer_is_lost_goes_on_in_its_term(
    proxy: Proxy, through: KubernetesClient, race: Race
) -> None:
    race.client = through
    first = race.join("first")
    await taken(first)
    proxy.fault = lambda asked: Lost() if asked.method == "PATCH" else None
    before = race.version()
    race.now += DEADLINE / 2
    await until(lambda: race.version() != before)
    proxy.fault = lambda asked: None
    await some_tries(race, first)
    assert (first.holds(), first.term) == (True, 1)
    await race.freeze("first")


@pytest.mark.parametrize(
    "fault", [HTML, Instead(200, "{}"), Instead(200, "[" * 100_000), status(500, "X"), Cut(), Lost()]
)
async def test_no_answer_ends_a_candidate(
    proxy: Proxy, through: KubernetesClient, race: Race, fault: Fault
) -> None:
    race.client = through
    proxy.fault = lambda asked: fault
    first = race.join("first")
    await until(lambda: len(proxy.asked) >= 3)
    assert not first.holds()
    proxy.fault = lambda asked: None
    await taken(first)
    await race.freeze("first")


async def test_a_candidate_that_comes_late_waits_from_when_it_first_saw_the_lease(race: Race) -> None:
    first = race.join("first")
    await taken(first)
    await race.freeze("first")
    race.now += 1000  # long dead, but whose clock is right?
    second = race.join("second")
    await some_tries(race, second)
    assert not second.holds()
    race.now += DURATION
    await taken(second)


async def test_a_lease_that_is_given_back_is_taken_at_once(race: Race) -> None:
    first = race.join("first")
    await taken(first)
    second = race.join("second")
    await some_tries(race, second)
    await race.freeze("first")
    await first.release()
    assert not first.holds()
    await taken(second)
    assert race.holder == "second"


async def test_who_has_resigned_never_holds_again(race: Race) -> None:
    first = race.join("first")
    await taken(first)
    first.resign()
    assert not first.holds()
    await some_tries(race, first)
    assert not first.holds()


async def test_a_leader_gives_up_when_it_sees_another_ones_name(race: Race) -> None:
    first = race.join("first")
    await taken(first)
    race.kubectl(
        *("patch", "lease", race.name, "-n=default", "--type=merge"),
        '-p={"spec": {"holderIdentity": "somebody"}}',
    )
    await until(lambda: not first.holds())
    await some_tries(race, first)
    assert race.holder == "somebody"


async def test_a_lease_that_was_deleted_is_made_again(race: Race) -> None:
    first = race.join("first")
    await taken(first)
    race.kubectl("delete", "lease", race.name, "-n=default")
    await until(lambda: race.kubectl("get", "lease", race.name, "-n=default", "--ignore-not-found"))
    assert race.holder == "first"


async def test_waiting_for_the_lease_lasts_until_it_is_held(race: Race) -> None:
    first = race.join("first")
    await taken(first)
    second = race.join("second")
    waiting: Awaitable[None] = asyncio.create_task(second.taken())
    await some_tries(race, second)
    assert not asyncio.ensure_future(waiting).done()
    await race.freeze("first")
    await first.release()
    async with asyncio.timeout(PATIENCE):
        await waiting
    assert second.holds()
