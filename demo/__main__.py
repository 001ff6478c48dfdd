"""`python -m demo`: a 5-GW fleet on paper, then half a year of real tenants on a real control plane."""

import sys
from contextlib import ExitStack, nullcontext
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from controlplane import Cluster, Lines, OnProgress, open_cluster
from controlplane.processes import Process
from demo import final
from demo.beside import Beside
from demo.chart import Calendar, draw
from demo.cluster import EXPECTED, FOLDER, alone, heed_signals, keep_up
from demo.plain import Plain
from demo.replay import HALL_LIMITS, Outcome, Replay
from demo.running import ROOT, check_alive, install, running_operator
from demo.screen import Screen
from demo.stage import FACTORY, clear_stage, set_stage
from demo.tenants import read_days
from recorder import Recorder

WIDTH = 110


class Demo:
    """One run, step by step. What it starts is stopped by the stack, the last one first."""

    def __init__(self, stack: ExitStack, console: Console) -> None:
        self._stack = stack
        self._console = console
        self._days = read_days()

    def run(self, *, keep: bool) -> bool:
        """Run all of it; whether every promise was kept."""
        # 1. The fleet on paper, and beside it everything that the replay needs.
        self._title("5 GW on paper")
        paper = self._stack.enter_context(self._paper())
        cluster, recorder, operator, planned = self._prepare(paper)
        # 2. The days.
        tenants = len(self._days[0].gpus)
        self._title(f"{len(self._days)} days of {tenants} real tenants, on a real control plane")
        began = monotonic()
        outcome = self._replay(cluster, recorder, operator)
        # 3. What came of it.
        kept = self._conclude(recorder, outcome, monotonic() - began)
        check_alive(operator)
        if keep:
            self._keep(cluster)
        if cluster.provider != "local":  # it is somebody else's, and stays
            clear_stage(cluster, self._days[0].gpus)
        return kept and planned

    def _prepare(self, paper: Beside) -> tuple[Cluster, Recorder, Process, bool]:
        """A cluster and its operator, watched from before it starts; and whether the fleet was planned."""
        status = self._console.status("")
        on_progress: OnProgress = Lines(self._line)
        if self._console.is_terminal:
            on_progress = lambda progress: status.update(f"The control plane is being built. {progress}")  # noqa: E731
        with status:
            status.update("The control plane is being started ...")
            cluster = self._stack.enter_context(open_cluster(on_progress=on_progress))
            status.update("The operator is being installed ...")
            install(cluster)
            recorder = self._stack.enter_context(Recorder(cluster.kubeconfig))
            operator = self._stack.enter_context(running_operator(cluster, FOLDER))
            status.update("The fleet is being planned ...")
            planned = paper.ended_well()
        if not planned:
            self._line(f"The plan failed; see {_short(FOLDER / 'paper.log')}.")
        return cluster, recorder, operator, planned

    def _paper(self) -> Beside:
        def show(text: str) -> None:
            self._console.print(Text.from_ansi(text.rstrip()))

        width = min(self._console.width, WIDTH)
        colour = self._console.is_terminal
        return Beside(_short(FOLDER / "fleet"), FOLDER / "paper.log", show, width=width, colour=colour)

    def _replay(self, cluster: Cluster, recorder: Recorder, operator: Process) -> Outcome:
        view: Screen | Plain
        if self._console.is_terminal:
            view = Screen(self._console, recorder.history, self._days)
        else:
            view = Plain(self._line, recorder.history, self._days)
        with view if isinstance(view, Screen) else nullcontext():
            set_stage(cluster, self._days[0].gpus)
            return Replay(cluster, recorder, operator, view, FOLDER / "kubectl").play(self._days)

    def _conclude(self, recorder: Recorder, outcome: Outcome, seconds: float) -> bool:
        """Say what came of it, and draw it; whether every promise was kept."""
        verdict, series = recorder.verdict()
        summary = final.sum_up(outcome, seconds, recorder.history.events(), verdict, series)
        final.show(summary, self._console)
        halls = sorted({limit.hall for limit in HALL_LIMITS})
        calendar = Calendar(self._days, outcome.steps)
        picture, _ = draw(series, calendar, FACTORY, halls, FOLDER / "replay")
        self._line(f"Chart: {_short(picture)} and .svg; the operator's log: {_short(FOLDER)}/operator.log")
        return verdict.kept

    def _keep(self, cluster: Cluster) -> None:
        """Leave everything up until Ctrl-C."""
        self._title("Everything is still up, until Ctrl-C. In another terminal:")
        commands = (
            "kubectl get aifactories",
            "kubectl get gpupools.aifactory.dev --all-namespaces",
            "kubectl scale gpupools.aifactory.dev/main --namespace=vcjsw --replicas=400",
        )
        try:
            keep_up(cluster, FOLDER, self._line, *commands)
        except KeyboardInterrupt:
            self._console.print()

    def _line(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False)

    def _title(self, text: str) -> None:
        self._console.print()
        self._console.print(Text(text, "bold underline" if self._console.is_terminal else ""))


def _short(path: Path) -> Path:
    return path.relative_to(ROOT)


def main(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything up afterwards, until Ctrl-C.")
    ] = False,
) -> None:
    """Plan a 5-GW fleet on paper, and replay half a year of 25 real tenants on a real control plane."""
    heed_signals()
    # A pipe has no width; lines of some length read better there than those of an old terminal.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    try:
        with ExitStack() as stack:
            stack.enter_context(alone(FOLDER))
            kept = Demo(stack, console).run(keep=keep)
    except EXPECTED as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    typer.run(main)
