"""Candidates for one Lease whose requests and answers get lost, against a model of the API server's Lease.

The model has what the API server promises: a resourceVersion that is a precondition of every patch, and a
name that is created once. All else is free: how long a process sleeps between two steps, whether its write
lands, when, and whether it hears of it.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aifactory.shell.client import WRITE_SECONDS
from aifactory.shell.terms import DEADLINE, DURATION, Candidate, Name

SECONDS = st.sampled_from([0.5, 1.9, 2.0, 4.9, 5.1, 9.9, 10.1, 14.9, 15.1, 40.0])
ALL = ("a", "b", "c")


@dataclass
class Write:
    """A write on its way: it lands within WRITE_SECONDS or never."""

    who: str
    term: int
    began: float  # by the writer's clock
    sent: float  # by the world's
    version: str | None  # None: a creation


@dataclass
class World:
    """The API server's Lease, and the world's time. Each candidate's clock is ahead of it by its own lead."""

    now: float = 1000.0
    lease: dict[str, Any] | None = None
    versions: int = 0
    history: list[tuple[str, int]] = field(default_factory=list)  # (holder, term) of every version

    def read(self) -> dict[str, Any] | None:
        return deepcopy(self.lease)

    def land(self, write: Write) -> bool:
        """Carry out a write as the API server would; whether it was taken."""
        present = self.lease["metadata"]["resourceVersion"] if self.lease else None
        if write.version != present:
            return False
        self.put(write.who, write.term)
        return True

    def put(self, holder: str, term: int, lasts: float = DURATION) -> None:
        self.versions += 1
        spec = {
            "holderIdentity": holder,
            "leaseTransitions": term,
            "leaseDurationSeconds": lasts,
            "renewTime": str(self.versions),
        }
        self.lease = {"metadata": {"resourceVersion": str(self.versions)}, "spec": spec}
        self.history.append((holder, term))


class Contest(RuleBasedStateMachine):
    """Three processes, each with a clock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.lead = {"a": 0.0, "b": 3661.0, "c": -86_400.0}
        self.candidates = {who: Candidate(Name("", who)) for who in ALL}
        self.on_their_way: list[Write] = []
        self.tenures: dict[tuple[str, int], int] = {}  # (holder, term) -> version at which it began to hold

    def clock(self, who: str) -> float:
        return self.world.now + self.lead[who]

    @rule(who=st.sampled_from(ALL), slow=st.sampled_from([0.0, 1.0, 4.0]))
    def attempt(self, who: str, slow: float) -> None:
        """Read, and send what follows from it: whether it lands is settled later."""
        began = self.clock(who)
        lease = self.world.read()
        self.world.now += slow
        self.on_their_way = [w for w in self.on_their_way if w.sent + WRITE_SECONDS > self.world.now]
        term = self.candidates[who].bid(lease, self.clock(who))
        if term is not None:
            version = lease["metadata"]["resourceVersion"] if lease else None
            self.on_their_way.append(Write(who, term, began, self.world.now, version))

    @rule(who=st.sampled_from(ALL))
    def succeed(self, who: str) -> None:
        """An attempt as most are: read, written and heard of at once."""
        self.attempt(who, 0.0)
        if self.on_their_way and self.on_their_way[-1].who == who:
            write = self.on_their_way.pop()
            if self.world.land(write):
                self.candidates[who].won(write.term, write.began)

    @precondition(lambda self: self.on_their_way)
    @rule(data=st.data(), heard=st.booleans())
    def land(self, data: st.DataObject, heard: bool) -> None:
        """One write lands, soon or late, and its writer hears of it or not."""
        write = data.draw(st.sampled_from(self.on_their_way))
        self.on_their_way.remove(write)
        if self.world.land(write) and heard:
            self.candidates[write.who].won(write.term, write.began)

    @precondition(lambda self: self.on_their_way)
    @rule()
    def lose(self) -> None:
        self.on_their_way.pop()

    @rule(seconds=SECONDS)
    def sleep(self, seconds: float) -> None:
        self.world.now += seconds
        self.on_their_way = [w for w in self.on_their_way if w.sent + WRITE_SECONDS > self.world.now]

    @precondition(lambda self: self.world.lease)
    @rule()
    def given_back(self) -> None:
        """The holder ends in an orderly way; another process of the same name never comes again."""
        assert self.world.lease is not None
        holder = self.world.lease["spec"]["holderIdentity"]
        if not holder or any(w.who == holder for w in self.on_their_way):
            return
        term = self.world.lease["spec"]["leaseTransitions"]
        self.candidates[holder] = Candidate(Name("", holder))
        self.candidates[holder].term = self.candidates[holder]._highest = term
        self.world.put("", term, lasts=1)

    @invariant()
    def one_leads(self) -> None:
        leading = [who for who in ALL if self.candidates[who].holds(self.clock(who))]
        assert len(leading) <= 1, leading
        for who in leading:
            assert self.world.history[-1] == (who, self.candidates[who].term)

    @invariant()
    def a_term_is_held_by_one_and_without_a_break(self) -> None:
        seen: set[tuple[str, int]] = set()
        last = None
        for each in self.world.history:
            assert each == last or each not in seen or not each[0], self.world.history
            seen.add(each)
            last = each

    @invariant()
    def terms_only_grow(self) -> None:
        terms = [term for _, term in self.world.history]
        assert terms == sorted(terms)


Contest.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestContest = Contest.TestCase


def lease(holder: str, term: int, version: str = "1") -> dict[str, Any]:
    spec = {
        "holderIdentity": holder,
        "leaseTransitions": term,
        "leaseDurationSeconds": 15,
        "renewTime": version,
    }
    return {"metadata": {"resourceVersion": version}, "spec": spec}


def leading(term: int = 4, name: Name = Name("", "me")) -> Candidate:  # noqa: B008 - it is frozen
    candidate = Candidate(name)
    candidate.won(term, began=100.0)
    return candidate


def test_a_renewal_goes_on_in_the_same_term_even_where_its_answer_was_lost() -> None:
    me = leading()
    assert me.bid(lease("me", 4, "2"), 105.0) == 4
    assert me.bid(lease("me", 4, "3"), 109.9) == 4


def test_a_lease_that_had_lapsed_is_a_new_term_whoever_it_names() -> None:
    assert leading().bid(lease("me", 4), 100.0 + DEADLINE) == 5


def test_a_takeover_whose_answer_was_lost_begins_a_new_term() -> None:
    me = leading()
    assert me.bid(lease("other", 5), 120.0) is None
    assert me.bid(lease("other", 5), 120.0 + DURATION) == 6  # it lands, and nobody hears of it
    assert me.bid(lease("me", 6, "2"), 137.0) == 7
    assert not me.holds(137.0)


def test_a_lease_in_a_term_that_is_not_ones_own_is_none_of_ones_own() -> None:
    me = leading()
    assert me.bid(lease("me", 9), 105.0) == 10
    assert not me.holds(105.0)


def test_a_lease_that_was_deleted_begins_a_term_above_all_that_were_seen() -> None:
    me = leading()
    assert me.bid(None, 105.0) == 5
    assert not me.holds(105.0)
    follower = Candidate(Name("", "me"))
    assert follower.bid(lease("other", 9), 100.0) is None
    # Its holder believes in it for a while.
    assert follower.bid(None, 100.0 + DURATION - 0.01) is None
    assert follower.bid(None, 100.0 + DURATION) == 10


@pytest.mark.parametrize(
    ("holder", "waits"),
    [
        pytest.param("host_u1_former", WRITE_SECONDS, id="of the same pod"),
        pytest.param("host_u2_former", DURATION, id="of another pod"),
        pytest.param("host_u1", DURATION, id="of a like name"),
        pytest.param("former", DURATION, id="of no pod"),
    ],
)
def test_a_restarted_process_of_the_same_pod_waits_for_writes_only(holder: str, waits: float) -> None:
    me = Candidate(Name("host_u1", "now"))
    assert me.bid(lease(holder, 3), 100.0) is None
    assert me.bid(lease(holder, 3), 100.0 + waits - 0.01) is None
    assert me.bid(lease(holder, 3), 100.0 + waits) == 4


def test_one_of_the_same_pod_that_still_renews_is_left_alone() -> None:
    me = Candidate(Name("host_u1", "now"))
    for i in range(20):
        assert me.bid(lease("host_u1_former", 3, str(i)), 100.0 + 2 * i) is None


def test_outside_a_pod_nobody_is_an_earlier_self() -> None:
    assert not Name("", "host_x").succeeds("host_y")
