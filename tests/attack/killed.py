"""Killed at any write: whoever follows brings the fleet where it would have come without."""

from collections.abc import Mapping, Sequence
from itertools import count
from random import Random
from typing import Any

from attack.proxy import Kill, When, peace
from attack.stage import Attacked, Show, Stage
from attack.story import SHORT, STORY, Step, play, summary, unlike
from recorder import History

_BUSY = [it for it in SHORT if it.name not in {"sites", "sites gone"}]
_FEWEST = 6  # writes that each of these takes, however few cycles they come in


def killed_sometimes(stage: Stage, tenant: str, draw: Random) -> None:
    """Kill the operator at writes of two steps that are drawn. The end has to be what the rules say."""
    kills = {
        step.name: Kill(draw.randint(1, _FEWEST), draw.choice([*When]), stage.kill)
        for step in draw.sample(_BUSY, 2)
    }
    print(", ".join(f"{step}: {kill}" for step, kill in kills.items()))
    assert _turn(stage, tenant, SHORT, kills, {}) == len(kills), "each of them was killed"


def killed_always(stage: Stage, tenant: str, show: Show) -> None:
    """Kill it at every write of every step, before the API server hears of it and after it did it.

    The story is played undisturbed, and then again and again: in its n-th turn the operator is killed at its
    n-th write of each step, until no step has so many. So a write that nobody had in mind here is hit too. At
    each rest the fleet has to be as it was undisturbed, as far as `summary` goes.
    """
    undisturbed: dict[str, dict[str, Any]] = {}
    written: dict[str, int] = {}

    def before(step: Step) -> None:
        stage.gate.writes = 0

    def after(step: Step, history: History) -> None:
        undisturbed[step.name], written[step.name] = summary(history), stage.gate.writes

    play(stage, tenant, STORY, before=before, after=after)
    show(f"writes of the steps, undisturbed: {written}")
    for number in count(1):
        killed = 0
        for when in When:
            kills = {step.name: Kill(number, when, stage.kill) for step in STORY}
            killed += _turn(stage, tenant, STORY, kills, undisturbed)
        show(f"killed before and after write {number} of a step: {killed} times")
        if not killed:
            break
    assert number > max(written.values()) / 2, "about so many writes there are"


def _turn(
    stage: Stage,
    tenant: str,
    story: Sequence[Step],
    kills: Mapping[str, Kill],
    undisturbed: Mapping[str, dict[str, Any]],
) -> int:
    """Play the story with a kill in each step; returns how many there were."""

    def before(step: Step) -> None:
        stage.gate.writes = 0
        stage.gate.trouble = kills.get(step.name, peace)

    def wrong(step: Step, history: History) -> str:
        there = undisturbed.get(step.name)
        return unlike(there, summary(history)) if there is not None else ""

    try:
        play(stage, tenant, story, before=before, wrong=wrong)
    except Attacked as error:
        told = "; ".join(f"{step}: {kill}, {kill.killed}" for step, kill in kills.items() if kill.killed)
        raise Attacked(f"killed at {told}\n{error}") from error
    finally:
        stage.gate.trouble = peace
    return sum(kill.killed is not None for kill in kills.values())
