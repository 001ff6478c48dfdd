"""Random tests try the same cases every time; HYPOTHESIS_PROFILE=search tries new ones."""

import os

from hypothesis import HealthCheck, settings

# How long an example takes is the machine's business.
settings.register_profile(
    "same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
