"""Quantities are exact, and read as Kubernetes reads them."""

import re
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from aifactory.api import quantity
from aifactory.api.quantity import Percent, Pue, Watts, parse, show_power, spell, watts

EXACT = Context(prec=1000)
DIGITS = st.text("0123456789", min_size=1, max_size=12)
NUMBERS = st.one_of(
    DIGITS,
    st.builds("{}.{}".format, DIGITS, st.text("0123456789", max_size=12)),
    st.builds(".{}".format, DIGITS),
)
SUFFIXES = {
    "": "1", "n": "1e-9", "u": "1e-6", "m": "1e-3", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12",
    "P": "1e15", "E": "1e18", "Ki": "1024", "Mi": "1048576", "Gi": "1073741824", "Ti": "1099511627776",
    "Pi": "1125899906842624", "Ei": "1152921504606846976",
}  # fmt: skip


def decimal_reading(sign: str, number: str, scale: str) -> Fraction:
    """Read the parts of a quantity in another way: with `decimal`, and a table of multipliers."""
    return Fraction(EXACT.multiply(Decimal(sign + number), Decimal(scale)))


@given(st.sampled_from(["", "+", "-"]), NUMBERS, st.sampled_from(sorted(SUFFIXES)))
def test_suffixes_read_as_decimal_reads_them(sign: str, number: str, suffix: str) -> None:
    assert parse(sign + number + suffix) == decimal_reading(sign, number, SUFFIXES[suffix])


@given(st.sampled_from(["", "+", "-"]), NUMBERS, st.sampled_from("eE"), st.integers(-64, 64), st.booleans())
def test_exponents_read_as_decimal_reads_them(
    sign: str, number: str, letter: str, exponent: int, plus: bool
) -> None:
    written = f"{exponent:+d}" if plus else str(exponent)
    assert parse(f"{sign}{number}{letter}{written}") == decimal_reading(sign, number, f"1e{exponent}")


@given(st.integers())
def test_integers_stay_integers(value: int) -> None:
    assert parse(value) == value
    assert spell(Fraction(value)) == value


@given(NUMBERS, st.sampled_from(sorted(SUFFIXES)))
def test_what_is_spelled_reads_back(number: str, suffix: str) -> None:
    value = parse(number + suffix)
    assert parse(spell(value)) == value
    assert parse(spell(-value)) == -value


@given(st.text("0123456789.+-eEikKMn ", max_size=8))
def test_the_schema_takes_what_parse_takes(text: str) -> None:
    in_schema = re.search(quantity.PATTERN, text) is not None
    try:
        value = parse(text)
    except ValueError:
        assert not in_schema or int(re.sub(r".*[eE][+-]?", "", text)) > 64
    else:
        # The schema has no room for a minus sign, nor for exponents of three digits.
        assert in_schema or text.startswith("-") or re.search(r"[eE][+-]?[0-9]{3}", text), value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100M", 100_000_000),
        ("2600k", 2_600_000),
        ("1E", 10**18),
        ("1E3", 1000),
        ("1e3", 1000),
        ("1Ei", 2**60),
        ("1.18", Fraction(59, 50)),
        ("0.1", Fraction(1, 10)),
        (".5Ki", 512),
        ("5.", 5),
        ("1180m", Fraction(59, 50)),
        ("9007199254740993", 9007199254740993),
        ("0.30000000000000004", Fraction(30000000000000004, 10**17)),
    ],
)
def test_values(text: str, value: int | Fraction) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    "value",
    ["", " 1", "1 ", "1_000", "1e", "e3", "1e1.5", "k", "1kk", "1K", "1mi", "20 MW", "0x10", "1/2", "NaN",
     "inf", "١"],
)  # fmt: skip
def test_what_kubernetes_refuses_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"found {value!r}, allowed is")):
        parse(value)


@pytest.mark.parametrize("value", [None, True, [], {}, b"1"])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="allowed is a number such as"):
        parse(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_refused_with_the_hint(value: float) -> None:
    with pytest.raises(
        ValueError, match=re.escape(f'found the bare number {value!r}, quote it: "{value!r}"')
    ):
        parse(value)


@pytest.mark.parametrize("value", ["1e100", "1e-100", "1e999999999", "1" * 65])
def test_a_few_characters_cannot_fill_the_memory(value: str) -> None:
    with pytest.raises(ValueError, match="found"):
        parse(value)


@pytest.mark.parametrize(("value", "whole"), [("2600k", 2_600_000), ("1.9", 1), ("0.999", 0), ("0", 0)])
def test_limits_round_down(value: str, whole: int) -> None:
    assert watts(parse(value)) == whole


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 W"),
        (950, "950 W"),
        (1000, "1 kW"),
        (132_000, "132 kW"),
        (2_600_000, "2.6 MW"),
        (2_407_680, "2.41 MW"),
        (84_745_762, "84.7 MW"),
        (999_950, "1 MW"),
        (5_000_000_000, "5 GW"),
        (10**12, "1 TW"),
        (-132_000, "-132 kW"),
    ],
)
def test_power_for_people(value: int, shown: str) -> None:
    assert show_power(value) == shown


@pytest.mark.parametrize("value", [0, "0", "1T", 10**12, "1e12", "1.5", Fraction(4, 3)])
def test_power_from_nothing_to_a_terawatt(value: object) -> None:
    assert TypeAdapter(Watts).validate_python(value) == (
        parse(value) if not isinstance(value, Fraction) else value
    )


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Watts, "1000000000001", "found 1000000000001, allowed is 0 to 1T, such as 2600k"),
        (Watts, -1, "found -1, allowed is 0 to 1T"),
        (Watts, "100m", "found 100m, allowed is 0, or 1 and more, without the suffixes m, u and n"),
        (Watts, "2000m", "found 2000m, allowed is 0, or 1 and more, without the suffixes m, u and n"),
        (Watts, "0.5", "found 0.5, allowed is 0, or 1 and more"),
        (Pue, "0.999", 'found 0.999, allowed is 1 to 10, such as "1.18"'),
        (Percent, 101, 'found 101, allowed is 0 to 100, such as "13.6"'),
        (Percent, 13.6, 'quote it: "13.6"'),
    ],
)
def test_bounds_name_what_is_allowed(kind: Any, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        TypeAdapter(kind).validate_python(value)
