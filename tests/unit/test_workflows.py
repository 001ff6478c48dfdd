"""The workflows of the repository's host, as far as can be seen without it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
Object = dict[str, Any]


def steps(path: Path) -> list[Object]:
    jobs = yaml.safe_load(path.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_there_are_checks_and_a_release() -> None:
    assert [path.stem for path in WORKFLOWS] == ["checks", "release"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_no_more_unless_a_job_says_so(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert {"push"} <= workflow[True].keys(), "YAML 1.1 takes the key `on` for a truth"
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_of_the_host_itself_and_named_by_its_commit(path: Path) -> None:
    named = re.findall(r"uses: (\S+) # (\S+)$", path.read_text(), re.M)
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert [name for name, _ in named] == used
    for name, version in named:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", name)
        assert re.fullmatch(r"v\d+\.\d+\.\d+", version)


def test_the_same_action_is_of_the_same_commit_everywhere() -> None:
    used = {step["uses"] for path in WORKFLOWS for step in steps(path) if "uses" in step}
    assert len({name.partition("@")[0] for name in used}) == len(used)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_expression_is_pasted_into_a_shell(path: Path) -> None:
    for step in steps(path):
        assert "${{" not in step.get("run", ""), step


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_script_is_one_that_a_shell_can_read(path: Path) -> None:
    for step in steps(path):
        if "run" in step:
            subprocess.run(["bash", "-n"], input=step["run"], text=True, check=True, timeout=60)


def test_a_release_is_signed_with_what_the_make_targets_leave() -> None:
    (path,) = (path for path in WORKFLOWS if path.stem == "release")
    text, makefile = path.read_text(), (ROOT / "Makefile").read_text()
    for file in ("dist/aifactory-operator.tar", "dist/aifactory-operator.cdx.json"):
        assert file in makefile
        assert file in text
    targets = [line.split(":")[0] for line in makefile.splitlines() if re.match(r"[a-z-]+:", line)]
    (made,) = re.findall(r"make (.+)$", text, re.M)
    assert set(made.split()) <= set(targets)
    signed = [step["with"] for step in steps(path) if step.get("uses", "").startswith("actions/attest@")]
    assert [step.get("sbom-path") for step in signed] == [None, "dist/aifactory-operator.cdx.json"]
    assert {step["subject-digest"] for step in signed} == {"${{ steps.push.outputs.digest }}"}
    job = yaml.safe_load(text)["jobs"]["image"]
    assert job["permissions"].items() >= {"id-token": "write", "attestations": "write"}.items()


def test_what_the_image_stands_on_is_named_by_its_digest() -> None:
    (base,) = re.findall(r"^ARG BASE=(.*)$", (ROOT / "Dockerfile").read_text(), re.M)
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)
