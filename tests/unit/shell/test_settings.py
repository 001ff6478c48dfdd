"""Settings: as they are by default, as somebody wants them, and as nobody can."""

import pytest

from aifactory.shell.settings import Settings, chosen


def test_what_is_not_given_is_as_by_default() -> None:
    assert chosen(()) == Settings()
    some = chosen(["patience=3.5", "solver_memory_percent=70"])
    assert some == Settings().model_copy(update={"patience": 3.5, "solver_memory_percent": 70})


def test_the_last_word_counts() -> None:
    assert chosen(["patience=1", "patience=4"]).patience == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("patience", "found 'patience', allowed is SETTING=VALUE; settings are storm_begins, "),
        ("=3", "found '=3', allowed is"),
        ("pateince=3", "found 'pateince=3', allowed is"),
        ("patience=", "found 'patience=': Input should be a valid number"),
        ("patience=soon", "found 'patience=soon': Input should be a valid number"),
        ("patience=-1", "found 'patience=-1': Input should be greater than or equal to 0"),
        ("patience=nan", "found 'patience=nan': Input should be a finite number"),
        ("patience=inf", "found 'patience=inf': Input should be a finite number"),
        ("solver_memory_percent=0", "found 'solver_memory_percent=0': Input should be greater than"),
        ("solver_memory_percent=101", "found 'solver_memory_percent=101': Input should be less than"),
        ("solver_memory_percent=1.5", "found 'solver_memory_percent=1.5': Input should be a valid integer"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(text: str, says: str) -> None:
    with pytest.raises(ValueError, match="found") as refused:
        chosen([text])
    assert str(refused.value).startswith(says)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_says_what_it_is(name: str) -> None:
    assert Settings.model_fields[name].description


def test_nobody_changes_one_later() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().patience = 1.0
