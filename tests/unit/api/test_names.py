"""Names are valid where they are used, and never meet."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aifactory.api import names

SEGMENT = st.from_regex(names.DNS_LABEL, fullmatch=True).filter(lambda text: len(text) <= 63)
PATHS = st.lists(SEGMENT, min_size=1, max_size=6).map("/".join)
SLOTS = st.tuples(
    SEGMENT.map(lambda text: text[:40].strip("-")), PATHS, SEGMENT, st.integers(1, 9999), st.integers(1, 99)
)
SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"


@given(PATHS)
def test_a_path_becomes_a_label_value(path: str) -> None:
    value = names.label_value(path)
    assert len(value) <= 63
    assert re.fullmatch(names.LABEL_VALUE, value)


@given(SLOTS)
def test_a_node_name_is_a_host_name_and_a_label_value(slot: tuple[str, str, str, int, int]) -> None:
    name = names.node_name(*slot)
    assert len(name) <= 63
    assert re.fullmatch(SUBDOMAIN, name)
    assert re.fullmatch(names.LABEL_VALUE, name)


@given(st.lists(PATHS, unique=True, min_size=2, max_size=20))
def test_two_paths_never_give_one_label_value(paths: list[str]) -> None:
    assert len({names.label_value(path) for path in paths}) == len(paths)


@given(st.lists(SLOTS, unique=True, min_size=2, max_size=20))
def test_two_slots_never_give_one_node_name(slots: list[tuple[str, str, str, int, int]]) -> None:
    assert len({names.node_name(*slot) for slot in slots}) == len(slots)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # With dashes these would be one name.
        (("dfw", "1/row", "h100", 1, 1), ("dfw-1", "row", "h100", 1, 1)),
        (("dfw", "hall-1", "h100", 2, 3), ("dfw", "hall", "1-h100", 2, 3)),
        (("dfw", "hall", "h100", 11, 1), ("dfw", "hall", "h100", 1, 11)),
        (("dfw", "a" * 70, "h100", 1, 1), ("dfw", "a" * 70, "h100", 1, 2)),
        (("dfw", "a" * 70, "h100", 1, 1), ("dfw", "a" * 71, "h100", 1, 1)),
    ],
)  # fmt: skip
def test_near_names_stay_apart(
    one: tuple[str, str, str, int, int], other: tuple[str, str, str, int, int]
) -> None:
    assert names.node_name(*one) != names.node_name(*other)


@given(st.lists(SEGMENT, min_size=2, max_size=6).map(lambda parts: "/".join([*parts, "a" * 63])))
def test_no_path_can_be_written_that_looks_shortened(path: str) -> None:
    # A shortened value as a user's own path: '_' keeps it out.
    assert not re.fullmatch(names.PATH, names.label_value(path).replace(".", "/"))


def test_a_short_name_is_readable() -> None:
    assert (
        names.node_name("dfw-1", "hall-2/row-5", "gb200-nvl72", 7, 18)
        == "dfw-1.hall-2.row-5.gb200-nvl72.7.18"
    )
    assert names.label_value("hall-2/row-5") == "hall-2.row-5"


def test_names_do_not_change_between_versions() -> None:
    # Nodes carry them: another hash would orphan every long name.
    path = "/".join(["building-of-the-north"] * 4)
    assert names.label_value(path) == "building-of-the-north.building-of-the-north.bu_c1c1cfe3cd56a1fa"
    assert (
        names.node_name("dfw-1", path, "gb200-nvl72", 7, 18)
        == "dfw-1.building-of-the-north.building-of-the-n.x4e1f8c6c393ccea7"
    )


@pytest.mark.parametrize("key", ["aifactory.dev/x", "a.aifactory.dev/x", "kubernetes.io/x", "node.k8s.io/x"])
def test_reserved_keys(key: str) -> None:
    assert names.is_reserved(key)


@pytest.mark.parametrize("key", ["team", "aifactory.dev", "example.com/x", "x-k8s.io/x", "mykubernetes.io/x"])
def test_free_keys(key: str) -> None:
    assert not names.is_reserved(key)
