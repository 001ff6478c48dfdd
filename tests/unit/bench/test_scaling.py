"""How time and memory grow: points, fits and the page."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aifactory_solver.check import validate
from bench.solver import scaling
from bench.solver.mps import relaxed
from bench.solver.scaling_page import LINES, Row, exponent, page, write


def rows() -> list[Row]:
    """As if seconds were racks^0.5 * pools, and memory the same for all."""
    found: list[dict[str, Any]] = []
    for line, points in scaling.POINTS.items():
        for racks, pools in points:
            numbers = {"seconds": 1e-6 * racks**0.5 * pools, "peak_mb": 50.0, "demands": pools}
            found.append({"line": line, "racks": racks, "pools": pools, "factories": 3} | numbers)
    return found


def of(line: str) -> list[Row]:
    return [row for row in rows() if row["line"] == line]


def test_points_lie_along_a_diagonal_and_each_axis() -> None:
    assert set(scaling.POINTS) == set(LINES)
    for line, grows in (("racks", 0), ("pools", 1)):
        points = np.asarray(scaling.POINTS[line])
        assert len(set(points[:, 1 - grows].tolist())) == 1
        assert len(points) == 5
    assert scaling.POINTS["diagonal"][0] == (1_000, 100)
    assert scaling.POINTS["diagonal"][-1] == (40_000, 20_000)
    assert [scaling.factories(racks) for racks in (2_000, 40_000)] == [10, 40]


def test_an_exponent_is_that_of_a_power_law() -> None:
    assert exponent(of("racks"), "racks", "seconds") == pytest.approx(0.5)
    assert exponent(of("pools"), "pools", "seconds") == pytest.approx(1.0)
    assert exponent(of("pools"), "pools", "peak_mb") == pytest.approx(0.0)
    assert exponent(of("racks")[:1], "racks", "seconds") is None


def test_a_point_that_was_given_up_is_left_out_of_the_fit_and_said() -> None:
    mine = of("racks")
    mine[-1] |= dict.fromkeys(("seconds", "peak_mb", "demands"))
    assert exponent(mine, "racks", "seconds") == pytest.approx(0.5)
    assert "| 40,000 | 500 | 3 | - | given up | - |" in page(mine)


def test_what_is_written(tmp_path: Path) -> None:
    write(rows(), tmp_path)
    assert json.loads((tmp_path / "scaling.json").read_text(encoding="utf-8")) == rows()
    text = (tmp_path / "scaling.md").read_text(encoding="utf-8")
    assert "Exponents in racks: seconds 0.50, memory 0.00." in text
    assert "| 10,000 | 3,000 | 3 | 3,000 | 0.3 s | 50 MB |" in text
    assert (tmp_path / "scaling.svg").stat().st_size > 1000


def test_own_lists_leave_nothing_to_merge() -> None:
    shared, own = (scaling.made(2_000, 1_000, own_lists=lists) for lists in (False, True))
    validate(own)
    assert np.array_equal(shared.need, own.need)
    few, many = (relaxed(problem).demands for problem in (shared, own))
    able = int((many.of_pool >= 0).sum())
    assert few.count < 0.85 * able
    assert many.count > 0.95 * able


def test_a_point_is_measured_in_processes_of_its_own(tmp_path: Path) -> None:
    row = scaling._point("diagonal", 1_000, 100, tmp_path / "problem", 60.0)
    assert (row["racks"], row["pools"], row["factories"]) == (1_000, 100, 7)
    assert row["seconds"] > 0
    assert 0 <= row["peak_mb"] < 1_000
    assert 0 < row["demands"] <= 100


def test_patience_ends(tmp_path: Path) -> None:
    row = scaling._point("racks", 1_000, 100, tmp_path / "problem", 0.01)
    assert (row["seconds"], row["peak_mb"], row["demands"]) == (None, None, None)
