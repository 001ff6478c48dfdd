"""`aifactory plan --n-1`: which pools would fall if one domain were lost."""

import json

import yaml

from unit.cli.test_plan import FACTORY, plan, pool

SITE = FACTORY.replace("LIMIT", "60k")  # two halls of eight nodes, six of them powered; ten in all
TWO = SITE + "---" + SITE.replace("name: lab", "name: other")


def falls(text: str) -> dict[str, list[str]]:
    """Names of the pools that fall, by what is lost."""
    found = json.loads(plan(text, "--n-1", "-o", "json").stdout)["nMinusOne"]
    assert found["domains"] == len(found["losses"])
    assert found["protected"] == sum(loss["protected"] for loss in found["losses"])
    return {
        f"{loss['factory']}/{loss['domain']}".rstrip("/"): [fall["name"] for fall in loss["falls"]]
        for loss in found["losses"]
    }


def test_who_finds_room_elsewhere_is_protected() -> None:
    assert falls(SITE + pool("one", 32)) == {"lab": ["one"], "lab/hall-1": [], "lab/hall-2": []}


def test_another_factory_protects_against_the_loss_of_one() -> None:
    assert not any(falls(TWO + pool("one", 32)).values())
    words = " ".join(plan(TWO + pool("one", 32), "--n-1").stdout.split())
    assert words.endswith("N-1: no pool would fall, whichever of 6 domains is lost.")


def test_who_would_fall_is_named_with_priority_and_gpus() -> None:
    text = SITE + pool("high", 48, 9) + pool("low", 32, 1).replace("gpus: 32", "gpus: 32, preemptible: true")
    result = plan(text, "--n-1")
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())  # however wide the console is
    assert "0 of 1 80 GPUs" in words
    assert "team/high (priority 9, 48 GPUs), team/low (priority 1, 32 GPUs)" in words
    assert "0 of 2" in words
    assert words.count("team/high (priority 9") == 1  # falls with the factory, not with a hall
    assert "N-1: 0 of 3 domains protected. 2 pools would fall with one of the others" in words
    assert words.endswith("at most 80 GPUs at once.")


def test_a_loss_counts_against_what_the_plan_serves() -> None:
    """Who waits anyway falls with nobody, and the exit code says what it says without."""
    result = plan(SITE + pool("one", 32) + pool("big", 640), "--n-1")
    assert result.exit_code == 3
    assert "big" not in "".join(result.stdout.splitlines()[-4:])


def test_the_worst_domain_comes_first() -> None:
    text = SITE + pool("large", 48, 9) + pool("small", 24, 1)
    found = json.loads(plan(text, "--n-1", "-o", "json").stdout)["nMinusOne"]["losses"]
    halls = [loss for loss in found if loss["level"] == "hall"]
    assert halls == sorted(halls, key=lambda loss: -loss["fallenGpus"])


def test_a_plan_with_losses_can_be_planned_again() -> None:
    first = plan(SITE + pool("one", 32), "--n-1", "-o", "yaml")
    assert yaml.safe_load(first.stdout)["nMinusOne"]["domains"] == 3
    assert "Nothing changes." in plan(first.stdout, "--diff").stdout


def test_without_factories_nothing_is_lost() -> None:
    assert falls(pool("one", 8)) == {}
