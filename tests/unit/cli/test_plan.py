"""`aifactory plan`: the same decision on YAML alone, and what-ifs as pipes."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from aifactory.cli import app

FACTORY = """
apiVersion: aifactory.dev/v1alpha1
kind: AIFactory
metadata: {name: lab}
spec:
  power:
    quota: 100k
    basis: CriticalIT
    domains:
      - {path: hall, count: 2, limit: LIMIT}
  racks:
    - {domain: hall, system: box, count: 2}
  systems:
    - {name: box, unit: Node, gpusPerNode: 8, maxWatts: 10k, nodesPerRack: 4, resourceName: nvidia.com/gpu}
  backend: {kwok: {}}
"""
POOL = """
---
apiVersion: aifactory.dev/v1alpha1
kind: GPUPool
metadata: {name: NAME, namespace: team}
spec: {gpus: GPUS, systems: [box], priority: PRIORITY}
"""


def pool(name: str, gpus: int, priority: int = 0) -> str:
    return POOL.replace("NAME", name).replace("GPUS", str(gpus)).replace("PRIORITY", str(priority))


def run(*args: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, ["plan", *args], input=stdin)


def plan(text: str, *args: str) -> Result:
    return run("-f", "-", *args, stdin=text)


def statuses(result: Result) -> dict[str, dict[str, Any]]:
    return {item["metadata"]["name"]: item["status"] for item in json.loads(result.stdout)["items"]}


def test_every_pool_that_is_served_exits_with_0_and_its_status_says_where() -> None:
    result = plan(FACTORY.replace("LIMIT", "60k") + pool("one", 64), "-o", "json")
    assert result.exit_code == 0
    placements = statuses(result)["one"]["placements"]
    assert sum(p["units"] for p in placements) == 8
    assert {p["domain"] for p in placements} <= {"hall-1", "hall-2"}
    assert statuses(result)["lab"]["power"] == {
        "limit": 100_000,
        "committed": 0,
        "reserved": 80_000,
        "free": 20_000,
    }


def test_a_pool_that_waits_exits_with_3_and_says_which_limit_binds() -> None:
    result = plan(FACTORY.replace("LIMIT", "30k") + pool("big", 64), "-o", "json")
    assert result.exit_code == 3
    waiting = statuses(result)["big"]["waiting"]
    assert waiting["reason"] == "InsufficientPower" or waiting["reason"] == "NeverFits"
    assert waiting["message"]


def test_raising_a_limit_by_the_named_watts_is_enough() -> None:
    tight = FACTORY.replace("LIMIT", "40k") + pool("first", 32, priority=2) + pool("second", 40, priority=1)
    waiting = statuses(plan(tight, "-o", "json"))["second"]["waiting"]
    raised = 40_000 + waiting["shortWatts"]
    assert plan(tight.replace("40k", str(raised)), "-o", "json").exit_code == 0
    assert plan(tight.replace("40k", str(raised - 1)), "-o", "json").exit_code == 3


def test_every_domain_says_what_a_megawatt_more_would_serve() -> None:
    """8 GPUs for 10 kW, in the halls, which bind, and not below the quota, which does not."""
    text = FACTORY.replace("LIMIT", "30k") + pool("first", 48, priority=2) + pool("second", 8)
    worth = {
        line.split()[0]: line.split()[-1]
        for line in plan(text, "--domains").stdout.splitlines()
        if line.strip().startswith(("lab", "hall-"))
    }
    assert (worth["hall-1"], worth["hall-2"]) == ("800", "800")
    assert worth["lab"] == "48"  # its GPUs: the last column is empty
    assert "+1 MW" not in plan(text).stdout
    assert "+1 MW" not in plan(FACTORY.replace("LIMIT", "30k") + pool("one", 48), "--domains").stdout


def test_units_that_are_short_say_what_one_more_would_serve() -> None:
    text = FACTORY.replace("LIMIT", "90k").replace("count: 2}", "count: 1}") + pool("first", 64, priority=2)
    assert "GPUs that one more unit serves: box in lab 8" in plan(text + pool("last", 8), "--domains").stdout


def test_one_line_says_what_the_energy_costs_per_day() -> None:
    """Four nodes of 10 kW are 960 kWh a day, 9.6 times 100 kWh."""
    site = FACTORY.replace("LIMIT", "60k") + "  energy: {pricePerMWh: 100, carbonGramsPerKWh: 50}\n"
    one = plan(site + pool("one", 32))
    assert "Energy per day: cost 96.00; carbon 48 kg\n" in one.stdout
    two = plan(site + "---" + site.replace("name: lab", "name: other") + pool("one", 32)).stdout
    assert "Energy per day: cost 96.00 (lab 96.00, other 0.00); carbon 48 kg (lab 48, other 0)\n" in two
    assert "Energy" not in plan(FACTORY.replace("LIMIT", "60k") + pool("one", 32)).stdout


def test_a_plan_fed_back_in_is_the_present_state_and_nothing_changes() -> None:
    first = plan(FACTORY.replace("LIMIT", "60k") + pool("one", 40) + pool("two", 24), "-o", "yaml")
    again = plan(first.stdout, "--diff")
    assert "Nothing changes." in again.stdout
    second = plan(first.stdout, "-o", "json")
    assert (
        statuses(second)["one"]["placements"]
        == {item["metadata"]["name"]: item["status"] for item in yaml.safe_load(first.stdout)["items"]}[
            "one"
        ]["placements"]
    )


def test_a_lowered_limit_in_a_pipe_says_who_loses() -> None:
    first = plan(FACTORY.replace("LIMIT", "40k") + pool("high", 32, 9) + pool("low", 32, 1), "-o", "yaml")
    lowered = plan(first.stdout.replace("quota: 100k", "quota: 40k"), "--diff")
    assert lowered.exit_code == 3
    assert "team/low (evicted)" in lowered.stdout
    assert "lost 32" in lowered.stdout
    assert "team/high" not in lowered.stdout.partition("LEAVES")[2]


def test_bad_input_exits_with_1_and_names_file_field_and_what_is_allowed(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(FACTORY.replace("LIMIT", "60k") + pool("one", 8).replace("gpus: 8", "gpus: -8"))
    result = run("-f", str(bad))
    assert result.exit_code == 1
    assert "bad.yaml" in result.stderr
    assert "spec.gpus" in result.stderr


def test_an_object_that_is_not_valid_stops_no_other() -> None:
    site = FACTORY.replace("LIMIT", "60k")
    text = site + "---" + site.replace("name: lab", "name: typo").replace("path: hall,", "path: a/b,")
    result = plan(text + pool("one", 64), "-o", "json")
    assert result.exit_code == 1
    assert "AIFactory typo is not valid" in result.stderr
    assert statuses(result)["one"]["gpus"] == 64
    (ready, _) = statuses(result)["typo"]["conditions"]
    assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")


def test_nothing_is_broken_into_pieces_in_a_pipe() -> None:
    lines = run("-f", "-", stdin=FACTORY.replace("LIMIT", "60k") + pool("a-rather-long-name", 64)).stdout
    assert any(
        line.startswith("team/a-rather-long-name") and "lab/hall" in line for line in lines.splitlines()
    )


def test_a_bare_float_is_refused_with_the_hint_to_quote_it() -> None:
    result = plan(FACTORY.replace("LIMIT", "42.5") + pool("one", 8))
    assert result.exit_code == 1
    assert 'quote it: "42.5"' in result.stderr


def test_unknown_fields_are_refused() -> None:
    result = plan(FACTORY.replace("LIMIT", "60k") + pool("one", 8).replace("gpus:", "gpu: 1, gpus:"))
    assert result.exit_code == 1
    assert "spec.gpu" in result.stderr


def test_other_kinds_in_the_same_files_are_left_aside(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FACTORY.replace("LIMIT", "60k"))
    (tmp_path / "b.yml").write_text(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n" + pool("one", 8)
    )
    (tmp_path / "notes.txt").write_text("not a manifest")
    assert run("-f", str(tmp_path)).exit_code == 0


def test_a_file_that_is_not_there_is_named() -> None:
    result = run("-f", "no-such-file.yaml")
    assert result.exit_code == 1
    assert "no-such-file.yaml" in result.stderr


def test_the_examples_can_be_planned() -> None:
    examples = Path(__file__).parents[3] / "manifests" / "examples"
    assert run("-f", str(examples)).exit_code in (0, 3)


def test_systems_prints_the_catalogue() -> None:
    result = CliRunner().invoke(app, ["systems"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "gb200-nvl72" in result.stdout


def test_a_namespace_that_is_empty_is_the_default_one() -> None:
    text = FACTORY.replace("LIMIT", "60k") + pool("one", 8).replace("namespace: team", 'namespace: ""')
    result = plan(text, "-o", "yaml")
    assert result.exit_code == 0
    assert statuses(plan(result.stdout, "-o", "json"))["one"]["gpus"] == 8


def test_a_solver_that_fails_leaves_the_safe_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(problem: object) -> None:
        raise RuntimeError("HiGHS ended with Unknown")

    monkeypatch.setattr("aifactory.cli.plan.solve", fail)
    result = plan(FACTORY.replace("LIMIT", "60k") + pool("one", 64), "-o", "json")
    assert result.exit_code == 0
    assert statuses(result)["one"]["gpus"] == 64
    (certified,) = (it for it in statuses(result)["lab"]["conditions"] if it["type"] == "Certified")
    assert certified["reason"] == "SolverFailed"
    assert "HiGHS ended with Unknown" in certified["message"]


def test_a_status_that_cannot_be_read_is_an_error_that_names_the_field() -> None:
    first = plan(FACTORY.replace("LIMIT", "60k") + pool("one", 16), "-o", "yaml")
    quoted = first.stdout.replace("units: 2", "units: '2'")
    result = plan(quoted)
    assert result.exit_code == 1
    assert "GPUPool one has a status that cannot be read" in result.stderr
    assert "status.placements[0].units: found '2', allowed is a valid integer" in result.stderr
    result = plan(first.stdout.replace("committed: 0", "committed: none"))
    assert "status.power.committed: found 'none'" in result.stderr


@pytest.mark.parametrize(("quota", "code"), [("25k", 3), ("35k", 0)])
def test_what_is_committed_and_in_no_placement_is_held_back(quota: str, code: int) -> None:
    """One node of 10 kW is broken; the quota has room for another one, or has not."""
    kept = plan(FACTORY.replace("LIMIT", "60k") + pool("one", 8), "-o", "yaml").stdout
    broken = kept.replace("reserved: 10000", "reserved: 20000").replace(
        "gpus: 8\n    systems", "gpus: 16\n    systems"
    )
    objects = yaml.safe_load(broken)
    objects["items"][1]["spec"]["gpus"] = 16
    result = plan(yaml.safe_dump(objects), "--set", f"aifactory/lab:spec.power.quota={quota}")
    assert result.exit_code == code
    assert "In no pool's placements in lab: 10 kW (1 unit), held back" in result.stdout


def test_a_what_if_by_set_is_the_edit_of_the_file() -> None:
    text = FACTORY.replace("LIMIT", "40k") + pool("one", 64)
    edited = statuses(plan(text.replace("40k", "20k"), "-o", "json"))
    asked = statuses(plan(text, "-o", "json", "--set", "aifactory/lab:spec.power.domains[hall].limit=20k"))
    assert asked["one"]["waiting"] == edited["one"]["waiting"]
    assert "waiting" not in statuses(plan(text, "-o", "json"))["one"]


def test_a_path_that_is_wrong_is_wrong_usage() -> None:
    result = plan(FACTORY.replace("LIMIT", "40k"), "--set", "aifactory/lab:spec.power.qouta=20k")
    assert result.exit_code == 2
    assert "quota" in result.stderr


def large() -> str:
    pools = [pool(f"p{number}", 8, priority=number % 3) for number in range(60)]
    return FACTORY.replace("LIMIT", "30k") + "".join(pools)


def test_a_large_fleet_begins_with_totals_and_what_waits_by_reason_and_priority() -> None:
    shown = plan(large()).stdout
    assert shown.startswith(
        "1 factory, 60 pools: 48 of 480 GPUs placed, 60 kW of 100 kW planned. Waiting: 54 pools"
    )
    assert "team/p1 " not in shown.partition("WAITING FOR")[0]
    sums = [line.split() for line in shown.partition("WAITING FOR")[2].splitlines()[1:]]
    assert sum(int(line[2]) for line in sums if line) == 54
    assert {line[0] for line in sums if line} == {"InsufficientPower"}
    assert "team/p59" in plan(large(), "--pools").stdout


@pytest.mark.parametrize(
    ("options", "few"),
    [
        (["--priority", "2"], 20),
        (["--priority", "1.."], 40),
        (["--priority", "..0"], 20),
        (["--namespace", "team"], 60),
        (["-n", "other"], 0),
        (["--reason", "InsufficientPower"], 54),
        (["--reason", "InsufficientPower", "--priority", "0..1"], 40),
        (["--factory", "other"], 0),
    ],
)
def test_filters_narrow_the_lists(options: list[str], few: int) -> None:
    table = plan(large(), *options).stdout.partition("POOL ")[2].partition("\n\n")[0]
    assert sum(line.startswith("team/") for line in table.splitlines()) == few


def test_what_takes_long_is_told_on_standard_error_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aifactory.cli.progress.FIRST", 0.0)
    result = plan(large(), "-o", "json")
    assert "Planning 60 pools on 1 factory: 0 s" in result.stderr
    json.loads(result.stdout)


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout == f"aifactory {version('aifactory-operator')}\n"


def test_a_shell_can_complete_the_command() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
    assert "--install-completion" in shown
    assert "--show-completion" in shown
