"""What all models share: frozen, snake_case in Python, camelCase on the wire; rules and types with bounds."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, StrictBool, StrictInt
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from aifactory.api import names

INT32_MAX: Final = 2**31 - 1
# The API server keeps bounds as 64-bit floats; a larger one would refuse every value.
LARGEST: Final = 2**53 - 1

_EXACT: Final = {
    "peak_pue": "peakPUE",
    "price_per_mwh": "pricePerMWh",
    "carbon_grams_per_kwh": "carbonGramsPerKWh",
    "cluster_api": "clusterAPI",
}


def _alias(name: str) -> str:
    return _EXACT.get(name) or to_camel(name)


@dataclass(frozen=True)
class Rule:
    """A rule between fields, in CEL for the API server and in Python for manifests that never reach it."""

    allowed: str  # what is allowed, in words
    broken: Callable[[Any], Iterable[object]]  # the wrong values of a model; empty where the rule holds
    cel: str = ""  # true where the rule holds; empty where CEL cannot say it
    found: str = ""  # CEL expression of the wrong values as one string
    at: str = ""  # the wrong field, such as `.peakPUE`
    reason: str = "FieldValueInvalid"
    at_apply: bool = False  # what stands in spite of it is followed otherwise, and a condition tells

    def message(self, model: Any) -> str:
        """Return what is wrong with the model, or nothing."""
        wrong = [str(value) for value in self.broken(model)]
        if not wrong:
            return ""
        return f"{self.allowed}, found {', '.join(wrong)}" if self.found or not self.cel else self.allowed

    def schema(self) -> dict[str, str]:
        """Return the rule as an item of x-kubernetes-validations."""
        says = f"{json.dumps(f'{self.allowed}, found ')} + {self.found}" if self.found else ""
        parts = {"rule": self.cel, "message": self.allowed, "messageExpression": says}
        parts |= {"fieldPath": self.at, "reason": self.reason}
        return {key: value for key, value in parts.items() if value}


class Model(BaseModel):
    """A frozen part of a resource. Unknown fields are ignored: they come from newer versions."""

    RULES: ClassVar[tuple[Rule, ...]] = ()

    model_config = ConfigDict(
        frozen=True,
        populate_by_name=True,
        alias_generator=_alias,
        extra="ignore",
        use_attribute_docstrings=True,  # they become the descriptions that `kubectl explain` shows
    )

    def wire(self) -> dict[str, Any]:
        """Return the part as Kubernetes has it: camelCase, JSON types, fields without a value left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core))
        if rules := [rule.schema() for rule in cls.RULES if rule.cel]:
            schema["x-kubernetes-validations"] = rules
        return schema


def bound(model: type[Model], field: str) -> int:
    """Return the most characters or items that a field takes, or its largest number."""
    for rule in model.model_fields[field].metadata:
        if (most := getattr(rule, "max_length", getattr(rule, "le", None))) is not None:
            return int(most)
    raise ValueError(f"{model.__name__}.{field} has no bound")


# Whole numbers and booleans are strict: the API server takes no "5" and no "true" for them either.
Flag = StrictBool
Count = Annotated[StrictInt, Field(ge=1, le=10_000)]
Gpus = Annotated[StrictInt, Field(ge=0, le=10_000_000)]
Tally = Annotated[StrictInt, Field(ge=0, le=LARGEST)]
Priority = Annotated[StrictInt, Field(ge=-INT32_MAX - 1, le=INT32_MAX)]

Path = Annotated[str, Field(max_length=80, pattern=names.PATH)]
InstancePath = Annotated[str, Field(max_length=128, pattern=names.PATH)]
FactoryName = Annotated[str, Field(max_length=names.FACTORY_NAME_LENGTH, pattern=names.DNS_LABEL)]
SystemName = Annotated[str, Field(max_length=40, pattern=names.DNS_LABEL)]
LabelValue = Annotated[str, Field(max_length=names.LABEL_VALUE_LENGTH, pattern=names.LABEL_VALUE)]
LabelKey = Annotated[str, Field(max_length=names.LABEL_KEY_LENGTH, pattern=names.QUALIFIED_NAME)]
KeyPrefix = Annotated[str, Field(max_length=names.KEY_DOMAIN_LENGTH, pattern=names.KEY_PREFIX)]
Seconds = Annotated[StrictInt, Field(ge=0, le=604_800)]  # up to a week
ObjectName = Annotated[str, Field(min_length=1, max_length=253)]


def list_map(*keys: str) -> dict[str, Any]:
    """Return the schema keywords of a list whose items are told apart by `keys`."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


LIST_SET: Final[dict[str, Any]] = {"x-kubernetes-list-type": "set"}
ATOMIC: Final[dict[str, Any]] = {"x-kubernetes-list-type": "atomic"}
