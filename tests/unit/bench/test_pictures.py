"""The pictures of the solver's page: all there, small, and the same when they are drawn again."""

import re
from pathlib import Path

import numpy as np
import pytest

from aifactory_solver import solve_plainly
from bench.solver import pictures
from bench.solver.cases import Named, case
from bench.solver.drawing import save
from bench.solver.runs import EXACT, LED, PLAIN, STRICT
from documents import ROOT, links

PAGE = ROOT / "docs" / "explanation" / "solver.md"
MOST = 60_000  # bytes


def shown() -> list[Path]:
    return [(PAGE.parent / link).resolve() for link in links(PAGE) if link.endswith(".svg")]


def test_the_page_shows_every_picture_once() -> None:
    assert sorted(shown()) == sorted(pictures.FOLDER / f"solver-{name}.svg" for name in pictures.PICTURES)


@pytest.mark.parametrize("file", shown(), ids=lambda file: file.stem)
def test_a_picture_is_small_and_names_no_date_nor_colour_of_the_page(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text) < MOST
    assert "<dc:date>" not in text
    assert not re.search(r'id="patch_1">\s*<path[^>]*fill: #', text), "the page shows through"


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_a_picture_is_drawn_from_runs_of_the_solver(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "ITERATIONS", 400)
    for file in ("one.svg", "two.svg"):
        save(pictures.PICTURES[name]("S"), tmp_path / file)
    one, two = ((tmp_path / file).read_bytes() for file in ("one.svg", "two.svg"))
    assert one == two
    assert 5_000 < len(one) < MOST


def test_runs_are_those_of_solve() -> None:
    runs, best = pictures._runs("S")
    roles = [run.role for run in runs]
    assert roles[:2] == [PLAIN, LED]
    assert roles[-1] == EXACT
    assert roles.count(PLAIN) == roles.count(LED) == roles.count(EXACT) == 1
    assert STRICT in roles
    plain = solve_plainly(case(Named("S", "many", 1)).problem)
    assert all(
        np.array_equal(*pair) for pair in zip(vars(runs[0].plan).values(), vars(plain).values(), strict=True)
    )
    assert best.new_units.size


def test_watts_of_a_factory_are_those_of_all_that_stands_in_it() -> None:
    problem, (_, best) = pictures._problem("S"), pictures._runs("S")
    watts = pictures.watts_by_band(problem, best)
    drawn = best.new_units * problem.cell_watts[best.new_cell]
    for root in np.flatnonzero(problem.parent < 0).tolist():
        inside = problem.factory[problem.cell_domain[best.new_cell]] == problem.factory[root]
        assert watts[root].sum() == drawn[inside].sum()
    assert (watts.sum(axis=1) <= problem.limit).all()
