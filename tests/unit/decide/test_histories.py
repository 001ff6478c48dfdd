"""All promises over random histories: after every single write, and wherever the cluster settles."""

import os

from hypothesis import HealthCheck, settings

from unit.decide.histories import Histories

settings.register_profile(
    "default", max_examples=40, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.register_profile(
    "thorough",
    max_examples=3000,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

TestHistories = Histories.TestCase
TestHistories.settings = settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
