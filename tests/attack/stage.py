"""A cluster, the operator behind the gate, and what is seen of both: on it every attack is played."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from attack.proxy import Gate, peace
from cluster.operating import LEASE, PROMPT, SYSTEM, Operator, options
from controlplane import Kubectl, wait_until
from controlplane.waiting import PATIENCE
from recorder import History, Recorder, prove

# It waits for seconds where it would wait for up to a minute: attacks are made of failures in a row.
QUICK = PROMPT | {"longest_backoff": 2.0, "longest_watch_pause": 2.0}
CALM = 1.0  # seconds without a write that make a rest
POLL = 0.1
Show = Callable[[str], None]  # shows a line while tests run


class Attacked(AssertionError):  # noqa: N818 - as it reads in `raise Attacked`
    """A promise was broken under an attack."""


class Stage:
    """What stands, and who operates it. An operator that an attack has killed is followed by another."""

    def __init__(self, kubectl: Kubectl, gate: Gate, admin: Path, kubeconfig: Path, folder: Path) -> None:
        """`admin` is a kubeconfig with all rights, `kubeconfig` the operator's own that leads to the gate."""
        self.kubectl = kubectl
        self.gate = gate
        self.admin = admin
        self._kubeconfig = kubeconfig
        self._folder = folder
        self._started: list[Operator] = []
        self._killed = False

    @property
    def operator(self) -> Operator:
        """The operator that was started last."""
        return self._started[-1]

    def start(self) -> None:
        """Start an operator; whether it leads is another question."""
        name = f"operator-{len(self._started) + 1}"
        operator = Operator(self._kubeconfig, self._folder, name, "-v", *options(QUICK))
        self._killed = False
        self._started.append(operator)

    def kill(self) -> None:
        """End the operator as a power cut does. May be called from any thread."""
        self._killed = True
        self.operator.process.kill()

    def end(self) -> None:
        """End what is left, and free the Lease."""
        self.gate.trouble = peace
        for operator in self._started:
            operator.end()
        self._free_lease()

    def _free_lease(self) -> None:
        """Whoever comes next need not wait for the dead."""
        self.kubectl("delete", "lease", LEASE, f"--namespace={SYSTEM}", "--ignore-not-found")

    def go_on(self) -> None:
        """Start another operator where the last one was killed. Raises Attacked where it ended by itself."""
        if self.operator.process.poll() is None:
            return
        if not self._killed:
            raise Attacked(f"the operator has ended by itself:\n{self.tail()}")
        self._free_lease()
        self.start()

    def tail(self) -> str:
        """The end of the operator's log."""
        return f"{self.operator.log}\n{self.operator.log.read_text()[-3000:]}"

    def bugs(self) -> list[str]:
        """Logs with a traceback in them."""
        return [str(it.log) for it in self._started if "Traceback" in it.log.read_text()]

    def rest(
        self,
        recorder: Recorder,
        wrong: Callable[[History], str],
        what: str,
        seconds: float = PATIENCE,
        *,
        strict: bool = True,
    ) -> None:
        """Wait until nothing is under way and nothing `wrong`. Raises Attacked with what still is.

        With `strict`, all nodes are ready, and statuses say what the nodes say.
        """
        deadline = monotonic() + seconds
        while True:
            self.go_on()
            if not (found := self._busy(recorder.history, strict=strict) or wrong(recorder.history)):
                return
            if monotonic() > deadline:
                raise Attacked(f"{what}: not within {seconds:g} s: {found}\n{self.tail()}")
            sleep(POLL)

    def _busy(self, history: History, *, strict: bool) -> str:
        if self.gate.calm < CALM:
            return "the operator still writes"
        if found := under_way(history) or (strict and unlike_nodes(history)):
            return found
        return "" if self.operator.leads() and self.operator.cycles() else "no operator has looked at it"


def under_way(history: History) -> str:
    """What the operator says to be under way; empty at rest."""
    for kind in ("AIFactory", "GPUPool"):
        for resource in history.resources(kind).values():
            name = f"{kind} {resource.name}"
            if resource.deleting and not resource.is_true("Stalled"):
                return f"{name} is being deleted"
            if resource.observed != resource.generation:
                return f"{name}: a generation is not seen yet"
            if resource.is_true("Reconciling"):
                return f"{name}: {resource.conditions['Reconciling'].get('message')}"
            if resource.conditions.get("Certified", {}).get("reason") == "Solving":
                return f"{name}: a plan is being looked for"
    return ""


def unlike_nodes(history: History) -> str:
    """Nodes that come or go, and statuses that do not say what is; empty where there are none."""
    for node in history.nodes():
        if node.draining or not node.ready:
            return f"node {node.name} comes or goes"
    verdict, _ = prove(history)
    unsaid = [str(violation) for violation in verdict.violations if violation.promise == "Status"]
    return "; ".join(unsaid)


@contextmanager
def recorded(stage: Stage, *, at_rest: bool = True) -> Iterator[Recorder]:
    """Record what happens meanwhile. Raises Attacked for what the recorder or a log complains of.

    `at_rest` says that statuses should be true at its end, and nothing under way.
    """
    with Recorder(stage.admin) as recorder:
        yield recorder
        wait_until(lambda: stage.gate.calm > CALM, "the operator writes nothing more")
        verdict, _ = recorder.verdict(at_rest=at_rest)
    if not verdict.kept:
        raise Attacked(f"{verdict}\n{stage.tail()}")
    if bugs := stage.bugs():
        raise Attacked(f"a traceback in {', '.join(bugs)}")
