"""Kubernetes quantities, read exactly: `2600k`, `1.18`, `1e6`, `4Ki`. Floats never take part."""

import json
import re
from dataclasses import dataclass
from decimal import Context
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_GRAMMAR = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?:(?P<suffix>[numkMGTPE]|[KMGTPE]i)|[eE](?P<exponent>[+-]?[0-9]+))?"
)
_SCALE: Final = {
    **{
        suffix: Fraction(1000) ** power
        for power, suffix in enumerate("num kMGTPE", start=-3)
        if suffix != " "
    },
    **{f"{suffix}i": Fraction(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}
# Longer numbers and exponents are typing errors, and would let a few characters fill the memory.
_LENGTH: Final = 64
_EXPONENT: Final = 99

_NO_PARTS = "allowed is 0, or 1 and more, without the suffixes m, u and n: 100M is 100 MW"
_ALLOWED = 'a number such as 20, "42.5", 2600k, 20M, 1e6 or 4Ki'


def parse(value: object) -> Fraction:
    """Return the exact value of a Kubernetes quantity, given as an integer or as text.

    Raises ValueError that says what was found and what is allowed. A float is refused: the API server
    refuses it too, and its digits are no longer those that the user wrote.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return Fraction(value)
    if isinstance(value, float):
        raise ValueError(f'found the bare number {value!r}, quote it: "{value!r}"')
    if not isinstance(value, str):
        raise ValueError(f"found {value!r}, allowed is {_ALLOWED}")
    match = _GRAMMAR.fullmatch(value)
    if match is None or len(value) > _LENGTH:
        raise ValueError(f"found {value[:_LENGTH]!r}, allowed is {_ALLOWED}")
    number = Fraction(match["number"])
    if match["suffix"]:
        return number * _SCALE[match["suffix"]]
    exponent = int(match["exponent"] or 0)
    if abs(exponent) > _EXPONENT:
        raise ValueError(f"found {value!r}, allowed is an exponent from -{_EXPONENT} to {_EXPONENT}")
    return number * Fraction(10) ** exponent


def spell(value: Fraction) -> int | str:
    """Return the exact form that `parse` reads back: an integer, or the text of a decimal number."""
    if value.denominator == 1:
        return value.numerator
    places = 0
    while 10**places % value.denominator:
        places += 1
        if places > 2 * _LENGTH:
            raise ValueError(f"{value} has no finite decimal form")
    digits = str((abs(value) * 10**places).numerator).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def billionths(value: Fraction) -> Fraction:
    """Return a value as the API server compares it: in billionths, rounded up."""
    return Fraction(-(-value * 10**9 // 1), 10**9)


def watts(value: Fraction) -> int:
    """Return a limit in whole watts, rounded down."""
    return value.numerator // value.denominator


def show_power(value: int) -> str:
    """Return watts for people, rounded to three digits: `2.6 MW`, `132 kW`, `950 W`."""
    rounded = Context(prec=3).create_decimal(value)
    power = min(max(rounded.adjusted() // 3, 0), 4) if rounded else 0
    return f"{rounded.scaleb(-3 * power).normalize():f} {('W', 'kW', 'MW', 'GW', 'TW')[power]}"


# No sign but '+': no quantity of ours is below zero.
PATTERN: Final = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?$"


@dataclass(frozen=True)
class Quantity:
    """Marks a `Fraction` field as a quantity in the model and in the CRD, with its least and most value."""

    least: str
    most: str
    example: str
    parts: bool = True  # values between 0 and 1, and the suffixes m, u and n, which are for such

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return f"allowed is {self.least} to {self.most}, such as {self.example}"

    def read(self, value: object) -> Fraction:
        """Return the field's value; raises the validation error that names what is allowed."""
        try:
            number = value if isinstance(value, Fraction) else parse(value)
        except ValueError as error:
            raise PydanticCustomError("quantity", "{reason}", {"reason": str(error)}) from None
        counted = billionths(number)
        if not parse(self.least) <= counted <= parse(self.most):
            raise PydanticCustomError("quantity", "{reason}", {"reason": f"found {value}, {self.allowed}"})
        suffixed = isinstance(value, str) and value[-1:] in ("m", "u", "n")
        if not self.parts and (suffixed or 0 < counted < 1):
            raise PydanticCustomError("quantity", "{reason}", {"reason": f"found {value}, {_NO_PARTS}"})
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.plain_serializer_function_ser_schema(spell)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        rule = (
            f"type(self) == int || isQuantity(self) && !quantity(self).isLessThan(quantity('{self.least}')) "
            f"&& !quantity(self).isGreaterThan(quantity('{self.most}'))"
        )
        rules = [(rule, self.allowed)]
        if not self.parts:
            whole = (
                "type(self) == int || !self.matches('[mun]$') && (!isQuantity(self) "
                "|| !quantity(self).isLessThan(quantity('1')) "
                "|| !quantity(self).isGreaterThan(quantity('0')))"
            )
            rules.append((whole, _NO_PARTS))
        return {
            "x-kubernetes-int-or-string": True,
            # Exactly this form is allowed beside x-kubernetes-int-or-string.
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "minimum": int(parse(self.least)),
            "maximum": int(parse(self.most)),
            "maxLength": 32,
            "pattern": PATTERN,
            # On the field itself, with its maxLength, a rule is cheap; on the object around it, it is not.
            "x-kubernetes-validations": [
                {
                    "rule": cel,
                    "message": message,
                    "messageExpression": f"'found ' + string(self) + {json.dumps(f', {message}')}",
                    "reason": "FieldValueInvalid",
                }
                for cel, message in rules
            ],
        }


Watts = Annotated[Fraction, Quantity("0", "1T", "2600k", parts=False)]
# Of a unit that can be ordered: what draws nothing, or less than a watt, is a typing error.
UnitWatts = Annotated[Fraction, Quantity("1", "1T", "132k", parts=False)]
Pue = Annotated[Fraction, Quantity("1", "10", '"1.18"')]
Percent = Annotated[Fraction, Quantity("0", "100", '"13.6"')]
Price = Annotated[Fraction, Quantity("0", "1M", '"42.50"')]
