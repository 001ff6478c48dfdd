"""What whoever runs the operator may have to know, and in a strange place to change, in one place.

The defaults were measured on fleets of up to 10,000 pools, and every test that names none runs with them.
What is nobody's choice stands where it is used: formats, names, and the times of the Lease, which all
replicas have to agree on.
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Percent = Annotated[int, Field(ge=1, le=100)]


class Settings(BaseModel):
    """Made once at the start, and handed to who needs it. Times are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    storm_begins: Seconds = 0.1
    """A change after which no other comes for so long is answered then; else it is a storm's first."""
    storm_ends: Seconds = 0.5
    """A storm is answered after so long without a change: its parts are decided together."""
    storm_lasts: Seconds = 1.0
    """A storm that goes on is answered after so long all the same."""
    resync: Seconds = 300.0
    """Without any change a cycle runs after so long: watches can miss one."""

    patience: Seconds = 2.0
    """Pools wait so long for a better plan, before the greedy engine places them."""
    patience_per_pool: Seconds = 0.003
    """They wait so much longer for each pool of the fleet."""
    solver_seconds: Seconds = 120.0
    """A plan, or what is proved about one, is given up after so long."""
    solver_memory_percent: Percent = 50
    """The solver may use so much of the container's memory, or of the machine's where that has no limit. One
    that needs more fails alone, and the greedy engine's plan is used."""


def chosen(given: Iterable[str]) -> Settings:
    """The settings with some of them as given, as `name=value`. Raises ValueError with what is allowed."""
    values: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in Settings.model_fields:
            allowed = ", ".join(Settings.model_fields)
            raise ValueError(f"found {text!r}, allowed is SETTING=VALUE; settings are {allowed}")
        values[name] = value
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        wrong = f"{first['loc'][0]}={first['input']}"
        raise ValueError(f"found {wrong!r}: {first['msg']}") from None
