"""Behind an API server in trouble the same story comes to the same end, and nothing is broken on the way."""

from collections.abc import Sequence

from attack.profiles import PROFILES
from attack.proxy import peace
from attack.stage import Stage
from attack.story import Step, play
from cluster.operating import TAKE_OVER
from controlplane import wait_until

LONGEST = 600.0  # seconds for a step: many cycles may fail in a row


def troubled(stage: Stage, tenant: str, name: str, story: Sequence[Step]) -> None:
    """Play a story under a profile."""
    profile = PROFILES[name]
    trouble, gate = profile.make(), stage.gate
    began = met = gate.troubled

    def before(step: Step) -> None:
        nonlocal met
        met, gate.trouble = gate.troubled, trouble
        gate.sever()

    def during(step: Step) -> None:
        if profile.lifts:
            wait_until(lambda: gate.troubled >= met + profile.lifts, f"{name} is met with", TAKE_OVER)
            over()

    def over() -> None:
        gate.trouble = peace
        gate.sever()

    try:
        play(stage, tenant, story, before=before, during=during, seconds=LONGEST)
        assert gate.troubled > began, "it has come upon somebody"
    finally:
        over()
