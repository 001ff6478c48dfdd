"""What whoever runs the operator may have to know, and in a strange place to change, in one place.

The defaults were measured on fleets of up to 10,000 pools, and every test that names none runs with them.
What is nobody's choice stands where it is used: formats, names, and the times of the Lease, which all
replicas have to agree on.
"""

from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
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

    slowest_cycle: Seconds = 600.0
    """A process that has not been heard of for so long counts as hung: `/livez` says so."""
    failed_cycles: Count = 6
    """So many cycles in a row have to fail before `/healthz` says so. Before the sixth 15 to 31 s went by: an
    API server that restarts is back."""
    decision_seconds: Seconds = 120.0
    """A decision is cut off after so long. For ten times as long only what is forced is decided then."""
    explaining: Seconds = 5.0
    """So long a cycle works out why pools wait; the next one goes on."""
    explaining_at_least: Seconds = 0.5
    """So long it does that where a user wishes for something new meanwhile."""

    patience: Seconds = 2.0
    """Pools wait so long for a better plan, before the greedy engine places them."""
    patience_per_pool: Seconds = 0.003
    """Pools wait so much longer for each pool of the fleet."""
    solver_seconds: Seconds = 120.0
    """A plan, or what is proved about one, is given up after so long."""
    solver_memory_percent: Percent = 50
    """The solver may use so much of the container's memory, or of the machine's where that has no limit. One
    that needs more fails alone, and the greedy engine's plan is used."""

    writes_at_once: Count = 8
    """Writes under way. More made an API server on two cores no faster."""
    ordering: Seconds = 10.0
    """So long a cycle orders nodes, before it says why pools wait; the next one goes on."""
    yields_after: Seconds = 1.0
    """Orders and statuses give way to a user's new wish after so long, or after as long as it took to decide:
    thousands of them take minutes."""
    yields_at_once_after: Seconds = 0.25
    """Orders and statuses give way to a change of a factory after so long: they may change all the time."""
    unanswered_writes: Count = 5
    """So many writes without an answer, of 5 s each, end a stage: objects behind a webhook that hangs must
    not stop the others."""
    first_backoff: Seconds = 1.0
    """A write or a cycle that failed is tried again after half of that to all of it, then after twice as long
    each time."""
    longest_backoff: Seconds = 60.0
    """What failed is tried again after so long at the latest."""
    refusal_remembered: Seconds = 600.0
    """A slot or a factory that refused a pool's nodes is tried anew after so long."""

    page_objects: Count = 500
    """Objects in one answer to a LIST, at most."""
    page_bytes: Count = 8 * 2**20
    """What one answer is meant to hold, as far as the size of objects is known: they may have 1.5 MB each."""
    read_seconds: Seconds = 60.0
    """A LIST's page, or a read, has so long."""
    longest_retry_after: Seconds = 60.0
    """An API server that wants to be left alone for longer is asked after so long."""
    compare: Seconds = 300.0
    """What is kept of the cluster is compared with a LIST so often."""
    longest_watch_pause: Seconds = 30.0
    """A watch that comes to nothing begins anew after so long at the latest."""

    stop_seconds: Seconds = 3.0
    """At the end, writes under way have so long."""
    release_seconds: Seconds = 1.0
    """At the end, giving the Lease back has so long."""


DEFAULTS: Final = Settings()


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
