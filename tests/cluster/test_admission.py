"""`aifactory validate` and a real API server judge alike: each field, each neighbour of a valid value."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aifactory.api.factory import AIFactorySpec
from aifactory.api.power import Power
from aifactory.api.reading import Invalid, Problem, parse_factory, parse_pool
from aifactory.cli.admission import admit
from aifactory.cli.documents import Loader, as_json
from aifactory.shell.client import FACTORY, POOL, ApiError, KubernetesClient, configuration
from controlplane import Cluster
from controlplane.client import kubectl_command
from thorough import WHOLE
from unit.api.bad_objects import AT_APPLY, BAD, READING_ONLY
from unit.api.neighbours import full, neighbours


class Judge(KubernetesClient):
    """Asks the API server for its answer, and keeps nothing."""

    async def answer(self, obj: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """What it has against an object, empty if nothing, and what it would keep."""
        kind = FACTORY if obj["kind"] == "AIFactory" else POOL
        scope = "/namespaces/default" if kind is POOL else ""
        query = [("dryRun", "All"), ("fieldValidation", "Strict")]
        try:
            kept = await self._call("POST", f"{kind.root}{scope}/{kind.plural}", query, obj, seconds=30)
        except ApiError as error:
            if error.status not in (400, 422):
                raise
            return error.message, {}
        return "", kept


@pytest.fixture
async def judge(cluster: Cluster, crds: None) -> AsyncIterator[Judge]:
    judge = Judge(await configuration(str(cluster.kubeconfig)))
    yield judge
    await judge.close()


async def test_each_neighbour_of_a_valid_object_is_judged_alike(judge: Judge) -> None:
    every = neighbours()
    corpus = {name: as_json(every[name]) for name in list(every)[:: 1 if WHOLE else 10]}
    assert len(corpus) >= 300
    at_once = asyncio.Semaphore(8)

    async def ask(obj: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        async with at_once:
            return await judge.answer(obj)

    answers = await asyncio.gather(*(ask(obj) for obj in corpus.values()))
    unlike, taken = [], 0
    for (name, obj), (refusal, kept) in zip(corpus.items(), answers, strict=True):
        ours = admit(obj)
        if bool(refusal) != bool(ours.problems):
            unlike.append(f"{name}\n  server: {refusal or 'takes it'}\n  ours: {ours.problems or 'taken'}")
        elif kept:
            taken += 1
            if ours.kept["spec"] != kept["spec"]:
                unlike.append(f"{name}\n  server keeps: {kept['spec']}\n  ours: {ours.kept['spec']}")
            if problems := unreadable(kept):
                unlike.append(f"{name}\n  the operator cannot read it: {problems}")
    assert unlike == []
    assert 0.2 < taken / len(corpus) < 0.8, taken  # a corpus of one colour would prove little


def unreadable(kept: dict[str, Any]) -> list[Problem]:
    """What the operator cannot read of what the API server keeps, but for the rules that CEL cannot say."""
    try:
        (parse_factory if kept["kind"] == "AIFactory" else parse_pool)(kept)
    except Invalid as error:
        unsaid = [rule.allowed for model in (Power, AIFactorySpec) for rule in model.RULES if not rule.cel]
        return [it for it in error.problems if not any(allowed in it.message for allowed in unsaid)]
    return []


async def test_what_is_full_is_taken(judge: Judge) -> None:
    for obj in full():
        refusal, _ = await judge.answer(obj)
        assert refusal == ""


@pytest.mark.parametrize("bad", [*BAD, *AT_APPLY, *READING_ONLY], ids=str)
async def test_bad_objects_are_judged_alike(judge: Judge, bad: Any) -> None:
    refusal, _ = await judge.answer(bad.object)
    assert bool(refusal) == bool(admit(bad.object).problems)


# A pool's gpus, as text of YAML; and a factory's, with its quota.
SCALARS = [
    *("8", "16.0", "1e1", "1e5", "1E1", "+8", "0x10", "0o17", "017", "08", "1_000", "8.5", '"8"', "~", ""),
    *("yes", "on", "Null", ".inf", "1e30", "!!str 8", "2026-11-24", "0b11", "-0", "-0.0", "1."),
]
FLAGS = ["yes", "No", "on", "OFF", "y", "n", "true", "True", "TRUE", '"true"', "~", "", "1", "Null", "tRUE"]
QUOTAS = [
    *("1e5", "1e6", "100k", "100K", "42.5", '"42.5"', "1_000", "0x10", "~", "1e30", "5.", ".5", "1e-3", "2M"),
    *("1e21", "1e12", "1000000000000", "1E3"),
]


def written() -> dict[str, str]:
    pool = "apiVersion: aifactory.dev/v1alpha1\nkind: GPUPool\nmetadata: {name: NAME, namespace: default}\n"
    site = "apiVersion: aifactory.dev/v1alpha1\nkind: AIFactory\nmetadata: {name: NAME}\n"
    texts = [f"{pool}spec:\n  systems: [hgx-h100]\n  gpus: {scalar}\n" for scalar in SCALARS]
    texts += [f"{pool}spec:\n  systems: [hgx-h100]\n  gpus: 8\n  paused: {flag}\n" for flag in FLAGS]
    texts += [f"{pool}spec:\n  systems: [hgx-h100]\n  gpus: 8\n  nodeLabels: {{yes: {it}}}\n" for it in FLAGS]
    texts += [
        f"{site}spec:\n  power:\n    basis: CriticalIT\n    quota: {quota}\n  backend: {{kwok: {{}}}}\n"
        for quota in QUOTAS
    ]
    texts.append(
        f"{pool}spec: {{gpus: 8, gpus: 16, systems: [hgx-h100]}}\n".replace("NAME}", "NAME, labels: }")
    )
    return {f"written-{number}": it.replace("NAME", f"written-{number}") for number, it in enumerate(texts)}


@pytest.mark.usefixtures("crds")
def test_yaml_is_read_as_kubectl_reads_it(cluster: Cluster, tmp_path: Path) -> None:
    texts = written()
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    # It goes on after a file that is refused, and names those that are taken.
    create = ["create", "--dry-run=server", "--output=name", f"--filename={tmp_path}"]
    command = [kubectl_command(), f"--kubeconfig={cluster.kubeconfig}", *create]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    taken = {line.rpartition("/")[2] for line in done.stdout.splitlines()}
    ours = {name for name, text in texts.items() if not admit(as_json(yaml.load(text, Loader))).problems}
    assert {name: texts[name] for name in taken ^ ours} == {}, done.stderr
    assert taken
    assert len(taken) < len(texts)
