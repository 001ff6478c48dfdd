"""Each attack whole: `make test-attack`. It takes hours, and shows how far it is."""

from pathlib import Path

import pytest

from attack.killed import killed_always
from attack.lagging import lagged
from attack.profiles import PROFILES
from attack.size import SEED, STEPS
from attack.stage import Show, Stage
from attack.standing import scribbled_always
from attack.story import STORY
from attack.troubled import troubled
from attack.walk import LENGTH, walks
from controlplane import Cluster

pytestmark = pytest.mark.timeout(12 * 3600)


@pytest.mark.parametrize("name", PROFILES)
def test_the_story_comes_to_its_end_in_trouble(stage: Stage, tenant: str, name: str) -> None:
    troubled(stage, tenant, name, STORY)


def test_whatever_is_scribbled_over_heals_or_is_told(stage: Stage, tenant: str, show: Show) -> None:
    scribbled_always(stage, tenant, show)


def test_killed_at_every_write_of_every_step(stage: Stage, tenant: str, show: Show) -> None:
    killed_always(stage, tenant, show)


def test_the_story_comes_to_its_end_with_an_api_server_that_lags_behind(
    stage: Stage, cluster: Cluster, tenant: str, tmp_path: Path
) -> None:
    lagged(stage, cluster, tenant, tmp_path, STORY)


def test_walks(stage: Stage, tenant: str, show: Show) -> None:
    walks(stage, tenant, SEED, STEPS // LENGTH, show, shrinks=True)
