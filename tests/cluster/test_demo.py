"""Six of the demo's days on a cluster of their own: the ones on which the quota begins to bind."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from controlplane import Cluster, kubectl, open_cluster
from demo.chart import Calendar, draw
from demo.delays import delays
from demo.plain import Plain
from demo.replay import HallLimit, Outcome, Replay
from demo.running import install, running_operator
from demo.stage import FACTORY, clear_stage, set_stage
from demo.tenants import Day, read_days
from recorder import Recorder, Series, Verdict

DAYS = slice(133, 139)  # on the fifth, vcJsw asks for 200 GPUs, of which 120 are above the quota
LIMITS = (HallLimit(135, "hall-b", "60k"), HallLimit(137, "hall-b", "200k"))


@dataclass(frozen=True)
class Played:
    """What was played, and what was seen of it."""

    cluster: Cluster
    recorder: Recorder
    days: list[Day]
    outcome: Outcome
    verdict: Verdict
    series: Series
    lines: list[str]


pytestmark = pytest.mark.long  # as `make demo`


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder, days = tmp_path_factory.mktemp("demo"), read_days()[DAYS]
    lines: list[str] = []
    with ExitStack() as stack:
        cluster = stack.enter_context(open_cluster())
        install(cluster)
        recorder = stack.enter_context(Recorder(cluster.kubeconfig))
        operator = stack.enter_context(running_operator(cluster, folder))
        if cluster.provider != "local":  # it is somebody else's, and stays
            stack.callback(clear_stage, cluster, days[0].gpus)
        set_stage(cluster, days[0].gpus)
        view = Plain(lines.append, recorder.history, days)
        outcome = Replay(cluster, recorder, operator, view, folder / "kubectl").play(days, LIMITS)
        verdict, series = recorder.verdict()
        yield Played(cluster, recorder, days, outcome, verdict, series, lines)


def test_every_promise_is_kept(played: Played) -> None:
    assert played.verdict.kept, str(played.verdict)
    assert played.verdict.instants > 500
    assert played.verdict.domains == 13  # the site, three halls and nine rows


def test_only_users_wrote_specs(played: Played) -> None:
    assert all(manager.startswith("kubectl") for manager in played.verdict.spec_managers)


def test_what_changed_was_played(played: Played) -> None:
    assert (played.outcome.days, played.outcome.changes) == (6, 3)
    assert [step.day.number for step in played.outcome.steps] == [134, 135, 137, 138]


def test_the_lowered_limit_was_met(played: Played) -> None:
    (shed,) = played.verdict.sheds
    assert (shed.domain, shed.limit) == (f"{FACTORY}/hall-b", 60_000)
    assert shed.met is not None


def test_the_quota_is_used_to_its_last_node(played: Played) -> None:
    last = played.series.gpus[-1]
    assert (last.wanted, last.placed, last.ready) == (1264, 1144, 1144)
    assert played.lines[-1].endswith("; waiting: vchbv, vcefl")


def test_the_newcomer_has_all_it_wants(played: Played) -> None:
    got = played.recorder.history.resources("GPUPool")["vcjsw", "main"]
    assert got.status["readyGpus"] == 200
    granted = delays(played.recorder.history.events(), played.outcome.steps)
    assert 200 in {delay.gpus for delay in granted}


def test_the_chart_shows_the_days(played: Played, tmp_path: Path) -> None:
    calendar = Calendar(played.days, played.outcome.steps)
    for path in draw(played.series, calendar, FACTORY, ["hall-b"], tmp_path / "chart"):
        assert path.stat().st_size > 10_000


def test_the_recorder_sees_through_a_lost_api_server(played: Played) -> None:
    if played.cluster.apiserver is None:
        pytest.skip(f"the API server of a cluster from {played.cluster.provider} is not ours to stop")
    before = played.recorder.history.count
    played.cluster.stop_apiserver()
    played.cluster.start_apiserver()
    scale = ("scale", "gpupools.aifactory.dev/main", "--namespace=vcjsw")
    kubectl(played.cluster.kubeconfig, *scale, "--replicas=192")
    key = ("vcjsw", "main")
    played.recorder.wait(
        lambda history: history.resources("GPUPool")[key].status["gpus"] == 192, "it is scaled"
    )
    played.recorder.wait(
        lambda history: (
            not any(node.draining or not node.ready for node in history.nodes())
            and not any(pool.is_true("Reconciling") for pool in history.resources("GPUPool").values())
        ),
        "it has settled",
    )
    verdict, _ = played.recorder.verdict()
    assert verdict.kept, str(verdict)
    assert verdict.instants > before
