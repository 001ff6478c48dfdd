"""A walk: from a seed fleet over steps that users take, some before the last has settled, and back.

What is asked at its end, when all is at rest:

- **Alive**: the operator is the same process as before, and no log has a traceback.
- **Safe**: the recorder has no complaint of the whole way.
- **Judged**: `judged` finds no limit exceeded, nobody waiting whom a plan may serve, no status that lies.
- **Calm**: whatever wakes it, the operator writes nothing.
- **Back**: with the seed's manifests applied again, all pools have what they had, and all conditions say so;
  not in which site, where several will do: nothing moves for balance.
- **Alike**: with everything deleted, and the last manifests applied to an empty fleet, what hangs on the
  manifests alone is the same: limits in force, and what can never be, whoever stands. Which pools are served
  is not compared: who stands keeps its place from an equal, and from a higher one if it is not preemptible.
  `judged` says of both ends that each is one to which a plan may lead.

A step that admission refuses has to be refused with the field, or the policy, that is against it.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import yaml

from attack.judged import judged
from attack.mutations import Fleet, Object, Step, applied, drawn, keyed
from attack.stage import CALM, Attacked, Show, Stage, recorded
from attack.story import summary, unlike
from cluster.operating import FACTORIES, POOLS, apply, clear, delete_factory, factory, pool, refusal
from cluster.reading import get
from controlplane import Kubectl, KubectlError, wait_until
from recorder import History, Recorder

LENGTH = 10  # steps
HASTE = 0.5  # share of the steps that do not wait for the one before to settle
NEVER = frozenset({"NeverFits", "NoSuchFactory", "UnknownSystem", "Paused"})
"""Why a pool waits, as far as that hangs on manifests alone."""
STANDS, MAY = "stands", "waits, or asks for nothing"
FAULTS = (AssertionError, TimeoutError, KubectlError)
_KINDS = {"AIFactory": FACTORIES, "GPUPool": POOLS}


def seed(tenant: str) -> list[Object]:
    """Two sites with room for all of six pools, wherever each stands: in each row, for all at once."""
    return [
        factory("alpha", rows=2, racks=3),
        factory("beta", rows=1, racks=2),
        pool("first", tenant, 16, "alpha", priority=10),
        pool("second", tenant, 8, "beta", priority=5, purpose="Inference"),
        _anywhere(pool("grows", tenant, 24, "", minGpus=8, preemptible=True)),
        pool("spread", tenant, 16, "alpha", topology=_SPREAD),
        _anywhere(pool("packed", tenant, 16, "", preemptible=True, priority=3, topology=_PACKED)),
        _anywhere(pool("high", tenant, 8, "", priority=20)),
    ]


def _anywhere(wish: Object) -> Object:
    """The same pool, which any site will do for."""
    del wish["spec"]["factories"]
    return wish


_SPREAD = {"spread": {"over": "Domain", "domain": "row", "atLeast": 2}}
_PACKED = {"pack": "Domain", "domain": "row"}


class Walk:
    """Walks on one stage. Each begins and ends with the seed."""

    def __init__(self, stage: Stage, tenant: str) -> None:
        self._stage = stage
        self._tenant = tenant
        self._kubectl: Kubectl = stage.kubectl
        self._seed = keyed(seed(tenant))
        self.refused = 0

    def draw(self, number: int) -> list[Step]:
        """The steps of a walk, by its number."""
        draw, fleet, steps = Random(number), self._seed, list[Step]()
        for _ in range(LENGTH):
            step = drawn(draw, fleet)
            steps.append(step | {"hasty": draw.random() < HASTE})
            # Of what admission refuses nothing is known here: a walk may go on from what never was.
            fleet = applied(fleet, step) if draw.random() < 0.9 else fleet
        return steps

    def go(self, steps: Sequence[Step]) -> None:
        """Walk. Raises Attacked, AssertionError or TimeoutError for what is wrong."""
        process = self._stage.operator.process
        with recorded(self._stage, at_rest=False) as recorder:
            self._become(self._seed)
            self._rest(recorder, "the seed")
            began = served(recorder.history)
            fleet = self._seed
            for step in steps:
                fleet = self._take(fleet, step)
                if not step.get("hasty"):
                    self._rest(recorder, f"after {step}")
            self._rest(recorder, "the end", judge=True)
            self._calm()
            walked = by_manifests(recorder.history)
            self._become(self._seed)
            self._rest(recorder, "back at the seed", lambda history: unlike(began, served(history)))
        with recorded(self._stage, at_rest=False) as recorder:
            self._clear(recorder)
            self._become(fleet)
            self._rest(
                recorder, "afresh", lambda history: contradiction(walked, by_manifests(history)), judge=True
            )
        assert self._stage.operator.process is process, "the operator is still the same"

    def clear(self) -> None:
        """Back to the seed, which drains and pauses nothing, and then to nothing at all."""
        with Recorder(self._stage.admin) as recorder:
            self._become(self._seed)
            self._rest(recorder, "the seed")
            self._clear(recorder)

    def _become(self, fleet: Fleet) -> None:
        """Have exactly these objects. What is on its way out has to be gone before it can come again."""
        while True:
            if fleet:
                apply(self._kubectl, *fleet.values())
            there = self._there()
            for key in there.keys() - fleet.keys():
                self._delete(*key)
            if not any(there[key] for key in there.keys() & fleet.keys()):
                return
            wait_until(lambda: not any(self._there().values()), "what is deleted goes")

    def _there(self) -> dict[tuple[str, str], bool]:
        """What is there, and whether it is being deleted."""
        return {
            (kind, obj["metadata"]["name"]): "deletionTimestamp" in obj["metadata"]
            for kind, plural in _KINDS.items()
            for obj in get(self._kubectl, plural)
        }

    def _take(self, fleet: Fleet, step: Step) -> Fleet:
        """Take a step, if admission lets it; returns what the manifests are after it."""
        after = applied(fleet, step)
        if after == fleet:
            return fleet
        key = step["kind"], step["name"]
        if "path" in step:
            said = refusal(lambda: apply(self._kubectl, after[key]))
        else:
            said = refusal(lambda: self._delete(*key))
        if not said:
            return after
        self.refused += 1
        names_it = "spec" in said or "is forbidden" in said or "ValidatingAdmissionPolicy" in said
        assert names_it, f"{step} is refused, and why is not said: {said}"
        return fleet

    def _delete(self, kind: str, name: str) -> None:
        where = [f"--namespace={self._tenant}"] if kind == "GPUPool" else []
        self._kubectl("delete", _KINDS[kind], name, *where, "--wait=false")

    def _rest(
        self,
        recorder: Recorder,
        what: str,
        wrong: Callable[[History], str] = lambda history: "",
        *,
        judge: bool = False,
    ) -> None:
        def found(history: History) -> str:
            return wrong(history) or (judged(self._kubectl) if judge else "")

        self._stage.rest(recorder, found, what, strict=False)

    def _calm(self) -> None:
        """Have the operator look again, and see that it writes nothing."""
        operator, gate = self._stage.operator, self._stage.gate
        before = gate.writes, operator.cycles()
        for obj in get(self._kubectl, FACTORIES)[:1]:
            self._kubectl("label", FACTORIES, obj["metadata"]["name"], "--overwrite", f"seen={before[1]}")
            wait_until(lambda: operator.cycles() > before[1], "it has looked again")
            wait_until(lambda: gate.calm > CALM, "it writes nothing more")
        if gate.writes != before[0]:
            raise Attacked(f"{gate.writes - before[0]} writes at rest\n{self._stage.tail()}")

    def _clear(self, recorder: Recorder) -> None:
        self._kubectl("delete", POOLS, "--all", f"--namespace={self._tenant}", "--wait=false")
        self._rest(recorder, "no pool", lambda history: "pools are left" * bool(history.resources("GPUPool")))
        for obj in get(self._kubectl, FACTORIES):
            delete_factory(self._kubectl, obj["metadata"]["name"])
        self._rest(recorder, "empty", lambda history: "sites are left" * bool(history.resources("AIFactory")))


def served(history: History) -> dict[str, Any]:
    """What pools have and say, and what sites say; but not in which site a pool stands."""
    found = summary(history)
    pools = {key: it for key, it in found.items() if key.startswith("pool ")}
    return pools | {key: it["conditions"] for key, it in found.items() if key.startswith("factory ")}


def by_manifests(history: History) -> dict[str, Any]:
    """What hangs on the manifests alone, and of a pool that stands, that it does."""
    found: dict[str, Any] = {
        f"limit of {name}": site.status.get("power", {}).get("limit")
        for (_, name), site in history.resources("AIFactory").items()
    }
    for (_, name), it in history.resources("GPUPool").items():
        reason = it.status.get("waiting", {}).get("reason")
        found[name] = STANDS if it.status.get("gpus") else reason if reason in NEVER else MAY
    return found


def contradiction(walked: dict[str, Any], fresh: dict[str, Any]) -> str:
    """Where both ends contradict each other. Whoever stands may, though nobody could come there afresh."""
    told = []
    for key in sorted(walked.keys() | fresh.keys()):
        there, here = walked.get(key), fresh.get(key)
        if there != here and (
            there in NEVER or (here in NEVER and there != STANDS) or key.startswith("limit")
        ):
            told.append(f"{key}: {there} after the walk, {here} afresh")
    return "\n".join(told)


def shrunk(steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool]) -> list[Step]:
    """As few of the steps as still fail: delta debugging, by halves, quarters and so on to single steps."""
    left, parts = list(steps), 2
    while len(left) > 1:
        size = -(-len(left) // parts)
        for start in range(0, len(left), size):
            less = left[:start] + left[start + size :]
            if less and fails(less):
                left, parts = less, max(2, parts - 1)
                break
        else:
            if parts >= len(left):
                break
            parts = min(len(left), 2 * parts)
    return left


def written(steps: Sequence[Step]) -> str:
    """A walk as YAML, to be kept in `walks/` and played again."""
    return yaml.safe_dump(list(steps), sort_keys=False)


def walks(stage: Stage, tenant: str, first: int, many: int, show: Show, *, shrinks: bool) -> None:
    """Walk so many walks, drawn by their numbers. Raises Attacked with the steps, as few as still fail."""
    walk = Walk(stage, tenant)

    def fails(steps: Sequence[Step]) -> bool:
        clear(stage.kubectl)
        try:
            walk.go(steps)
        except FAULTS:
            return True
        return False

    for number in range(first, first + many):
        steps = walk.draw(number)
        try:
            walk.go(steps)
        except FAULTS as error:
            least = shrunk(steps, fails) if shrinks else steps
            raise Attacked(f"walk SEED={number}:\n{written(least)}\n{error}") from error
        show(f"walk {number}: {LENGTH} steps; admission has refused {walk.refused} so far")
    walk.clear()
