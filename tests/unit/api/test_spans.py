"""Names of domain instances in few words, and back."""

from itertools import chain

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aifactory.api.spans import names_in, spans_of

SEGMENT = st.from_regex(r"[a-z]([-a-z0-9]{0,6}[a-z0-9])?", fullmatch=True)
NUMBERED = st.builds("{}-{}".format, st.sampled_from(["hall", "row", "a-1"]), st.integers(0, 120_000))
PATHS = st.lists(SEGMENT | NUMBERED, min_size=1, max_size=6).map("/".join)


def back(spans: list[str]) -> list[str]:
    return sorted(chain.from_iterable(map(names_in, spans)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(PATHS, max_size=40))
def test_no_name_is_lost_or_made_up(names: set[str]) -> None:
    assert back(spans_of(names)) == sorted(names)


@pytest.mark.parametrize(
    ("names", "spans"),
    [
        ([f"hall-2/row-{n}" for n in range(5, 10)], ["hall-2/row-5..9"]),
        ([f"hall-{n}/row" for n in range(1, 101)], ["hall-1..100/row"]),
        (["row-1", "row-2", "row-4"], ["row-1..2", "row-4"]),
        ([f"h-{h}/r-{r}" for h in (1, 2) for r in range(1, 40)], ["h-1/r-1..39", "h-2/r-1..39"]),
        (["hall", "hall-2"], ["hall", "hall-2"]),
        (["row-09", "row-10"], ["row-09", "row-10"]),
        ([""], [""]),
        ([], []),
    ],
    ids=str,
)
def test_names_that_differ_in_one_number_go_together(names: list[str], spans: list[str]) -> None:
    assert sorted(spans_of(names)) == spans
    assert back(spans) == sorted(names)
