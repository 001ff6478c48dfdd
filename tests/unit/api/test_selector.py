"""Label selectors match as those of Kubernetes do."""

import pytest

from aifactory.api.selector import LabelSelector

LABELS = {"region": "us-south", "tier": "gold"}


@pytest.mark.parametrize(
    ("operator", "key", "values", "matches"),
    [
        ("In", "region", ["us-south", "us-west"], True),
        ("In", "region", ["us-west"], False),
        ("In", "zone", ["a"], False),
        ("NotIn", "region", ["us-west"], True),
        ("NotIn", "region", ["us-south"], False),
        ("NotIn", "zone", ["a"], True),
        ("Exists", "tier", [], True),
        ("Exists", "zone", [], False),
        ("DoesNotExist", "zone", [], True),
        ("DoesNotExist", "tier", [], False),
    ],
)
def test_expressions(operator: str, key: str, values: list[str], matches: bool) -> None:
    expression = {"key": key, "operator": operator, "values": values}
    assert LabelSelector.model_validate({"matchExpressions": [expression]}).matches(LABELS) is matches


def test_all_conditions_must_hold() -> None:
    both = {
        "matchLabels": {"region": "us-south"},
        "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}],
    }
    assert not LabelSelector.model_validate(both).matches(LABELS)
    assert LabelSelector.model_validate(both).matches({"region": "us-south"})
    assert not LabelSelector.model_validate({"matchLabels": {"region": "x"}}).matches(LABELS)


def test_an_empty_selector_matches_everything() -> None:
    assert LabelSelector().matches({})
