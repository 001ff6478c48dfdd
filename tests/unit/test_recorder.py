"""The proof, on histories that were made up: what keeps the promises passes, and each broken one is named."""

from typing import Any

import pytest

from recorder import History, Shed, Verdict, prove

UNIT = 11_220  # watts of a node with its overhead: 10,200 W and 10 %


class Story:
    """A history, told step by step. Every step is a second and a version of its own."""

    def __init__(self) -> None:
        self.version = 0
        self.history = History(clock=lambda: float(self.version))
        self.spec: dict[str, Any] = {
            "power": {
                "quota": 120_000,
                "basis": "CriticalIT",
                "overheadPercent": 10,
                "domains": [
                    {"path": "hall", "count": 2, "limit": 60_000},
                    {"path": "hall/row", "count": 2, "limit": 40_000},
                ],
            },
            "racks": [{"domain": "hall/row", "system": "hgx-h100", "count": 2}],
            "backend": {"kwok": {}},
        }
        self.generation = 0
        self.nodes: dict[str, dict[str, Any]] = {}

    def factory(self, *, observed: int, managers: tuple[str, ...] = ("kubectl",), **status: Any) -> None:
        """The factory with its present spec; `observed` is the generation whose limits are in force."""
        self._add(
            {
                "kind": "AIFactory",
                "metadata": {"name": "f", "generation": self.generation, "managedFields": owners(managers)},
                "spec": self.spec,
                "status": {"observedGeneration": observed, **status},
            }
        )

    def change(self, path: str, limit: int) -> None:
        """A new generation with another limit, or with another quota where the path is empty."""
        power = dict(self.spec["power"])
        if path:
            power["domains"] = [
                {**d, **({"limit": limit} if d["path"] == path else {})} for d in power["domains"]
            ]
        else:
            power["quota"] = limit
        self.spec = {**self.spec, "power": power}
        self.generation += 1

    def pool(self, wanted: int, *, generation: int = 1, **status: Any) -> None:
        self._add(
            {
                "kind": "GPUPool",
                "metadata": {
                    "name": "p",
                    "namespace": "n",
                    "generation": generation,
                    "managedFields": owners(("kubectl",)),
                },
                "spec": {"gpus": wanted},
                "status": {"observedGeneration": 1, **status},
            }
        )

    def node(
        self,
        name: str,
        path: str = "hall/row",
        slot: tuple[int, int] = (1, 1),
        unit: tuple[int, int] = (UNIT, 1),
        pool: str = "p",
    ) -> None:
        self.nodes[name] = {
            "kind": "Node",
            "metadata": {
                "name": name,
                "uid": f"{name}-{self.version}",
                "labels": {
                    "aifactory.dev/factory": "f",
                    "aifactory.dev/system": "hgx-h100",
                    "aifactory.dev/rack": str(slot[0]),
                    "aifactory.dev/slot": str(slot[1]),
                    "aifactory.dev/pool": pool,
                    "aifactory.dev/pool-namespace": "n",
                },
                "annotations": {
                    "aifactory.dev/path": path,
                    "aifactory.dev/unit-watts": str(unit[0]),
                    "aifactory.dev/unit-nodes": str(unit[1]),
                    "aifactory.dev/unit-gpus": str(8 * unit[1]),
                },
            },
        }
        self._add(self.nodes[name])

    def ready(self, name: str) -> None:
        self.nodes[name]["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
        self._add(self.nodes[name])

    def drain(self, name: str) -> None:
        self.nodes[name]["metadata"]["annotations"]["aifactory.dev/draining-since"] = "2026-11-24T07:58:00Z"
        self._add(self.nodes[name])

    def gone(self, name: str) -> None:
        self._add(self.nodes.pop(name), gone=True)

    def _add(self, obj: dict[str, Any], *, gone: bool = False) -> None:
        self.version += 1
        meta = {**obj["metadata"], "resourceVersion": str(self.version)}
        self.history.add({**obj, "metadata": meta}, gone=gone)

    def verdict(self, *, at_rest: bool = False, **more: Any) -> Verdict:
        return prove(self.history, at_rest=at_rest, **more)[0]

    def wrong(self, *, at_rest: bool = False) -> list[str]:
        return [f"{v.promise}: {v.message}" for v in self.verdict(at_rest=at_rest).violations]


def owners(managers: tuple[str, ...]) -> list[dict[str, Any]]:
    status = {"manager": "aifactory", "subresource": "status", "fieldsV1": {"f:status": {}}}
    return [status, *({"manager": manager, "fieldsV1": {"f:spec": {}}} for manager in managers)]


@pytest.fixture
def story() -> Story:
    """A factory whose first limits are in force."""
    story = Story()
    story.generation = 1
    story.factory(observed=0)
    story.factory(observed=1)
    return story


# Power


def test_what_fits_is_within_the_limits(story: Story) -> None:
    for number in range(1, 4):
        story.node(f"a{number}", slot=(1, number))
    verdict = story.verdict()
    assert verdict.kept
    assert (verdict.instants, verdict.domains, verdict.nodes) == (5, 7, 3)
    assert verdict.peak is not None
    assert (verdict.peak.domain, verdict.peak.committed) == ("f/hall-1/row-1", 3 * UNIT)


@pytest.mark.parametrize(
    ("paths", "where"),
    [
        (["hall/row"] * 4, "hall-1/row-1: 44880 W, the limit is 40000 W"),
        (["hall/row", "hall/row-2"] * 3, "hall-1: 67320 W, the limit is 60000 W"),
        (["hall-2/row-2"] * 4, "hall-2/row-2: 44880 W, the limit is 40000 W"),
    ],
    ids=["row", "hall", "numbered"],
)
def test_a_domain_above_its_limit_is_found(story: Story, paths: list[str], where: str) -> None:
    for number, path in enumerate(paths):
        story.node(f"a{number}", path, (1, number))
    assert story.wrong() == [f"Power: f, {where}"]


def test_a_quota_that_is_exceeded_is_found(story: Story) -> None:
    story.change("", 30_000)
    story.factory(observed=2)
    for number in range(3):
        story.node(f"a{number}", slot=(1, number))
    assert story.wrong() == ["Power: f, the quota: 33660 W, the limit is 30000 W"]


def test_a_gross_quota_counts_in_it_watts(story: Story) -> None:
    story.spec["power"] |= {"basis": "Gross", "peakPUE": "1.5", "quota": "50k"}
    story.generation = 2
    story.factory(observed=2)
    for number in range(3):
        story.node(f"a{number}", slot=(1, number))
    assert story.wrong() == ["Power: f, the quota: 33660 W, the limit is 33333 W"]


def test_a_unit_counts_until_its_node_is_gone(story: Story) -> None:
    for number in range(3):
        story.node(f"a{number}", slot=(1, number))
    story.drain("a0")
    story.node("a3", slot=(1, 3))
    assert len(story.wrong()) == 1


def test_a_unit_counts_no_longer_than_its_node_is_there(story: Story) -> None:
    for number in range(3):
        story.node(f"a{number}", slot=(1, number))
    story.drain("a0")
    story.gone("a0")
    story.node("a3", slot=(1, 3))
    assert story.wrong() == []


def test_a_rack_counts_whole_and_once(story: Story) -> None:
    for slot in range(1, 4):
        story.node(f"r{slot}", slot=(1, slot), unit=(39_000, 4))
    verdict = story.verdict()
    assert verdict.kept
    assert verdict.peak is not None
    assert verdict.peak.committed == 39_000
    for slot in range(1, 4):
        story.drain(f"r{slot}")
    story.gone("r1")
    story.gone("r2")
    story.node("other", slot=(2, 1))  # the third node of the rack is still there
    assert story.wrong() == ["Power: f, hall-1/row-1: 50220 W, the limit is 40000 W"]


def test_a_limit_counts_from_when_it_was_observed(story: Story) -> None:
    story.change("hall/row", 50_000)
    story.factory(observed=1)
    for number in range(4):
        story.node(f"a{number}", slot=(1, number))
    story.factory(observed=2)
    assert story.wrong() == ["Power: f, hall-1/row-1: 44880 W, the limit is 40000 W"]


def test_a_node_before_any_limit_is_found() -> None:
    story = Story()
    story.generation = 1
    story.factory(observed=0)
    story.node("early")
    assert story.wrong() == ["Power: f: a node was ordered before any limit was in force"]


def test_more_overhead_is_more_power(story: Story) -> None:
    for number in range(3):
        story.node(f"a{number}", slot=(1, number))
    story.spec["power"]["overheadPercent"] = 40
    story.generation = 2
    story.factory(observed=2)
    assert story.verdict().sheds == (Shed("f/hall-1/row-1", 40_000, 2_840, 5.0, None),)


# Shedding


def lowered(story: Story) -> None:
    """Three nodes in a row whose limit then carries one."""
    for number in range(3):
        story.node(f"a{number}", slot=(1, number))
    story.change("hall/row", 12_000)
    story.factory(observed=1)
    story.factory(observed=2)


def test_an_excess_that_falls_until_it_is_met_is_kept(story: Story) -> None:
    lowered(story)
    for number in range(2):
        story.drain(f"a{number}")
    for number in range(2):
        story.gone(f"a{number}")
    verdict = story.verdict()
    assert verdict.kept
    assert verdict.sheds == (Shed("f/hall-1/row-1", 12_000, 3 * UNIT - 12_000, 6.0, 10.0),)


def test_an_excess_that_rises_is_found(story: Story) -> None:
    lowered(story)
    story.drain("a0")
    story.gone("a0")
    story.node("a0", slot=(1, 0))
    assert story.wrong()[0] == "Power: f, hall-1/row-1: 33660 W, the limit is 12000 W"


def test_an_excess_that_is_never_met_is_found(story: Story) -> None:
    lowered(story)
    story.drain("a0")
    story.gone("a0")
    assert story.wrong() == ["Power: f/hall-1/row-1: 21660 W above 12000 W were never shed"]


def test_a_paused_factory_need_not_shed(story: Story) -> None:
    story.spec["paused"] = True
    lowered(story)
    assert story.wrong() == []


def test_room_elsewhere_may_be_used_meanwhile(story: Story) -> None:
    lowered(story)
    story.node("b", "hall-2/row", (1, 1))
    for number in range(2):
        story.drain(f"a{number}")
        story.gone(f"a{number}")
    assert story.wrong() == []


# Nodes


def test_two_nodes_in_one_slot_are_found(story: Story) -> None:
    story.node("a")
    story.node("b")
    assert story.wrong() == ["Nodes: a and b stand in one slot"]


def test_a_slot_may_be_used_again(story: Story) -> None:
    story.node("a")
    story.drain("a")
    story.gone("a")
    story.node("b")
    assert story.wrong() == []


def test_a_lost_node_is_found(story: Story) -> None:
    story.node("a")
    story.gone("a")
    assert story.wrong() == ["Nodes: node a went without having been drained"]


def test_a_node_that_a_test_deletes_is_excused(story: Story) -> None:
    story.node("a")
    story.gone("a")
    assert story.verdict(excused={"a"}).kept


def test_a_node_replaced_unseen_is_found(story: Story) -> None:
    story.node("a")
    story.node("a")
    assert "Nodes: node a was replaced unseen" in story.wrong()


def test_a_node_without_its_labels_still_counts(story: Story) -> None:
    for number in range(3):
        story.node(f"a{number}", slot=(1, number))
    story.nodes["a0"]["metadata"]["labels"] = {}
    story.ready("a0")
    story.node("a3", slot=(1, 3))
    assert story.wrong() == ["Power: f, hall-1/row-1: 44880 W, the limit is 40000 W"]


def test_labels_move_no_power_and_shrink_none(story: Story) -> None:
    for number in range(3):
        story.node(f"a{number}", slot=(1, number))
    meta = story.nodes["a0"]["metadata"]
    meta["labels"] |= {"aifactory.dev/factory": "g", "aifactory.dev/system": "other"}
    meta["annotations"] |= {"aifactory.dev/path": "hall/row-2", "aifactory.dev/unit-watts": "1"}
    story.ready("a0")
    story.node("a3", slot=(1, 3))
    assert story.wrong() == ["Power: f, hall-1/row-1: 44880 W, the limit is 40000 W"]


# Specs


def test_the_operator_may_not_write_a_spec(story: Story) -> None:
    story.factory(observed=1, managers=("kubectl", "aifactory"))
    assert story.wrong() == ["Spec: aifactory wrote the spec of AIFactory f"]
    assert story.verdict().spec_managers == {"kubectl", "aifactory"}


# The end


def resting(story: Story, **pool: Any) -> None:
    story.node("a")
    story.ready("a")
    placement = {"factory": "f", "domain": "hall-1/row-1", "system": "hgx-h100", "nodes": 1}
    said: dict[str, Any] = {"gpus": 8, "readyGpus": 8, "placements": [placement], **pool}
    story.pool(8, **said)
    story.factory(observed=1, nodes=1, power={"committed": UNIT})


def test_statuses_that_say_what_is_are_true(story: Story) -> None:
    resting(story)
    assert story.wrong(at_rest=True) == []


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"readyGpus": 0}, "n/p says readyGpus 0, its nodes make 8"),
        ({"placements": []}, "n/p says 0 nodes in f/hall-1/row-1/hgx-h100, 1 are there"),
        ({"generation": 2}, "n/p: generation 2 was never observed"),
        (
            {"conditions": [{"type": "Reconciling", "status": "True", "message": "Wait."}]},
            "n/p is not at rest: Wait.",
        ),
    ],
    ids=["ready", "placements", "generation", "reconciling"],
)
def test_a_status_that_is_wrong_is_found(story: Story, said: dict[str, Any], wrong: str) -> None:
    resting(story, **said)
    assert story.wrong(at_rest=True) == [f"Status: {wrong}"]


def test_a_node_of_nobody_is_found(story: Story) -> None:
    resting(story)
    story.node("b", slot=(1, 2), pool="q")
    story.factory(observed=1, nodes=2, power={"committed": 2 * UNIT})
    assert story.wrong(at_rest=True) == ["Status: node b belongs to n/q, which is not there"]


def test_a_wrong_sum_is_found(story: Story) -> None:
    resting(story)
    story.factory(observed=1, nodes=1, power={"committed": 1})
    assert story.wrong(at_rest=True) == [f"Status: f says that 1 W are committed, its nodes make {UNIT} W"]


# The history itself


def test_versions_and_not_arrivals_say_what_came_first(story: Story) -> None:
    # The raised limit was in force before the fourth node was ordered, but its watch was slower.
    story.change("hall/row", 50_000)
    story.version = 20
    for number in range(4):
        story.node(f"a{number}", slot=(1, number))
    assert len(story.wrong()) == 1
    story.version = 10
    story.factory(observed=2)
    assert story.wrong() == []


def test_an_event_that_comes_again_counts_once(story: Story) -> None:
    story.node("a")
    before = len(story.history.events())
    meta = {**story.nodes["a"]["metadata"], "resourceVersion": str(story.version)}
    story.history.add({**story.nodes["a"], "metadata": meta})
    assert len(story.history.events()) == before


def test_what_was_not_seen_is_not_proved(story: Story) -> None:
    story.history.add_gap("changes of Node")
    verdict = story.verdict()
    assert not verdict.kept
    assert "not seen: changes of Node" in str(verdict)


def test_limits_from_before_the_recording_are_not_proved() -> None:
    story = Story()
    story.generation = 5
    story.factory(observed=4)
    story.node("a")
    verdict = story.verdict()
    assert verdict.violations == ()
    assert len(verdict.gaps) == 1


def test_the_curves_say_what_was_committed_and_ready(story: Story) -> None:
    story.pool(16)
    story.node("a")
    story.ready("a")
    story.pool(16, gpus=8)
    _, series = prove(story.history, at_rest=False)
    assert [(s.time, s.committed, s.limit) for s in series.power["f", "hall-1"]] == [
        (2.0, 0, 60_000),
        (4.0, UNIT, 60_000),
    ]
    assert [(s.wanted, s.placed, s.ready) for s in series.gpus] == [
        (0, 0, 0),
        (16, 0, 0),
        (16, 0, 8),
        (16, 8, 8),
    ]
