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
from attack.scribbles import FINALIZERS, How, Word, now, scribble, scribbled, words
from attack.size import WHOLE
from attack.stage import Attacked, Show, Stage, recorded
from attack.story import NODE, summary, unlike
from cluster.operating import FACTORIES, POOLS, ROOT, Object, apply, delete_factory, factory, get, pool
from controlplane.waiting import PATIENCE
from recorder import Recorder

PAGE = ROOT / "docs" / "explanation" / "scribbles.md"
PATIENT = 15.0 if WHOLE else PATIENCE  # seconds until nothing is going to be done or said any more
HEALS, KEEPS, REFUSED, SAME = "heals", "stays so", "refused", "-"


HARMLESS: tuple[str, ...] = ()
"""Words that nothing is decided by: they are written again with the next order."""

HEAD = """\
<!-- Written by `make test-attack`. -->
# What comes of scribbles

Labels, annotations, finalizers and statuses that the operator writes may be changed by whoever has the right
to. Here is what came of it on a standing fleet, one change at a time: deleted, one character flipped, or
swapped with the value of a neighbour, which is a node of another pool, another pool, or another site.

- **heals**: the word is as it was, or the node was replaced, and all pools have what they had.
- **a condition**: it says what is wrong, on the pool or the site.
- **stays so**: nothing is decided by it.
- **refused**: by the API server. **-**: there was nothing to change.

In no case was a limit exceeded, or anything touched that is another pool's or nobody's.

| Word | Deleted | Flipped | Swapped |
|---|---|---|---|
"""


class Case(NamedTuple):
    """One scribble."""

    word: Word
    how: How


class Standing:
    """Two sites, three pools, and a node that is somebody else's."""

    def __init__(self, stage: Stage, tenant: str, recorder: Recorder) -> None:
        self.stage, self.kubectl, self.tenant, self.recorder = stage, stage.kubectl, tenant, recorder
        power = {**factory("east")["spec"]["power"], "quota": 6 * NODE}
        apply(
            self.kubectl,
            factory("east", rows=2, power=power),
            factory("west", rows=1),
            pool("one", tenant, 16, "east", priority=2),
            pool("two", tenant, 16, "east", priority=1),
            pool("other", tenant, 8, "west"),
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "stranger"}},
        )
        self.rest(lambda found: "" if found.get("pool other", {}).get("gpus") == 8 else "pools wait")
        self.before = summary(recorder.history)

    def rest(self, wrong: Callable[[dict[str, Any]], str]) -> None:
        """Wait until all is at rest and nothing `wrong` with the summary."""
        self.stage.rest(
            self.recorder, lambda history: wrong(summary(history)), "the standing fleet", strict=False
        )

    def objects(self) -> dict[str, tuple[Object, Object]]:
        """An object of each kind, with a neighbour of it."""
        nodes = [n for n in get(self.kubectl, "nodes") if names.LABEL_POOL in n["metadata"].get("labels", {})]
        by_pool = {node["metadata"]["labels"][names.LABEL_POOL]: node for node in nodes}
        pools = {it["metadata"]["name"]: it for it in get(self.kubectl, POOLS, f"--namespace={self.tenant}")}
        sites = {it["metadata"]["name"]: it for it in get(self.kubectl, FACTORIES)}
        return {
            "Node": (by_pool["one"], by_pool["two"]),
            "GPUPool": (pools["one"], pools["other"]),
            "AIFactory": (sites["east"], sites["west"]),
        }

    def others(self) -> dict[str, str]:
        """The uids of what no scribble is about: nodes of the pool `other`, and of nobody of ours."""
        return {
            node["metadata"]["name"]: node["metadata"]["uid"]
            for node in get(self.kubectl, "nodes")
            if node["metadata"].get("labels", {}).get(names.LABEL_POOL, "other") == "other"
            and node["metadata"]["name"].startswith(("west.", "stranger"))
        }

    def cases(self) -> list[Case]:
        """All there are."""
        return [Case(word, how) for obj, _ in self.objects().values() for word in words(obj) for how in How]

    def suffer(self, case: Case) -> str:
        """Scribble, and tell what comes of it; then make it good. Raises Attacked for harm that is done."""
        obj, neighbour = self.objects()[case.word.kind]
        before, others = case.word.of(obj), self.others()
        value = scribbled(case.word, case.how, obj, neighbour)
        if value == before:
            return SAME
        if scribble(self.kubectl, obj, case.word, value):
            return REFUSED
        found = self._outcome(case, obj, before)
        if self.others() != others:
            raise Attacked(f"{case.word} {case.how}: {others} were there, and now {self.others()}")
        if (there := now(self.kubectl, obj)) and (
            case.word.of(there) != before or case.word.path == FINALIZERS  # beside ours another may be left
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
            if not unlike(self.before, summed) and (not there or case.word.of(there) == before):
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
    """A standing fleet, recorded. Raises Attacked for what the recorder or a log complains of."""
    with recorded(stage, at_rest=False) as recorder:
        standing = Standing(stage, tenant, recorder)
        yield standing
        standing.end()


def scribbled_sometimes(stage: Stage, tenant: str, draw: Random, many: int) -> None:
    """Suffer some that are drawn, but for the harmless."""
    with standing_fleet(stage, tenant) as standing:
        cases = [case for case in standing.cases() if not str(case.word).startswith(HARMLESS)]
        for case in draw.sample(cases, many):
            print(f"{case.word} {case.how}")
            assert standing.suffer(case) != KEEPS, f"{case.word} {case.how} neither heals nor is told"


def scribbled_always(stage: Stage, tenant: str, show: Show) -> None:
    """Suffer all, and write the page of it."""
    outcomes: dict[Case, str] = {}
    with standing_fleet(stage, tenant) as standing:
        for case in standing.cases():
            outcomes[case] = standing.suffer(case)
            show(f"{case.word} {case.how}: {outcomes[case]}")
    PAGE.write_text(page(outcomes))
    silent = [str(case.word) for case, outcome in outcomes.items() if outcome == KEEPS]
    assert not [word for word in silent if not word.startswith(HARMLESS)], "all of it heals or is told"


def page(outcomes: Mapping[Case, str]) -> str:
    """The page of what came of everything."""
    lines = [HEAD]
    for word in dict.fromkeys(case.word for case in outcomes):
        cells = [outcomes[Case(word, how)] for how in How]
        lines.append(f"| {word} | {' | '.join(cells)} |\n")
    return "".join(lines)
