"""`aifactory validate`: every wrong field of every object, in one go."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aifactory.cli import app
from unit.cli.test_plan import FACTORY, pool

SITE = FACTORY.replace("LIMIT", "60k")


def validate(*files: Path, stdin: str = "") -> Result:
    paths = [str(file) for file in files] or ["-"]
    return CliRunner().invoke(app, ["validate", *(word for path in paths for word in ("-f", path))], stdin)


def test_valid_objects_are_counted_and_exit_with_0() -> None:
    result = validate(stdin=SITE + pool("one", 8) + pool("two", 8))
    assert result.exit_code == 0
    assert result.stdout == "Valid: 1 AIFactories, 2 GPUPools.\n"
    assert result.stderr == ""


@pytest.mark.parametrize("folder", ["manifests/examples", "docs/tutorial"])
def test_the_examples_and_the_tutorial_are_valid(folder: str) -> None:
    assert validate(Path(__file__).parents[3] / folder).exit_code == 0


def test_every_wrong_field_of_every_object_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        SITE.replace("quota: 100k", "quota: -1").replace("unit: Node", "unit: 1")
    )
    (tmp_path / "pools.yaml").write_text(pool("one", -8) + pool("two", 8).replace("gpus:", "gpu: 1, gpus:"))
    result = validate(tmp_path)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "site.yaml: AIFactory lab is not valid" in result.stderr
    assert "pools.yaml: GPUPool two is not valid" in result.stderr
    for field in ("spec.power.quota", "spec.systems[0].unit", "spec.gpus", "spec.gpu"):
        assert f"\n  {field}: " in result.stderr


def test_what_cannot_be_read_hides_nothing_that_is_not_valid(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [\n")
    (tmp_path / "b.yaml").write_text("- a list\n")
    (tmp_path / "c.yaml").write_text(pool("one", -8))
    result = validate(tmp_path)
    assert result.exit_code == 1
    for words in ("a.yaml: ", "b.yaml: found list", "c.yaml: GPUPool one is not valid"):
        assert words in result.stderr


def test_folders_are_searched_and_nothing_found_is_an_error(tmp_path: Path) -> None:
    below = tmp_path / "sites" / "us"
    below.mkdir(parents=True)
    result = validate(tmp_path)
    assert result.exit_code == 1
    assert "there is no file in it" in result.stderr
    (below / "notes.yaml").write_text("kind: ConfigMap\napiVersion: v1\n")
    result = validate(tmp_path)
    assert result.exit_code == 1
    assert "there is no AIFactory and no GPUPool" in result.stderr
    (below / "site.yaml").write_text(SITE)
    assert validate(tmp_path).stdout == "Valid: 1 AIFactories, 0 GPUPools.\n"


@pytest.mark.parametrize(
    "text",
    [
        pool("one", 8).replace("gpus: 8", "gpus: 16.0"),
        pool("one", 8).replace("metadata: {", "metadata: {labels: , "),
        pool("one", 8).replace("metadata: {", "metadata: {labels: {team: ~}, "),
        SITE.replace("quota: 100k", "quota: 1e5"),
        SITE + "  drain: ~\n",
        pool("one", 8) + "status: {gpus: eight}\n",
    ],
)
def test_what_the_api_server_takes_is_valid(text: str) -> None:
    result = validate(stdin=text)
    assert (result.stderr, result.exit_code) == ("", 0)


def test_a_label_value_with_a_space_is_refused() -> None:
    result = validate(stdin=pool("one", 8).replace("metadata: {", "metadata: {labels: {team: n l p}, "))
    assert result.exit_code == 1
    assert "metadata.labels.team: found 'n l p', allowed is a label value" in result.stderr


def test_what_is_taken_and_then_not_followed_is_told() -> None:
    result = validate(
        stdin=SITE.replace("count: 2, limit", "count: 9000, limit").replace("count: 2}", "count: 20}")
    )
    assert result.exit_code == 1
    assert "AIFactory lab is taken at apply, but not followed (InvalidSpec)" in result.stderr


def test_a_quota_that_carries_no_unit_is_told() -> None:
    result = validate(stdin=SITE.replace("quota: 100k", "quota: 100"))
    assert result.exit_code == 1
    assert "spec.power.quota: carries 100 W, allowed is 0, or at least the smallest unit" in result.stderr
    assert validate(stdin=SITE.replace("quota: 100k", "quota: 0")).exit_code == 0


def test_what_is_there_twice_is_named() -> None:
    result = validate(stdin=SITE + pool("one", 8) + pool("one", 16))
    assert result.exit_code == 1
    assert "GPUPool one is there twice" in result.stderr


def test_wrong_usage_exits_with_2() -> None:
    assert CliRunner().invoke(app, ["validate"]).exit_code == 2
