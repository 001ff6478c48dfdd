"""The demo's parts that need no cluster."""

import io
import shutil
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rich.console import Console

from aifactory.api.reading import parse_factory, parse_pool
from aifactory.cli.manifests import Manifests, read
from aifactory.decide.model.layout import lay_out
from demo import final, paper
from demo.chart import Calendar, draw
from demo.delays import delays
from demo.feed import Feed
from demo.fleet import SEED, make_sites, quantity, write_fleet
from demo.plain import Plain
from demo.replay import HALL_LIMITS, Outcome, Step
from demo.scene import look
from demo.screen import Screen
from demo.settled import settled
from demo.stage import factory_manifest, pool_manifests
from demo.tenants import Day, changes, namespace_of, read_days
from recorder import History, prove

# The tenants


@pytest.fixture(scope="module")
def days() -> list[Day]:
    return read_days()


def test_the_data_has_181_days_of_25_tenants(days: list[Day]) -> None:
    assert len(days) == 181
    assert {len(day.gpus) for day in days} == {25}
    assert (days[0].date, days[-1].date) == (date(2020, 4, 1), date(2020, 9, 28))
    assert (min(day.total for day in days), max(day.total for day in days)) == (968, 1264)


def test_the_data_changes_on_ten_days(days: list[Day]) -> None:
    found = changes(days)
    assert len(found) == 10
    assert sum(map(len, found.values())) == 27
    assert found[138] == {"vcJsw": (0, 200)}


def test_a_total_that_is_wrong_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("date,a,b,total\n2020-04-01,8,8,24\n")
    with pytest.raises(ValueError, match="16 GPUs in all, the file says 24"):
        read_days(path)


# The stage


def test_the_pools_are_those_of_the_data(days: list[Day]) -> None:
    pools = [parse_pool(obj) for obj in pool_manifests(days[0].gpus)]
    assert [pool.metadata.namespace for pool in pools] == [namespace_of(tenant) for tenant in days[0].gpus]
    text = (Path(paper.__file__).parent / "venus" / "pools.yaml").read_text()
    written = [line.split()[-1] for line in text.splitlines() if line.startswith("  gpus:")]
    assert written == [str(gpus) for gpus in days[0].gpus.values()]


def test_the_quota_binds_at_the_peak_alone(days: list[Day]) -> None:
    layout = lay_out(parse_factory(factory_manifest()))
    (watts,) = {group.unit_watts for group in layout.groups}
    assert watts is not None
    most = 8 * (layout.instances[0].limit // watts)
    assert [day.number for day in days if day.total > most] == list(range(138, 147))
    halls = [
        instance
        for instance in layout.instances
        if instance.level.startswith("hall") and "/" not in instance.path
    ]
    assert len(halls) == 3
    assert sum(hall.limit for hall in halls) > layout.instances[0].limit


def test_the_limits_that_change_are_those_of_halls() -> None:
    paths = [domain["path"] for domain in factory_manifest()["spec"]["power"]["domains"]]
    assert {limit.hall for limit in HALL_LIMITS} <= set(paths)


# The fleet


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    write_fleet(folder)
    return folder


@pytest.fixture(scope="module")
def manifests(fleet: Path) -> Manifests:
    return read([fleet])


@pytest.mark.long
def test_the_fleet_has_forty_factories_and_ten_thousand_pools(manifests: Manifests) -> None:
    assert len(manifests.factories) == 40
    assert len(manifests.pools) == 10_000
    layouts = [lay_out(factory) for factory in manifests.factories]
    assert sum(group.racks for layout in layouts for group in layout.groups) == 40_000
    gross = [
        factory.spec.power.quota * (factory.spec.power.peak_pue or 1)
        if factory.spec.power.basis == "CriticalIT"
        else factory.spec.power.quota
        for factory in manifests.factories
    ]
    assert sum(gross) == pytest.approx(5e9, rel=1e-3)


@pytest.mark.long
def test_the_fleet_wants_a_fifth_more_than_there_is(manifests: Manifests) -> None:
    layouts = [lay_out(factory) for factory in manifests.factories]
    watts = {
        g.system.name: (g.unit_watts or 0, g.system.gpus_per_unit) for lay in layouts for g in lay.groups
    }
    demand = 0
    for pool in manifests.pools:
        unit, gpus = watts[pool.spec.systems[0]]
        demand += unit * pool.spec.gpus // gpus
    assert demand / sum(layout.instances[0].limit for layout in layouts) == pytest.approx(1.2, rel=0.03)


@pytest.mark.long
def test_the_fleet_has_every_kind_of_wish(manifests: Manifests) -> None:
    specs = [pool.spec for pool in manifests.pools]
    assert {spec.topology.pack for spec in specs} == {"None", "Fabric", "Factory"}
    assert {spec.topology.spread.over for spec in specs if spec.topology.spread} == {"Factory", "Domain"}
    assert {spec.purpose for spec in specs} == {"Training", "Inference", "DataProcessing"}
    assert any(spec.factories.selector for spec in specs)
    assert any(spec.factories.names for spec in specs)
    assert any(spec.factories.exclude for spec in specs)
    assert len({spec.priority for spec in specs}) > 3_000
    sizes = sorted((spec.gpus for spec in specs), reverse=True)
    assert sum(sizes[:1000]) > sum(sizes) / 2  # a tenth of the pools wants more than half


def test_the_fleet_is_the_same_each_time(fleet: Path, tmp_path: Path) -> None:
    write_fleet(tmp_path)
    for path in fleet.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_sites_share_the_gross_power() -> None:
    assert sum(site.gross for site in make_sites(Random(SEED))) == 5_000


@pytest.mark.parametrize(
    ("watts", "text"), [(20_000_000, "20M"), (2_600_000, "2600k"), (2_649_999, "2600k"), (850_000, "850k")]
)
def test_watts_are_written_as_people_do(watts: int, text: str) -> None:
    assert quantity(Fraction(watts)) == text


def test_a_planned_fleet_is_summed_up(fleet: Path, tmp_path: Path) -> None:
    shutil.copy(fleet / "factories.yaml", tmp_path)
    some = (fleet / "pools-1.yaml").read_text().split("---\n")[:120]
    greedy = next(pool for pool in some if "minGpus" not in pool)
    some[some.index(greedy)] = greedy.replace("gpus: ", "gpus: 9000")
    (tmp_path / "pools.yaml").write_text("---\n".join(some))
    summary = paper.plan_fleet(tmp_path)
    assert (len(summary.sites), summary.racks, summary.pools) == (40, 40_000, 120)
    assert 0 < summary.placed < summary.wanted
    assert len(summary.waiting) == 1
    out = io.StringIO()
    paper.show(summary, Console(file=out, width=110), Path(".demo/fleet"))
    for words in ("40,000 racks", "5 GW at the meter", "119 have their minimum", summary.waiting[0].name):
        assert words in out.getvalue()


# A small replay, told step by step


class Story:
    """A factory with one hall, and one tenant."""

    def __init__(self) -> None:
        self.now = 0.0
        self.version = 0
        self.history = History(clock=lambda: self.now)
        self.node_count = 0

    def factory(
        self, *, generation: int = 1, observed: int = 1, within: bool = True, limit: int = 30_000
    ) -> None:
        condition = {"type": "WithinLimits", "status": str(within), "message": "hall: 5 W above."}
        spec = {
            "power": {
                "quota": 40_000,
                "basis": "CriticalIT",
                "domains": [{"path": "hall", "limit": limit}],
            },
            "backend": {"kwok": {}},
        }
        status = {"observedGeneration": observed, "conditions": [condition]}
        self._add(
            {"kind": "AIFactory", "metadata": {"name": "venus", "generation": generation}}, spec, status
        )

    def pool(
        self,
        wanted: int,
        placed: int,
        *,
        ready: int | None = None,
        nodes: int | None = None,
        generation: int = 1,
        observed: int = 1,
        waits: str = "",
        busy: bool = False,
    ) -> None:
        conditions = [{"type": "Ready", "status": "True"}]
        if busy:
            conditions.append({"type": "Reconciling", "status": "True"})
        status: dict[str, Any] = {
            "observedGeneration": observed,
            "gpus": placed,
            "readyGpus": placed if ready is None else ready,
            "placements": [
                {"domain": "hall", "nodes": placed // 8 if nodes is None else nodes, "gpus": placed}
            ],
            "printed": {"waits": waits},
            "conditions": conditions,
        }
        if waits:
            status["waiting"] = {"reason": "InsufficientPower", "message": "It needs [more]."}
        meta = {"name": "main", "namespace": "vca", "generation": generation}
        self._add({"kind": "GPUPool", "metadata": meta}, {"gpus": wanted, "priority": 7}, status)

    def node(self, name: str, *, ready: bool = True, draining: bool = False, gone: bool = False) -> None:
        self.node_count += 1
        notes = {
            "aifactory.dev/path": "hall",
            "aifactory.dev/unit-watts": "10000",
            "aifactory.dev/unit-nodes": "1",
            "aifactory.dev/unit-gpus": "8",
        }
        if draining:
            notes["aifactory.dev/draining-since"] = "2026-11-24T07:58:00Z"
        labels = {
            "aifactory.dev/factory": "venus",
            "aifactory.dev/system": "s",
            "aifactory.dev/rack": name,
            "aifactory.dev/slot": "1",
            "aifactory.dev/pool": "main",
            "aifactory.dev/pool-namespace": "vca",
        }
        obj = {
            "kind": "Node",
            "metadata": {"name": name, "uid": name, "labels": labels, "annotations": notes},
        }
        self._add(obj, {}, {"conditions": [{"type": "Ready", "status": str(ready)}]}, gone=gone)

    def _add(self, obj: dict[str, Any], spec: object, status: object, *, gone: bool = False) -> None:
        self.version += 1
        meta = {**obj["metadata"], "resourceVersion": str(self.version)}
        self.history.add({**obj, "metadata": meta, "spec": spec, "status": status}, gone=gone)


TENANTS = {"vca": "vcA"}


@pytest.fixture
def story() -> Story:
    story = Story()
    story.factory()
    story.pool(16, 16)
    story.node("a")
    story.node("b")
    return story


def test_it_is_settled_when_all_is_as_it_was_asked(story: Story) -> None:
    assert settled(story.history, {"vca": 16}, generation=1)


def test_it_is_not_settled_before_all_is_seen(story: Story) -> None:
    assert not settled(story.history, {"vca": 24}, generation=1)
    assert not settled(story.history, {"vca": 16, "vcb": 8}, generation=1)
    assert not settled(story.history, {"vca": 16}, generation=2)


@pytest.mark.parametrize(
    "more",
    [
        lambda story: story.pool(16, 16, generation=2),
        lambda story: story.pool(16, 16, busy=True),
        lambda story: story.pool(16, 16, nodes=3),
        lambda story: story.factory(generation=2),
        lambda story: story.factory(within=False),
        lambda story: story.node("a", ready=False),
        lambda story: story.node("a", draining=True),
        lambda story: story.node("a", gone=True),
    ],
    ids=["unseen", "busy", "missing", "new limits", "above a limit", "not ready", "draining", "gone"],
)
def test_it_is_not_settled_while_something_is_under_way(story: Story, more: Any) -> None:
    more(story)
    assert not settled(story.history, {"vca": 16}, generation=1)


def test_the_scene_shows_watts_and_gpus(story: Story) -> None:
    story.pool(24, 16, waits="hall 5 kW short")
    story.node("b", draining=True)
    scene = look(story.history, TENANTS)
    assert scene is not None
    assert (scene.quota.committed, scene.quota.limit, scene.quota.share) == (20_000, 40_000, 0.5)
    assert [(hall.name, hall.committed, hall.limit) for hall in scene.halls] == [("hall", 20_000, 30_000)]
    assert (scene.wanted, scene.placed, scene.ready) == (24, 16, 8)
    assert [(w.tenant, w.placed, w.wanted) for w in scene.waiters] == [("vcA", 16, 24)]


def test_there_is_no_scene_without_a_factory() -> None:
    assert look(History(), TENANTS) is None


def test_the_feed_tells_who_gives_way_and_who_waits(story: Story) -> None:
    feed = Feed(story.history, TENANTS)
    assert list(feed.news()) == []
    story.pool(16, 8, waits="venus 5 kW short")
    assert list(feed.news()) == [
        "vcA gives way: 16 -> 8 of 16 GPUs",
        "vcA waits for 8 GPUs: venus 5 kW short",
    ]
    story.pool(16, 16)
    assert list(feed.news()) == ["vcA gets more: 8 -> 16 of 16 GPUs", "vcA has all it wants: 16 GPUs"]
    story.factory(generation=2, observed=2, within=False)
    story.factory(generation=2, observed=2)
    assert list(feed.news()) == [
        "the limits of generation 2 are in force",
        "above a limit: hall: 5 W above.",
        "within all limits again",
    ]


def test_the_feed_tells_moves_from_nodes(story: Story) -> None:
    feed = Feed(story.history, TENANTS)
    list(feed.news())
    list(feed.moves())
    story.node("a", gone=True)
    story.node("c")
    list(feed.news())
    assert list(feed.moves()) == ["vcA moves: nodes 1 in hall -> 1 in hall"]
    assert list(feed.moves()) == []


def played(story: Story) -> tuple[list[Day], list[Step]]:
    """Three days: the start, a wish that is granted, and one that is not."""
    days = [Day(n + 1, date(2020, 4, n + 1), {"vcA": gpus}) for n, gpus in enumerate((16, 24, 32))]
    story.now = 10.0
    story.pool(24, 16, generation=2)
    story.pool(24, 24, ready=16, generation=2, observed=2)
    story.now = 12.5
    story.node("c")
    story.pool(24, 24, generation=2, observed=2)
    story.now = 20.0
    story.pool(32, 24, generation=3, observed=3, waits="venus 5 kW short")
    steps = [Step(day, began, began + 5, 1) for day, began in zip(days, (-1.0, 9.0, 19.0), strict=True)]
    return days, steps


def test_delays_are_those_of_wishes_granted_on_their_day(story: Story) -> None:
    _, steps = played(story)
    story.now = 40.0
    story.pool(32, 32, generation=3, observed=3)  # too late: it waited for room and not for the operator
    assert [(d.gpus, d.seconds) for d in delays(story.history.events(), steps)] == [(24, 2.5)]


def test_the_end_is_summed_up(story: Story) -> None:
    days, steps = played(story)
    verdict, series = prove(story.history, at_rest=False)
    summary = final.sum_up(Outcome(len(days), steps), 30.0, story.history.events(), verdict, series)
    assert (summary.wanted, summary.short, summary.created, summary.released) == (32, 8, 3, 0)
    assert (summary.power.committed, list(summary.delays)) == (30_000, [2.5])
    out = io.StringIO()
    final.show(summary, Console(file=out, width=110))
    assert "no limit was exceeded" in out.getvalue()
    assert "median 2.5 s" in out.getvalue()


def test_a_broken_promise_is_shown(story: Story) -> None:
    days, steps = played(story)
    story.node("a", gone=True)
    verdict, series = prove(story.history, at_rest=False)
    out = io.StringIO()
    summary = final.sum_up(Outcome(len(days), steps), 30.0, story.history.events(), verdict, series)
    final.show(summary, Console(file=out, width=110))
    assert "not kept" in out.getvalue()
    assert "node a went without having been drained" in out.getvalue()


@pytest.mark.parametrize(("percent", "value"), [(50, 2.0), (95, 4.0), (100, 4.0), (1, 1.0)])
def test_percentiles_are_values_that_were_seen(percent: int, value: float) -> None:
    assert final.at_percent([1.0, 2.0, 3.0, 4.0], percent) == value


def test_the_calendar_puts_seconds_into_days(story: Story) -> None:
    days, steps = played(story)
    calendar = Calendar(days, steps)
    assert calendar.end - calendar.start == 3
    assert [round(calendar.at(clock) - calendar.start, 2) for clock in (-5, 9, 11.5, 14, 18, 19)] == [
        *(0, 1, 1.4, 1.8, 1.8, 2)
    ]


def test_the_chart_is_drawn_twice(story: Story, tmp_path: Path) -> None:
    days, steps = played(story)
    _, series = prove(story.history, at_rest=False)
    png, svg = draw(series, Calendar(days, steps), "venus", ["hall"], tmp_path / "chart")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in svg.read_text()


# What is shown


def test_plain_lines_tell_each_day(story: Story) -> None:
    days, _ = played(story)
    lines: list[str] = []
    view = Plain(lines.append, story.history, days)
    view.day(days[2])
    view.told("vcA", "scales 24 -> 32 GPUs")
    view.settled()
    assert lines[0] == "2020-04-03  vcA scales 24 -> 32 GPUs"
    assert lines[-1] == (
        "2020-04-03  day 3: 30 kW of 40 kW, GPUs 32 wanted, 24 placed, 24 ready; waiting: vcA"
    )


@pytest.mark.parametrize("size", [(130, 40), (80, 24), (60, 15)], ids=str)
def test_the_screen_fits_the_terminal(story: Story, size: tuple[int, int]) -> None:
    days, _ = played(story)
    console = Console(
        file=io.StringIO(), width=size[0], height=size[1], force_terminal=True, color_system=None
    )
    screen = Screen(console, story.history, days)
    screen.day(days[2])
    screen.told("vcA", "scales 24 -> 32 GPUs")
    lines = text_of(console, screen)
    assert len(lines) < size[1]
    assert all(len(line) <= size[0] for line in lines)
    shown = "\n".join(lines)
    for words in (
        "03 April 2020",
        "settling",
        "30 kW of 40 kW",
        "24 of 32",
        "InsufficientPower: It needs [mo",
    ):
        assert words in shown
    assert "vcA scales 24 -> 32 GPUs" in shown


def test_the_screen_waits_for_the_factory() -> None:
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True, color_system=None)
    screen = Screen(console, History(), [Day(1, date(2020, 4, 1), {"vcA": 8})])
    assert "about to open" in "\n".join(text_of(console, screen))


def text_of(console: Console, screen: Screen) -> Sequence[str]:
    with console.capture() as capture:
        console.print(screen.draw())
    return capture.get().splitlines()
