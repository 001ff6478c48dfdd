"""Whoever scribbles over our labels, annotations, finalizers and statuses harms nobody, and hears of it.

On a standing fleet every word of ours is deleted, flipped by one character, and swapped with a neighbour's,
one at a time. Afterwards no limit is broken, nothing of anybody else is touched, and the word is back as it
was, or a condition says what is wrong. Which of both is a table in `docs/explanation/scribbles.md`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any, NamedTuple

from aifactory.api import names
from attack.scribbles import FINALIZERS, How, Word, alike, now, scribble, scribbled, words
from attack.stage import Attacked, Show, Stage
from attack.story import NODE, summary, unlike
from cluster.operating import FACTORIES, POOLS, ROOT, Object, apply, delete_factory, factory, pool
from cluster.reading import get
from controlplane.waiting import PATIENCE
from recorder import Recorder
from thorough import WHOLE

PAGE = ROOT / "docs" / "explanation" / "scribbles.md"
PATIENT = 15.0 if WHOLE else PATIENCE  # seconds until nothing is going to be done or said any more
ORDER = ("one", "two", "z-other")  # of the nodes: whose is scribbled over, and whose words it gets
HEALS, KEEPS, REFUSED, SAME = "heals", "stays so", "refused", "-"


_LEADER, _TERM, _FABRIC = names.ANNOTATION_LEADER, names.ANNOTATION_TERM, names.ANNOTATION_FABRIC
HARMLESS = {
    *((key, how) for key in (_LEADER, _TERM) for how in How),
    *((key, how) for key in (_FABRIC, names.ANNOTATION_WATTS) for how in (How.FLIPPED, How.SWAPPED)),
    (names.LABEL_POOL, How.SWAPPED),
}
"""Scribbles that are taken as they are; the page says why."""

HEAD = """\
<!-- Written by `make test-attack`. -->
# What comes of scribbles

Labels, annotations, finalizers and statuses that the operator writes may be changed by whoever has the right
to. Here is what came of it on a standing fleet, one change at a time: deleted, one character flipped, or
swapped with the value of a neighbour, which is a node of another pool, another pool, or another site.

- **heals**: the word is as it was, or the node was replaced, and all pools have what they had.
- **a condition**: it says what is wrong, on the pool or the site.
- **stays so**: who ordered a node, and in which term, is asked once, as it is created. By its fabric a node
  is only judged where its pool packs into one. More watts than a unit is rated at count as they are written.
  A node that is given to another pool is taken for what it says: that pool gives up another one for it, and
  the first one gets another.
- **refused**: by the API server. **-**: there was nothing to change.

In no case was a limit exceeded, or anything touched that is another pool's or nobody's.

| Word | Deleted | Flipped | Swapped |
|---|---|---|---|
"""


class Case(NamedTuple):
    """One scribble."""

    word: Word
    how: How

    def __str__(self) -> str:
        return f"{self.word} {self.how}"

    @property
    def harmless(self) -> bool:
        """Whether nothing need come of it."""
        return (self.word.path[-1], self.how) in HARMLESS


class Standing:
    """Two sites, three pools, and a node that is somebody else's."""

    def __init__(self, stage: Stage, tenant: str, recorder: Recorder) -> None:
        self.stage, self.kubectl, self.tenant, self.recorder = stage, stage.kubectl, tenant, recorder
        power = {**factory("east")["spec"]["power"], "quota": 7 * NODE}
        apply(
            self.kubectl,
            factory("east", rows=2, power=power),
            factory("west", rows=1),
            pool("one", tenant, 16, "east", nodeLabels={"team": "a"}, nodeTaints=[_taint("a")]),
            pool("two", tenant, 32, "east", nodeLabels={"group": "b"}, nodeTaints=[_taint("b")], priority=1),
            pool("z-other", tenant, 8, "west"),
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "stranger"}},
        )
        self.rest(lambda found: "" if found.get("pool z-other", {}).get("gpus") == 8 else "pools wait")
        self.before = summary(recorder.history)

    def rest(self, wrong: Callable[[dict[str, Any]], str]) -> None:
        """Wait until all is at rest and nothing `wrong` with the summary."""
        self.stage.rest(
            self.recorder, lambda history: wrong(summary(history)), "the standing fleet", strict=False
        )

    def objects(self) -> dict[str, list[Object]]:
        """An object of each kind, and its neighbours."""
        nodes = get(self.kubectl, "nodes", selector=names.LABEL_POOL)
        pools, sites = get(self.kubectl, POOLS, self.tenant), get(self.kubectl, FACTORIES)
        nodes.sort(key=lambda node: ORDER.index(node["metadata"]["labels"][names.LABEL_POOL]))
        return {"Node": nodes, "GPUPool": pools, "AIFactory": sites}

    def others(self) -> dict[str, str]:
        """The uids of what no scribble is about: nodes of the pool `z-other`, and of nobody of ours."""
        return {
            node["metadata"]["name"]: node["metadata"]["uid"]
            for node in get(self.kubectl, "nodes")
            if node["metadata"].get("labels", {}).get(names.LABEL_POOL, "z-other") == "z-other"
            and node["metadata"]["name"].startswith(("west.", "stranger"))
        }

    def cases(self) -> list[Case]:
        """All there are."""
        return [Case(word, how) for obj, *_ in self.objects().values() for word in words(obj) for how in How]

    def suffer(self, case: Case) -> str:
        """Scribble, and tell what comes of it; then make it good. Raises Attacked for harm that is done."""
        obj, *neighbours = self.objects()[case.word.kind]
        before, others = case.word.of(obj), self.others()
        value = scribbled(case.word, case.how, obj, neighbours)
        if alike(value, before):
            return SAME
        if scribble(self.kubectl, obj, case.word, value):
            return REFUSED
        found = self._outcome(case, obj, before)
        if self.others() != others:
            raise Attacked(f"{case}: {others} were there, and now {self.others()}")
        if (there := now(self.kubectl, obj)) and (
            not alike(case.word.of(there), before)
            or case.word.path == FINALIZERS  # beside ours another may be left
        ):
            scribble(self.kubectl, obj, case.word, before)
        self.rest(lambda summed: unlike(self.before, summed))
        return found

    def _outcome(self, case: Case, obj: Object, before: Any) -> str:
        """Whether it heals, or what is told of it."""
        outcome = KEEPS

        def found(summed: dict[str, Any]) -> str:
            nonlocal outcome
            there = now(self.kubectl, obj)
            if not unlike(self.before, summed) and (not there or alike(case.word.of(there), before)):
                outcome = HEALS
            elif told := sorted(_reasons(summed) - _reasons(self.before)):
                outcome = ", ".join(told)
            return "" if outcome != KEEPS else "neither healed nor told"

        try:
            self.stage.rest(
                self.recorder, lambda history: found(summary(history)), "an outcome", PATIENT, strict=False
            )
        except Attacked:
            if self.stage.operator.process.poll() is not None:
                raise
        return outcome

    def end(self) -> None:
        """Leave nothing."""
        self.kubectl("delete", POOLS, "--all", f"--namespace={self.tenant}", "--wait=false")
        self.rest(lambda summed: "pools are left" * any(key.startswith("pool") for key in summed))
        for site in ("east", "west"):
            delete_factory(self.kubectl, site)
        self.kubectl("delete", "node", "stranger")


def _taint(key: str) -> Object:
    return {"key": key, "value": "yes", "effect": "NoSchedule"}


def _reasons(summed: dict[str, Any]) -> set[str]:
    """What conditions say, by what they say it of."""
    told = set()
    for about in summed.values():
        if isinstance(about, dict):
            says = about["conditions"].items()
            told |= {f"{kind}={is_so} `{why}`" for kind, (is_so, why) in says if kind in ("Ready", "Placed")}
            told |= {"`status.unplaced`"} if about.get("unplaced") else set()
    return told


@contextmanager
def standing_fleet(stage: Stage, tenant: str) -> Iterator[Standing]:
    """A standing fleet, recorded. Raises Attacked for a promise that is broken, and for a traceback.

    That a generation was never seen is no fault here: some scribbles claim one that never was.
    """
    with Recorder(stage.admin) as recorder:
        standing = Standing(stage, tenant, recorder)
        yield standing
        standing.end()
        verdict, _ = recorder.verdict(at_rest=False)
    if verdict.violations or stage.bugs():
        raise Attacked(f"{verdict}\n{stage.bugs()}\n{stage.tail()}")


def scribbled_sometimes(stage: Stage, tenant: str, draw: Random, many: int) -> None:
    """Suffer some that are drawn, but for the harmless."""
    with standing_fleet(stage, tenant) as standing:
        for case in draw.sample([case for case in standing.cases() if not case.harmless], many):
            print(case)
            assert standing.suffer(case) != KEEPS, f"{case} neither heals nor is told"


def scribbled_always(stage: Stage, tenant: str, show: Show) -> None:
    """Suffer all, and write the page of it."""
    outcomes: dict[Case, str] = {}
    with standing_fleet(stage, tenant) as standing:
        for case in standing.cases():
            outcomes[case] = standing.suffer(case)
            show(f"{case}: {outcomes[case]}")
    PAGE.write_text(page(outcomes))
    silent = [str(case) for case, outcome in outcomes.items() if outcome == KEEPS and not case.harmless]
    assert not silent, "all of it heals or is told"


def page(outcomes: Mapping[Case, str]) -> str:
    """The page of what came of everything."""
    lines = [HEAD]
    for word in dict.fromkeys(case.word for case in outcomes):
        cells = [outcomes[Case(word, how)] for how in How]
        lines.append(f"| {word} | {' | '.join(cells)} |\n")
    return "".join(lines)
