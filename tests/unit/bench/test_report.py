"""Rows, tables and the names of instances."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.solver.cases import Named, case, named
from bench.solver.child import run
from bench.solver.report import FIELDS, merged, table, write


def row(method: str, served: list[int] | None, **fields: Any) -> dict[str, Any]:
    names = {"scale": "S", "profile": "many", "seed": 1, "event": "first", "budget_s": 1.0}
    return dict.fromkeys(FIELDS) | names | {"method": method, "served_by_band": served} | fields


def test_shares_are_of_the_best_plan_of_the_table_and_of_the_own_bound() -> None:
    bound = [10, 20, 0, 0, 0]
    rows = [row("a", [10, 5, 0, 0, 0], bound_by_band=bound), row("b", [8, 10, 0, 0, 0]), row("c", None)]
    assert "| 100.0% 100.0% 100.0% 100.0% 100.0% | 100.0% 25.0% 100.0% 100.0% 100.0% |" in table(rows)
    assert "| 80.0% 200.0% 100.0% 100.0% 100.0% | - |" in table(rows)
    assert "| c | 1 s | 1 | - | - | - | - |" in table(rows)


def test_a_plan_at_its_bound_is_the_best_though_another_serves_more_of_a_band() -> None:
    served = [10, 5, 0, 0, 0]
    rows = [row("a", served, bound_by_band=served), row("b", [10, 10, 0, 0, 0])]
    assert "| 100.0% 100.0% 100.0% 100.0% 100.0% | 100.0%" in table(rows)
    assert "| 100.0% 200.0% 100.0% 100.0% 100.0% | - |" in table(rows)


def test_rows_measured_again_replace_the_old_ones() -> None:
    old = [row("a", [1, 0, 0, 0, 0]), row("b", [2, 0, 0, 0, 0])]
    new = merged(old, [row("a", [3, 0, 0, 0, 0])])
    assert [r["served_by_band"][0] for r in new] == [3, 2]


def test_what_is_written_has_exactly_the_fields(tmp_path: Path) -> None:
    write([row("a", [1, 1, 1, 1, 1], seconds=0.5)], tmp_path)
    write([row("b", [2, 1, 1, 1, 1], seconds=0.1)], tmp_path)
    rows = json.loads((tmp_path / "solver.json").read_text(encoding="utf-8"))
    assert [list(r) for r in rows] == [list(FIELDS)] * 2
    assert {path.name for path in tmp_path.iterdir()} == {
        "solver.json",
        "solver.md",
        "solver-bands.svg",
        "solver-seconds.svg",
    }


def test_real_data_stand_once_in_a_list_and_events_are_for_running_fleets() -> None:
    found = named(["S", "M"], ["many", "openb", "planted"], [1, 2], ["first", "none"])
    assert found.count(Named("real", "openb", 1)) == 1
    assert len([n for n in found if n.profile == "openb"]) == 1
    assert {n.event for n in found if n.profile == "many"} == {"first", "none"}
    assert {n.event for n in found if n.profile == "planted"} == {"first"}


@pytest.mark.parametrize("profile", ["many", "planted"])
def test_a_method_is_measured(profile: str) -> None:
    instance = case(Named("S", profile, 1))
    found = run(instance, "greedy-best-fit", 1.0)
    assert set(FIELDS[6:]) <= set(found)
    assert found["broken"] == {}
    assert (found["gap"] is None) == (profile == "many")


def test_where_all_have_one_priority_the_other_bands_are_empty() -> None:
    found = run(case(Named("S", "knapsack-subset-sum", 1)), "aifactory", 1.0)
    assert found["bound_by_band"][1:] == found["served_by_band"][1:] == (0, 0, 0, 0)


def test_the_command_line_measures_in_processes_of_their_own() -> None:
    words = ("--scale", "S", "--seeds", "1", "--methods", "greedy-keep,pop", "--profile", "many")
    done = subprocess.run(
        [sys.executable, "-m", "bench.solver", *words, "--event", "quota-20"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        cwd=Path(__file__).parents[3],
    )
    assert "| greedy-keep | 60 s | 1 |" in done.stdout
    assert "| pop | 60 s | 1 |" in done.stdout
