"""All promises over random histories: after every single write, and wherever the cluster settles.

For a long search: ``HISTORIES=5000 HYPOTHESIS_PROFILE=search pytest tests/unit/decide/test_histories.py``.
"""

import os

from hypothesis import HealthCheck, settings

from thorough import sample
from unit.decide.histories import Histories

TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=int(os.environ.get("HISTORIES", sample(120))),
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
