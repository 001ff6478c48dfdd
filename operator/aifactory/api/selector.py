"""A label selector, as Kubernetes has it."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from aifactory.api.base import ATOMIC, LabelKey, LabelValue, Model, Rule


class Requirement(Model):
    """One condition on a label."""

    RULES: ClassVar = (
        Rule(
            "In and NotIn need values, Exists and DoesNotExist allow none",
            lambda it: () if bool(it.values) == (it.operator in ("In", "NotIn")) else (it.operator,),
            "(has(self.values) && size(self.values) > 0) == (self.operator in ['In', 'NotIn'])",
            at=".values",
        ),
    )

    key: LabelKey
    """Key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label is judged: In, NotIn, Exists or DoesNotExist."""
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64, json_schema_extra=ATOMIC)] = ()
    """Values for In and NotIn; none for Exists and DoesNotExist."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether the labels fulfil the condition; NotIn holds where the label is missing."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


class LabelSelector(Model):
    """Conditions on labels, all of which must hold; without any, everything matches."""

    match_labels: Annotated[dict[str, LabelValue], Field(max_length=32)] = Field(default_factory=dict)
    """Labels that must be there, with these values."""
    match_expressions: Annotated[tuple[Requirement, ...], Field(max_length=32, json_schema_extra=ATOMIC)] = ()
    """Conditions on labels."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether the labels fulfil all conditions."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )
