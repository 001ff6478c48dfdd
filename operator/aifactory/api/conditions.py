"""The condition of Kubernetes' API conventions."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from aifactory.api.base import Model, Tally, list_map


class Condition(Model):
    """One thing that holds or does not, with the reason."""

    type: Annotated[str, Field(max_length=63)]
    """What is judged, in CamelCase. Ready sums up the others; Reconciling and Stalled are listed only
    while they are true.
    """
    status: Literal["True", "False", "Unknown"]
    """Whether it holds: True, False or Unknown."""
    reason: Annotated[str, Field(max_length=128, pattern="^[A-Za-z]\\w*$")]
    """Why, as one CamelCase word for programs."""
    message: Annotated[str, Field(max_length=32768)] = ""
    """Why, in words and numbers for people."""
    last_transition_time: datetime
    """When the status last changed (RFC 3339)."""
    observed_generation: Tally = 0
    """The metadata.generation that was judged."""


Conditions = Annotated[
    tuple[Condition, ...],
    Field(max_length=32, json_schema_extra=list_map("type")),
]
